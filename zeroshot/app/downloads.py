"""What a result can be taken away as: the file that the command line would have written, or one of another format.

Each keeps what the input carried, as far as the format has a place for it, and the provenance
(:mod:`zeroshot.images.formats`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import features

from zeroshot.app.wording import RefusedError
from zeroshot.words import unknown

if TYPE_CHECKING:
    from zeroshot.images import Picture
    from zeroshot.restoration import Restoration

#: The folder, within that of a run, of what was asked for in another format.
FOLDER = "downloads"
#: What a result of 8 bits was before it was rounded to them.
_DEEP = "deep.npy"


@dataclass(frozen=True)
class Format:
    """A format to take a result away in.

    Attributes
    ----------
    label : str
        What the page calls it.
    suffix : str
    bits : {8, 16}
        Of a sample.
    package, extra : str
        What must be installed for it, and what brings that: an extra of this package; "" where nothing must.
    """

    label: str
    suffix: str
    bits: int = 8
    package: str = ""
    extra: str = ""

    @property
    def is_there(self) -> bool:
        """Whether this installation can write it."""
        if self.suffix == ".avif":
            return bool(features.check("avif"))
        return not self.package or find_spec(self.package) is not None


FORMATS = {
    "png8": Format("PNG, 8 bits", ".png"),
    "png16": Format("PNG, 16 bits", ".png", 16),
    "tiff": Format("TIFF, 16 bits", ".tif", 16),
    "jpeg": Format("JPEG", ".jpg"),
    "webp": Format("WebP, lossless", ".webp"),
    "avif": Format("AVIF", ".avif"),
    "heic": Format("HEIC", ".heic", package="pillow_heif", extra="formats"),
    "jxl": Format("JPEG XL", ".jxl", package="pillow_jxl", extra="formats"),
    "fits": Format("FITS, 16 bits", ".fits", 16, package="astropy", extra="fits"),
}


def format_tables() -> list[dict[str, str]]:
    """The formats that this installation writes, for the page."""
    return [{"name": name, "label": one.label} for name, one in FORMATS.items() if one.is_there]


def place(folder: Path, output: str, name: str) -> Path:
    """Where the result `output` of the run in `folder` is kept in the format of this name.

    Raises
    ------
    RefusedError
        Where there is no such format here.
    """
    names = [row["name"] for row in format_tables()]
    if name not in names:
        raise RefusedError(unknown("format here", name, names), status=404)
    return folder / FOLDER / name / (Path(output).stem + FORMATS[name].suffix)


def keep_depth(restoration: Restoration, folder: Path) -> None:
    """Keep what 16 bits hold beyond the 8 of the result, where it has no more."""
    import numpy as np
    import torch

    if restoration.picture.form.dtype.itemsize == 1:
        np.save(folder / _DEEP, restoration.picture.pixels(torch.uint16, "full"))


def write(folder: Path, output: str, name: str) -> None:
    """Write the result `output` of the run in `folder` in the format of this name, to its :func:`place`.

    Raises
    ------
    ImageError
        In one line, where the format cannot hold it.
    """
    import torch

    from zeroshot import images

    provenance = images.read_provenance(folder / output)
    result = _read(folder / output, provenance)
    is_deep = FORMATS[name].bits == 16
    if is_deep and (folder / _DEEP).exists():
        pixels = _deep(folder)
    else:
        pixels = result.pixels(torch.uint16 if is_deep else torch.uint8, "full")
    picture = images.load(pixels)
    picture = replace(picture, form=replace(picture.form, metadata=result.form.metadata))
    path = place(folder, output, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    images.save(picture, path, overwrite=True, provenance=provenance)


def _deep(folder: Path) -> Any:
    import numpy as np

    return np.load(folder / _DEEP, allow_pickle=False)


def _read(path: Path, provenance: dict[str, Any] | None) -> Picture:
    """The result on the range that it was restored on, which its values alone do not tell: floats, and counts."""
    import torch

    from zeroshot import images

    picture = images.load(path)
    told = (provenance or {}).get("value_range")
    if not told:
        return picture
    # Sixteen bits of a float or of an 8-bit picture have all of their range; ranges of those end below it.
    are_counts = picture.form.dtype == torch.uint16 and told[0] >= 0 and 255 < told[1] <= 65535
    if not (picture.form.dtype.is_floating_point or are_counts):
        return picture
    return images.load(path, value_range=(float(told[0]), float(told[1])))
