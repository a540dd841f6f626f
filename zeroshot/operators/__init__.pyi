from .adapters import as_operator, from_functions, from_scipy
from .blur import Blur
from .downsample import Downsample
from .expression import parse
from .grayscale import Grayscale
from .identity import Identity
from .jpeg_compression import JpegCompression
from .jpeg_transform import JpegTransform
from .mask import Mask, fill_holes
from .mosaic import Mosaic
from .operator import Composition, Operator
from .space_varying_blur import SpaceVaryingBlur
from .stack import Stack
from .window import Locality, Window

__all__ = [
    "Blur",
    "Composition",
    "Downsample",
    "Grayscale",
    "Identity",
    "JpegCompression",
    "JpegTransform",
    "Locality",
    "Mask",
    "Mosaic",
    "Operator",
    "SpaceVaryingBlur",
    "Stack",
    "Window",
    "as_operator",
    "fill_holes",
    "from_functions",
    "from_scipy",
    "parse",
]
