"""The version of this installation."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("zeroshot-restore")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "unknown"
