"""The result of a run: what it shows, what it says of itself, and what it writes."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from zeroshot import images
from zeroshot.estimate import Estimate, History
from zeroshot.images import ImageError
from zeroshot.restoration import Restoration


def history_of(losses: list[float]) -> History:
    history = History()
    for iteration, loss in enumerate(losses, start=1):
        estimate = Estimate(image=torch.zeros(1, 1, 1, 1), iteration=iteration, loss=loss)
        history.append(estimate, 0.1 * iteration, {"variance": 2 * loss})
    return history


def restoration_of(source: Any, colours: torch.Tensor | None = None) -> Restoration:
    before = images.load(source)
    return Restoration(
        picture=before.with_colours(before.colours if colours is None else colours),
        stopped_by="the iterations that were asked for",
        iterations=3,
        seconds=1.25,
        history=history_of([0.3, 0.2, 0.1]),
        sigma=0.1,
        provenance={"task": "denoise", "prior": "dip", "seed": 0},
        before=before,
    )


def shown(restoration: Restoration) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(restoration._repr_png_())))


def embedded(address: str) -> np.ndarray:
    """The picture that an address of the kind data:image/…;base64,… holds."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


# --- in a notebook ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 64, 3), (64, 1, 3), (1, 1, 3), (8, 9, 3), (1, 64), (64, 1), (8, 9)])
def test_a_notebook_shows_the_image(shape):
    array = pixels(*shape)
    np.testing.assert_array_equal(shown(restoration_of(array)), array)


def test_a_notebook_shows_a_one_channel_array_in_grey():
    array = pixels(8, 9, 1)
    np.testing.assert_array_equal(shown(restoration_of(array)), array[..., 0])


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "float16", "float32", "float64"])
def test_as_an_array_it_is_the_image(dtype):
    array = np.eye(4, 5).astype(dtype)
    result = np.asarray(restoration_of(array))
    assert result.dtype == array.dtype
    np.testing.assert_array_equal(result, array)


def test_a_bfloat16_tensor_becomes_a_float32_array():
    tensor = torch.linspace(0, 1, 12).reshape(1, 3, 4).bfloat16()
    result = np.asarray(restoration_of(tensor))
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, tensor.float().numpy())


def test_a_pil_image_becomes_an_array():
    array = pixels(8, 9, 3)
    np.testing.assert_array_equal(np.asarray(restoration_of(Image.fromarray(array))), array)


def test_the_array_may_be_of_another_dtype():
    assert np.asarray(restoration_of(pixels(4, 5)), dtype=np.float64).dtype == np.float64


def test_its_repr_is_one_line_of_what_happened():
    expected = (
        "<Restoration of 1 × 3 × 8 × 9: denoise with dip, 3 iterations in 1.2 s, "
        "sigma 25.5 grey levels of 255 (0.1), stopped by: the iterations that were asked for>"
    )
    assert repr(restoration_of(pixels(8, 9, 3))) == expected


def test_the_repr_of_a_history_is_one_line():
    expected = "<History of 2 steps: loss from 0.3 to 0.1; has iteration, seconds, loss, variance>"
    assert repr(history_of([0.3, 0.1])) == expected


def test_an_empty_history_has_a_repr():
    assert repr(History()) == "<History of 0 steps>"


def test_the_plot_has_a_curve_for_everything_measured():
    pytest.importorskip("matplotlib")
    figure = restoration_of(pixels(8, 9, 3)).plot()
    assert [axis.get_ylabel() for axis in figure.axes] == ["loss", "variance"]
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), [0.3, 0.2, 0.1])
    assert figure.axes[0].get_title() == "the iterations that were asked for"


def test_the_plot_shows_itself_without_pyplot():
    pytest.importorskip("matplotlib")
    figure = restoration_of(pixels(8, 9, 3)).plot()
    assert Image.open(io.BytesIO(figure._repr_png_())).size == tuple(figure.bbox.size.astype(int))
    assert "Figure" in repr(figure)


def test_the_plot_of_a_batch_has_a_column_for_each_of_its_first_images():
    pytest.importorskip("matplotlib")
    part = restoration_of(pixels(8, 9, 3))
    batch = dataclasses.replace(restoration_of(torch.rand(6, 3, 8, 9)), parts=(part,) * 6)
    assert len(batch.plot().axes) == 4 * 2


def test_a_page_shows_before_and_after_with_a_slider():
    array = pixels(8, 9, 3)
    page = restoration_of(array, torch.zeros(1, 3, 16, 18))._repr_html_()
    after, before = map(embedded, re.findall(r'src="([^"]*)"', page))
    np.testing.assert_array_equal(before, array)
    assert after.shape == (16, 18, 3)
    assert not after.any()
    assert 'type="range"' in page
    assert "sigma 25.5 grey levels of 255 (0.1)" in page
    assert "stopped by: the iterations that were asked for" in page


def test_a_page_is_complete_in_itself_and_safe():
    restoration = restoration_of(pixels(8, 9))
    hostile = dataclasses.replace(restoration, stopped_by="<script>alert(1)</script>")
    page = hostile._repr_html_()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    addresses = re.findall(r'(?:src|href)="([^"]{0,20})', page)
    assert addresses
    assert all(address.startswith("data:image/") for address in addresses)
    assert "url(" not in page
    assert not re.search(r"color: *(#|black|white)", page)  # light or dark is the notebook's choice


@pytest.mark.parametrize("count", [1, 6])
def test_a_page_of_large_pictures_stays_small(count):
    noise = torch.rand(count, 3, 500, 800, generator=torch.Generator().manual_seed(0))
    restoration = restoration_of(noise)
    assert len(restoration._repr_html_()) < 500_000
    assert len(restoration._repr_png_()) < 700_000


def test_a_page_of_a_batch_shows_its_first_images_and_counts_the_others():
    page = restoration_of(torch.rand(6, 3, 8, 9))._repr_html_()
    assert page.count('type="range"') == 4
    assert "and 2 more images" in page


def test_a_notebook_shows_transparency():
    array = pixels(8, 9, 4)
    np.testing.assert_array_equal(shown(restoration_of(array)), array)


@pytest.mark.parametrize(
    ("array", "value_range", "told"),
    [
        (pixels(8, 9), None, "25.5 grey levels of 255 (0.1)"),
        (pixels(8, 9) / 255, None, "25.5 grey levels of 255 (0.1)"),
        (pixels(8, 9).astype(np.uint16), None, "25.5 grey levels of 255 (0.1; 6554 of 65535 counts)"),
        ((pixels(8, 9) // 16).astype(np.uint16), (0, 16), "25.5 grey levels of 255 (0.1; 1.6 of 16 counts)"),
        (pixels(8, 9) * 4.0, (-100, 900), "25.5 grey levels of 255 (0.1; 100 on the range -100 to 900)"),
    ],
)
def test_the_noise_is_told_in_every_unit(array, value_range, told):
    before = images.load(array, value_range=value_range)
    assert dataclasses.replace(restoration_of(array.clip(0, 1)), before=before).noise_level == told


def test_unknown_noise_is_not_told():
    restoration = dataclasses.replace(restoration_of(pixels(8, 9)), sigma=None)
    assert restoration.noise_level == ""
    assert "sigma" not in repr(restoration)


# --- files -----------------------------------------------------------------------------------------------


def test_a_saved_restoration_carries_its_provenance(tmp_path):
    restoration_of(pixels(8, 9, 3)).save(tmp_path / "a.png")
    assert images.read_provenance(tmp_path / "a.png") == {"task": "denoise", "prior": "dip", "seed": 0}


def test_a_comparison_shows_the_input_left_and_the_result_right(tmp_path):
    array = pixels(8, 9, 3)
    restoration_of(array, torch.ones(1, 3, 8, 9)).save_comparison(tmp_path / "a.png")
    sheet = np.asarray(Image.open(tmp_path / "a.png"))
    np.testing.assert_array_equal(sheet[:, :9], array)
    assert sheet.shape == (8, 2 * 9 + 2, 3)
    assert (sheet[:, 9:] == 255).all()


def test_a_comparison_enlarges_the_input_by_repeating_its_pixels(tmp_path):
    array = pixels(8, 9, 3)
    restoration_of(array, torch.zeros(1, 3, 16, 18)).save_comparison(tmp_path / "a.png")
    sheet = np.asarray(Image.open(tmp_path / "a.png"))
    np.testing.assert_array_equal(sheet[:, :18], array.repeat(2, axis=0).repeat(2, axis=1))
    assert (sheet[:, -18:] == 0).all()


def test_a_comparison_shows_a_grey_input_beside_a_coloured_result(tmp_path):
    array = pixels(8, 9)
    restoration_of(array, torch.zeros(1, 3, 8, 9)).save_comparison(tmp_path / "a.png")
    sheet = np.asarray(Image.open(tmp_path / "a.png"))
    np.testing.assert_array_equal(sheet[:, :9], np.stack([array] * 3, axis=2))


def test_a_comparison_of_grey_images_is_grey(tmp_path):
    restoration_of(pixels(8, 9)).save_comparison(tmp_path / "a.png")
    assert Image.open(tmp_path / "a.png").mode == "L"


def test_a_comparison_of_a_batch_shows_its_first_image(tmp_path):
    batch = torch.stack([torch.zeros(3, 4, 5), torch.ones(3, 4, 5)])
    restoration_of(batch).save_comparison(tmp_path / "a.png")
    assert (np.asarray(Image.open(tmp_path / "a.png"))[:, :5] == 0).all()


@pytest.mark.parametrize("method", ["save", "save_comparison"])
def test_the_input_is_kept_even_where_files_may_be_overwritten(tmp_path: Path, method: str):
    source = tmp_path / "a.png"
    Image.fromarray(pixels(8, 9, 3)).save(source)
    content = source.read_bytes()
    with pytest.raises(ImageError, match=r"the output is the input, which is never overwritten: .*a\.png"):
        getattr(restoration_of(source), method)(source, overwrite=True)
    assert source.read_bytes() == content


def test_a_trace_does_not_replace_the_input(tmp_path):
    Image.fromarray(pixels(8, 9, 3)).save(tmp_path / "a.png")
    with pytest.raises(ImageError, match="the output is the input"):
        restoration_of(tmp_path / "a.png").save_trace(tmp_path / "a.png")


@pytest.mark.parametrize("method", ["save", "save_comparison"])
def test_an_existing_file_is_kept(tmp_path: Path, method: str):
    (tmp_path / "a.png").write_text("precious")
    with pytest.raises(ImageError, match="exists already"):
        getattr(restoration_of(pixels(8, 9, 3)), method)(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_text() == "precious"


def test_a_trace_holds_the_provenance_and_every_step(tmp_path):
    restoration_of(pixels(8, 9, 3)).save_trace(tmp_path / "trace.json")
    trace = json.loads((tmp_path / "trace.json").read_text())
    assert trace["provenance"] == {"task": "denoise", "prior": "dip", "seed": 0}
    assert trace["history"]["iteration"] == [1, 2, 3]
    assert trace["history"]["loss"] == [0.3, 0.2, 0.1]
    assert trace["history"]["variance"] == [0.6, 0.4, 0.2]
