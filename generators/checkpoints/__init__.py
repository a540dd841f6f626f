"""Any published checkpoint → a generator, without running anything from the file.

The format is recognised by what the file holds, and sizes, widths and depths are derived from its tensors::

    generator = load("ffhq.pkl")
    save(generator, "ffhq.safetensors")
"""

from .files import describe, load, save
from .unpickler import Recorded, UnsafePickleError, read_pickle

__all__ = ["Recorded", "UnsafePickleError", "describe", "load", "read_pickle", "save"]
