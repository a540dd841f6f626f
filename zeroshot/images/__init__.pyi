from .decoding import MAX_PIXELS, largest_side
from .errors import ImageError
from .files import check_not_input, check_output, read_provenance
from .kinds import SUFFIXES
from .picture import GivenForm, Picture
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
    "largest_side",
    "load",
    "read_provenance",
    "save",
]
