"""One process that has loaded PyTorch, for all commands that the tests of this folder start."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.cli.forks import Forks, loaded


@pytest.fixture(scope="package")
def forks() -> Iterator[Forks]:
    if not hasattr(os, "fork"):
        pytest.skip("the commands of these tests are forks")
    with loaded() as forks:
        yield forks
