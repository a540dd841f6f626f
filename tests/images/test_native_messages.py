"""Tests of what is not heard of decoders: nothing of it outlasts them, in whatever order threads leave."""

from __future__ import annotations

import logging
import os
import threading
import warnings

from zeroshot.images.native_messages import unheard


def test_threads_that_overlap_leave_everything_as_it_was() -> None:
    logger = logging.getLogger("tifffile")
    before = (os.fstat(2), list(warnings.filters), logger.disabled)
    first_is_in, second_is_in, first_is_out = (threading.Event() for _ in range(3))

    def first() -> None:
        with unheard():
            first_is_in.set()
            second_is_in.wait()
        first_is_out.set()

    def second() -> None:
        first_is_in.wait()
        with unheard():
            second_is_in.set()
            first_is_out.wait()

    threads = [threading.Thread(target=one) for one in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = (os.fstat(2), list(warnings.filters), logger.disabled)
    assert os.path.samestat(before[0], after[0])
    assert before[1:] == after[1:]


def test_within_nothing_is_heard(capfd) -> None:
    with unheard():
        os.write(2, b"libtiff: warning\n")
        warnings.warn("a warning of a library", stacklevel=1)
        logging.getLogger("tifffile").error("a log")
    assert capfd.readouterr().err == ""
