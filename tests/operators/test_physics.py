"""What has a method `A`: linear where it says so or is found to be, else differentiated and refused by name."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest
import torch

import zeroshot
from tests.pictures import decibels, seeded
from zeroshot.operators import Downsample, Operator, Stack, as_operator
from zeroshot.operators.physics import PhysicsOperator


class LinearPhysics(torch.nn.Module):
    """The base class of deepinv's linear physics, by its name."""

    __module__ = "deepinv.physics.forward"

    def A(self, x: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def A_adjoint(self, y: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError


class Flip(LinearPhysics):
    """Linear, and deepinv's; it counts how often it is asked."""

    calls = 0

    def A(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return x.flip(-1)

    def A_adjoint(self, y: torch.Tensor) -> torch.Tensor:
        return y.flip(-1)


class Spread:
    """Linear with its adjoint, though it does not say so; half as high as its image."""

    def A(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :, ::2].cumsum(dim=-1) / 8

    def A_adjoint(self, y: torch.Tensor) -> torch.Tensor:
        x = y.new_zeros(*y.shape[:2], 2 * y.shape[2], y.shape[3])
        x[:, :, ::2] = y.flip(-1).cumsum(dim=-1).flip(-1) / 8
        return x


class PhaseRetrieval:
    """|B x|² and, as that of deepinv, an `A_adjoint` that is no adjoint: there is none."""

    def A(self, x: torch.Tensor) -> torch.Tensor:
        return torch.fft.fft2(x, norm="ortho").abs().square()

    def A_adjoint(self, y: torch.Tensor) -> torch.Tensor:
        return torch.fft.ifft2(y.clamp(min=0).sqrt(), norm="ortho").real


class Darkroom(PhaseRetrieval):
    """A tone curve."""

    def A(self, x: torch.Tensor) -> torch.Tensor:
        return x.clamp(min=0) / (x.clamp(min=0) + 0.5)

    def A_adjoint(self, y: torch.Tensor) -> torch.Tensor:
        return y


class Offset(Darkroom):
    def A(self, x: torch.Tensor) -> torch.Tensor:
        return x + 0.1


class WrongAdjoint(Spread):
    """A one-pixel mistake in the adjoint."""

    def A_adjoint(self, y: torch.Tensor) -> torch.Tensor:
        return super().A_adjoint(y).roll(1, dims=-1)


class NoAdjoint(Spread):
    def A_adjoint(self, y: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("not\nwritten yet")


class OnlyForward:
    def A(self, x: torch.Tensor) -> torch.Tensor:
        return x.square()


def linear_on(operator: Operator, shape: tuple[int, ...]) -> bool:
    operator.input_shape(shape)
    return operator.linear


def test_physics_of_deepinv_that_are_linear_are_taken_at_their_word() -> None:
    physics = Flip()
    operator = as_operator(physics)
    assert operator.linear
    assert physics.calls == 0
    x = torch.rand((1, 2, 4, 6), generator=seeded())
    assert torch.equal(operator.adjoint(operator(x)), x)


def test_a_class_of_the_same_name_elsewhere_is_not() -> None:
    class LinearPhysics(PhaseRetrieval):
        pass

    with pytest.warns(UserWarning, match="is taken as not linear"):
        assert not linear_on(as_operator(LinearPhysics()), (1, 1, 8, 8))


def test_what_behaves_linearly_is_linear_without_a_word() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        operator = as_operator(Spread())
        assert operator.input_shape((2, 3, 4, 6)) == (2, 3, 8, 6)
        assert operator.linear
        assert (Downsample(2) @ as_operator(Spread())).linear
        assert operator.norm((1, 3, 4, 6)) > 0.1


@pytest.mark.parametrize(
    ("physics", "reason"),
    [
        (PhaseRetrieval(), "A(2x − 1.5z) is not 2A(x) − 1.5A(z)"),
        (Darkroom(), "A(2x − 1.5z) is not 2A(x) − 1.5A(z)"),
        (Offset(), "A(2x − 1.5z) is not 2A(x) − 1.5A(z)"),
        (WrongAdjoint(), "A_adjoint is not the adjoint of A"),
        (NoAdjoint(), "its A_adjoint fails (not written yet)"),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "A") else "",
)
def test_what_does_not_is_not_linear_and_a_note_says_why(physics: object, reason: str) -> None:
    operator = as_operator(physics, input_shape=(3, 32, 24))
    with pytest.warns(UserWarning, match="does not say") as notes:
        verdicts = operator.linear, operator.linear
    assert verdicts == (False, False)
    (one,) = notes
    assert str(one.message) == (
        f"{type(physics).__name__} does not say whether it is linear, and is taken as not linear: {reason} "
        "(an attribute linear = True or False decides)"
    )
    y = operator(torch.rand((1, 3, 32, 24), generator=seeded()))
    for action in (lambda: operator.adjoint(y), operator.norm):
        with pytest.raises(NotImplementedError, match="is not linear and has no"):
            action()


@pytest.mark.parametrize("answer", [True, False])
def test_an_attribute_decides(answer: bool) -> None:
    class Told(Spread):
        linear = answer

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert as_operator(Told()).linear is answer
        assert Stack([as_operator(Told()), as_operator(Told())]).linear is answer


def test_a_layer_called_linear_is_no_answer() -> None:
    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(2, 2)

        def A(self, x: torch.Tensor) -> torch.Tensor:
            return self.linear(x)

    assert as_operator(Network()).linear is False


def test_what_is_linear_without_an_adjoint_gets_it_from_pytorch() -> None:
    class Told(OnlyForward):
        linear = True

        def A(self, x: torch.Tensor) -> torch.Tensor:
            return x.cumsum(dim=-1)

    y = torch.rand((1, 1, 3, 5), generator=seeded())
    torch.testing.assert_close(as_operator(Told()).adjoint(y), y.flip(-1).cumsum(-1).flip(-1))


def test_what_is_not_linear_is_differentiated_by_pytorch_and_not_by_its_adjoint() -> None:
    x = torch.rand((1, 1, 6, 6), generator=seeded()).requires_grad_()
    operator = as_operator(Darkroom())
    with pytest.warns(UserWarning, match="not linear"):
        operator(x).sum().backward()
    torch.testing.assert_close(x.grad, 0.5 / (x.detach() + 0.5) ** 2)


def test_what_pytorch_cannot_differentiate_is_refused_in_one_line() -> None:
    class InNumPy(OnlyForward):
        def A(self, x: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(np.square(x.detach().numpy()))

    operator = as_operator(InNumPy())
    assert operator(torch.ones(1, 1, 2, 2)).sum() == 4
    with pytest.raises(ValueError, match="InNumPy is not linear, and PyTorch cannot differentiate its A"):
        operator(torch.ones(1, 1, 2, 2, requires_grad=True))


def test_the_image_has_the_shape_that_fits_the_measurement() -> None:
    assert as_operator(OnlyForward()).input_shape((2, 1, 4, 5)) == (2, 1, 4, 5)
    assert as_operator(PhaseRetrieval()).input_shape((1, 1, 4, 5)) == (1, 1, 4, 5)
    halved = as_operator(NoAdjoint())
    with pytest.raises(ValueError, match=r"NoAdjoint .* is not known; give as_operator\(…, input_shape"):
        halved.input_shape((1, 1, 4, 5))
    assert as_operator(NoAdjoint(), input_shape=(1, 8, 5)).input_shape((2, 1, 4, 5)) == (2, 1, 8, 5)
    with pytest.raises(ValueError, match=r"input_shape must be \(C, H, W\), got \(8, 5\)"):
        as_operator(NoAdjoint(), input_shape=(8, 5))


def test_the_verdict_goes_with_a_copy() -> None:
    operator = as_operator(PhaseRetrieval(), input_shape=(1, 8, 8))
    with pytest.warns(UserWarning, match="not linear"):
        assert not operator.linear
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not copy.deepcopy(operator).linear


def test_what_it_measures_must_be_a_tensor() -> None:
    class Listed(OnlyForward):
        def A(self, x: torch.Tensor) -> torch.Tensor:
            return [x, x]  # type: ignore[return-value]

    with pytest.raises(TypeError, match=r"Listed\.A must give a tensor \(N, C, H, W\), got list"):
        PhysicsOperator(Listed())(torch.ones(1, 1, 2, 2))


@pytest.mark.filterwarnings("ignore:.*taken as not linear")
@pytest.mark.parametrize("prior", ["tv", "pnp", "wavelet"])
def test_priors_that_need_a_linear_operator_refuse_in_one_line(prior: str, photograph: torch.Tensor) -> None:
    y = Darkroom().A(photograph[..., :48, :48])
    with pytest.raises(ValueError, match="Darkroom is not") as caught:
        zeroshot.solve(y, task="restore", prior=prior, operator=Darkroom(), sigma=0.01)
    assert "needs a linear operator" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:.*taken as not linear")
def test_an_untrained_network_undoes_what_is_not_linear(photograph: torch.Tensor) -> None:
    truth = photograph[..., :48, :48]
    y = Darkroom().A(truth)
    restored = zeroshot.solve(
        y,
        task="restore",
        prior="dip",
        operator=Darkroom(),
        sigma=0.01,
        settings={"channels": 16, "iterations": 150},
        seed=0,
    ).image
    assert decibels(restored, truth) > decibels(y, truth) + 3


@pytest.mark.filterwarnings("ignore:.*taken as not linear")
def test_a_linear_physics_is_restored_as_the_same_operator_of_ours(photograph: torch.Tensor) -> None:
    class Small:
        operator = Downsample(2)

        def A(self, x: torch.Tensor) -> torch.Tensor:
            return self.operator(x)

        def A_adjoint(self, y: torch.Tensor) -> torch.Tensor:
            return self.operator.adjoint(y)

    y = Downsample(2)(photograph[..., :48, :48])
    bridged, own = (
        zeroshot.solve(y, task="restore", prior="tv", operator=one, sigma=0.01, seed=0).image
        for one in (Small(), Downsample(2))
    )
    assert decibels(bridged, own) > 45
