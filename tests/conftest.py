"""Fixtures that every test may use."""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import pictures
from tests.doubles import Clock
from zeroshot import polling

# Help is wrapped to the width of the terminal, and tests read it; so do the programs that they start.
os.environ["COLUMNS"] = "80"
os.environ.pop("ZEROSHOT_TRACEBACK", None)
# Nobody's own defaults.
os.environ["ZEROSHOT_CONFIG"] = ""

# A shell lets what it starts in the background ignore Ctrl-C, which tests press.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest.register_assert_rewrite("tests.contract")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--random-order",
        metavar="SEED",
        help="shuffle the files, and the tests in each: the same seed, the same order (make test-random)",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Shuffle where that is asked for; the tests of a file stay together, since they share what is slow to make."""
    seed = config.getoption("--random-order")
    if seed is not None:

        def drawn(name: str) -> float:
            return random.Random(f"{seed} {name}").random()

        items.sort(key=lambda item: (drawn(str(item.path)), str(item.path), drawn(item.nodeid)))


def pytest_collection_finish() -> None:
    """Look no more for what can be thrown away among all that was collected, which stays until the end."""
    gc.freeze()


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


@pytest.fixture(autouse=True)
def as_if_it_were_the_first() -> Iterator[None]:
    """What the process shares is for every test as it was for the first: what is drawn, and on how many threads."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 – whoever draws from it gets the same in any order
    # torch.manual_seed notes the whole stack for every device that is not there: that takes longer than most tests.
    (torch.manual_seed if torch.cuda.is_available() else torch.default_generator.manual_seed)(0)
    threads = torch.get_num_threads()
    yield
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time of this process, in the hands of the test: no load of the machine changes what a budget allows."""
    clock = Clock()
    for name in ("monotonic", "perf_counter", "process_time"):
        monkeypatch.setattr(time, name, clock.look)
    monkeypatch.setattr(time, "sleep", clock.sleep)
    # Looks at every tensor operation would make the time go on by how many there are.
    monkeypatch.setattr(polling, "_look", lambda first: None)
    return clock


@pytest.fixture
def logged() -> Iterator[list[logging.LogRecord]]:
    """What the package logs from the level INFO on."""
    logger, records = logging.getLogger("zeroshot"), []
    handler, level = logging.Handler(logging.INFO), logger.level
    handler.emit = records.append  # type: ignore[method-assign]
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield records
    logger.setLevel(level)
    logger.removeHandler(handler)


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
    """Say what came of the fuzzers, and how much less a run has checked for want of the folder `shared`."""
    for report in (*terminalreporter.stats.get("passed", []), *terminalreporter.stats.get("failed", [])):
        for name, value in report.user_properties:
            if name == "fuzzed":
                terminalreporter.write_line(value)
    skipped = terminalreporter.stats.get("skipped", [])
    count = sum("shared" in report.longrepr[2] for report in skipped if isinstance(report.longrepr, tuple))
    if count:
        terminalreporter.write_line(
            f"{count} tests compare with files that are not here (../shared): skipped", yellow=True
        )
