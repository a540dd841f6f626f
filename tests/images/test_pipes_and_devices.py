"""What is no file is refused at once: a pipe would be waited for, and a device may never end."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from zeroshot import images
from zeroshot.images.files import read_provenance
from zeroshot.operators.plane_files import kernel_file, mask_file

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")


@pytest.mark.parametrize("read", [images.load, read_provenance, kernel_file, mask_file])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, read: Callable[[Path], object], suffix: str) -> None:
    path = tmp_path / f"pipe{suffix}"
    os.mkfifo(path)
    with pytest.raises((OSError, ValueError), match="is a pipe or a device") as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("read", [images.load, read_provenance, kernel_file, mask_file])
def test_a_device_is_not_read_for_ever(tmp_path: Path, read: Callable[[Path], object]) -> None:
    path = tmp_path / "endless.png"
    path.symlink_to("/dev/zero")
    with pytest.raises((OSError, ValueError), match="is a pipe or a device"):
        read(path)
