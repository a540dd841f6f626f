"""CZI, the files of Zeiss's microscopes, written by pylibCZIrw: planes, scenes, tiles, colours."""

import numpy as np
import pytest
import tifffile

from tests.cli.commands import run
from zeroshot.images import ImageError
from zeroshot.images.stack import stack_of

czi = pytest.importorskip("pylibCZIrw.czi", reason="the extra microscopes is not installed")


def counts(*shape, dtype=np.uint16):
    return np.random.default_rng(0).integers(0, 250, shape).astype(dtype)


def write(path, *parts, **told):
    """A file of planes, each its pixels and where they go: plane, location, scene."""
    with czi.create_czi(str(path)) as document:
        for pixels, place in parts:
            document.write(data=pixels if pixels.ndim == 3 else pixels[..., None], **place)
        if told:
            document.write_metadata(**told)
    return path


def planes(stack):
    return np.stack([stack.plane(index) for index in stack.indices()]).reshape(stack.shape)


def test_planes_are_in_their_places_with_lengths_and_names(tmp_path):
    values = counts(2, 3, 2, 8, 9)
    parts = [(values[t, c, z], {"plane": {"T": t, "C": c, "Z": z}}) for t, c, z in np.ndindex(2, 3, 2)]
    names = dict(enumerate(("DAPI", "GFP", "RFP")))
    path = write(
        tmp_path / "a.czi", *parts, scale_x=2e-7, scale_y=3e-7, scale_z=1e-6, channel_names=names,
        document_name="a",
    )  # fmt: skip
    stack = stack_of(path)
    assert (stack.axes, stack.scene, stack.remarks) == ("TCZYX", None, ())
    np.testing.assert_array_equal(planes(stack), values)
    assert stack.metadata.scale == pytest.approx({"X": 0.2, "Y": 0.3, "Z": 1.0})
    assert stack.metadata.names == ("DAPI", "GFP", "RFP")


def test_a_picture_has_no_axes_but_its_own_and_needs_no_scale(tmp_path, capsys):
    scene = np.add.outer(np.arange(64), np.arange(64)) * 8.0 + 300
    noisy = np.rint(scene + np.random.default_rng(1).normal(0, 60, scene.shape)).astype(np.uint16)
    path = write(tmp_path / "a.czi", (noisy, {}))
    assert stack_of(path).axes == "YX"
    assert run(["denoise", path, "--prior", "dct"], capsys)[0] == 0
    written = tifffile.imread(tmp_path / "a.denoised.tif")
    assert np.square(written - scene).mean() < np.square(noisy - scene).mean() / 3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colours_are_red_green_and_blue(tmp_path, dtype):
    colours = counts(8, 9, 3, dtype=dtype)  # which the library takes as blue, green, red
    stack = stack_of(write(tmp_path / "a.czi", (colours, {})))
    assert (stack.axes, stack.dtype) == ("YXS", dtype)
    np.testing.assert_array_equal(planes(stack), colours[..., ::-1])


def test_channels_of_different_depths_keep_their_counts(tmp_path):
    deep, shallow = counts(8, 9) * 100, counts(8, 9, dtype=np.uint8)
    parts = [(shallow, {"plane": {"C": 0}}), (deep, {"plane": {"C": 1}})]
    stack = stack_of(write(tmp_path / "a.czi", *parts))
    assert stack.dtype == np.uint16
    np.testing.assert_array_equal(planes(stack), [shallow, deep])


def test_kinds_that_do_not_go_together_or_are_not_read_are_refused(tmp_path):
    with pytest.raises(ImageError, match="holds Bgr96Float pixels; those that are read are Gray8, Gray16, "):
        stack_of(write(tmp_path / "f.czi", (counts(8, 9, 3, dtype=np.float32), {})))
    parts = [(counts(8, 9), {"plane": {"C": 0}}), (counts(8, 9, 3), {"plane": {"C": 1}})]
    with pytest.raises(ImageError, match="holds channels in grey beside one in colour; export them as files"):
        stack_of(write(tmp_path / "a.czi", *parts))


def test_tiles_of_a_scene_are_put_together_and_scenes_are_apart(tmp_path):
    left, right, other = counts(8, 9), counts(8, 9) + 1, counts(5, 6) + 2
    path = write(
        tmp_path / "a.czi",
        (left, {"location": (0, 0), "scene": 0}),
        (right, {"location": (9, 0), "scene": 0}),
        (other, {"location": (100, 40), "scene": 1}),
    )
    first, second = stack_of(path), stack_of(path, scene=2)
    np.testing.assert_array_equal(planes(first), np.hstack([left, right]))
    np.testing.assert_array_equal(planes(second), other)
    assert str(first.remarks[0]).startswith("scene 1 of 2, ")
    assert (second.scene, second.remarks) == ("2", ())
    with pytest.raises(ImageError, match="scene=3 is not one of its 2 scenes"):
        stack_of(path, scene=3)


def test_a_file_that_was_cut_is_refused_in_one_line_wherever(tmp_path):
    path = write(tmp_path / "a.czi", (counts(32, 32), {}))
    content = path.read_bytes()
    for length in range(0, len(content) - 100, len(content) // 12):  # the last bytes are padding
        path.write_bytes(content[:length])
        with pytest.raises(ImageError) as refused:
            planes(stack_of(path))
        assert str(refused.value).startswith(f"{path}: ")
        assert "\n" not in str(refused.value)
