"""Total variation denoising by the accelerated primal-dual scheme."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import torch

from zeroshot.precision import read_together, widened
from zeroshot.solvers.finite_differences import (
    GRADIENT_NORM_SQUARED,
    TotalVariationNorm,
    weight_chroma_,
)

#: Elements up to which PyTorch runs an elementwise operation in the calling thread
#: (at::internal::GRAIN_SIZE).
_GRAIN = 32767
#: Elements of a strip where there is one thread only: few enough for the cache.
_CACHED = 262143
#: With more threads than this, whole-image operations are faster than strips in one thread.
_FEW_THREADS = 4


@dataclass(frozen=True)
class _Strip:
    """Views of some rows of one image as one line: (1, C, 1, L), and (2, 1, C, 1, L) for p.

    Neighbours are the same line, shifted by one pixel or one row. What stands there across the end of a row
    or of an image is no neighbour; p is kept zero at the far column and the far row.
    """

    p: torch.Tensor
    p_down: torch.Tensor
    p_along: torch.Tensor
    down: torch.Tensor
    along: torch.Tensor
    far_column: torch.Tensor
    far_row: torch.Tensor
    extrapolated: torch.Tensor
    here: torch.Tensor
    below: torch.Tensor
    left: torch.Tensor
    right: torch.Tensor
    above: torch.Tensor
    under: torch.Tensor
    before: torch.Tensor
    y: torch.Tensor
    scaled: torch.Tensor
    u: torch.Tensor
    u_and_below: torch.Tensor
    image: torch.Tensor
    norms: torch.Tensor


def _sum(values: torch.Tensor) -> torch.Tensor:
    """A number that stays on its device, in its widest precision."""
    return widened(values.sum())


class RudinOsherFatemi:
    """min over x of ‖x − y‖² / (2σ²) + λ TV(T x).

    T multiplies the differences of the channels from their mean by `chroma`, see `weight_chroma_`. Divided by
    μ = λσ², u = x/μ minimises ½‖u − v‖² + TV(T u) with v = y/μ. This is strongly convex, so that the
    primal-dual scheme converges at O(1/k²) with growing dual steps s = 1.3 / (τ ‖∇T‖²):

        p⁺ = Π((p + s ∇T ū) / (1 + sα)),   t = v + T div p⁺,   u⁺ = (u + τ t) / (1 + τ),
        θ = 1/√(1 + 2γτ),   ū = u⁺ + θ (u⁺ − u) = u⁺ + θτ (t − u⁺),   τ⁺ = θτ,

    where Π projects onto ‖pᵢ‖ ≤ 1, and α is the smoothing of the norm, divided by μ; 0 for total variation.
    No box is needed: the minimiser stays within the range of y.

    t and ū are written where the last ū stood. The image is cut into strips of rows, each one line of memory
    whose neighbours are the same line shifted by one pixel or one row; an operation on all strips is one
    call.

    Parameters
    ----------
    y : torch.Tensor
        The noisy images, (N, C, H, W). The images of a batch share λ.
    norm : TotalVariationNorm
        Which total variation.
    weight : float
        λ, positive.
    sigma : float
        σ of the data term.
    chroma : float
        Weight of differences in colour; 1 treats all channels alike.

    References
    ----------
    A. Chambolle, T. Pock: A first-order primal-dual algorithm for convex problems with applications to
    imaging, JMIV 40 (2011), algorithm 2. A. Chambolle: An algorithm for total variation minimization and
    applications, JMIV 20 (2004), for λ from the residual. B. He, F. Ma, S. Xu, X. Yuan: A generalized
    primal-dual algorithm with improved convergence condition for saddle point problems, SIAM J. Imaging
    Sciences 15 (2022), for the 4/3.
    """

    #: λ at which the search ends where no λ leaves the residual that is asked for.
    largest_weight = 1e3
    #: γ, at most the modulus 1 of strong convexity; ½ takes the fewest iterations (see benchmarks/classic.md).
    acceleration = 0.5
    #: τ at the start; the scaled problem has no units.
    first_step = 1.0
    #: τ s ‖∇T‖². Below 4/3 the scheme without acceleration converges; 1.6 was seen to diverge.
    step_product = 1.3

    def __init__(
        self,
        y: torch.Tensor,
        norm: TotalVariationNorm,
        weight: float,
        sigma: float = 1.0,
        chroma: float = 1.0,
    ) -> None:
        self.weight = weight
        self.sigma = sigma
        self.measured_values = y.numel()
        self._norm = norm
        self._chroma = chroma if y.shape[1] > 1 else 1.0
        self._gradient_norm_squared = GRADIENT_NORM_SQUARED * max(self._chroma, 1.0) ** 2
        self._y = y.detach().contiguous()
        self._scaled, self._image = torch.empty_like(self._y), torch.empty_like(self._y)
        self._u, self._extrapolated = torch.empty_like(self._y), torch.empty_like(self._y)  # u, T ū
        self._p = y.new_empty((2, *y.shape))
        self._tau = self.first_step
        self._safety = self.step_product
        self._residual = 0.0
        self._norms = y.new_empty(2 * y.numel() if norm.kind == "anisotropic" else y.numel())
        self._strips = list(self._cut())
        self._all = {f.name: [getattr(strip, f.name) for strip in self._strips] for f in fields(_Strip)}
        self._fields = norm.views(self._all["p"], self._all["norms"])
        self._differences = y.new_empty(2 * max(strip.u.numel() for strip in self._strips))
        torch._foreach_zero_(self._all["p_down"])
        torch._foreach_zero_(self._all["p_along"])
        self._scale_measurement()
        torch._foreach_copy_(self._all["u"], self._all["scaled"])
        self._forget_extrapolation()

    def _scale_measurement(self) -> None:
        """Set v = y / μ."""
        for strip in self._strips:
            torch.div(strip.y, self.weight * self.sigma**2, out=strip.scaled)

    def _forget_extrapolation(self) -> None:
        """ū = u."""
        for strip in self._strips:
            weight_chroma_(strip.extrapolated.copy_(strip.u), self._chroma)

    @property
    def _scaled_norm(self) -> TotalVariationNorm:
        """The norm of ∇T u rather than ∇T x."""
        return replace(self._norm, smoothing=self._norm.smoothing / (self.weight * self.sigma**2))

    def advance(self, iterations: int, residual: float | None = None) -> None:
        """Make that number of iterations, at the present λ or at one moved towards `residual` before them."""
        if residual is not None:
            self._track(residual)
        norm = self._scaled_norm
        for _ in range(iterations):
            step = self._safety / (self._gradient_norm_squared * self._tau)
            theta = 1 / (1 + 2 * self.acceleration * self._tau) ** 0.5
            self._dual_step(norm, step)
            self._primal_step(theta)
            self._tau *= theta

    def _dual_step(self, norm: TotalVariationNorm, step: float) -> None:
        all_of = self._all
        torch._foreach_add_(all_of["down"], all_of["below"], alpha=step)
        torch._foreach_sub_(all_of["down"], all_of["here"], alpha=step)
        torch._foreach_add_(all_of["along"], all_of["right"], alpha=step)
        torch._foreach_sub_(all_of["along"], all_of["left"], alpha=step)
        torch._foreach_zero_(all_of["far_column"])
        torch._foreach_zero_(all_of["far_row"])
        norm.prox_of_all_(self._fields, step)

    def _primal_step(self, theta: float) -> None:
        all_of = self._all
        target, u = all_of["extrapolated"], all_of["u"]
        if self._chroma == 1:
            torch._foreach_copy_(target, all_of["scaled"])
        else:
            torch._foreach_zero_(target)
        torch._foreach_add_(target, all_of["p_down"])
        torch._foreach_add_(target, all_of["p_along"])
        torch._foreach_sub_(all_of["under"], all_of["above"])
        torch._foreach_sub_(all_of["right"], all_of["before"])
        if self._chroma != 1:
            for strip in target:
                weight_chroma_(strip, self._chroma)
            torch._foreach_add_(target, all_of["scaled"])
        torch._foreach_lerp_(u, target, self._tau / (1 + self._tau))
        torch._foreach_lerp_(target, u, 1 - theta * self._tau)
        if self._chroma != 1:
            for strip in target:
                weight_chroma_(strip, self._chroma)

    def _cut(self) -> Iterator[_Strip]:
        """The strips, image by image from the top down.

        On a processor with few threads a strip is so small that no operation waits for a second thread, which
        on a busy machine takes longer than the work.
        """
        count, channels, height, width = self._u.shape
        if self._chroma == 1 and self._norm.coupling == "channels":
            count, channels = count * channels, 1
        elements = channels * height * width
        if self._u.device.type == "cpu" and torch.get_num_threads() <= _FEW_THREADS:
            elements = min(elements, _GRAIN if torch.get_num_threads() > 1 else _CACHED)
        rows = max(1, elements // (channels * width))
        for index in range(count):
            for top in range(0, height, rows):
                yield self._strip((count, channels), index, top, min(top + rows, height))

    def _strip(self, grouping: tuple[int, int], index: int, top: int, end: int) -> _Strip:
        """Rows `top` to `end` of image `index`, where the channels are so grouped into images."""
        height, width = self._u.shape[-2:]

        def line(x: torch.Tensor) -> torch.Tensor:
            lines = x.view(*x.shape[:-4], *grouping, 1, height * width)
            return lines[..., index : index + 1, :, :, :]

        first, last, below = top * width, end * width, min(end, height - 1) * width
        second = max(first, width)
        p, x, u = line(self._p), line(self._extrapolated), line(self._u)
        mine, target = p[..., first:last], x[..., first:last]
        rows = mine.unflatten(-1, (end - top, width))
        norms = self._norm.components(mine)[0].shape
        offset = (index * height + top) * width * self._norms.numel() // (grouping[0] * height * width)
        return _Strip(
            p=mine,
            p_down=mine[0],
            p_along=mine[1],
            down=p[0][..., first:below],
            along=mine[1][..., :-1],
            far_column=rows[1][..., -1],
            far_row=rows[0][..., end - top - (end == height) :, :],
            extrapolated=target,
            here=x[..., first:below],
            below=x[..., first + width : below + width],
            left=target[..., :-1],
            right=target[..., 1:],
            above=p[0][..., second - width : last - width],
            under=x[..., second:last],
            before=mine[1][..., :-1],
            y=line(self._y)[..., first:last],
            scaled=line(self._scaled)[..., first:last],
            u=u[..., first:last],
            u_and_below=u[..., first : below + width],
            image=line(self._image)[..., first:last],
            norms=self._norms[offset : offset + norms.numel()].view(norms),
        )

    def evaluate(self) -> tuple[float, float]:
        """The objective at the newest image, and a lower bound of its minimum, the dual value."""
        mu = self.weight * self.sigma**2
        norm = self._scaled_norm
        found: list[torch.Tensor] = []
        for strip in self._strips:
            differences = self._differences[: 2 * strip.u.numel()].view(strip.p.shape)
            work, inflow = differences[0], differences[1]
            squares = _sum(torch.sub(strip.u, strip.scaled, out=work).square_())
            torch.mul(strip.u, mu, out=strip.image).clamp_(0, 1)
            clips = _sum(torch.sub(strip.image, strip.y, out=work).square_())
            self._divergence(strip, inflow)
            duals = _sum(torch.add(strip.scaled, inflow, alpha=0.5, out=work).mul_(inflow))
            lengths = norm.value(self._gradient(strip, differences), strip.norms)
            found += [squares, clips, duals, norm.conjugate(strip.p), lengths]
        numbers = iter(read_together(*found))
        squared = variation = dual = clipped = 0.0
        for _ in self._strips:
            squared += next(numbers)
            clipped += next(numbers)
            dual += next(numbers)
            dual += next(numbers)
            variation += next(numbers)
        self._residual = (clipped / self.measured_values) ** 0.5
        scale = self.weight * mu
        return scale * (0.5 * squared + variation), -scale * dual

    def _divergence(self, strip: _Strip, out: torch.Tensor) -> torch.Tensor:
        """T div p in `out`."""
        torch.add(strip.p_down, strip.p_along, out=out)
        out[..., out.shape[-1] - strip.above.shape[-1] :] -= strip.above
        out[..., 1:] -= strip.before
        return weight_chroma_(out, self._chroma)

    def _gradient(self, strip: _Strip, out: torch.Tensor) -> torch.Tensor:
        """∇T u in `out`."""
        count = strip.down.shape[-1]
        u = strip.u_and_below
        if self._chroma != 1:
            u = weight_chroma_(u.clone(), self._chroma)
        width = u.shape[-1] - count
        torch.sub(u[..., width:], u[..., :count], out=out[0][..., :count])
        out[0][..., count:] = 0
        length = out.shape[-1]
        torch.sub(u[..., 1:length], u[..., : length - 1], out=out[1][..., :-1])
        out[1].unflatten(-1, (-1, self._u.shape[-1]))[..., -1] = 0
        return out

    @property
    def image(self) -> torch.Tensor:
        """The newest image, clipped to [0, 1], as of the last call of `evaluate`; (N, C, H, W)."""
        return self._image

    @property
    def unclipped(self) -> torch.Tensor:
        """The newest image, the one that the objective belongs to."""
        return self._u * (self.weight * self.sigma**2)

    @property
    def residual(self) -> float:
        """Root mean square of clip(x, 0, 1) − y as of the last call of `evaluate`."""
        return self._residual

    def _track(self, residual: float) -> None:
        """Move λ towards the value at which the root mean square of clip(x) − y is `residual`.

        Chambolle's λ ← λ · residual / ‖x − y‖, over-relaxed, since ‖x − y‖ grows more slowly than λ.
        """
        self.evaluate()
        ratio = (residual / max(self._residual, 1e-9)) ** 1.5
        self._rescale(min(max(ratio, 0.25), 4.0))

    def _rescale(self, factor: float) -> None:
        factor = min(factor, self.largest_weight / self.weight)
        self.weight *= factor
        self._scale_measurement()
        torch._foreach_div_(self._all["u"], factor)
        self._forget_extrapolation()
        self._tau = max(self._tau, 0.1 * self.first_step)

    def shrink_step(self, factor: float) -> None:
        """Multiply the product of the step lengths by `factor`."""
        self._safety *= factor

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next iteration depends on."""
        return {
            "u": self._u.clone(),
            "extrapolated": self._extrapolated.clone(),
            "p": self._p.clone(),
            "tau": self._tau,
            "safety": self._safety,
            "weight": self.weight,
            "residual": self._residual,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state` was taken."""
        self._u.copy_(state["u"])
        self._extrapolated.copy_(state["extrapolated"])
        self._p.copy_(state["p"])
        self._tau, self._safety = state["tau"], state["safety"]
        self.weight, self._residual = state["weight"], state["residual"]
        self._scale_measurement()
