"""Properties of folds over windows: those of PyTorch's pooling, to the last bit."""

import pytest
import torch
from torch.nn import functional

from zeroshot.noise.outliers import _third_smallest
from zeroshot.sliding import window_means


@pytest.mark.parametrize(("height", "width", "size"), [(17, 12, 5), (9, 9, 9), (8, 20, 1)])
def test_means_of_windows_are_those_of_pooling(height: int, width: int, size: int) -> None:
    planes = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    pooled = functional.avg_pool2d(functional.avg_pool2d(planes, (size, 1), 1), (1, size), 1)
    assert torch.equal(window_means(planes, size), pooled)


def test_the_planes_that_means_are_taken_of_stay() -> None:
    planes = torch.rand(1, 6, 6, generator=torch.Generator().manual_seed(0))
    before = planes.clone()
    window_means(planes, 3)
    assert torch.equal(planes, before)


def test_the_third_smallest_of_planes_is_found_where_values_recur_or_are_infinite() -> None:
    planes = torch.randint(0, 6, (24, 40, 5), generator=torch.Generator().manual_seed(0)).float()
    planes[planes == 5] = torch.inf
    planes[2:, 0] = torch.inf
    assert torch.equal(_third_smallest(list(planes)), planes.kthvalue(3, dim=0).values)
