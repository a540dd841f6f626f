from .files import check_not_input, check_output, read_provenance
from .formats import SUFFIXES
from .metadata import ImageError
from .picture import GivenForm, Picture
from .pillow import MAX_PIXELS
from .reading import load
from .writing import save

__all__ = [
    "MAX_PIXELS",
    "SUFFIXES",
    "GivenForm",
    "ImageError",
    "Picture",
    "check_not_input",
    "check_output",
    "load",
    "read_provenance",
    "save",
]
