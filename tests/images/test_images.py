"""Pictures in memory: every dtype and layout there and back, what is refused, and how files are written."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from zeroshot import images
from zeroshot.images import ImageError, Picture, check_output, load, read_provenance, save

several = settings(deadline=None, max_examples=60)

INTEGERS = ("bool", "uint8", "uint16")
FLOATS = ("float16", "float32", "float64")
sides = st.integers(1, 9)


def elements(dtype: str) -> st.SearchStrategy | None:
    # Values that 32-bit floats hold, including the over- and undershoot of a noisy image.
    width = {"float16": 16, "float32": 32, "float64": 32}.get(dtype)
    return None if width is None else st.floats(-0.5, 1.5, width=width, allow_subnormal=False)


def without_excess_alpha(samples: np.ndarray, axis: int) -> np.ndarray:
    channels = samples.shape[axis] if samples.ndim > 2 else 1
    if channels in (2, 4) and samples.dtype.kind == "f":
        alpha = np.moveaxis(samples, axis, 0)[-1]
        alpha[...] = alpha.clip(0, 1)
    return samples


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    dtype = draw(st.sampled_from(INTEGERS + FLOATS))
    tail = draw(st.sampled_from([(), (1,), (2,), (3,), (4,)]))
    array = draw(hnp.arrays(dtype, (draw(sides), draw(sides), *tail), elements=elements(dtype)))
    return without_excess_alpha(array, -1)


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    dtype = draw(st.sampled_from(INTEGERS + FLOATS))
    channels = st.integers(1, 4)
    head = draw(st.one_of(st.just(()), st.tuples(channels), st.tuples(st.sampled_from([1, 3]), channels)))
    array = draw(hnp.arrays(dtype, (*head, draw(sides), draw(sides)), elements=elements(dtype)))
    return torch.from_numpy(without_excess_alpha(array, -3))


@st.composite
def pil_images(draw: st.DrawFn) -> Image.Image:
    mode = draw(st.sampled_from(["L", "LA", "RGB", "RGBA", "I;16", "I;16B", "I", "F"]))
    height, width = draw(sides), draw(sides)
    if mode == "F":
        return Image.fromarray(draw(hnp.arrays("float32", (height, width), elements=elements("float32"))))
    if mode.startswith("I"):
        values = draw(hnp.arrays("uint16", (height, width)))
        if mode == "I":
            return Image.fromarray(values.astype(np.int32))
        order = ">u2" if mode == "I;16B" else "<u2"
        return Image.frombytes(mode, (width, height), values.astype(order).tobytes())
    tail = {"L": (), "LA": (2,), "RGB": (3,), "RGBA": (4,)}[mode]
    return Image.fromarray(draw(hnp.arrays("uint8", (height, width, *tail))))


@several
@given(arrays())
def test_numpy_comes_back_as_given(array):
    back = load(array).as_given()
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@several
@given(tensors())
def test_torch_comes_back_as_given(tensor):
    back = load(tensor).as_given()
    assert back.dtype == tensor.dtype
    assert back.device == tensor.device
    assert torch.equal(back, tensor)


@several
@given(pil_images())
def test_pil_comes_back_as_given(image):
    back = load(image).as_given()
    assert back.mode == image.mode
    assert back.size == image.size
    assert back.tobytes() == image.tobytes()


@several
@given(arrays())
def test_colours_are_float32_nchw(array):
    picture = load(array)
    channels = 1 if array.ndim == 2 else array.shape[2]
    assert picture.colours.dtype == torch.float32
    assert picture.colours.shape == (1, 1 if channels <= 2 else 3, *array.shape[:2])
    assert (picture.alpha is None) == (channels in (1, 3))


@several
@given(arrays())
def test_tensor_and_array_of_one_picture_have_one_hash(array):
    channels_last = array if array.ndim == 3 else array[..., None]
    tensor = torch.from_numpy(np.ascontiguousarray(np.moveaxis(channels_last, -1, 0)))
    assert load(tensor).sha256() == load(array).sha256()


@several
@given(
    st.integers(1, 65535).flatmap(
        lambda white: st.tuples(
            hnp.arrays(
                "uint16", st.tuples(sides, sides), elements=st.integers(0, min(white + white // 4, 65535))
            ),
            st.just(white),
        )
    )
)
def test_integers_keep_their_values_through_a_value_range(array_and_white):
    array, white = array_and_white
    np.testing.assert_array_equal(load(array, value_range=(0, white)).as_given(), array)


@several
@given(hnp.arrays("float32", st.tuples(sides, sides), elements=st.floats(0, 255, width=32)))
def test_value_range_maps_black_and_white_and_back(array):
    picture = load(array, value_range=(0, 255))
    np.testing.assert_allclose(picture.colours[0, 0].numpy(), array / 255, atol=1e-6)
    np.testing.assert_allclose(picture.as_given(), array, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_every_integer_survives(dtype):
    array = np.arange(np.iinfo(dtype).max + 1).astype(dtype).reshape(16, -1)
    np.testing.assert_array_equal(load(array).as_given(), array)


@pytest.mark.parametrize(
    "array", [np.ones((3, 4), ">u2"), np.ones((3, 4), ">f4"), np.ones((6, 8, 3), "u1")[::-2, ::2]]
)
def test_byte_order_and_strides_do_not_matter(array):
    back = load(array).as_given()
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


def test_bfloat16_tensor_comes_back():
    tensor = torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(0)).bfloat16()
    assert torch.equal(load(tensor).as_given(), tensor)


def test_integers_are_rounded_and_clipped():
    picture = load(np.zeros((1, 4), np.uint8))
    colours = torch.tensor([[[[-0.2, 0.499 / 255, 0.501 / 255, 1.7]]]])
    np.testing.assert_array_equal(picture.with_colours(colours).as_given(), [[0, 0, 1, 255]])


def test_floats_are_not_clipped():
    colours = torch.tensor([[[[-0.25, 1.75]]]])
    back = load(np.zeros((1, 2), np.float16)).with_colours(colours).as_given()
    np.testing.assert_array_equal(back, np.array([[-0.25, 1.75]], np.float16))


def test_the_callers_memory_is_not_shared():
    tensor = torch.zeros(1, 2, 2)
    picture = load(tensor)
    tensor += 1
    assert float(picture.colours.max()) == 0


def test_gradients_stop_at_the_picture():
    assert not load(torch.zeros(1, 2, 2, requires_grad=True)).colours.requires_grad


@pytest.mark.parametrize(
    ("shape", "becomes"),
    [((4, 5), (4, 5, 3)), ((4, 5, 1), (4, 5, 3)), ((4, 5, 2), (4, 5, 4)), ((4, 5, 3), (4, 5, 3))],
)
def test_grey_arrays_may_become_rgb(shape, becomes):
    picture = load(np.zeros(shape, np.uint8))
    assert picture.with_colours(torch.zeros(1, 3, 4, 5)).as_given().shape == becomes


@pytest.mark.parametrize(("mode", "becomes"), [("L", "RGB"), ("LA", "RGBA"), ("1", "RGB")])
def test_grey_pil_images_may_become_rgb(mode, becomes):
    picture = load(Image.new(mode, (5, 4)))
    assert picture.with_colours(torch.zeros(1, 3, 4, 5)).as_given().mode == becomes


@pytest.mark.parametrize("mode", ["I;16", "F"])
def test_deep_grey_pil_image_becomes_eight_bit_rgb_with_a_warning(mode):
    picture = load(Image.new(mode, (5, 4))).with_colours(torch.full((1, 3, 4, 5), 0.2))
    with pytest.warns(UserWarning, match="8 bits are left"):
        image = picture.as_given()
    assert image.mode == "RGB"
    assert image.getpixel((0, 0)) == (51, 51, 51)


@pytest.mark.parametrize(("mode", "becomes"), [("1", "L"), ("P", "RGB"), ("PA", "RGBA"), ("YCbCr", "RGB")])
def test_other_pil_modes_become_their_nearest(mode, becomes):
    image = Image.new("L", (6, 4), 255).convert(mode) if mode != "PA" else Image.new("PA", (6, 4))
    np.testing.assert_array_equal(np.asarray(load(image).as_given()), np.asarray(image.convert(becomes)))


def test_pil_palette_with_transparency_becomes_rgba():
    image = Image.new("P", (6, 4), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.info["transparency"] = 1
    assert load(image).as_given().getpixel((0, 0)) == (10, 20, 30, 0)


def test_pil_image_is_turned_upright_and_its_tag_reset():
    image = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4))
    image.getexif()[0x0112] = 6
    image.info["exif"] = image.getexif().tobytes()
    back = load(image).as_given()
    np.testing.assert_array_equal(np.asarray(back), np.rot90(np.asarray(image), -1))
    assert back.getexif().get(0x0112, 1) == 1


def test_pil_image_keeps_its_resolution_on_the_way_to_a_file(tmp_path):
    image = Image.new("RGB", (4, 4))
    image.info["dpi"] = (600, 600)
    save(load(image), tmp_path / "a.tif")
    assert load(tmp_path / "a.tif").form.metadata.dpi == (600, 600)


def test_closed_tiff_image_is_accepted(tmp_path):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2020:02:03 04:05:06"
    Image.new("RGB", (4, 5), (1, 2, 3)).save(tmp_path / "a.tif", exif=exif.tobytes())
    with Image.open(tmp_path / "a.tif") as image:
        image.load()
    assert load(image).as_given().getpixel((0, 0)) == (1, 2, 3)


def test_alpha_follows_a_new_size():
    array = np.zeros((8, 8, 4), np.uint8)
    array[:, 4:, 3] = 255
    larger = load(array).with_colours(torch.zeros(1, 3, 16, 16)).as_given()
    assert larger.shape == (16, 16, 4)
    assert larger[:, :6, 3].max() < 20
    assert larger[:, 10:, 3].min() > 235


def test_alpha_is_untouched_at_the_same_size():
    array = np.random.default_rng(0).integers(0, 256, (8, 8, 4)).astype(np.uint8)
    back = load(array).with_colours(torch.zeros(1, 3, 8, 8)).as_given()
    np.testing.assert_array_equal(back[..., 3], array[..., 3])


def test_float_alpha_runs_to_white_of_the_value_range():
    array = np.full((2, 2, 4), 255.0, np.float32)
    picture = load(array, value_range=(0, 255))
    assert picture.alpha is not None
    assert float(picture.alpha.min()) == 1
    np.testing.assert_array_equal(picture.as_given(), array)


def test_integer_alpha_is_not_affected_by_the_value_range():
    array = np.full((2, 2, 2), 65535, np.uint16)
    array[..., 0] = 4095
    picture = load(array, value_range=(0, 4095))
    assert picture.alpha is not None
    assert float(picture.alpha.min()) == float(picture.colours.max()) == 1
    np.testing.assert_array_equal(picture.as_given(), array)


def test_without_alpha_gives_the_colours_only():
    assert load(np.zeros((4, 5, 4), np.uint8)).without_alpha().as_given().shape == (4, 5, 3)


def test_parts_of_a_batch():
    batch = torch.rand(3, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    parts = [load(batch).part(i) for i in range(3)]
    assert torch.equal(torch.cat([part.as_given() for part in parts]), batch)


@pytest.mark.parametrize("shape", [(1, 2, 4, 5), (1, 3, 0, 5), (3, 4, 5)])
def test_with_colours_refuses_other_shapes(shape):
    with pytest.raises(ImageError, match="colours must be"):
        load(np.zeros((4, 5), np.uint8)).with_colours(torch.zeros(shape))


def test_with_colours_refuses_another_number_of_pictures():
    with pytest.raises(ImageError, match="there are 1 pictures, but colours for 2"):
        load(np.zeros((4, 5), np.uint8)).with_colours(torch.zeros(2, 1, 4, 5))


def test_the_hash_tells_pixels_and_shapes_apart():
    sources = [
        np.zeros((4, 6), "f4"),
        np.zeros((6, 4), "f4"),
        np.ones((4, 6), "f4"),
        np.zeros((4, 6, 2), "f4"),
    ]
    assert len({load(source).sha256() for source in sources}) == 4


# --- what is refused -------------------------------------------------------------------------------------

REFUSED = [
    (np.zeros((2, 3, 4, 5)), "pass a batch as a torch tensor N×C×H×W"),
    (np.zeros(5), "an image is H×W or H×W×C"),
    (np.zeros((3, 20, 30)), "channels of an array go last"),
    (np.zeros((20, 30, 5)), "5 channels; an image has 1 to 4"),
    (np.zeros((0, 4)), "no pixels"),
    (np.zeros((4, 4), np.int64), "of type int64; accepted are bool, uint8, uint16"),
    (np.zeros((4, 4), np.complex64), "of type complex64.*pass its magnitude"),
    (np.zeros((4, 4), np.int16), "of type int16.*pass it as float32, with value_range"),
    (np.zeros((4, 4), np.int8), "of type int8.*pass it as float32, with value_range"),
    (np.zeros((4, 4), np.uint32), "of type uint32.*pass it as float32, with value_range"),
    (np.zeros((4, 4), object), "of type object"),
    (np.zeros((4, 4), "U3"), "accepted are"),
    (torch.zeros(4), "the tensor has 1 axes; an image is H×W or C×H×W, a batch N×C×H×W"),
    (torch.zeros(20, 30, 3), "channels of a tensor go first"),
    (torch.zeros(2, 5, 20, 30), "5 channels; an image has 1 to 4"),
    (torch.zeros(1, 3, 0, 4), "no pixels"),
    (torch.zeros(3, 4, 4, dtype=torch.int64), "of type int64"),
    ([[0, 1], [1, 0]], "cannot take an image from list; pass a path"),
    (None, "cannot take an image from NoneType"),
    (np.array([[0.5, np.nan], [np.inf, 0.5]]), "2 of 4 values are NaN or infinite"),
    (torch.full((1, 2, 2), torch.nan), "4 of 4 values are NaN or infinite"),
    (
        np.dstack([np.full((2, 2, 3), 0.5), np.full((2, 2), 1.5)]),
        "alpha channel runs from 1.5 to 1.5, expected 0 to 1",
    ),
    (Image.new("RGB", (0, 4)), "no pixels"),
    (Image.new("LAB", (4, 4)), "PIL mode 'LAB' is not accepted"),
    (Image.fromarray(np.full((2, 2), 70000, np.int32)), "do not fit into 16 bits"),
]


@pytest.mark.parametrize(("source", "message"), REFUSED)
def test_refused_in_one_line(source, message):
    with pytest.raises(ImageError, match=message) as caught:
        load(source)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value_range", [(1, 0), (0, 0), (0, float("inf")), (0,), 255, "ab"])
def test_value_range_must_be_black_and_white(value_range):
    with pytest.raises(ImageError, match="value_range must be"):
        load(np.zeros((2, 2)), value_range=value_range)


@pytest.mark.parametrize(
    ("array", "value_range", "wider"),
    [
        (np.array([[3, 255]], np.uint8), (0, 100), (0, 255)),
        (np.array([[3, 255]], np.uint8), (100, 150), (3, 255)),
        (np.array([[60000]], np.uint16), (0, 4095), (0, 60000)),
    ],
)
def test_a_value_range_that_leaves_out_integers_is_widened(array, value_range, wider):
    picture = load(array, value_range=value_range)
    assert picture.form.value_range == wider
    assert picture.form.origin == "widened"
    # Up to the rounding of 32-bit floats.
    assert -1e-6 <= float(picture.colours.min()) <= float(picture.colours.max()) <= 1 + 1e-6
    np.testing.assert_array_equal(picture.as_given(), array)


def test_counts_slightly_beyond_the_value_range_come_back():
    array = np.array([[0, 900, 1000, 4095, 5000]], np.uint16)
    np.testing.assert_array_equal(load(array, value_range=(1000, 5000)).as_given(), array)


def test_floats_may_lie_outside_a_value_range():
    array = np.array([[-1.0, 3.0]], np.float32)
    np.testing.assert_array_equal(load(array, value_range=(0, 1)).as_given(), array)


@pytest.mark.parametrize(
    ("subject", "source", "message"),
    [
        ("mask", np.zeros((4, 4), np.int64), "^the mask is of type int64; accepted are"),
        ("hints", np.zeros((4, 4), np.int64), "^the hints are of type int64"),
        ("mask", np.zeros((2, 3, 4, 5)), "^the mask has 4 axes"),
        ("kernel", torch.zeros(4), "^the kernel has 1 axes; a kernel is H×W"),
        ("hints", np.zeros((20, 30, 5)), "^the hints are 20 × 30 × 5, with 5 channels; hints have 1 to 4"),
        ("mask", np.zeros((0, 4)), "^the mask has no pixels"),
        ("mask", [[0, 1]], "^cannot take a mask from list"),
        ("mask", np.array([[np.nan]]), "^1 of 1 values of the mask are NaN or infinite; replace them first$"),
    ],
)
def test_messages_name_what_was_asked_for(subject, source, message):
    with pytest.raises(ImageError, match=message):
        load(source, subject=subject)


def test_a_tensor_without_channel_axis_may_become_rgb():
    assert load(torch.zeros(4, 5)).with_colours(torch.zeros(1, 3, 4, 5)).as_given().shape == (3, 4, 5)


def test_truncated_pil_image_is_refused(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[: len(data) // 2])
    with Image.open(tmp_path / "a.png") as image, pytest.raises(ImageError, match="damaged or truncated"):
        load(image)


# --- writing ---------------------------------------------------------------------------------------------


@pytest.fixture
def grey() -> Picture:
    return load(np.arange(20, dtype=np.uint8).reshape(4, 5))


def test_an_existing_file_is_kept(tmp_path, grey):
    (tmp_path / "a.png").write_text("precious")
    with pytest.raises(ImageError, match="exists already"):
        save(grey, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_text() == "precious"


@pytest.mark.parametrize("link", ["itself", "symlink", "hardlink", "roundabout"])
def test_the_input_is_never_overwritten(tmp_path, grey, link):
    source = tmp_path / "a.png"
    save(grey, source)
    output = {"itself": source, "roundabout": tmp_path / ".." / tmp_path.name / "a.png"}.get(link)
    if output is None:
        output = tmp_path / "b.png"
        output.symlink_to(source) if link == "symlink" else output.hardlink_to(source)
    before = source.read_bytes()
    with pytest.raises(ImageError, match="the output is the input, which is never overwritten: "):
        save(load(source).with_colours(torch.ones(1, 1, 8, 10)), output, overwrite=True)
    assert source.read_bytes() == before


def test_the_input_is_refused_as_output_before_the_work(tmp_path, grey):
    save(grey, tmp_path / "a.png")
    source = load(tmp_path / "a.png").source
    with pytest.raises(ImageError, match="the output is the input"):
        check_output(tmp_path / "a.png", overwrite=True, source=source)


def test_a_relative_source_is_known_after_the_folder_changed(tmp_path, grey, monkeypatch):
    save(grey, tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    picture = load("a.png")
    monkeypatch.chdir(tmp_path.parent)
    assert picture.source == tmp_path / "a.png"


def test_a_picture_from_memory_has_no_source(grey):
    assert grey.source is None


def test_a_link_in_place_of_the_partial_file_is_not_followed(tmp_path, grey):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / ".a.png.part").symlink_to(tmp_path / "precious")
    save(grey, tmp_path / "a.png")
    assert (tmp_path / "precious").read_text() == "precious"


def test_the_longest_possible_name_can_be_written(tmp_path, grey):
    path = tmp_path / ("a" * 251 + ".png")
    save(grey, path)
    assert path.exists()


def test_an_existing_file_is_replaced_where_allowed(tmp_path, grey):
    (tmp_path / "a.png").write_text("old")
    save(grey, tmp_path / "a.png", overwrite=True)
    np.testing.assert_array_equal(load(tmp_path / "a.png").as_given(), grey.as_given())


@pytest.mark.parametrize("broken", ["write", "replace"])
def test_nothing_is_left_behind_after_an_error(tmp_path, grey, monkeypatch, broken):
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if broken == "replace":
        monkeypatch.setattr(os, "replace", fail)
        monkeypatch.setattr(os, "link", fail)
    else:
        monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ImageError, match="No space left on device"):
        save(grey, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_appears_during_the_work_is_kept(tmp_path, grey, monkeypatch):
    (tmp_path / "a.png").write_text("precious")
    monkeypatch.setattr(images, "check_output", lambda *_, **__: None)
    with pytest.raises(ImageError, match="exists already"):
        save(grey, tmp_path / "a.png")
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_text() == "precious"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.gif", "the suffix '.gif' names no known format; use one of .png"),
        ("a.gif", r"\.zarr \(for stacks\)"),
        ("a", "a: has no suffix; use one of .png"),
        ("no/a.png", "does not exist"),
    ],
)
def test_outputs_that_cannot_work_are_refused_before_the_work(tmp_path, name, message):
    with pytest.raises(ImageError, match=message):
        check_output(tmp_path / name, overwrite=False)


def test_a_folder_that_is_not_writable_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ImageError, match="not writable"):
        check_output(tmp_path / "a.png", overwrite=False)


def test_an_output_that_is_a_folder_is_refused(tmp_path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(ImageError, match="is a folder"):
        check_output(tmp_path / "a.png", overwrite=True)


def test_a_good_output_passes(tmp_path):
    check_output(tmp_path / "A.PNG", overwrite=False)


def test_a_batch_does_not_go_into_one_file(tmp_path):
    with pytest.raises(ImageError, match="batch of 2"):
        save(load(torch.zeros(2, 3, 4, 4)), tmp_path / "a.png")


def test_float_tiff_is_written_in_the_callers_range(tmp_path):
    array = np.linspace(0, 255, 12, dtype=np.float32).reshape(3, 4)
    save(load(array, value_range=(0, 255)), tmp_path / "a.tif")
    np.testing.assert_allclose(load(tmp_path / "a.tif", value_range=(0, 255)).as_given(), array, rtol=1e-5)


def test_twelve_bit_counts_stay_twelve_bit_in_a_deep_file_and_fill_a_shallow_one(tmp_path):
    array = np.linspace(0, 4095, 12).astype(np.uint16).reshape(3, 4)
    picture = load(array, value_range=(0, 4095))
    save(picture, tmp_path / "a.png")
    save(picture, tmp_path / "a.bmp")
    np.testing.assert_array_equal(load(tmp_path / "a.png").as_given(), array)
    assert load(tmp_path / "a.bmp").as_given().max() == 255


def test_sixteen_bit_alpha_is_kept_when_the_depth_is_reduced(tmp_path):
    array = np.full((3, 4, 4), 65535, np.uint16)
    array[..., 3] = 32896  # 128 · 257
    save(load(array), tmp_path / "a.webp")
    assert (load(tmp_path / "a.webp").as_given()[..., 3] == 128).all()


def test_provenance_reaches_the_file(tmp_path, grey):
    save(grey, tmp_path / "a.png", provenance={"task": "denoise"})
    assert read_provenance(tmp_path / "a.png") == {"task": "denoise"}


def test_a_picture_of_twelve_megapixels_loads(tmp_path):
    array = np.zeros((3000, 4000, 3), np.uint8)
    array[::7, ::5] = 200
    Image.fromarray(array).save(tmp_path / "a.png", compress_level=1)
    assert load(tmp_path / "a.png").colours.shape == (1, 3, 3000, 4000)
