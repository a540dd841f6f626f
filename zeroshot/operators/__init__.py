"""Operators A: the damage, as differentiable maps with an adjoint, a norm and a first estimate."""

from zeroshot.operators.adapters import as_operator, from_functions, from_scipy
from zeroshot.operators.blur import Blur
from zeroshot.operators.composition import Composition, Stack
from zeroshot.operators.downsample import Downsample
from zeroshot.operators.expression import parse
from zeroshot.operators.grayscale import Grayscale
from zeroshot.operators.identity import Identity
from zeroshot.operators.mask import Mask, fill_holes
from zeroshot.operators.mosaic import Mosaic
from zeroshot.operators.operator import Operator

__all__ = [
    "Blur",
    "Composition",
    "Downsample",
    "Grayscale",
    "Identity",
    "Mask",
    "Mosaic",
    "Operator",
    "Stack",
    "as_operator",
    "fill_holes",
    "from_functions",
    "from_scipy",
    "parse",
]
