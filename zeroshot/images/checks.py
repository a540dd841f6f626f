"""What makes an array or a tensor an image: checks of shapes, types and values, and their messages."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from zeroshot.images.errors import ImageError
from zeroshot.images.picture import GivenForm
from zeroshot.spelling import Wording

NUMPY_DTYPES = ("bool", "uint8", "uint16", "float16", "float32", "float64")
TORCH_DTYPES = (*NUMPY_DTYPES, "bfloat16")
_RANGE = Wording("value_range", "--range")


@dataclass(frozen=True)
class SourceWording:
    """What messages call the source: "image", "mask", "hints"; and the file it came from, as "PATH: "."""

    subject: str
    place: str = ""

    @property
    def some(self) -> str:
        if self.subject.endswith("s"):
            return self.subject
        return f"{'an' if self.subject[0] in 'aeiou' else 'a'} {self.subject}"

    @property
    def have(self) -> str:
        return "have" if self.subject.endswith("s") else "has"

    @property
    def are(self) -> str:
        return "are" if self.subject.endswith("s") else "is"

    @property
    def of(self) -> str:
        """What follows "values" or "the alpha channel", where it is not the image that is meant."""
        return "" if self.subject == "image" else f" of the {self.subject}"

    def the(self, container: str = "") -> str:
        """The source, for an image by the name of its container where there is one."""
        return f"the {container if container and self.subject == 'image' else self.subject}"


def checked_range(value_range: tuple[float, float] | None) -> tuple[float, float] | None:
    """Black and white as two finite floats, the former below the latter; None stays None."""
    if value_range is None:
        return None
    try:
        low, high = (float(v) for v in value_range)
    except (TypeError, ValueError):
        raise ImageError(_RANGE, f" must be two numbers (black, white), got {value_range!r}") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ImageError(_RANGE, f" must be (black, white) with black < white, got {value_range!r}")
    return low, high


def check_array(array: np.ndarray, words: SourceWording) -> None:
    """Refuse an array that is not H×W or H×W×C with 1 to 4 channels of an accepted type."""
    shape = " × ".join(map(str, array.shape))
    if isinstance(array, np.ma.MaskedArray) and (masked := np.ma.count_masked(array)):
        raise ImageError(
            f"{words.the('array')} {words.are} masked, with {masked} of {array.size} values left out: pass array.data "
            "for all of them, or inpaint array.filled(0) with the mask ~array.mask"
        )
    if array.ndim == 4:
        raise ImageError(
            f"{words.the('array')} {words.have} 4 axes ({shape}); pass a batch as a torch tensor N×C×H×W"
        )
    if array.ndim not in (2, 3):
        raise ImageError(
            f"{words.the('array')} {words.have} {array.ndim} axes; {words.some} {words.are} H×W or H×W×C"
        )
    if array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4):
        if array.shape[0] in (1, 2, 3, 4):
            raise ImageError(
                f"{words.the('array')} {words.are} {shape}, but the channels of an array go last (H×W×C); "
                "pass np.moveaxis(array, 0, -1), or a torch tensor"
            )
        raise ImageError(
            f"{words.the('array')} {words.are} {shape}, with {array.shape[2]} channels; "
            f"{words.some} {words.have} 1 to 4: pass the channels to restore"
        )
    check_size_and_type(array.size, shape, array.dtype.name, NUMPY_DTYPES, words)


def check_size_and_type(
    size: int, shape: str, dtype: str, accepted: tuple[str, ...], words: SourceWording
) -> None:
    """Refuse images without pixels or of another type than the accepted ones."""
    if size == 0:
        raise ImageError(f"{words.the()} {words.have} no pixels ({shape})")
    if dtype not in accepted:
        raise ImageError(
            f"{words.the()} {words.are} of type {dtype}; accepted are {', '.join(accepted)}{_advice(dtype)}"
        )


def _advice(dtype: str) -> str:
    """What to do about samples of a type that is not accepted."""
    if dtype.startswith("complex"):
        return ": pass its magnitude, or its real and imaginary part one by one"
    if dtype.startswith(("int", "uint")):
        return ": pass it as float32, with value_range=(black, white) to say which values these are"
    if dtype in ("float128", "longdouble"):
        return ": pass it as float64"
    return ""


def check_finite(samples: torch.Tensor, words: SourceWording) -> None:
    """Refuse NaN and infinity."""
    if samples.dtype.is_floating_point:
        bad = int((~torch.isfinite(samples)).sum())
        if bad:
            mask = ", or inpaint them with a mask that is false (black) there"
            advice = mask if words.subject == "image" else ""
            raise ImageError(
                f"{words.place}{bad} of {samples.numel()} values{words.of} are NaN or infinite; "
                f"replace them first{advice}"
            )


def check_alpha(alpha: torch.Tensor, form: GivenForm, words: SourceWording) -> None:
    """Refuse an alpha channel of floats that does not run from transparent to opaque."""
    if not -1e-3 <= float(alpha.min()) <= float(alpha.max()) <= 1 + 1e-3:
        top = form.alpha_range[1]
        raise ImageError(
            f"{words.place}the alpha channel{words.of} runs from {float(alpha.min()) * top:.6g} to "
            f"{float(alpha.max()) * top:.6g}, expected 0 to {top:g}"
        )
