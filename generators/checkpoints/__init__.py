"""Any published checkpoint → a generator, without running anything from the file.

The format is recognised by what the file holds, and sizes, widths and depths are derived from its tensors::

    generator = load("ffhq.pkl")
    save(generator, "ffhq.safetensors")
"""

from .arrays import Recorded
from .budget import UnsafePickleError
from .files import check_output, describe, load, save
from .torch_files import load_tensors
from .unpickler import read_pickle

__all__ = [
    "Recorded",
    "UnsafePickleError",
    "check_output",
    "describe",
    "load",
    "load_tensors",
    "read_pickle",
    "save",
]
