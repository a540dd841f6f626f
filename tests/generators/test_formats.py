"""Writing and reading our own files, and files that hold no generator."""

from __future__ import annotations

import stat
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from zeroshot.generators import Generator, describe, load, save
from zeroshot.generators.alias_free import low_pass_filter


def test_a_saved_generator_comes_back_whole(any_generator, tmp_path):
    path = tmp_path / "ours.safetensors"
    save(any_generator, path)
    loaded = load(path)
    assert type(loaded) is type(any_generator)
    assert describe(loaded) == describe(any_generator)
    length = any_generator.z_dim if any_generator.w_dim is None else any_generator.w_dim
    latent = torch.randn(1, length, generator=torch.Generator().manual_seed(0))
    assert torch.equal(loaded.synthesis(latent), any_generator.synthesis(latent))
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert not loaded.training
    with pytest.raises(FileExistsError, match="pass overwrite=True"):
        save(any_generator, path)
    save(any_generator, path, overwrite=True)
    assert [file.name for file in tmp_path.iterdir()] == ["ours.safetensors"]


@pytest.mark.parametrize("name", ["stylegan3t_32", "stylegan3r_32"])
def test_the_filters_of_the_published_files_are_those_of_the_formula(shared, name):
    generator = load(shared / "oracles" / "generators" / f"{name}.pkl")
    plans = [generator.settings["plans"][0], *generator.settings["plans"]]
    taps, compared = generator.settings["filter_size"], 0
    for index, layer in enumerate(generator.layers):
        rate, cutoff, half_width = plans[index][:3]
        if layer.up_filter is None:
            continue
        inner = rate * len(layer.up_filter) // taps
        wanted = low_pass_filter(len(layer.up_filter), cutoff, 2 * half_width, inner)
        torch.testing.assert_close(layer.up_filter, wanted, atol=1e-6, rtol=0)
        rate, cutoff, half_width = plans[index + 1][:3]
        if layer.down_filter is not None:
            down = layer.down_filter
            inner = rate * len(down) // taps
            wanted = low_pass_filter(len(down), cutoff, 2 * half_width, inner, down.ndim == 2)
            torch.testing.assert_close(down, wanted, atol=1e-6, rtol=0)
            compared += 1
    assert compared


def test_what_cannot_be_written_is_refused(tmp_path, make_generator):
    with pytest.raises(ValueError, match=r"written as \.safetensors"):
        save(make_generator("skip"), tmp_path / "ours.pth")
    wrapped = Generator.wrap(nn.Sequential(nn.Linear(4, 4), nn.Unflatten(1, (1, 2, 2))), (4,))
    with pytest.raises(ValueError, match="cannot be written"):
        save(wrapped, tmp_path / "ours.safetensors")
    assert not list(tmp_path.iterdir())


def test_files_that_hold_no_generator_say_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file of weights"):
        load(tmp_path / "missing.pkl")
    torch.save({"weight": torch.zeros(3)}, tmp_path / "linear.pth")
    with pytest.raises(ValueError, match="no generator of a known architecture"):
        load(tmp_path / "linear.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ValueError, match="holds a list, not a state dict"):
        load(tmp_path / "list.pth")
    (tmp_path / "text.pth").write_text("weights, honestly")
    with pytest.raises(ValueError, match="no checkpoint of a known format"):
        load(tmp_path / "text.pth")
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(ValueError, match="no checkpoint of a known format"):
        load(tmp_path / "array.npy")


def test_a_truncated_file_is_refused(shared, tmp_path):
    whole = (shared / "oracles" / "generators" / "stylegan2ada_64.pkl").read_bytes()
    (tmp_path / "half.pkl").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"half\.pkl: the file is not a whole pickle"):
        load(tmp_path / "half.pkl")


def test_weights_that_do_not_fit_together_are_refused(shared, tmp_path):
    path = shared / "oracles" / "generators_extra" / "mganprior_pggan_64.pth"
    state = torch.load(path, weights_only=True)
    state["layer3.conv.weight"] = torch.zeros(5, 5, 3, 3)
    torch.save(state, tmp_path / "bent.pth")
    with pytest.raises(ValueError, match=r"bent\.pth: the weights do not fit together"):
        load(tmp_path / "bent.pth")
    del state["layer3.conv.weight"]
    torch.save(state, tmp_path / "gap.pth")
    with pytest.raises(ValueError, match=r"gap\.pth"):
        load(tmp_path / "gap.pth")


def test_torch_files_with_more_than_tensors_are_refused(tmp_path):
    torch.save({"g_ema": nn.Linear(2, 2)}, tmp_path / "module.pt")
    with pytest.raises(ValueError, match=r"module\.pt: the file asks for torch\.nn\.modules\.linear\.Linear"):
        load(tmp_path / "module.pt")


def require_quietly_loaded(path):
    """Loading leaves the random state as it was, and no weight without memory."""
    before = torch.get_rng_state()
    loaded = load(path)
    assert not any(one.is_meta for one in (*loaded.parameters(), *loaded.buffers()))
    assert torch.equal(torch.get_rng_state(), before)


def test_loading_leaves_the_random_state_and_no_weight_without_memory(tmp_path, any_generator):
    save(any_generator, tmp_path / "ours.safetensors")
    require_quietly_loaded(tmp_path / "ours.safetensors")


def test_loading_what_others_wrote_leaves_the_random_state_as_well(shared):
    paths = [*(shared / "oracles" / "generators").glob("*_64.pth")]
    assert paths
    for path in paths:
        require_quietly_loaded(path)


def test_a_mapping_belongs_to_pulse_alone(shared):
    folder = shared / "oracles" / "generators"
    for name in ("genforce_pggan_64.pth", "stylegan2ada_64.pkl"):
        with pytest.raises(ValueError, match=rf"{name}: mapping=… belongs to the synthesis network of PULSE"):
            load(folder / name, mapping=folder / "pulse_stylegan_mapping.pt")
    with pytest.raises(FileNotFoundError, match="no file of weights"):
        load(folder / "pulse_stylegan_synthesis_64.pt", mapping=folder / "missing.pt")


def test_written_files_have_the_usual_permissions(tmp_path, make_generator):
    generator, path = make_generator("grey"), tmp_path / "ours.safetensors"
    (tmp_path / "usual").touch()
    save(generator, path)
    assert path.stat().st_mode == (tmp_path / "usual").stat().st_mode
    path.chmod(0o640)
    save(generator, path, overwrite=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_the_package_reads_files_without_importing_their_libraries_first(tmp_path, make_generator):
    save(make_generator("grey"), tmp_path / "ours.safetensors")
    script = (
        "import sys; from zeroshot import generators\n"
        "assert not {'safetensors', 'pooch', 'requests'} & set(sys.modules)\n"
        "assert generators.load(sys.argv[1]).resolution == 8\n"
        "assert generators.describe(generators.load(sys.argv[1]))['image_size'] == (8, 8)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "ours.safetensors")], check=True)


@pytest.mark.parametrize("name", ["\x1b[2J", "\u202e", "\x9b31m", "w" * 5000])
def test_what_a_file_says_of_itself_stays_on_one_short_line(name, make_generator, tmp_path):
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    path = tmp_path / "ours.safetensors"
    save(make_generator("skip"), path)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    save_file({**load_file(path), name: torch.zeros(1)}, path, metadata)
    with pytest.raises(ValueError, match=r"^ours\.safetensors: ") as caught:
        load(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500
