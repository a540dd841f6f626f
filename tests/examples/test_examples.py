"""Every example runs and writes what it promises."""

from __future__ import annotations

import importlib.util
import re
import sys
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

import zeroshot
from tests.doubles import Clock

FOLDER = Path(__file__).resolve().parents[2] / "examples"
#: Those that need more than an image have tests of their own.
OTHERS = (
    "before_after",
    "demo",
    "compare_priors",
    "learned_denoisers",
    "learned_upscalers",
    "pretrained_generators",
    "restore_digits",
)
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in OTHERS)


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name == "compare_methods" else name for name in SCRIPTS],
)
def test_an_example_writes_before_and_after(name: str, tmp_path: Path, clock: Clock) -> None:
    clock.tick = 0.1
    output = tmp_path / "pair.png"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(name).main(output=str(output), seconds=60.0 if name == "demosaic" else 0.5)
    pair = np.asarray(Image.open(output))
    half = pair.shape[1] // 2 - 4
    assert pair[:, :half].std() > 5
    assert pair[:, -half:].std() > 5
    assert not np.array_equal(pair[:, :half], pair[:, -half:])


def test_there_is_an_example_for_every_task() -> None:
    text = "".join((FOLDER / f"{name}.py").read_text() for name in SCRIPTS)
    for task in zeroshot.tasks():
        assert f'task="{task}"' in text


def test_priors_are_compared_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "priors.png"
    monkeypatch.setattr(
        sys, "argv", ["compare_priors.py", "--priors", "fourier", "dct", "--output", str(page)]
    )
    module = load("compare_priors")
    module.main()
    figures = dict(re.findall(r"^(\w+) +([\d.]+) dB", capsys.readouterr().out, flags=re.MULTILINE))
    assert float(figures["dct"]) > float(figures["fourier"]) > float(figures["noisy"])
    assert Image.open(page).size == (5 * 132, 132)
    named = {name for family in module.FAMILIES.values() for name in family}
    assert named <= set(zeroshot.prior_names())


def test_the_picture_of_the_readme_is_as_its_script_makes_it(tmp_path: Path) -> None:
    output = tmp_path / "sheet.png"
    load("before_after").main(str(output), side=36)
    sheet = np.asarray(Image.open(output)).astype(float)
    assert sheet.shape == (2 * 36 + 6, 3 * 36 + 2 * 6, 3)
    # Noise, holes and squares of one colour are above, and what is smoother below.
    for left in (0, 42, 84):
        above, below = sheet[:36, left : left + 36], sheet[42:, left : left + 36]
        assert np.abs(np.diff(above, 2, axis=1)).mean() > np.abs(np.diff(below, 2, axis=1)).mean()
    drawn = FOLDER.parent / "docs" / "before_after.png"
    assert drawn.stat().st_size <= 300_000


def test_the_demo_writes_its_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["demo.py", "--prior", "tv", "--seconds", "0.5", "--output", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", arguments)
    load("demo").main()
    assert "PSNR after" in capsys.readouterr().out
    for name in ("before.png", "after.png", "plot.png"):
        assert Image.open(tmp_path / name).size[0] > 100
