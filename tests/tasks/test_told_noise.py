"""What a user tells denoise of the noise: its strength, grain, a map of levels, a model, photons."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import zeroshot
from tests.pictures import seeded
from zeroshot.cli.main import main
from zeroshot.images import load
from zeroshot.metrics import psnr
from zeroshot.noise import NoiseModel, add_gaussian, estimate_noise
from zeroshot.noise.spectrum import smoothed_by
from zeroshot.spelling import OptionError
from zeroshot.tasks import make_problem


def photograph(size: int = 64) -> torch.Tensor:
    from skimage import data

    return load(data.camera()[128 : 128 + size, 192 : 192 + size]).colours


def noisy(sigma: float = 25 / 255) -> torch.Tensor:
    return add_gaussian(photograph(), sigma, seeded(0)).clamp(0, 1)


def restored(y: torch.Tensor, **options: Any) -> torch.Tensor:
    return zeroshot.denoise(y, prior="dct", **options).image


def test_strength_multiplies_the_level() -> None:
    y = noisy()
    torch.testing.assert_close(restored(y, sigma=0.1, strength=0.5), restored(y, sigma=0.05))
    model = NoiseModel.photon(0.02, 0.01)
    torch.testing.assert_close(restored(y, noise=model, strength=2), restored(y, noise=model.scaled(2)))
    found = zeroshot.denoise(y, prior="dct").sigma
    assert zeroshot.denoise(y, prior="dct", strength=1.5).sigma == pytest.approx(1.5 * found)


def test_grain_gives_that_share_of_what_was_removed_back() -> None:
    y = noisy()
    clean = restored(y, sigma=0.1)
    wanted = (clean + 0.3 * (y - clean)).clamp(0, 1)
    torch.testing.assert_close(restored(y, sigma=0.1, grain=0.3), wanted)
    torch.testing.assert_close(restored(y, sigma=0.1, grain=1), y)


def test_an_image_of_levels_is_the_level_of_each_place() -> None:
    y = photograph()
    levels = torch.full_like(y, 0.02)
    levels[..., 32:] = 0.15
    y = (y + levels * torch.randn(y.shape, generator=seeded(1))).clamp(0, 1)
    mapped = restored(y, sigma=levels)
    # Exact where the level is one of those that are run; elsewhere far better than one level all over.
    torch.testing.assert_close(mapped[..., :16], restored(y, sigma=0.02)[..., :16])
    torch.testing.assert_close(mapped[..., 48:], restored(y, sigma=0.15)[..., 48:])
    one = max(psnr(restored(y, sigma=s), photograph()) for s in (0.02, 0.05, 0.1, 0.15))
    assert psnr(mapped, photograph()) > one + 0.5
    nothing = torch.zeros_like(y)
    torch.testing.assert_close(restored(y, sigma=nothing), y.clamp(0, 1))


def test_a_map_may_be_a_file_and_must_fit(tmp_path: Path) -> None:
    y = noisy()
    Image.fromarray(np.full((64, 64), 25, np.uint8)).save(tmp_path / "levels.png")
    torch.testing.assert_close(restored(y, sigma=tmp_path / "levels.png"), restored(y, sigma=25 / 255))
    with pytest.raises(OptionError, match="of the size of the picture, 64 × 64, got 32 × 16"):
        restored(y, sigma=np.full((16, 32), 0.1, np.float32))
    with pytest.raises(ValueError, match="knows one noise level for the whole image; bm3d"):
        zeroshot.denoise(y, prior="tv", sigma=torch.full_like(y, 0.1))


def test_a_model_makes_more_of_noise_that_depends_on_the_intensity() -> None:
    x, model = photograph(), NoiseModel.photon(1 / 20, 0.02)
    y = model.sample(x, seeded(2))
    blind = max(psnr(restored(y, sigma=s), x) for s in (0.1, 0.15, 0.2))
    assert psnr(restored(y, noise=model), x) > blind + 0.2


def test_a_model_of_impulses_alone_is_a_level_of_zero() -> None:
    y = noisy()
    model = replace(NoiseModel.white(0.0), impulses=0.05)
    problem, _, _ = make_problem("denoise", load(y.numpy()[0, 0]), {"noise": model})
    assert problem.sigma == 0
    assert bool(restored(y, noise=model).isfinite().all())


def test_a_model_is_read_from_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = NoiseModel.photon(1 / 30, 0.02)
    (tmp_path / "noise.json").write_text(model.to_json())
    y = noisy()
    torch.testing.assert_close(restored(y, noise=tmp_path / "noise.json"), restored(y, noise=model))
    Image.fromarray((y[0, 0] * 255).byte().numpy()).save(tmp_path / "y.png")
    words = ["denoise", str(tmp_path / "y.png"), "--prior", "dct", "--noise", str(tmp_path / "noise.json")]
    assert main([*words, "-o", str(tmp_path / "x.png")]) == 0
    with Image.open(tmp_path / "x.png") as image:
        assert image.size == (64, 64)
    capsys.readouterr()


def test_what_was_looked_for_in_cleaning_is_not_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = NoiseModel((0.0, 1.0), ((0.0005, 0.02),), spectra=smoothed_by(torch.tensor([0.25, 0.5, 0.25])))
    y = noise.sample(photograph(96), seeded(3)).clamp(0, 1)
    alone = estimate_noise(y)
    assert not alone.is_white

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("looked for twice")

    monkeypatch.setattr("zeroshot.noise.blind.outliers", refused)
    monkeypatch.setattr("zeroshot.noise.blind.stripe_component", refused)
    problem, _, _ = make_problem("denoise", load(y[0]), {})
    assert problem.noise is not None
    assert problem.noise.to_dict() == alone.to_dict()
    assert zeroshot.inspect(y[0]).noise_model.to_dict() == alone.to_dict()


def test_a_data_term_with_a_law_of_its_own_is_told_a_level_alone() -> None:
    model = NoiseModel((0.0,), ((0.01,),), spectra=smoothed_by(torch.tensor([0.25, 0.5, 0.25])))
    y = model.sample(photograph(96).expand(-1, 3, -1, -1), seeded(3)).clamp(0, 1)
    asked = {"data_term": "poisson", "peak": 100.0}
    assert make_problem("denoise", load(y), {})[0].noise is not None
    assert make_problem("denoise", load(y), asked)[0].noise is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "no noise model: it is no JSON"),
        ("[1]", "this is no noise model"),
        (json.dumps({**NoiseModel.white(0.1).to_dict(), "variances": "x"}), "cannot be read"),
        (
            json.dumps({**NoiseModel.white(0.1).to_dict(), "variances": [[0.1]] * 3}),
            "3 channels, but the picture is grey",
        ),
    ],
)
def test_other_files_are_refused_in_one_line(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "noise.json").write_text(text)
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(tmp_path / "y.png")
    assert (
        main(["denoise", str(tmp_path / "y.png"), "--prior", "dct", "--noise", str(tmp_path / "noise.json")])
        == 2
    )
    error = capsys.readouterr().err
    assert words in error
    assert "--noise" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "y.denoised.png").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sigma": 0.1, "noise": NoiseModel.white(0.1)}, "both say what the noise is"),
        ({"data_term": "l1", "noise": NoiseModel.white(0.1)}, "goes with"),
        ({"noise": 3}, "must be a NoiseModel or the file of one"),
        ({"noise": "missing.json"}, "there is no file missing.json"),
        ({"strength": 0}, "strength must be a positive number"),
        ({"grain": 2}, "grain must be a number from 0 to 1"),
        ({"peak": "auto", "sigma": 0.1}, "leave out"),
        ({"peak": "many"}, "a positive number of photons or 'auto'"),
    ],
)
def test_what_does_not_go_together_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises((OptionError, TypeError), match=words):
        restored(noisy(), **options)
