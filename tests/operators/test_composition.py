"""Composition, stacks, masks, and operators that others wrote."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
import torch

from zeroshot.operators import (
    Blur,
    Composition,
    Downsample,
    Grayscale,
    Identity,
    Mask,
    Mosaic,
    Stack,
    as_operator,
    from_functions,
    from_scipy,
)


def test_at_means_first_the_right_then_the_left(photograph: torch.Tensor) -> None:
    operator = Mosaic("RGGB") @ Downsample(2)
    assert torch.equal(operator(photograph), Mosaic("RGGB")(Downsample(2)(photograph)))


def test_nested_compositions_become_one_chain() -> None:
    left = (Mosaic("RGGB") @ Downsample(2)) @ Blur.gaussian(1)
    right = Mosaic("RGGB") @ (Downsample(2) @ Blur.gaussian(1))
    assert left.describe() == right.describe() == "mosaic(rggb) @ downsample(2) @ blur(gaussian=1)"
    assert isinstance(left, Composition)
    assert [type(part) for part in left.operators] == [Mosaic, Downsample, Blur]


def test_stack_puts_measurements_side_by_side(photograph: torch.Tensor) -> None:
    hints = torch.zeros(96, 96)
    hints[::7, ::5] = 1
    y = Stack([Grayscale(), Mask(hints)])(photograph)
    assert torch.equal(y, torch.cat([Grayscale()(photograph), photograph * hints], dim=1))


def test_stack_starts_from_its_first_operator(photograph: torch.Tensor) -> None:
    stack = Stack([Grayscale(), Identity()])
    y = stack(photograph)
    assert torch.equal(stack.initial(y), Grayscale().initial(y[:, :1]))


def test_mask_reads_bool_numbers_and_image_values_alike() -> None:
    known = np.random.default_rng(0).random((6, 7)) < 0.5
    faint = np.where(known, 200, 40)
    forms = [
        known,
        known.astype(np.float64),
        known.astype(np.int64),
        known.astype(np.uint8),
        known.astype(np.uint8) * 255,
        faint.astype(np.uint8),
        (faint * 257).astype(np.uint16),
        torch.from_numpy(known),
        torch.from_numpy(known).float()[None, None],
    ]
    for form in forms:
        assert torch.equal(Mask(form).mask, torch.from_numpy(known).float()[None, None])


def test_a_mask_for_each_image_is_told_apart_in_a_batch(photograph: torch.Tensor) -> None:
    masks = torch.zeros(2, 1, 96, 96)
    masks[0, :, ::2] = 1
    masks[1, :, 1::2] = 1
    batch = photograph.repeat(2, 1, 1, 1)
    for operator in (Mask(masks), Grayscale() @ Mask(masks), Stack([Grayscale(), Mask(masks)])):
        both = operator(batch)
        for index in (0, 1):
            assert torch.equal(operator.for_image(index, 2)(photograph)[0], both[index])


def test_sparse_matrix_works_on_flattened_images(generator: torch.Generator) -> None:
    matrix = scipy.sparse.random(10, 24, density=0.4, rng=np.random.default_rng(0), format="csr")
    x = torch.rand((2, 2, 3, 4), generator=generator)
    y = from_scipy(matrix, (2, 3, 4), (1, 2, 5))(x)
    assert y.dtype == torch.float32
    expected = np.stack([matrix @ image.numpy().ravel() for image in x]).reshape(2, 1, 2, 5)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-5)
    assert torch.equal(as_operator(matrix, (2, 3, 4), (1, 2, 5))(x), y)


def test_function_that_pytorch_cannot_differentiate_gets_its_gradient_from_the_adjoint() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(np.roll(x.detach().numpy(), 1, axis=-1) * 2)

    def adjoint(y: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(np.roll(y.detach().numpy(), -1, axis=-1) * 2)

    operator = from_functions(forward, adjoint)
    x = torch.arange(6.0).view(1, 1, 2, 3).requires_grad_()
    weight = torch.tensor([1.0, 2.0, 3.0])
    (operator(x) * weight).sum().backward()
    assert torch.equal(x.grad, torch.tensor([4.0, 6.0, 2.0]).expand(1, 1, 2, 3))


def test_nonlinear_function_is_differentiated(generator: torch.Generator) -> None:
    operator = from_functions(lambda x: x.square(), linear=False) @ Downsample(2, "box")
    x = torch.rand((1, 1, 4, 4), generator=generator).requires_grad_()
    operator(x).sum().backward()
    expected = Downsample(2, "box").adjoint(2 * Downsample(2, "box")(x.detach()))
    torch.testing.assert_close(x.grad, expected)


def test_shape_of_the_image_may_be_fixed_or_computed() -> None:
    fixed = from_functions(lambda x: x[:, :1], input_shape=(3, 4, 5))
    computed = from_functions(lambda x: x[:, :1], input_shape=lambda shape: (shape[0], 3, *shape[2:]))
    assert fixed.input_shape((2, 1, 4, 5)) == computed.input_shape((2, 1, 4, 5)) == (2, 3, 4, 5)


def test_operator_is_accepted_as_it_is() -> None:
    operator = Identity()
    assert as_operator(operator) is operator


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(
    "operator",
    [
        Mosaic("xtrans") @ Downsample(2),
        Blur.disk(3, "circular"),
        Stack([Grayscale(), Mask(np.eye(96))]),
        Downsample(4, np.random.default_rng(0).random((9, 9))),
    ],
    ids=lambda operator: operator.describe(),
)
def test_same_on_cuda(operator: torch.nn.Module, photograph: torch.Tensor) -> None:
    expected = operator(photograph)
    first = operator.initial(expected)
    norm = operator.norm(tuple(expected.shape))
    operator.to("cuda")
    measured = operator(photograph.cuda())
    torch.testing.assert_close(measured.cpu(), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(operator.initial(measured).cpu(), first, rtol=1e-4, atol=1e-4)
    assert operator.norm(tuple(expected.shape)) == pytest.approx(norm, rel=1e-3)
    operator.to("cpu")
