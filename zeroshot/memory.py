"""Memory of the CPU: how much there is, how errors say that it ran out, and keeping large allocations.

By default glibc gives every block above 32 MiB back to the kernel when it is freed, and the next iteration
pays for mapping and clearing the same pages again. On the skip network of Deep Image Prior at 256 × 256 this
is more than a third of the time.
"""

from __future__ import annotations

import ctypes
import math
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_kept = False
# An estimate, the best so far and the one on its way out.
_COPIES = 3
# How PyTorch, ONNX Runtime, OpenCV, the C++ runtime and Python say that memory ran out.
_RAN_OUT = (
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "out of memory",
    "insufficient memory",
    "bad_alloc",
    "bad allocation",
    "failed to allocate",
    "memoryerror",
)


def keep_large_allocations() -> bool:
    """Tell glibc's allocator to keep freed memory for reuse by this process.

    It acts on Linux with glibc only, once per process, and does nothing elsewhere. The memory is given back
    when the process ends. Set the environment variable ``ZEROSHOT_ALLOCATOR=system`` to leave the allocator
    alone.

    Returns
    -------
    bool
        Whether the setting is in force.
    """
    global _kept
    if _kept:
        return True
    if os.environ.get("ZEROSHOT_ALLOCATOR") == "system" or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = ((_M_MMAP_THRESHOLD, 1 << 30), (_M_TRIM_THRESHOLD, (1 << 31) - 1), (_M_TOP_PAD, 64 << 20))
    _kept = all(mallopt(name, value) == 1 for name, value in settings)
    return _kept


def tells_of_memory(text: str) -> bool:
    """Whether a message says that memory ran out."""
    lowered = text.lower()
    return any(words in lowered for words in _RAN_OUT)


_share: ContextVar[tuple[int, int | None]] = ContextVar("_share", default=(1, None))


@contextmanager
def sharing(count: int, free: int | None) -> Iterator[None]:
    """Have what is done within content itself with its share, where `count` processes work side by side.

    Parameters
    ----------
    count : int
        How many there are.
    free : int or None
        The bytes that were free before the first began, so that the share does not depend on how far the others
        are; None where nobody knows.
    """
    token = _share.set((count, free))
    try:
        yield
    finally:
        _share.reset(token)


def sharers() -> int:
    """How many processes work side by side, see :func:`sharing`."""
    return _share.get()[0]


def available_memory() -> int | None:
    """The bytes that a new computation can have without swapping, or None where the system does not say."""
    count, free = _share.get()
    return _free_memory() if free is None else free // count


def _free_memory() -> int | None:
    if sys.platform == "win32":
        return _free_on_windows()
    if sys.platform == "darwin":
        return _free_on_macos()
    try:
        lines = Path("/proc/meminfo").read_text("utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


class _MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX of the Windows API."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        *((name, ctypes.c_uint64) for name in ("physical", "free", "page_file", "page_file_free")),
        *((name, ctypes.c_uint64) for name in ("virtual", "virtual_free", "extended_free")),
    )


def _free_on_windows() -> int | None:
    status = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
    told = ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined]
    return int(status.free) if told else None


def _free_on_macos() -> int | None:
    """What is free or given back at once when it is asked for, by vm_stat."""
    try:
        told = subprocess.run(
            ["/usr/bin/vm_stat"], capture_output=True, text=True, timeout=5, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    page = re.search(r"page size of (\d+) bytes", told)
    pages = re.findall(r"^Pages (?:free|inactive|speculative): +(\d+)\.", told, flags=re.MULTILINE)
    return int(page[1]) * sum(map(int, pages)) if page and pages else None


_in_parts: ContextVar[bool] = ContextVar("_in_parts", default=False)


@contextmanager
def made_in_parts() -> Iterator[None]:
    """Have :func:`require_room` ask for none: what would have it is not held as a whole."""
    token = _in_parts.set(True)
    try:
        yield
    finally:
        _in_parts.reset(token)


def require_room(shape: Sequence[int], what: str) -> None:
    """Raise a ValueError where a few tensors (N, C, H, W) of 32-bit floats of this shape do not fit into memory.

    Parameters
    ----------
    shape : sequence of int
        Of the tensors.
    what : str
        What they are: "the restored picture".
    """
    needed, available = _COPIES * 4 * math.prod(shape), available_memory()
    if available is not None and needed > available and not _in_parts.get():
        raise ValueError(
            f"{what} would have {shape[-2]} × {shape[-1]} pixels in {math.prod(shape[:-2])} channels, which take "
            f"{needed / 2**30:.3g} GiB of memory, and {available / 2**30:.1f} GiB are free; take a smaller factor, "
            "or a part of the picture"
        )
