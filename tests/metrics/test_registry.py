"""Measures are found by name, with any border; those of an extra say which, and fetch nothing unasked."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
import torch

from zeroshot.metrics import CONVENTIONS, learned, metric, psnr, psnr_y, ssim_y


@pytest.fixture
def pair(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """A damaged image and its reference, (1, 3, 200, 208) in [0, 1]."""
    smooth = torch.nn.functional.interpolate(torch.rand(1, 3, 25, 26, generator=generator), scale_factor=8)
    noise = 0.05 * torch.randn(smooth.shape, generator=generator)
    return (smooth + noise).clamp(0, 1), smooth


class StandIn(ModuleType):
    """A `pyiqa` that counts what it is asked for and measures the mean difference."""

    def __init__(self) -> None:
        super().__init__("pyiqa")
        self.created: list[tuple[str, torch.device]] = []
        self.given: list[torch.Tensor] = []

    def create_metric(self, name: str, device: torch.device):
        self.created.append((name, device))

        def score(*images: torch.Tensor) -> torch.Tensor:
            self.given = [*images]
            return (images[0] - images[-1]).abs().mean().reshape(1, 1)

        return score


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    package = StandIn()
    monkeypatch.setitem(sys.modules, "pyiqa", package)
    learned._model.cache_clear()
    yield package
    learned._model.cache_clear()


@pytest.fixture
def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pyiqa", raising=False)
    monkeypatch.setattr(learned.importlib.util, "find_spec", lambda name: None)


@pytest.mark.parametrize("name", CONVENTIONS)
def test_names_mean_what_they_did_as_plain_functions(name: str, pair: tuple) -> None:
    assert metric(name).compute(*pair) == CONVENTIONS[name](*pair)


@pytest.mark.parametrize("border", [0, 1, 5, 6, 23])
def test_any_border_may_be_asked_for(border: int, pair: tuple) -> None:
    assert metric(f"psnr_y_border{border}").compute(*pair) == psnr_y(*pair, border, quantise="8-bit")
    assert metric(f"ssim_y_border{border}").compute(*pair) == ssim_y(*pair, border, quantise="8-bit")
    assert metric(f"cpsnr_border{border}").compute(*pair) == psnr(*pair, border=border)
    assert metric(f"cpsnr_border{border}").label == f"CPSNR, border {border}"


@pytest.mark.parametrize(
    "name", ["psnr_x", "", "psnr_border", "psnr_border-4", "psnr_y_border4_border4", "PSNR"]
)
def test_an_unknown_name_is_answered_with_those_that_there_are(name: str) -> None:
    with pytest.raises(ValueError, match=r"there is no metric .* cpsnr, dists, .* psnr_y_border4$"):
        metric(name)


def test_a_border_that_leaves_nothing_is_refused() -> None:
    image = torch.zeros(1, 3, 8, 30)
    with pytest.raises(ValueError, match="a border of 4 pixels leaves nothing of an image of 8 × 30 pixels"):
        metric("gmsd_border4").compute(image, image)


@pytest.mark.parametrize("name", ["lpips", "dists", "pi", "lpips_border4"])
def test_a_missing_extra_is_named_at_once(name: str, no_package: None) -> None:
    with pytest.raises(
        ImportError, match=r'needs the package pyiqa; pip install "zeroshot-restore\[perceptual-metrics\]"'
    ):
        metric(name)


def test_a_package_that_cannot_be_imported_is_told_from_one_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, pair: tuple
) -> None:
    # What None in sys.modules does: the import fails as where one of its own needs is missing.
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    learned._model.cache_clear()
    with pytest.raises(ImportError, match=r"cannot import pyiqa \(.*zeroshot-restore\[perceptual-metrics\]"):
        metric("lpips").compute(*pair)


def test_asking_for_a_measure_by_name_creates_nothing(stand_in: StandIn) -> None:
    metric("lpips")
    metric("pi")
    assert stand_in.created == []


def test_measures_of_the_extra_get_clipped_colours_and_are_created_once(
    stand_in: StandIn, pair: tuple
) -> None:
    image, reference = pair
    beyond = image * 1.5 - 0.2
    expected = float((beyond.clamp(0, 1) - reference).abs().mean())
    assert metric("lpips").compute(beyond, reference) == pytest.approx(expected, abs=1e-6)
    metric("lpips_border4").compute(image, reference)
    assert stand_in.created == [("lpips", torch.device("cpu"))]
    assert [tuple(given.shape) for given in stand_in.given] == [(1, 3, 192, 200)] * 2
    assert all(given.dtype == torch.float32 for given in stand_in.given)


def test_grey_images_become_three_channels_for_the_extra(stand_in: StandIn, pair: tuple) -> None:
    grey = pair[0][:, :1]
    assert metric("dists").compute(grey, grey) == 0
    assert [tuple(given.shape) for given in stand_in.given] == [(1, 3, 200, 208)] * 2


def test_the_perceptual_index_looks_at_the_image_alone(stand_in: StandIn, pair: tuple) -> None:
    found = metric("pi")
    assert not found.needs_reference
    assert found.better == "lower"
    found.compute(pair[0], None)
    assert stand_in.created == [("pi", torch.device("cpu"))]
    assert len(stand_in.given) == 1
