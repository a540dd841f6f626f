"""The cheaper arithmetic of the hourglass gives the numbers of the plain one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from tests.pictures import seeded, uniform
from zeroshot.priors.untrained.networks import Skip, fused, skip
from zeroshot.solvers.muon import orthogonalise, orthogonalise_all


def plain(
    x: torch.Tensor, kernel: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor, padding: str
) -> torch.Tensor:
    large = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    normalised = F.batch_norm(large, None, None, scale, shift, training=True, eps=1e-5)
    return F.conv2d(F.pad(normalised, (1, 1, 1, 1), mode=padding), kernel)


def cheaper(
    x: torch.Tensor, kernel: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor, padding: str
) -> torch.Tensor:
    convolved, constant = fused.convolve_normalised_enlarged(x, kernel, scale, shift, padding)
    return convolved + constant.view(-1, 1, 1)


@pytest.mark.parametrize("padding", ["reflect", "replicate"])
@pytest.mark.parametrize("size", [(5, 7), (1, 4), (8, 3), (2, 2), (1, 1), (3, 1)])
def test_the_cheaper_convolution_is_the_plain_one(size: tuple[int, int], padding: str) -> None:
    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=source).requires_grad_()

    source = seeded()
    x = draw(1, 3, *size).detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    variables = (x, draw(4, 3, 3, 3), draw(3), draw(3))
    expected, got = plain(*variables, padding), cheaper(*variables, padding)
    assert torch.allclose(got, expected, atol=1e-10)
    direction = torch.randn(expected.shape, dtype=torch.float64, generator=source)
    wanted = torch.autograd.grad(expected, variables, direction)
    gradients = torch.autograd.grad(got, variables, direction)
    for mine, theirs in zip(gradients, wanted, strict=True):
        assert torch.allclose(mine, theirs, atol=1e-8)


def test_the_derivatives_are_those_of_finite_differences() -> None:
    x = torch.randn(1, 2, 3, 4, dtype=torch.float64, generator=seeded()).requires_grad_()
    kernel = torch.randn(2, 2, 3, 3, dtype=torch.float64, generator=seeded(1)).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, k: fused.convolve_enlarged(a, k, "reflect"), (x, kernel))
    assert torch.autograd.gradcheck(fused._Statistics.apply, (x,))
    assert torch.autograd.gradcheck(fused._Concatenate.apply, (x, x.detach().clone().requires_grad_()))


@pytest.mark.parametrize("padding", ["reflect", "replicate", "zeros"])
@pytest.mark.parametrize("settings", [{}, {"skip": (0, 0)}, {"upsampling": "nearest"}])
def test_the_network_is_the_same_with_and_without(
    padding: Any, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Skip(4, 3, **{"down": (8, 8), "up": (8, 8), "skip": (3, 3), "padding": padding, **settings})
    network.initialise(seeded())
    z = uniform(1, 4, 12, 20, seed=1).contiguous(memory_format=torch.channels_last)
    results = []
    for least in (0, 1 << 40):
        monkeypatch.setattr(skip, "_LEAST_VALUES_TO_FUSE", least)
        network.zero_grad()
        image = network(z)
        image.square().sum().backward()
        gradient = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])
        results.append((image.detach(), gradient))
    (image, gradient), (expected, wanted) = results
    assert torch.allclose(image, expected, atol=2e-6)
    assert torch.linalg.vector_norm(gradient - wanted) < 1e-4 * torch.linalg.vector_norm(wanted)


def test_batches_are_orthogonalised_as_one_by_one() -> None:
    batches = [
        torch.randn(shape, generator=seeded()) for shape in ((3, 8, 30), (2, 20, 8), (1, 4, 8), (2, 8, 8))
    ]
    for batch, together in zip(batches, orthogonalise_all(batches), strict=True):
        assert together.shape == batch.shape
        assert torch.allclose(together, orthogonalise(batch), atol=1e-5)


def test_orthogonalisation_is_the_quintic_iteration() -> None:
    x = torch.randn(2, 8, 30, generator=seeded())
    # The polynomials act on the singular values and leave the singular vectors alone.
    left, singular, right = torch.linalg.svd(x, full_matrices=False)
    singular = singular / torch.linalg.vector_norm(singular, dim=-1, keepdim=True)
    for _ in range(5):
        singular = 3.4445 * singular - 4.7750 * singular**3 + 2.0315 * singular**5
    assert torch.allclose(orthogonalise(x), left * singular[:, None] @ right, atol=1e-4)
    assert torch.equal(orthogonalise(torch.zeros(1, 3, 5)), torch.zeros(1, 3, 5))
