"""Boxes of coefficients: the data term, and the projection after which the same tables give the same coefficients."""

from __future__ import annotations

import pytest
import torch

from tests.jpegs import decoded, encoded, photograph
from tests.pictures import seeded, uniform
from zeroshot.compression.entropy import quantised_coefficients
from zeroshot.compression.header import header_of
from zeroshot.images import load
from zeroshot.quantisation import Quantised
from zeroshot.tasks import make_problem


def term() -> Quantised:
    return Quantised(0.05 + uniform(1, 8, 8))


def test_the_proximal_map_is_the_minimiser() -> None:
    boxes = term()
    y, point = uniform(1, 1, 16, 24, seed=1), 3 * uniform(1, 1, 16, 24, seed=2) - 1
    for step in (1e-4, 1e-2, 1.0):
        found = boxes.prox(point, y, step)

        def objective(p: torch.Tensor, step: float = step) -> torch.Tensor:
            return step * boxes.penalty(p, y) + 0.5 * (p - point) ** 2

        for moved in (-1e-2, -1e-3, 1e-3, 1e-2):
            assert bool((objective(found) <= objective(found + moved) + 1e-6).all())


def test_the_conjugate_is_the_largest_difference() -> None:
    boxes = term()
    y = uniform(1, 1, 8, 8, seed=1)
    dual = 200 * (uniform(1, 1, 8, 8, seed=2) - 0.5)
    grid = torch.linspace(-4, 4, 80_001)[:, None, None]
    best = (dual[0] * grid - boxes.penalty(grid.expand(-1, 8, 8)[:, None], y)[:, 0]).amax(dim=0)
    assert torch.allclose(
        boxes.conjugate(dual, y)[0, 0], best[0] if best.ndim == 3 else best, rtol=1e-3, atol=1e-2
    )
    # Moreau's identity holds by construction; Fenchel's inequality, with equality at the slope.
    p = (2 * uniform(1, 1, 8, 8, seed=3) - 0.5).requires_grad_()
    (slope,) = torch.autograd.grad(boxes.penalty(p, y).sum(), p)
    assert torch.allclose(boxes.penalty(p, y) + boxes.conjugate(slope, y), p * slope, rtol=1e-3, atol=1e-3)


def test_steps_must_be_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        Quantised(torch.zeros(1, 8, 8))


@pytest.mark.parametrize("size", [(64, 80), (51, 61)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("quality", [10, 60])
def test_saving_with_the_same_tables_gives_the_same_coefficients(quality, mode, size, tmp_path) -> None:
    jpeg = encoded(photograph(*size, mode), quality=quality)
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg)
    problem, _, _ = make_problem("jpeg", load(path), {})
    constraint = problem.constraint
    blurred = torch.nn.functional.avg_pool2d(problem.initial(), 5, 1, 2, count_include_pad=False)
    image = constraint.nearest(blurred)
    assert 0 <= float(image.min()) <= float(image.max()) <= 1
    found = constraint.findings(image)
    assert found["coefficients_kept"] > 0.9999 > constraint.share_kept(blurred)
    assert found["coefficients_kept_in_8_bits"] > 0.999
    pixels = (255 * image).round()[0].permute(1, 2, 0).byte().numpy()
    again = encoded(pixels[..., 0] if mode == "L" else pixels, quality=quality)
    header = header_of(jpeg)
    for one, other in zip(
        quantised_coefficients(jpeg, header), quantised_coefficients(again, header), strict=True
    ):
        assert (one == other).mean() > 0.997
    # A projection: what fulfils it stays. Where the edge is repeated several projections only come near it.
    assert size != (64, 80) or torch.allclose(constraint.nearest(image), image, atol=1 / 255)


def test_the_projection_comes_no_further_from_the_truth(tmp_path) -> None:
    pixels = photograph(64, 64, "L")
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(pixels, quality=10))
    problem, _, _ = make_problem("jpeg", load(path), {})
    truth = torch.from_numpy(pixels).float()[None, None] / 255
    noisy = truth + 0.1 * torch.randn(truth.shape, generator=seeded())
    image = problem.constraint.nearest(noisy)
    assert float((image - truth).square().mean()) < float((noisy.clamp(0, 1) - truth).square().mean())
    assert decoded(path.read_bytes()).shape == (64, 64)
