"""The commands around pretrained generators, called as a user calls them."""

from __future__ import annotations

import os
import pickle
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.cli.commands import run
from zeroshot.generators import StyleGAN, load, save
from zeroshot.generators.vgg import FeatureExtractor

LANDMARKS = "20,20 40,20 30,30 23,42 37,42"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = StyleGAN(16, 12, 10, [16, 12, 8], [14, 10])
        generator.output.weight.data *= 0.3
    path = tmp_path / "small.safetensors"
    save(generator, path)
    return path


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "face.png"
    Image.fromarray(np.random.default_rng(0).integers(60, 200, (4, 4, 3), dtype=np.uint8)).save(path)
    return path


def test_inspect_and_convert(shared, tmp_path, capsys):
    source = shared / "oracles" / "generators" / "stylegan2ada_64.pkl"
    code, out, _ = run(["weights", "inspect", source], capsys)
    assert code == 0
    assert "stylegan2" in out
    assert "resolution" in out
    output = tmp_path / "ours.safetensors"
    code, out, _ = run(["weights", "convert", source, output], capsys)
    assert code == 0
    w = torch.randn(1, 48)
    torch.testing.assert_close(load(output).synthesis(w), load(source).synthesis(w))
    code, _, err = run(["weights", "convert", source, output], capsys)
    assert code == 2
    assert "use --overwrite" in err
    code, _, err = run(["weights", "convert", output, output, "--overwrite"], capsys)
    assert code == 2
    assert "never overwritten" in err


def test_a_hostile_file_is_refused_in_one_line(tmp_path, capsys):
    class Evil:
        def __reduce__(self):
            return (print, ("run",))

    path = tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps({"G_ema": Evil()}))
    code, out, err = run(["weights", "inspect", path], capsys)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert "builtins.print" in err


def test_the_zoo_is_listed_with_terms(capsys):
    code, out, _ = run(["weights", "list"], capsys)
    assert code == 0
    assert "stylegan2-ffhq-256" in out
    assert "non-commercial" in out
    code, _, err = run(["weights", "fetch", "nothing"], capsys)
    assert code == 2
    assert "there are no weights 'nothing'" in err


def test_pulse_by_flags_writes_image_maps_and_latent(weights, small, tmp_path, capsys):
    output, maps, latent = tmp_path / "large.png", tmp_path / "maps", tmp_path / "face.npz"
    settings = ["--set", "iterations=4", "--set", "samples=2", "--set", "statistics_samples=500"]
    arguments = ["sr", small, "-o", output, "--scale", 4, "--prior", "pulse", "--weights", weights, *settings]
    code, out, _ = run([*arguments, "--maps", maps, "--latent", latent], capsys)
    assert code == 0
    assert Image.open(output).size == (16, 16)
    assert "epsilon" in out
    assert {path.name for path in maps.iterdir()} == {"deviation.png", "sample0.png", "sample1.png"}
    assert np.load(latent)["latent"].shape == (3, 6, 10)


def test_editing_what_was_inverted(weights, tmp_path, capsys):
    image = tmp_path / "face16.png"
    Image.fromarray(np.random.default_rng(1).integers(60, 200, (16, 16, 3), dtype=np.uint8)).save(image)
    latents = []
    for seed in (0, 1):
        latents.append(tmp_path / f"latent{seed}.npz")
        settings = ["--set", f"iterations={3 + seed}", "--latent", latents[-1], "--sigma", 0]
        arguments = [
            "denoise",
            image,
            "-o",
            tmp_path / f"o{seed}.png",
            "--prior",
            "inversion",
            "--weights",
            weights,
        ]
        assert run([*arguments, *settings], capsys)[0] == 0
    np.save(tmp_path / "smile.npy", np.ones(10))
    edit = ["edit", latents[0], "--weights", weights]
    changes = {
        "moved": ["--direction", tmp_path / "smile.npy", "--strength", 2],
        "between": ["--towards", latents[1], "--share", 0.3],
        "mixed": ["--mix", latents[1], "--layers", "0-2"],
    }
    for name, change in changes.items():
        code, out, err = run([*edit, "-o", tmp_path / f"{name}.png", *change], capsys)
        assert code == 0, err
        assert "16 × 16" in out
    for bad, words in (
        ([], "edit needs --direction, --towards or --mix"),
        (["--mix", latents[1]], "--mix and --layers go together"),
        (["--mix", latents[1], "--layers", "a-b"], "--layers must be a number or FIRST-LAST"),
        (["--direction", tmp_path / "none.npy"], "no such direction file"),
    ):
        code, _, err = run([*edit, "-o", tmp_path / "bad.png", *bad], capsys)
        assert code == 2
        assert words in err
        assert not (tmp_path / "bad.png").exists()


def test_a_prior_without_weights_refuses_the_flag(small, tmp_path, capsys):
    code, _, err = run(
        ["denoise", small, "-o", tmp_path / "o.png", "--prior", "tv", "--weights", "x.pkl"], capsys
    )
    assert code == 2
    assert "prior 'tv' takes no --weights" in err
    code, _, err = run(["denoise", small, "-o", tmp_path / "o.png", "--prior", "pulse"], capsys)
    assert code == 2
    assert "needs --weights" in err or "needs weights" in err


def test_files_are_kept_and_checked_before_the_run(weights, small, tmp_path, capsys):
    output, latent = tmp_path / "large.png", tmp_path / "kept.npz"
    latent.write_bytes(b"precious")
    arguments = ["sr", small, "-o", output, "--scale", 4, "--prior", "pulse", "--weights", weights]
    maps = tmp_path / "full"
    maps.mkdir()
    (maps / "other.png").write_bytes(b"precious")
    before = weights.read_bytes()
    for more, words in (
        (["--latent", latent], "kept.npz exists"),
        (["--maps", maps], "is not empty"),
        (["--maps", latent], "must be a folder"),
        (["--latent", tmp_path / "x.txt"], "must be the name of a .npz file"),
        (["--trace", weights, "--overwrite"], "is the file of --weights, which is never overwritten"),
    ):
        code, _, err = run([*arguments, *more], capsys)
        assert code == 2
        assert words in err
        assert not output.exists()
    assert latent.read_bytes() == b"precious"
    assert weights.read_bytes() == before
    code, _, err = run(
        ["denoise", small, "-o", output, "--prior", "tv", "--latent", tmp_path / "n.npz"], capsys
    )
    assert code == 2
    assert "prior 'tv' finds no latent" in err


def test_an_interrupted_pulse_keeps_its_checkpoint(weights, small, tmp_path, capsys, monkeypatch):
    from zeroshot.priors.latent.pulse import PulseRun

    original = PulseRun.step

    def interrupting(self):
        if self.iteration == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self)

    monkeypatch.setattr(PulseRun, "step", interrupting)
    output = tmp_path / "large.png"
    settings = ["--set", "statistics_samples=500"]
    arguments = ["sr", small, "-o", output, "--scale", 4, "--prior", "pulse", "--weights", weights, *settings]
    code, _, err = run(arguments, capsys)
    assert code == 130
    assert "--resume continues" in err
    assert output.exists()
    assert (tmp_path / "large.png.checkpoint").exists()


def test_a_face_is_cut_out_and_put_back(tmp_path, capsys):
    photo = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 64, 3), dtype=np.uint8)).save(photo)
    face, back = tmp_path / "face.png", tmp_path / "back.png"
    code, out, _ = run(["align", photo, "-o", face, "--landmarks", LANDMARKS, "--size", 80], capsys)
    assert code == 0
    assert "80 × 80" in out
    code, _, err = run(["align", photo, "-o", back, "--landmarks", LANDMARKS, "--back", face], capsys)
    assert code == 0, err
    before, after = (np.asarray(Image.open(path)).astype(float) for path in (photo, back))
    assert before.shape == after.shape
    assert np.abs(before - after).mean() < 12
    for bad, words in (
        (["--landmarks", "1,2 3,4"], "five pairs x,y"),
        (["--landmarks", "920,20 940,20 930,30 923,42 937,42"], "outside the photograph, which is 64 × 60"),
        (["--landmarks", LANDMARKS, "--size", 0], "--size must be"),
    ):
        code, _, err = run(["align", photo, "-o", tmp_path / "bad.png", *bad], capsys)
        assert code == 2
        assert words in err
    code, _, err = run(["align", photo, "-o", photo, "--landmarks", LANDMARKS, "--overwrite"], capsys)
    assert code == 2


def test_features_are_inverted(tmp_path, capsys):
    weights = tmp_path / "vgg.pth"
    torch.save(FeatureExtractor(16).state_dict(), weights)
    photo = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(photo)
    output = tmp_path / "seen.png"
    settings = ["--set", "iterations=3", "--set", "channels=8", "--set", "scales=2"]
    command = ["invert-features", photo, "-o", output, "--features", weights, "--layer", "relu1_2", *settings]
    code, out, err = run(command, capsys)
    assert code == 0, err
    assert Image.open(output).size == (32, 32)
    assert "3 iterations" in out
    code, _, err = run([*command[: -len(settings) - 1], "relu9_9", "--overwrite"], capsys)
    assert code == 2
    assert "VGG16 has no layer 'relu9_9'" in err
