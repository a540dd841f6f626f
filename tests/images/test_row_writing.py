"""Pictures written by rows: the pixels and what else a file carries, as where they are written at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from zeroshot import images
from zeroshot.files import PARTIALS
from zeroshot.images import row_writing
from zeroshot.images.metadata import Metadata
from zeroshot.images.picture import Picture
from zeroshot.images.row_writing import save_rows
from zeroshot.images.writing import depth_to_write

DTYPES = ("uint8", "uint16", "float32")


def picture(dtype: str, channels: int) -> Picture:
    generator = np.random.default_rng(0)
    pixels = generator.random((37, 23, channels) if channels > 1 else (37, 23))
    if dtype != "float32":
        pixels = pixels * np.iinfo(dtype).max
    found = images.load(pixels.astype(dtype))
    metadata = Metadata(dpi=(300.0, 300.0), xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>")
    return replace(found, form=replace(found.form, metadata=metadata))


def bands(given: Picture, kind: str) -> tuple[Iterator[np.ndarray], tuple[int, ...]]:
    pixels = given.pixels(*depth_to_write(given.form, kind))
    return iter(np.split(pixels, [1, 16, 30])), pixels.shape


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_the_file_reads_as_the_one_that_is_written_at_once(
    dtype: str, channels: int, suffix: str, tmp_path: Path
) -> None:
    given = picture(dtype, channels)
    once, rows = tmp_path / f"once{suffix}", tmp_path / f"rows{suffix}"
    images.save(given, once, provenance={"task": "sr"})
    parts, shape = bands(given, images.SUFFIXES[suffix])
    save_rows(parts, shape, given.form, rows, provenance={"task": "sr"})
    first, second = images.load(once), images.load(rows)
    assert torch.equal(first.colours, second.colours)
    assert first.form.dtype == second.form.dtype
    assert second.form.metadata.dpi == pytest.approx(first.form.metadata.dpi)
    assert second.form.metadata.xmp == first.form.metadata.xmp
    assert images.read_provenance(rows) == {"task": "sr"}


def test_a_file_beyond_four_gigabytes_has_offsets_of_64_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_writing, "_LARGEST_TIFF", 1000)
    given = picture("uint8", 3)
    parts, shape = bands(given, "TIFF")
    save_rows(parts, shape, given.form, tmp_path / "big.tif")
    with tifffile.TiffFile(tmp_path / "big.tif") as file:
        assert file.is_bigtiff
        assert np.array_equal(file.asarray(), given.pixels(torch.uint8))


def test_half_a_picture_leaves_nothing_and_what_exists_stays(tmp_path: Path) -> None:
    given, path = picture("uint8", 3), tmp_path / "a.png"
    parts, shape = bands(given, "PNG")
    next(parts)
    with pytest.raises(ValueError, match="there are 36 rows"):
        save_rows(parts, shape, given.form, path)

    def broken() -> Iterator[np.ndarray]:
        yield from next(iter([bands(given, "PNG")[0]]))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_rows(broken(), shape, given.form, path)
    assert list(tmp_path.iterdir()) == []
    path.write_bytes(b"precious")
    with pytest.raises(images.ImageError, match="exists already"):
        save_rows(bands(given, "PNG")[0], shape, given.form, path)
    assert path.read_bytes() == b"precious"
    assert not list(tmp_path.glob(PARTIALS))


def test_other_formats_are_refused(tmp_path: Path) -> None:
    given = picture("uint8", 3)
    with pytest.raises(images.ImageError, match="JPEG cannot be written by rows; use PNG or TIFF"):
        save_rows(iter([]), (37, 23, 3), given.form, tmp_path / "a.jpg")
