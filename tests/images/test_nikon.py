"""ND2, the files of Nikon's microscopes, as nd2 tells of them: its reader is imitated, for nobody writes such files."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from zeroshot.images import ImageError
from zeroshot.images.stack import stack_of

GREEN = SimpleNamespace(r=0, g=255, b=9, a=1.0)


def imitate(monkeypatch, tmp_path, axes, points=(), channels=("DAPI", "GFP")):
    """A file with these axes, of 2, 3, … values, whose positions have these names; the path and the values."""
    shape = tuple(range(2, 2 + len(axes)))
    values = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)

    class File:
        metadata = SimpleNamespace(
            channels=[SimpleNamespace(channel=SimpleNamespace(name=one, color=GREEN)) for one in channels]
        )
        experiment = (
            SimpleNamespace(type="TimeLoop", parameters=SimpleNamespace(periodMs=500.0)),
            SimpleNamespace(
                type="XYPosLoop",
                parameters=SimpleNamespace(points=[SimpleNamespace(name=one) for one in points]),
            ),
        )

        def __init__(self, path):
            assert path.exists()
            self.sizes = dict(zip(axes, shape, strict=True))

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def to_dask(self):
            return values

        def voxel_size(self):
            return (0.2, 0.3, 1.5)

    monkeypatch.setitem(sys.modules, "nd2", SimpleNamespace(ND2File=File))
    path = tmp_path / "a.nd2"
    path.write_bytes(b"\xda\xce\xbe\n" + bytes(60))
    return path, values


@pytest.mark.parametrize(
    ("points", "names"),
    [(["well A", "well B", "well C"], ["well A", "well B", "well C"]), (["", "", "B"], None)],
)
def test_positions_are_scenes(monkeypatch, tmp_path, points, names):
    path, values = imitate(monkeypatch, tmp_path, "TPZCYX", points)
    names = names or ["1", "2", "3"]
    for number, name in enumerate(names):
        for scene in (number + 1, name):
            stack = stack_of(path, scene=scene)
            assert (stack.axes, stack.scene) == ("TZCYX", name)
            np.testing.assert_array_equal(stack.plane((1, 2, 3)), values[1, number, 2, 3])
    assert str(stack_of(path).remarks[0]).startswith(f"position 1 of 3, '{names[0]}', is taken")
    with pytest.raises(ImageError, match="scene=4 is not one of its 3 positions"):
        stack_of(path, scene=4)


def test_lengths_and_names_come_along(monkeypatch, tmp_path):
    path, values = imitate(monkeypatch, tmp_path, "TCYX")
    stack = stack_of(path)
    assert (stack.axes, stack.scene, stack.remarks) == ("TCYX", None, ())
    np.testing.assert_array_equal(stack.plane((1, 2)), values[1, 2])
    assert stack.metadata.scale == {"X": 0.2, "Y": 0.3, "Z": 1.5, "T": 0.5}
    assert (stack.metadata.time_unit, stack.metadata.names) == ("s", ("DAPI", "GFP"))
    assert stack.metadata.colours == ("00FF09", "00FF09")
    assert stack_of(path.rename(tmp_path / "b.tif")).shape == stack.shape
