"""Tests of whether somebody sees what is printed."""

from __future__ import annotations

import io
import os

import pytest

from zeroshot.terminal import is_terminal


def test_a_terminal_is_one_and_all_else_is_none() -> None:
    closed = io.StringIO()
    closed.close()
    assert not any(map(is_terminal, (None, closed, io.StringIO(), object())))


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo-terminals here")
def test_a_pseudo_terminal_is_one() -> None:
    main, other = os.openpty()
    with os.fdopen(main, "rb", buffering=0), os.fdopen(other, "wb", buffering=0) as stream:
        assert is_terminal(stream)
