"""``zeroshot inspect``: a block for each image, or JSON; a plot and a noise model where asked for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zeroshot
from tests.pictures import noisy_pixels, sample
from zeroshot.cli.main import main

CAMERA = sample("camera")[100:196, 100:196]


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    path = tmp_path / "noisy.png"
    Image.fromarray(noisy_pixels(CAMERA, 15)).save(path)
    return path


def test_one_image_is_a_screenful(noisy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(noisy)]) == 0
    told = capsys.readouterr().out
    assert "96 × 96, grey, uint8" in told
    assert f"zeroshot denoise {noisy}" in told
    assert len(told.splitlines()) < 24


def test_several_images_and_json(noisy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(CAMERA).save(noisy.with_name("clean.png"))
    noisy.with_name("broken.png").write_bytes(b"no picture")
    assert main(["inspect", str(noisy.parent), "--json"]) == 1
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert [Path(one["file"]).name for one in found] == ["clean.png", "noisy.png"]
    assert "1 of 3 images failed" in captured.err
    assert main(["inspect", str(noisy), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["noise"]["middle"] > 10


def test_the_noise_model_goes_into_denoise(noisy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, plot = noisy.with_name("noise.json"), noisy.with_name("plot.png")
    pytest.importorskip("matplotlib")
    assert main(["inspect", str(noisy), "--noise", str(model), "--plot", str(plot)]) == 0
    assert np.asarray(Image.open(plot)).std() > 0
    told = zeroshot.denoise(noisy, prior="wavelet", noise=model, progress=False)
    assert 255 * told.sigma == pytest.approx(15, rel=0.25)
    assert main(["inspect", str(noisy), "--noise", str(model)]) == 2
    assert "exists; choose another name or use --overwrite" in capsys.readouterr().err
    assert main(["inspect", str(noisy), str(noisy), "--plot", "x.png"]) == 2
    assert "--plot goes with one image, got 2" in capsys.readouterr().err
    assert main(["inspect", str(noisy), "--plot", str(noisy), "--overwrite"]) == 2


def test_a_missing_file_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "nowhere.png"]) == 2
    assert capsys.readouterr().err == "zeroshot: error: there is no file nowhere.png\n"
