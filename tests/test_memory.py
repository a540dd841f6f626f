"""How much memory there is, and what is refused for want of it."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import zeroshot
from zeroshot import memory


def test_a_picture_that_fits_is_not_refused():
    memory.require_room((1, 3, 64, 64), "the picture")


def test_a_picture_beyond_all_memory_is_refused_with_the_figures():
    with pytest.raises(
        ValueError, match=r"picture would have 1000000 × 1000000 pixels in 3 channels.*GiB are free"
    ):
        memory.require_room((1, 3, 10**6, 10**6), "the picture")


def test_nothing_is_refused_where_the_system_does_not_say(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: None)
    memory.require_room((1, 3, 10**6, 10**6), "the picture")


def test_macos_says_what_is_free_or_given_back_at_once(monkeypatch):
    told = """Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                                1000.
Pages active:                            900000.
Pages inactive:                            200.
Pages speculative:                          34.
Pages wired down:                         55555.
"""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(subprocess, "run", lambda *_given, **_how: SimpleNamespace(stdout=told))
    assert memory.available_memory() == 1234 * 16384

    def missing(*_given, **_how):
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "run", missing)
    assert memory.available_memory() is None


def test_windows_says_what_is_free(monkeypatch):
    def filled(pointer):
        status = pointer._obj
        assert status.length == 64  # sizeof(MEMORYSTATUSEX)
        status.free = 5 << 30
        return answers.pop()

    answers = [0, 1]
    kernel = SimpleNamespace(GlobalMemoryStatusEx=filled)
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel), raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    assert memory.available_memory() == 5 << 30
    assert memory.available_memory() is None


def test_operators_that_multiply_to_more_than_memory_are_refused():
    image = np.random.default_rng(0).random((32, 32)).astype(np.float32)
    operator = zeroshot.operators.parse("downsample(64) @ downsample(64) @ downsample(64)")
    with pytest.raises(ValueError, match="would have 8388608 × 8388608 pixels"):
        zeroshot.solve(image, task="restore", prior="tv", operator=operator, sigma=0)
