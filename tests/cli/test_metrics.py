"""`zeroshot metrics`: the figures of the tables from files, and errors in one line before anything is printed."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import png
import pytest
from PIL import Image

from tests.cli.commands import measure
from tests.pictures import noisy_pixels, sample
from zeroshot.metrics import niqe, psnr, psnr_y


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """truth/, a/ and b/ with two images each, colour of 200 × 208 and grey of 192 × 192."""
    truths = {"one.png": sample("astronaut")[:200, :208], "two.png": sample("camera")[:192, :192]}
    for name, sigma in (("truth", 0), ("a", 5), ("b", 20)):
        (tmp_path / name).mkdir()
        for file, truth in truths.items():
            Image.fromarray(noisy_pixels(truth, sigma)).save(tmp_path / name / file)
    return tmp_path


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path), np.float64) / 255


def table(text: str) -> list[list[str]]:
    return [line.split() for line in text.strip().splitlines()]


def test_two_files_give_the_figures_of_the_functions(folder: Path, capsys) -> None:
    reference, image = folder / "truth/one.png", folder / "a/one.png"
    assert measure(reference, image, "--metrics", "psnr,psnr_y_border4") == 0
    head, row = table(capsys.readouterr().out)
    assert head == ["image", "psnr", "psnr_y_border4"]
    expected = [psnr(pixels(image), pixels(reference)), psnr_y(pixels(image), pixels(reference), 4)]
    assert row == [str(image), *(f"{value:.2f}" for value in expected)]


def test_columns_are_aligned_and_equal_images_are_infinite(folder: Path, capsys) -> None:
    reference = folder / "truth/one.png"
    measure(reference, reference, folder / "b/one.png")
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[0].split()[1:] == ["psnr", "psnr_y", "ssim", "ms_ssim", "gmsd"]
    assert lines[1].split()[1] == "inf"
    assert lines[-1].startswith("mean ")
    assert err == ""


def test_folders_are_matched_by_name_with_a_mean_for_each(folder: Path, capsys) -> None:
    measure(folder / "truth", folder / "a", folder / "b", "--metrics", "psnr,ssim")
    rows = table(capsys.readouterr().out)[1:]
    assert [row[0] for row in rows if row[0] != "mean"] == [
        str(folder / name / file) for name in "ab" for file in ("one.png", "two.png")
    ]
    means = [row for row in rows if row[0] == "mean"]
    assert [row[2] for row in means] == [str(folder / "a"), str(folder / "b")]
    assert float(means[0][3]) == pytest.approx((float(rows[0][1]) + float(rows[1][1])) / 2, abs=0.011)


def test_another_suffix_matches_where_it_is_clear(folder: Path, capsys) -> None:
    Image.open(folder / "a/one.png").save(folder / "a/one.jpg", quality=95)
    (folder / "a/one.png").unlink()
    assert measure(folder / "truth", folder / "a", "--metrics", "psnr") == 0
    Image.open(folder / "truth/one.png").save(folder / "truth/one.bmp")
    with pytest.raises(ValueError, match=r"one.jpg has several references in .*: one.bmp, one.png"):
        measure(folder / "truth", folder / "a", "--metrics", "psnr")


def test_images_that_are_missing_beside_the_references_are_noted(folder: Path, capsys) -> None:
    (folder / "a/one.png").unlink()
    measure(folder / "truth", folder / "a", "--metrics", "psnr")
    assert "a holds 1 of the 2 images of" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--no-reference"], ["--metrics", "niqe"]])
def test_without_a_reference_every_path_is_an_image(folder: Path, flags: list[str], capsys) -> None:
    measure(*flags, folder / "truth/one.png", folder / "b/two.png")
    rows = table(capsys.readouterr().out)
    assert rows[0] == ["image", "niqe"]
    assert rows[1] == [str(folder / "truth/one.png"), f"{niqe(pixels(folder / 'truth/one.png')):.4f}"]
    assert len(rows) == 4


def test_the_border_goes_to_metrics_that_name_none(folder: Path, capsys) -> None:
    reference, image = folder / "truth/one.png", folder / "a/one.png"
    measure(reference, image, "--metrics", "psnr,psnr_y_border2", "--border", 4)
    assert table(capsys.readouterr().out)[0] == ["image", "psnr_border4", "psnr_y_border2"]


def test_json_holds_values_meanings_and_means(folder: Path, capsys) -> None:
    measure(folder / "truth", folder / "truth", "--metrics", "psnr,gmsd", "--json")
    report = json.loads(capsys.readouterr().out)
    assert [row["metrics"]["psnr"] for row in report["images"]] == ["inf", "inf"]
    assert report["images"][0]["reference"] == str(folder / "truth/one.png")
    assert report["means"] == [{"of": "mean", "images": 2, "metrics": {"psnr": "inf", "gmsd": 0}}]
    assert [(m["name"], m["better"], m["unit"]) for m in report["metrics"]] == [
        ("psnr", "higher", "dB"),
        ("gmsd", "lower", ""),
    ]


def test_csv_has_one_line_an_image(folder: Path, capsys) -> None:
    measure(folder / "truth", folder / "a", "--metrics", "psnr,ssim", "--csv")
    rows = [*csv.DictReader(io.StringIO(capsys.readouterr().out))]
    assert [*rows[0]] == ["image", "reference", "psnr", "ssim"]
    expected = psnr(pixels(folder / "a/two.png"), pixels(folder / "truth/two.png"))
    assert float(rows[1]["psnr"]) == pytest.approx(expected, abs=1e-4)


def test_16_bits_go_with_8(folder: Path, capsys) -> None:
    deep = folder / "deep.png"
    values = np.asarray(Image.open(folder / "truth/one.png")).astype(np.uint16) * 257
    with deep.open("wb") as file:
        png.Writer(208, 200, greyscale=False, bitdepth=16).write(file, values.reshape(200, -1))
    measure(folder / "truth/one.png", deep, "--metrics", "psnr")
    # Equal but for the rounding of 32-bit floats.
    value = table(capsys.readouterr().out)[1][1]
    assert value == "inf" or float(value) > 120


def test_grey_stored_as_colour_goes_with_grey(folder: Path, capsys) -> None:
    Image.open(folder / "truth/two.png").convert("RGB").save(folder / "colour.png")
    measure(folder / "truth/two.png", folder / "colour.png", "--metrics", "psnr")
    assert table(capsys.readouterr().out)[1][1] == "inf"


def test_transparency_is_refused_unless_it_is_to_be_ignored(folder: Path, capsys) -> None:
    image = Image.open(folder / "a/one.png").convert("RGBA")
    image.save(folder / "opaque.png")
    image.putalpha(100)
    image.save(folder / "clear.png")
    assert measure(folder / "truth/one.png", folder / "opaque.png", "--metrics", "psnr") == 0
    with pytest.raises(ValueError, match=r"clear.png has transparent pixels.*--alpha ignore"):
        measure(folder / "truth/one.png", folder / "clear.png", "--metrics", "psnr")
    assert measure(folder / "truth/one.png", folder / "clear.png", "--metrics=psnr", "--alpha=ignore") == 0


def test_what_is_too_small_for_a_default_metric_still_gets_the_others(folder: Path, capsys) -> None:
    for name in ("small", "truth_small"):
        Image.open(folder / "a/one.png").crop((0, 0, 64, 64)).save(folder / f"{name}.png")
    assert measure(folder / "truth_small.png", folder / "small.png") == 0
    out, err = capsys.readouterr()
    assert table(out)[1][1:] == ["inf", "inf", "1.0000", "–", "0.0000"]
    assert "ms_ssim needs at least 161 × 161 pixels" in err
    with pytest.raises(ValueError, match=r"small.png: ms_ssim needs at least 161 × 161 .* got 64 × 64"):
        measure(folder / "truth_small.png", folder / "small.png", "--metrics", "ms_ssim")


def test_one_image_that_is_too_small_does_not_take_the_figures_of_the_others(folder: Path, capsys) -> None:
    Image.open(folder / "a/one.png").crop((0, 0, 64, 64)).save(folder / "small.png")
    pair = folder / "small.png", folder / "a/one.png"
    for asked, code in (["--no-reference"], 0), (["--metrics", "niqe"], 1):
        assert measure(*pair, *asked) == code
        out, err = capsys.readouterr()
        assert table(out)[1][1] == "–"
        assert float(table(out)[2][1]) > 0
        assert "small.png: niqe needs at least" in err


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["truth/one.png", "a/two.png"], ValueError, "192 × 192 grey and its reference .* 200 × 208 in colour"),
        (["truth", "lonely.png"], ValueError, "lonely.png has no reference: .*truth holds no image called lonely"),
        (["truth/one.png"], ValueError, "give a reference and at least one image"),
        (["--no-reference"], ValueError, "give the images to be measured"),
        (["truth/one.png", "nowhere.png"], FileNotFoundError, "there is no file or folder .*nowhere.png"),
        (["truth/one.png", "empty"], ValueError, "the folder holds no images: .*empty"),
        (["truth/one.png", "a/one.png", "--metrics", "psnr,psnt"], ValueError, "no metric 'psnt' .did you mean"),
        (["--no-reference", "a/one.png", "--metrics", "psnr,niqe"], ValueError, "psnr cannot be computed with"),
        (["truth/one.png", "a/one.png", "--border", "100"], ValueError, "a border of 100 pixels leaves nothing"),
    ],
)  # fmt: skip
def test_bad_input_is_told_before_anything_is_printed(
    folder: Path, arguments: list[str], error: type[Exception], message: str, capsys
) -> None:
    (folder / "empty").mkdir()
    Image.open(folder / "a/one.png").save(folder / "lonely.png")
    placed = [folder / given if given[0].islower() and "," not in given else given for given in arguments]
    with pytest.raises(error, match=message):
        measure(*placed)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("given", [["--metrics", "psnr,,ssim"], ["--border", "-1"], ["--json", "--csv"]])
def test_bad_options_end_with_a_message(given: list[str], folder: Path, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        measure(folder / "truth/one.png", folder / "a/one.png", *given)
    err = capsys.readouterr().err
    assert "error: " in err
    assert given[0] in err


def test_the_list_names_what_there_is_and_what_needs_an_extra(capsys) -> None:
    assert measure("--list") == 0
    out = capsys.readouterr().out
    assert "psnr_y " in out
    assert "zeroshot-restore[perceptual-metrics]" in next(
        line for line in out.splitlines() if line[:5] == "lpips"
    )


def test_bicubic_enlargement_of_set5_gives_the_published_figures(
    shared: Path, tmp_path: Path, capsys
) -> None:
    sharp = shared / "data/set5/hr_x4"
    for path in sharp.glob("*.png"):
        with Image.open(path) as truth, Image.open(shared / "data/set5/lr_x4" / path.name) as small:
            small.convert("RGB").resize(truth.size, Image.Resampling.BICUBIC).save(tmp_path / path.name)
    measure(sharp, tmp_path, "--metrics", "psnr_y,ssim_y", "--border", 4)
    name, ratio, similarity = table(capsys.readouterr().out)[-1]
    assert (name, ratio) == ("mean", "28.43")
    assert float(similarity) == pytest.approx(0.811, abs=0.001)
