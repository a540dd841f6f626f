"""The generators reproduce what the original implementations made of the same files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from zeroshot.generators import load


def relative_error(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


def arrays(path: Path) -> dict[str, torch.Tensor]:
    with np.load(path) as file:
        return {name: torch.from_numpy(file[name]) for name in file}


@pytest.fixture
def oracles(shared: Path) -> Path:
    return shared / "oracles"


@pytest.mark.parametrize(
    "name", ["stylegan2ada_64", "stylegan2ada_64_resnet_cond", "stylegan3t_32", "stylegan3r_32"]
)
@torch.no_grad()
def test_pickles_of_nvidia(oracles, name):
    generator = load(oracles / "generators" / f"{name}.pkl")
    wanted = arrays(oracles / "generators" / f"{name}.npz")
    label = wanted.get("c")
    w = generator.mapping(wanted["z"], label)
    truncated = generator.mapping(wanted["z"], label, truncation=0.7)
    torch.testing.assert_close(w, wanted["w"], atol=1e-5, rtol=0)
    torch.testing.assert_close(truncated, wanted["w_psi07"], atol=1e-5, rtol=0)
    # The originals' images are nominally in [−1, 1].
    assert relative_error(generator.synthesis(w) * 2 - 1, wanted["image"]) < 1e-5
    assert relative_error(generator.synthesis(truncated) * 2 - 1, wanted["image_psi07"]) < 1e-5
    if "image_nonoise" in wanted:
        assert relative_error(generator.synthesis(w, "none") * 2 - 1, wanted["image_nonoise"]) < 1e-5


@pytest.mark.parametrize(
    ("folder", "name", "truncation", "layers"),
    [
        ("generators", "genforce_stylegan_64", 0.7, 8),
        ("generators", "genforce_stylegan2_64", 0.7, 8),
        ("generators_extra", "mganprior_stylegan_128", 0.7, 8),
        ("generators_extra", "mganprior_stylegan2_64", 0.5, None),
    ],
)
@torch.no_grad()
def test_state_dicts_of_genforce_and_mganprior(oracles, folder, name, truncation, layers):
    generator = load(oracles / folder / f"{name}.pth")
    wanted = arrays(oracles / folder / f"{name}.npz")
    assert relative_error(generator.mapping(wanted["z"])[:, 0], wanted["w"]) < 1e-5
    latents = generator.mapping(wanted["z"], None, truncation, layers)
    assert relative_error(latents, wanted["wp"]) < 1e-5
    assert relative_error(generator.synthesis(latents) * 2 - 1, wanted["image"]) < 5e-5


@pytest.mark.parametrize(
    ("folder", "name"), [("generators", "genforce_pggan_64"), ("generators_extra", "mganprior_pggan_64")]
)
@torch.no_grad()
def test_state_dicts_of_progressive_gans(oracles, folder, name):
    generator = load(oracles / folder / f"{name}.pth")
    wanted = arrays(oracles / folder / f"{name}.npz")
    assert generator.w_dim is None
    assert relative_error(generator(wanted["z"]) * 2 - 1, wanted["image"]) < 1e-5


@torch.no_grad()
def test_state_dict_of_rosinality(oracles):
    generator = load(oracles / "generators" / "rosinality_stylegan2_16.pt")
    wanted = arrays(oracles / "generators" / "rosinality_stylegan2_16.npz")
    w = generator.mapping(wanted["z"])
    torch.testing.assert_close(generator.mapping_network.w_avg, wanted["latent_avg"][0])
    assert relative_error(generator.synthesis(w) * 2 - 1, wanted["image"]) < 1e-5
    truncated = generator.mapping(wanted["z"], truncation=0.7)
    assert relative_error(generator.synthesis(truncated) * 2 - 1, wanted["image_psi07"]) < 1e-5


@torch.no_grad()
def test_the_two_files_of_pulse(oracles):
    folder = oracles / "generators"
    generator = load(folder / "pulse_stylegan_synthesis_64.pt", mapping=folder / "pulse_stylegan_mapping.pt")
    wanted = arrays(folder / "pulse_stylegan_64.npz")
    assert relative_error(generator.mapping(wanted["z"])[:, 0], wanted["w"]) < 1e-5
    noise = [wanted[f"noise{index}"] for index in range(10)]
    assert relative_error(generator.synthesis(wanted["w"], noise) * 2 - 1, wanted["image"]) < 5e-5


@torch.no_grad()
def test_the_synthesis_of_pulse_alone_with_its_fused_layer(oracles):
    folder = oracles / "generators_extra"
    generator = load(folder / "pulse_synthesis_128.pt")
    wanted = arrays(folder / "pulse_synthesis_128.npz")
    noise = [wanted[f"noise{index}"] for index in range(12)]
    assert relative_error(generator.synthesis(wanted["w"], noise) * 2 - 1, wanted["image"]) < 5e-5
    with pytest.raises(ValueError, match="no mapping network"):
        generator.mapping(torch.zeros(1, generator.z_dim))


def test_a_mapping_alone_is_refused_with_advice(oracles):
    with pytest.raises(ValueError, match=r"load the synthesis network, with mapping=…"):
        load(oracles / "generators" / "pulse_stylegan_mapping.pt")
