"""Two versions on whole sets: what is measured once, which image lost most, and who is left out."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from zeroshot.images import load, save
from zeroshot.tasks.degrade import Degraded

#: Another version, in which everything is the measurement, a quarter brighter, and one prior is missing.
OTHER = """
from types import SimpleNamespace

def solve(image, task, prior, seed, device, progress, sigma):
    print("a prior that prints")
    if prior == "wnnm":
        raise ValueError(f"there is no prior {prior!r}")
    return SimpleNamespace(image=image + sigma)
"""


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The benchmark, whose set is two images and whose figures are kept in the test's folder."""
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[1])
    found = importlib.import_module("benchmarks.version_quality")
    files = [tmp_path / f"{name}.png" for name in ("dark", "light")]
    for file, level in zip(files, (0.2, 0.6), strict=True):
        save(load(torch.full((1, 1, 16, 16), level)), file)
    monkeypatch.setattr(found, "image_files", lambda folder, count: files[:count])
    table = found.Table
    monkeypatch.setattr(found, "Table", lambda *a, **b: table(*a, **b, folder=tmp_path / "output"))
    return found


class Offset:
    """A version whose results are off by so much, image by image."""

    def __init__(self, source: str, **errors: float) -> None:
        self.source, self.errors, self.asked = source, errors, 0

    def restored(self, damaged: Degraded, prior: str) -> tuple[torch.Tensor, float]:
        if prior not in ("tv", "dct"):
            raise ValueError(f"there is no prior {prior!r}")
        self.asked += 1
        return damaged.truth + self.errors["dark" if damaged.truth.mean() < 0.4 else "light"], 2.0


@pytest.fixture
def versions(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> dict[str, Offset]:
    """The versions that are compared: the one before, and this one, which has lost 20 dB on the light image."""
    found = {"other": Offset("a", dark=0.1, light=0.01), sys.executable: Offset("b", dark=0.01, light=0.1)}

    @contextlib.contextmanager
    def opened(python: str) -> Iterator[Offset]:
        yield found[python]

    monkeypatch.setattr(module, "opened", opened)
    return found


def test_means_worst_image_and_seconds(module: ModuleType, versions: dict[str, Offset]) -> None:
    versions[sys.executable].errors["light"] = 0.02
    ((prior, before, now, difference, worst, its, spent, now_spent),) = module.compare_set(
        "other", "set12", ["tv"], size=None, count=None, again=False
    )
    assert (prior, worst, spent, now_spent) == ("tv", "light", 4.0, 4.0)
    assert before == pytest.approx(30, abs=0.01)
    assert now == pytest.approx((40 + 33.98) / 2, abs=0.01)
    assert difference == pytest.approx(now - before)
    assert its == pytest.approx(-6.02, abs=0.01)


def test_cells_on_file_are_not_measured_again_unless_the_code_is_another(
    module: ModuleType, versions: dict[str, Offset]
) -> None:
    def asked(again: bool = False) -> tuple[int, int]:
        for version in versions.values():
            version.asked = 0
        module.compare_set("other", "set12", ["tv"], size=None, count=None, again=again)
        other, this = versions.values()
        return other.asked, this.asked

    assert asked() == (2, 2)
    assert asked() == (0, 0)
    assert asked(again=True) == (0, 2)
    versions["other"].source = "c"
    assert asked() == (2, 0)


def test_a_prior_that_a_version_lacks_is_left_out(
    module: ModuleType, versions: dict[str, Offset], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = module.compare_set("other", "set12", ["wnnm", "dct"], size=None, count=1, again=False)
    assert [row[0] for row in rows] == ["dct"]
    assert "wnnm is left out: before: there is no prior 'wnnm'" in capsys.readouterr().out


def test_the_other_version_runs_in_a_process_of_its_own(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that prints, refuses and goes on; here a package that is found before the one under test."""
    package = tmp_path / "before/zeroshot"
    (package / "priors").mkdir(parents=True)
    (package / "__init__.py").write_text(OTHER)
    (package / "priors/__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    truth = torch.full((1, 1, 4, 4), 0.95)
    case = Degraded(truth, truth, "denoise", {"sigma": 0.25}, None, {})  # type: ignore[arg-type]
    with module.opened(sys.executable) as version:
        assert len(version.source) == 12
        with pytest.raises(ValueError, match="there is no prior 'wnnm'"):
            version.restored(case, "wnnm")
        image, seconds = version.restored(case, "tv")
    assert torch.equal(image, torch.ones_like(truth))
    assert seconds >= 0
