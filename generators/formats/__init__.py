"""Any published file of weights → a generator, without running anything from the file.

The format is recognised by what the file holds, and sizes, widths and depths are derived from its tensors::

    generator = load("ffhq.pkl")
    save(generator, "ffhq.safetensors")
"""

from .errors import UnsafePickleError
from .network_pickles import read_pickle
from .pickled_arrays import Recorded
from .recognition import load
from .safetensors_files import check_output, save
from .torch_files import load_state_dict, load_tensors

__all__ = [
    "Recorded",
    "UnsafePickleError",
    "check_output",
    "load",
    "load_state_dict",
    "load_tensors",
    "read_pickle",
    "save",
]
