"""Whatever checkpoints it is given, the program succeeds or says in one clean line why not."""

import os

import pytest

from tests.fuzz.outcomes import require_clean, tally_of

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each case runs in a fork")


def test_success_or_one_clean_line(record_property):
    require_clean(tally_of("checkpoints", 0, 20), record_property)


@pytest.mark.slow
def test_ten_thousand_times_success_or_one_clean_line(record_property):
    require_clean(tally_of("checkpoints", 1000, 10_000), record_property)
