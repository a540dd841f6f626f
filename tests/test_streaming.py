"""Results that are written tile by tile: the image of the whole, of which no more than a row of tiles is held."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import zeroshot
from tests.cli.commands import run
from zeroshot import images, streaming
from zeroshot.memory import sharing
from zeroshot.problem import Problem
from zeroshot.streaming import is_to_be_streamed, restore_to_file

TOLD: dict[str, Any] = {"scale": 2, "sigma": 0.0, "tile": 48, "overlap": 24}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 15, 3)).astype(np.uint8)
    image = Image.fromarray(pixels).resize((45, 36), Image.Resampling.BICUBIC)
    image.save(tmp_path / "small.png", dpi=(100, 100))
    return tmp_path / "small.png"


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_the_file_is_that_of_the_run_in_tiles(small: Path, suffix: str) -> None:
    output = small.with_name(f"large{suffix}")
    settings = {"iterations": 10}
    written = restore_to_file(small, "sr", output, "tv", settings=settings, seed=3, **TOLD)
    whole = zeroshot.sr(small, prior="tv", settings=settings, seed=3, **TOLD)
    assert (written.shape, written.tiles) == ((72, 90, 3), len(whole.findings["tiles"]))
    found = images.load(output)
    assert found.form.dtype == torch.uint8
    # The contrast of the whole is not known; total variation asks for none.
    assert float((found.colours - whole.picture.colours.clamp(0, 1)).abs().max()) < 0.51 / 255
    assert found.form.metadata.dpi == pytest.approx((200, 200), abs=0.1)
    provenance = images.read_provenance(output)
    assert provenance is not None
    assert (provenance["prior"], provenance["seed"], provenance["streamed"]) == ("tv", 3, True)
    assert provenance["input_sha256"] == whole.provenance["input_sha256"]


def test_the_result_is_nowhere_made_as_a_whole(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Problem.initial

    def initial(self: Problem) -> torch.Tensor:
        assert self.reference_shape[-2:] != (72, 90)
        return original(self)

    monkeypatch.setattr(Problem, "initial", initial)
    settings = {"iterations": 3}
    restore_to_file(small, "sr", small.with_name("l.png"), "tv", settings=settings, **TOLD)


def test_without_time_the_rest_is_the_first_estimate(small: Path) -> None:
    output = small.with_name("large.png")
    restore_to_file(small, "sr", output, "tv", seconds=1e-6, **TOLD)
    picture = images.load(small)
    bicubic = zeroshot.operators.Downsample(2).initial(picture.colours).clamp(0, 1)
    assert float((images.load(output).colours - bicubic)[..., 20:50, 20:60].abs().max()) < 2 / 255


def test_the_command_streams_what_is_large(
    small: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "LARGEST", 1000)
    words = ["sr", small, "--scale", 2, "--prior", "tv", "--set", "iterations=3", "--sigma", 0, "--tile", 48]
    output = small.with_name("large.png")
    code, out, _ = run([*words, "-o", output], capsys)
    assert code == 0
    assert out.startswith(f"{output}: 72 × 90 in 6 tiles, written as they were done")
    assert sorted(path.name for path in small.parent.iterdir()) == ["large.png", "small.png"]
    code, _, error = run([*words, "-o", output], capsys)
    assert (code, "exists already" in error) == (2, True)


def test_what_is_streamed(small: Path) -> None:
    assert not is_to_be_streamed(small, Path("a.png"), 4)
    assert is_to_be_streamed(small, Path("a.png"), 200)
    assert is_to_be_streamed(small, Path("a.tiff"), 200)
    assert not is_to_be_streamed(small, Path("a.jpg"), 200)
    Image.new("RGBA", (45, 36)).save(small)
    assert not is_to_be_streamed(small, Path("a.png"), 200)
    Image.new("RGB", (45, 36)).save(small, transparency=(1, 2, 3))
    assert not is_to_be_streamed(small, Path("a.png"), 200)


def test_a_row_of_tiles_that_does_not_fit_is_refused(small: Path) -> None:
    output = small.with_name("large.png")
    with sharing(1, 2**20), pytest.raises(ValueError, match="a row of tiles takes prior 'tv' about"):
        restore_to_file(small, "sr", output, "tv", scale=8, sigma=0.0)
    assert not output.exists()
