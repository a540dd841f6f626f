"""Kernels found and sheets of what others make of a picture, from Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import zeroshot
from tests.pictures import as_image, decibels, sample
from zeroshot.images import read_provenance
from zeroshot.spelling import OptionError, for_command_line
from zeroshot.tasks.degrade import degrade


@pytest.fixture(scope="module")
def soft() -> tuple[torch.Tensor, torch.Tensor]:
    result = degrade(
        as_image(sample("camera")[60:220, 60:220]),
        "deblur",
        kernel="gaussian=1.8",
        boundary="unknown",
        sigma=1 / 255,
    )
    return result.measurement, result.truth


@pytest.fixture(scope="module")
def sheet(soft) -> zeroshot.KernelSheet:
    return zeroshot.kernel_sheet(soft[0], kind="lens", side=64)


def test_a_sheet_shows_the_same_part_with_every_kernel(sheet, soft) -> None:
    assert {tile.image.shape for tile in sheet.tiles} == {(64, 64, 3)}
    assert sheet.tiles[0].options == {}
    rows, columns = sheet.region
    given = soft[0][0, 0, rows, columns].mul(255).round().byte().numpy()
    np.testing.assert_array_equal(sheet.tiles[0].image[..., 1], given)


def test_the_kernel_that_was_found_is_marked_and_the_best_is_near_it(sheet, soft) -> None:
    (found,) = (index for index, tile in enumerate(sheet.tiles) if tile.is_estimate)
    truth = soft[1][:, :, sheet.region[0], sheet.region[1]]

    def quality(tile) -> float:
        return decibels(torch.from_numpy(tile.image[None, None, ..., 0]) / 255, truth)

    qualities = [quality(tile) for tile in sheet.tiles]
    assert abs(qualities.index(max(qualities)) - found) <= 1
    assert qualities[found] > qualities[0] + 1
    assert max(qualities) > qualities[0] + 3


def test_labels_are_the_options_in_either_spelling(sheet) -> None:
    label = sheet.tiles[1].label
    word = sheet.tiles[1].options["kernel"]
    assert str(label) == f"kernel='{word}'"
    assert for_command_line(label) == f"--kernel {word}"


def test_a_sheet_is_written_with_how_it_was_made(sheet, tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    sheet.save(path)
    with Image.open(path) as image:
        assert image.size[0] > 4 * 64
        assert np.array_equal(np.asarray(image), sheet.image)
    written = read_provenance(path)
    assert written["kernel"]["kind"] == sheet.estimate.kind
    assert written["tiles"][1] == sheet.tiles[1].options
    with pytest.raises(ValueError, match="exists already; choose another name or pass overwrite=True"):
        sheet.save(path)
    with pytest.raises(ValueError, match=r"a sheet is written to a \.png file"):
        sheet.save(tmp_path / "sheet.jpg")


def test_a_sheet_of_a_small_image_is_as_large_as_its_results() -> None:
    small = degrade(
        as_image(sample("camera")[100:196, 100:196]), "sr", scale=2, kernel="gaussian", kernel_sigma=1.4
    )
    sheet = zeroshot.kernel_sheet(small.measurement, "sr", scale=2, side=48, settings={"iterations": 30})
    assert {tile.image.shape for tile in sheet.tiles} == {(48, 48, 3)}
    assert sheet.region[0].stop - sheet.region[0].start == 24
    assert "kernel='bicubic'" in [str(tile.label) for tile in sheet.tiles]


def test_a_kernel_is_found_without_restoring(soft) -> None:
    found = zeroshot.find_kernel(soft[0], kind="lens")
    assert found.kind == "gaussian"
    assert found.parameters["gaussian"] == pytest.approx(1.8, abs=0.4)
    small = zeroshot.find_kernel(soft[0], "super_resolution", scale=2)
    assert small.kernel.shape[0] % 2 == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "denoise"}, "task must be one of deblur, sr, got 'denoise'"),
        ({"task": "sr"}, "task='sr' needs scale=…"),
        ({"scale": 2}, "scale=… goes with task='sr'"),
        ({"task": "sr", "scale": 2, "kind": "lens"}, "kind must be one of motion, lens, with task='deblur'"),
        ({"kind": "lenses"}, "kind must be one of motion, lens"),
        ({"task": "sr", "scale": 1}, "scale must be a whole number from 2 to 16"),
    ],
)
@pytest.mark.parametrize("function", [zeroshot.find_kernel, zeroshot.kernel_sheet])
def test_what_does_not_go_together_is_refused(function, arguments, message) -> None:
    with pytest.raises(OptionError, match=message):
        function(torch.rand(1, 32, 32), **arguments)


def test_the_kernel_is_not_told_to_a_sheet() -> None:
    with pytest.raises(OptionError, match="kernel is what the sheet is to tell"):
        zeroshot.kernel_sheet(torch.rand(1, 32, 32), kernel="gaussian=1")
    with pytest.raises(ValueError, match="a batch of 2"):
        zeroshot.kernel_sheet(torch.rand(2, 1, 32, 32))


def test_a_restoration_is_no_sheet() -> None:
    with pytest.raises(
        OptionError, match=r"kernel='sheet' is a picture of many restorations: zeroshot\.kernel_sheet"
    ):
        zeroshot.deblur(torch.rand(1, 32, 32), "sheet", prior="wiener")
    with pytest.raises(OptionError, match="picture of many restorations"):
        zeroshot.sr(torch.rand(1, 32, 32), 2, kernel="sheet", prior="tv")


@pytest.mark.parametrize("word", ["auto, width=9", "auto=lense", "auto, widths=1", "sheet, width=2"])
def test_words_that_are_nearly_right_are_answered(word: str) -> None:
    with pytest.raises(
        OptionError, match=r"kernel must be one of auto, .*auto, width=FACTOR, sheet, with a factor"
    ):
        zeroshot.deblur(torch.rand(1, 32, 32), word)
    with pytest.raises(OptionError, match=r"kernel must be one of auto, auto, width=FACTOR, sheet"):
        zeroshot.sr(torch.rand(1, 32, 32), 2, kernel=word)


def test_a_narrower_kernel_than_found_is_taken(soft) -> None:
    with pytest.warns(UserWarning, match="kernel: "):
        result = zeroshot.deblur(soft[0], "auto=lens, width=0.5", prior="wiener", progress=False)
    found = zeroshot.find_kernel(soft[0], kind="lens")
    kernel = result.provenance["kernel"]
    assert kernel["parameters"]["gaussian"] == pytest.approx(found.parameters["gaussian"] / 2)
