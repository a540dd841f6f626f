"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests import pictures

pytest.register_assert_rewrite("tests.contract")


@pytest.fixture(scope="package")
def shared() -> Path:
    """The folder of oracles and test images beside the checkout; a test skips where it is missing."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("needs the folder `shared` with oracles and test images beside the checkout")
    return folder


@pytest.fixture(scope="package")
def published_generators(shared: Path) -> Path:
    """The folder of the published weights of generators; a test skips where it is missing."""
    folder = shared / "weights" / "generators"
    if not folder.is_dir():
        pytest.skip("needs the published weights in the folder `shared`")
    return folder


@pytest.fixture
def generator() -> torch.Generator:
    return pictures.seeded()


@pytest.fixture(scope="package")
def photograph() -> torch.Tensor:
    """A 1 × 3 × 96 × 96 crop of a real photograph, in [0, 1]."""
    return pictures.as_image(pictures.sample("astronaut")[60:156, 170:266])


@pytest.fixture(scope="package")
def grey(photograph: torch.Tensor) -> torch.Tensor:
    """The same in one channel."""
    return pictures.grey(photograph)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much less a run has checked for want of the folder `shared`."""
    skipped = terminalreporter.stats.get("skipped", [])
    count = sum("shared" in report.longrepr[2] for report in skipped if isinstance(report.longrepr, tuple))
    if count:
        terminalreporter.write_line(
            f"{count} tests compare with files that are not here (../shared): skipped", yellow=True
        )
