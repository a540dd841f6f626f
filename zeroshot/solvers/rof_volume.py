"""Total variation denoising of volumes: the accelerated primal-dual scheme with differences along three axes.

:mod:`zeroshot.solvers.rof` has the same scheme for images, cut into strips of one line each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, get_args

import torch

from zeroshot.checks import require_choice
from zeroshot.precision import exact_sum

Kind = Literal["isotropic", "anisotropic"]

#: Values of the slabs that a processor works on at a time: few enough for its cache.
_CACHED = 2**17


def volume_gradient(x: torch.Tensor, depth_weight: float = 1.0) -> torch.Tensor:
    """∇x: forward differences between planes, times `depth_weight`, between rows and between columns.

    Parameters
    ----------
    x : torch.Tensor
        Volumes, (N, C, D, H, W).
    depth_weight : float
        What differences between planes count for: 1/s where planes are s pixels apart.

    Returns
    -------
    torch.Tensor
        (3, N, C, D, H, W), each zero at the far end of its axis.
    """
    p = x.new_zeros((3, *x.shape))
    for axis, weight in ((-3, depth_weight), (-2, 1.0), (-1, 1.0)):
        size = x.shape[axis]
        here, next_ = x.narrow(axis, 0, size - 1), x.narrow(axis, 1, size - 1)
        torch.sub(next_, here, out=p[axis + 3].narrow(axis, 0, size - 1)).mul_(weight)
    return p


def volume_divergence(p: torch.Tensor, depth_weight: float = 1.0) -> torch.Tensor:
    """Div p, the negative adjoint of :func:`volume_gradient`: ⟨∇x, p⟩ = −⟨x, div p⟩."""
    x = torch.zeros_like(p[0])
    for axis, weight in ((-3, depth_weight), (-2, 1.0), (-1, 1.0)):
        size = x.shape[axis]
        flow = p[axis + 3].narrow(axis, 0, size - 1) * weight
        x.narrow(axis, 0, size - 1).add_(flow)
        x.narrow(axis, 1, size - 1).sub_(flow)
    return x


class VolumeRudinOsherFatemi:
    """min over x of ‖x − y‖² / (2σ²) + λ Σ ‖(∇T x)ᵢ‖ with the norm over three differences of all channels.

    T weighs the channels. Divided by μ = λσ², u = x/μ minimises ½‖u − v‖² + Σ ‖(∇T u)ᵢ‖ with v = y/μ; the iteration
    is that of :class:`zeroshot.solvers.rof.RudinOsherFatemi`, of which this is the extension to volumes:

        p⁺ = Π(p + s ∇T ū),   t = v + T div p⁺,   u⁺ = (u + τ t) / (1 + τ),
        θ = 1/√(1 + 2γτ),   ū = u⁺ + θτ (t − u⁺),   τ⁺ = θτ,   s = 1.3 / (τ ‖∇T‖²),

    with ‖∇‖² ≤ 4 (2 + w²) for differences between planes that count w times. The planes are worked on in slabs: the
    dual step of a slab needs the ū of the plane behind it, the primal step the p of the plane before it, so that
    both are done while the slab is in the cache. The minimiser stays within the range of y.

    Parameters
    ----------
    y : torch.Tensor
        The noisy volumes, (N, C, D, H, W). Those of a batch share λ.
    weight : float
        λ, positive.
    sigma : float
        σ of the data term.
    depth_weight : float
        w, 1/s where planes are s pixels apart.
    channels : sequence of float
        What the channels count for in the norm, the diagonal of T.
    kind : {"isotropic", "anisotropic"}
        The Euclidean length of the gradient, or the sum of the magnitudes of its three components.

    References
    ----------
    L. I. Rudin, S. Osher, E. Fatemi: Nonlinear total variation based noise removal algorithms, Physica D 60 (1992).
    A. Chambolle, T. Pock: A first-order primal-dual algorithm for convex problems with applications to imaging,
    JMIV 40 (2011), algorithm 2.
    """

    #: λ at which the search ends where no λ leaves the residual that is asked for.
    largest_weight = 1e3
    #: γ, τ at the start and τ s ‖∇T‖², as for images.
    acceleration, first_step, step_product = 0.5, 1.0, 1.3

    def __init__(
        self,
        y: torch.Tensor,
        weight: float,
        sigma: float,
        *,
        depth_weight: float = 1.0,
        channels: Sequence[float] | None = None,
        kind: Kind = "isotropic",
    ) -> None:
        self.kind = kind
        require_choice(self, "kind", get_args(Kind))
        self.weight, self.sigma = weight, sigma
        self._y = y.detach().contiguous()
        counted = [1.0] * y.shape[1] if channels is None else list(channels)
        self._channels = y.new_tensor(counted).view(-1, 1, 1, 1)
        self._weighs_channels = any(value != 1 for value in counted)
        depth = depth_weight if y.shape[2] > 1 else 0.0
        self._axis_weights = (depth, 1.0, 1.0)
        self._norm_squared = 4 * (2 + depth**2) * max(max(counted), 1.0) ** 2
        self._u = self._y / self._scale
        self._extrapolated = self._u.clone()
        self._p = y.new_zeros((3, *y.shape))
        self._tau = self.first_step
        self._residual = 0.0
        self._planes = max(1, _CACHED // max(1, y[:, :, 0].numel()))

    @property
    def _scale(self) -> float:
        """μ."""
        return self.weight * self.sigma**2

    def _slabs(self) -> Iterator[slice]:
        depth = self._y.shape[2]
        for first in range(0, depth, self._planes):
            yield slice(first, min(first + self._planes, depth))

    # --- the iteration ---

    def advance(self, iterations: int, residual: float | None = None) -> None:
        """Make that number of iterations, at the present λ or at one moved towards `residual` before them."""
        if residual is not None:
            self._track(residual)
        for _ in range(iterations):
            step = self.step_product / (self._norm_squared * self._tau)
            theta = 1 / (1 + 2 * self.acceleration * self._tau) ** 0.5
            for slab in self._slabs():
                self._dual_step(slab, step)
                self._primal_step(slab, theta)
            self._tau *= theta

    def _dual_step(self, slab: slice, step: float) -> None:
        p = self._p[:, :, :, slab]
        self._add_gradient_(p, self._extrapolated, slab, step)
        if self.kind == "anisotropic" and p.shape[2] == 1:
            p.clamp_(-1, 1)
            return
        squares = p.square()
        length = squares.sum(dim=2, keepdim=True)
        if self.kind == "isotropic":
            length = length.sum(dim=0, keepdim=True)
        p.mul_(length.clamp_(min=1).rsqrt_())

    def _primal_step(self, slab: slice, theta: float) -> None:
        target = self._divergence(self._p, slab).add_(self._y[:, :, slab], alpha=1 / self._scale)
        u = self._u[:, :, slab]
        u.lerp_(target, self._tau / (1 + self._tau))
        torch.lerp(target, u, 1 - theta * self._tau, out=target)
        self._extrapolated[:, :, slab] = target

    def _add_gradient_(self, p: torch.Tensor, x: torch.Tensor, slab: slice, step: float) -> None:
        """Add `step` · ∇T x at the planes of a slab to p, (3, N, C, d, H, W)."""
        depth = x.shape[2]
        here = x[:, :, slab]
        behind = min(slab.stop + 1, depth)
        further = x[:, :, slab.start : behind]
        if self._weighs_channels:
            further = further * self._channels
            here = further[:, :, : slab.stop - slab.start]
        planes = further.shape[2] - 1
        if planes and self._axis_weights[0]:
            scaled = step * self._axis_weights[0]
            flow = p[0][:, :, :planes]
            flow.add_(further[:, :, 1:], alpha=scaled).sub_(further[:, :, :planes], alpha=scaled)
        for axis in (-2, -1):
            size = here.shape[axis] - 1
            flow = p[axis + 3].narrow(axis, 0, size)
            flow.add_(here.narrow(axis, 1, size), alpha=step).sub_(here.narrow(axis, 0, size), alpha=step)

    def _divergence(self, p: torch.Tensor, slab: slice) -> torch.Tensor:
        """T div p at the planes of a slab; p is zero at the far ends."""
        mine = p[:, :, :, slab]
        result = mine[1] + mine[2]
        result[..., 1:, :] -= mine[1][..., :-1, :]
        result[..., 1:] -= mine[2][..., :-1]
        if self._axis_weights[0]:
            result.add_(mine[0], alpha=self._axis_weights[0])
            before = p[0][:, :, max(slab.start - 1, 0) : slab.stop - 1]
            result[:, :, result.shape[2] - before.shape[2] :].sub_(before, alpha=self._axis_weights[0])
        return result.mul_(self._channels) if self._weighs_channels else result

    # --- what has come of it ---

    def evaluate(self) -> tuple[float, float]:
        """The objective at the newest volume, and a lower bound of its minimum, the dual value."""
        squared = variation = dual = left = 0.0
        for slab in self._slabs():
            v = self._y[:, :, slab] / self._scale
            u = self._u[:, :, slab]
            difference = exact_sum((u - v).square_())
            squared += difference
            left += difference
            inflow = self._divergence(self._p, slab)
            dual += exact_sum((0.5 * inflow).add_(v).mul_(inflow))
            differences = self._p.new_zeros((3, *u.shape))
            self._add_gradient_(differences, self._u, slab, 1.0)
            squares = differences.square_().sum(dim=2, keepdim=True)
            if self.kind == "isotropic":
                squares = squares.sum(dim=0, keepdim=True)
            variation += exact_sum(squares.sqrt_())
        self._residual = self._scale * (left / self._y.numel()) ** 0.5
        scale = self.weight * self._scale
        return scale * (0.5 * squared + variation), -scale * dual

    @property
    def volume(self) -> torch.Tensor:
        """The newest volumes, (N, C, D, H, W), not clipped."""
        return self._u * self._scale

    @property
    def residual(self) -> float:
        """Root mean square of x − y as of the last call of `evaluate`."""
        return self._residual

    def _track(self, residual: float) -> None:
        """Move λ towards the value at which the root mean square of x − y is `residual`, as for images."""
        self.evaluate()
        ratio = (residual / max(self._residual, 1e-9)) ** 1.5
        factor = min(min(max(ratio, 0.25), 4.0), self.largest_weight / self.weight)
        self.weight *= factor
        self._u.div_(factor)
        self._extrapolated.copy_(self._u)
        self._tau = max(self._tau, 0.1 * self.first_step)
