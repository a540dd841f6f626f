"""Properties of the penalties: adjoints, norms and the certificate of their sum."""

from __future__ import annotations

import math

import pytest
import torch

from tests.pictures import uniform
from zeroshot.data_terms import Gaussian
from zeroshot.operators.identity import Identity
from zeroshot.solvers.finite_differences import TotalVariationNorm
from zeroshot.solvers.pdhg import PrimalDualHybridGradient
from zeroshot.solvers.penalties import CurvaturePenalty, GradientPenalty, Penalty, PenaltySum
from zeroshot.solvers.steering import steering_of
from zeroshot.solvers.tgv import GeneralizedVariation


def penalties(like: torch.Tensor) -> dict[str, Penalty]:
    steering = steering_of(like, 0.1)
    first = GradientPenalty(like, TotalVariationNorm(), 2.0, steering)
    second = CurvaturePenalty(like, 0.5, chroma=2.0)
    return {
        "steered": first,
        "curvature": second,
        "channels": CurvaturePenalty(like, 0.7, "channels"),
        "sum": PenaltySum(like, [first, second]),
        "tgv": GeneralizedVariation(like, 0.5, chroma=2.0, steering=steering),
    }


@pytest.mark.parametrize("name", ["steered", "curvature", "channels", "sum", "tgv"])
@pytest.mark.parametrize("shape", [(2, 3, 13, 9), (1, 1, 2, 1)])
def test_adjoint_and_norm(name: str, shape: tuple[int, ...]) -> None:
    x, like = uniform(*shape, seed=1) - 0.5, uniform(*shape)
    penalty = penalties(like)[name]
    v = [torch.rand_like(field) for field in penalty.auxiliaries()]
    p = [torch.rand_like(field) - 0.5 for field in penalty.duals()]
    forward = [field.clone() for field in penalty.apply(x, v)]
    back = torch.empty_like(x)
    of_v = penalty.adjoint([field.clone() for field in p], back)
    left = sum(float((a * b).sum()) for a, b in zip(forward, p, strict=True))
    right = float((back * x).sum()) + sum(float((a * b).sum()) for a, b in zip(of_v, v, strict=True))
    assert left == pytest.approx(right, abs=1e-4)
    length = sum(float(field.square().sum()) for field in [x, *v])
    assert sum(float(field.square().sum()) for field in forward) <= penalty.norm_squared * length


def test_curvature_of_a_parabola_and_of_a_plane() -> None:
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(6.0), indexing="ij")
    penalty = CurvaturePenalty(rows[None, None], 2.0)
    plane = (3 * rows - columns)[None, None]
    assert float(penalty.value(penalty.apply(plane, []))) == pytest.approx(0, abs=1e-5)
    parabola = rows.square()[None, None]
    assert float(penalty.value(penalty.apply(parabola, []))) == pytest.approx(2.0 * 2 * 6 * 6)
    saddle = (rows * columns)[None, None]
    assert float(penalty.value(penalty.apply(saddle, []))) == pytest.approx(2.0 * math.sqrt(2) * 7 * 5)


def test_what_runs_along_an_edge_costs_what_it_did_and_what_crosses_it_costs_less() -> None:
    edge = (torch.arange(24) > 11).float().expand(24, 24)[None, None].contiguous()
    steering = steering_of(edge, 0.1)
    crossing, following = torch.zeros(2, 1, 1, 24, 24), torch.zeros(2, 1, 1, 24, 24)
    crossing[1], following[0] = 1.0, 1.0
    scratch = torch.empty(1, 1, 24, 24)
    steering.apply_(crossing, scratch)
    steering.apply_(following, scratch)
    assert crossing[1, 0, 0, 12, 11] == pytest.approx(0.1, abs=0.02)
    assert following[0, 0, 0, 12, 11] == pytest.approx(1, abs=0.02)
    # Far from the edge nothing is known of a direction.
    assert crossing[1, 0, 0, 12, 0] == pytest.approx(1, abs=0.02)


def test_steering_of_the_turned_image_is_turned() -> None:
    image = uniform(1, 1, 20, 20)
    steering, turned = steering_of(image, 0.2), steering_of(image.mT, 0.2)
    torch.testing.assert_close(turned.a, steering.c.mT)
    torch.testing.assert_close(turned.b, steering.b.mT)


def test_inverse_of_steering_gives_the_field_back() -> None:
    steering = steering_of(uniform(1, 3, 9, 7), 0.1)
    field, scratch = uniform(2, 1, 3, 9, 7), torch.empty(1, 3, 9, 7)
    there = steering.apply_(field.clone(), scratch)
    torch.testing.assert_close(steering.inverse().apply_(there, scratch), field, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["steered", "sum", "tgv"])
def test_the_lower_bound_is_one_and_the_gap_closes(name: str) -> None:
    y = (uniform(1, 3, 12, 14) * 0.3 + (torch.arange(14) > 6) * 0.4).contiguous()
    solver = PrimalDualHybridGradient(Identity(), y, Gaussian(), penalties(y)[name], y, 0.08)
    solver.advance(10)
    _, first_bound = solver.evaluate()
    solver.advance(1500)
    objective, bound = solver.evaluate()
    assert first_bound <= objective * (1 + 1e-5)
    assert -1e-5 <= (objective - bound) / objective < 0.01
