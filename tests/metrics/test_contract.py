"""Every metric that needs no further package holds the contract; the others are described."""

from __future__ import annotations

import pytest

from tests.contract import MetricCase, MetricContract
from tests.pictures import as_image, sample
from zeroshot.metrics import METRICS, metric

OWN = [name for name, found in METRICS.items() if found.extra is None]


class TestEveryMetric(MetricContract):
    @pytest.fixture(params=[*OWN, "ms_ssim_border4", "niqe_border3"])
    def case(self, request: pytest.FixtureRequest) -> MetricCase:
        found = metric(request.param)
        # MS-SSIM halves its images four times, and NIQE looks at blocks of 96 × 96.
        reference = as_image(sample("astronaut")[60:260, 140:348])
        return MetricCase(found, reference, is_symmetric=found.needs_reference)


@pytest.mark.parametrize("name", sorted(set(METRICS) - set(OWN)))
def test_metrics_of_an_extra_are_described(name: str) -> None:
    found = METRICS[name]
    assert found.label
    assert found.meaning
    assert found.extra
