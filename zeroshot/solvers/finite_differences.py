"""Finite differences and the total variation built from them.

The gradient takes forward differences and is zero at the far border, so that it costs nothing to have an edge
there; its negative adjoint is the divergence. ‖∇‖² < 8 in two dimensions (Chambolle 2004).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch

from zeroshot.checks import require_choice
from zeroshot.precision import wide_sum, widest

#: Upper bound of ‖∇‖² for forward differences along two axes.
GRADIENT_NORM_SQUARED = 8.0

Kind = Literal["isotropic", "anisotropic"]
Coupling = Literal["vectorial", "channels"]


def gradient(x: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
    """∇x: forward differences down the rows and along the columns.

    Parameters
    ----------
    x : torch.Tensor
        Images, (N, C, H, W).
    out : torch.Tensor, optional
        Where to put the result, (2, N, C, H, W).

    Returns
    -------
    torch.Tensor
        (2, N, C, H, W): ``[0]`` differences between rows, zero in the last row; ``[1]`` between columns, zero
        in the last column.
    """
    if out is None:
        out = x.new_empty((2, *x.shape))
    torch.sub(x[..., 1:, :], x[..., :-1, :], out=out[0][..., :-1, :])
    torch.sub(x[..., 1:], x[..., :-1], out=out[1][..., :-1])
    out[0][..., -1, :] = 0
    out[1][..., -1] = 0
    return out


def add_divergence_(x: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    """Add div p to `x` in place, (N, C, H, W) and (2, N, C, H, W)."""
    down, along = p[0][..., :-1, :], p[1][..., :-1]
    x[..., :-1, :] += down
    x[..., 1:, :] -= down
    x[..., :-1] += along
    x[..., 1:] -= along
    return x


def divergence(p: torch.Tensor) -> torch.Tensor:
    """Div p, the negative adjoint of the gradient: ⟨∇x, p⟩ = −⟨x, div p⟩."""
    return add_divergence_(torch.zeros_like(p[0]), p)


def weight_chroma_(x: torch.Tensor, chroma: float) -> torch.Tensor:
    """T x = c x + (1 − c) x̂ in place, with x̂ the mean over the channels of (N, C, H, W).

    It multiplies the differences of the channels from their mean by `chroma` (c), is its own adjoint, and has
    the norm max(c, 1).
    """
    if chroma == 1:
        return x
    mean = x.mean(dim=1, keepdim=True)
    return x.mul_(chroma).add_(mean, alpha=1 - chroma)


@dataclass(frozen=True)
class FieldViews:
    """Many fields as lists of views: by axis, by the components of a norm, and the buffers for the norms."""

    axes: list[list[torch.Tensor]]
    components: list[list[torch.Tensor]]
    scratches: list[torch.Tensor]
    scales: list[list[torch.Tensor]]


@dataclass(frozen=True)
class TotalVariationNorm:
    """TV(x) = Σ h(‖(∇x)ᵢ‖), the sum over the pixels of a norm of the gradient.

    h(t) = t, or with a smoothing α > 0 Huber's function, t²/(2α) up to α and t − α/2 beyond.

    Parameters
    ----------
    kind : {"isotropic", "anisotropic"}
        The Euclidean norm of the two differences, or the sum of their magnitudes.
    coupling : {"vectorial", "channels"}
        One norm over the differences of all channels, so that the channels share their edges, or every
        channel on its own. The same for images of one channel.
    smoothing : float
        α, in the units of the gradient.

    References
    ----------
    L. I. Rudin, S. Osher, E. Fatemi: Nonlinear total variation based noise removal algorithms, Physica D 60
    (1992). X. Bresson, T. F. Chan: Fast dual minimization of the vectorial total variation norm, Inverse
    Problems and Imaging 2 (2008). A. Chambolle, T. Pock: A first-order primal-dual algorithm for convex
    problems with applications to imaging, JMIV 40 (2011), section 6.2.2, for Huber's function.
    """

    kind: Kind = "isotropic"
    coupling: Coupling = "vectorial"
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        require_choice(self, "kind", get_args(Kind))
        require_choice(self, "coupling", get_args(Coupling))

    def components(self, p: torch.Tensor) -> list[torch.Tensor]:
        """Views of p, (2, N, C, H, W), over whose squares a norm is taken elementwise."""
        if self.kind == "isotropic":
            if self.coupling == "channels" or p.shape[2] == 1:
                return [p[0], p[1]]
            return [p[axis][:, c : c + 1] for axis in (0, 1) for c in range(p.shape[2])]
        if self.coupling == "channels" or p.shape[2] == 1:
            return [p]
        return [p[:, :, c : c + 1] for c in range(p.shape[2])]

    def scratch(self, p: torch.Tensor) -> torch.Tensor:
        """A buffer for the squared norms of p."""
        return torch.empty_like(self.components(p)[0], memory_format=torch.contiguous_format)

    def squared_norms(self, p: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        """The squared norm at each pixel, in the buffer `out`."""
        first, *others = self.components(p)
        torch.mul(first, first, out=out)
        for component in others:
            out.addcmul_(component, component)
        return out

    def value(self, p: torch.Tensor, scratch: torch.Tensor) -> torch.Tensor:
        """Σ h(‖pᵢ‖), a number on its device in its widest precision: TV(x) for p = ∇x."""
        # sqrt() would hand small arrays to MKL's threads, which wait for each other on a busy machine.
        norms = self.squared_norms(p, scratch).rsqrt_().reciprocal_()
        if self.smoothing == 0:
            return wide_sum(norms)
        # h(t) = m (t − m/2)/α + (t − m) with m = min(t, α), without a branch.
        near = norms.clamp(max=self.smoothing)
        far = wide_sum(norms.sub_(near))
        return far + wide_sum(near.square_()) / (2 * self.smoothing)

    def conjugate(self, p: torch.Tensor) -> torch.Tensor:
        """Σ h*(‖pᵢ‖) = α/2 Σ ‖pᵢ‖², a number like the value, for p within ‖pᵢ‖ ≤ 1."""
        if self.smoothing == 0:
            return p.new_zeros((), dtype=widest(p.device))
        return 0.5 * self.smoothing * wide_sum(p.square())

    def prox_(self, p: torch.Tensor, step: float, scratch: torch.Tensor) -> torch.Tensor:
        """The proximal map of `step` · h* in place: p / (1 + step α), projected onto ‖pᵢ‖ ≤ 1."""
        return self.project_(p, scratch, 1 + step * self.smoothing)

    def prox_of_all_(self, fields: FieldViews, step: float) -> None:
        """`prox_` of many fields in a few calls, which for small fields cost more than the work."""
        divisor = 1 + step * self.smoothing
        if not fields.components:
            for axis in fields.axes:
                if divisor != 1:
                    torch._foreach_mul_(axis, 1 / divisor)
                torch._foreach_clamp_min_(axis, -1.0)
                torch._foreach_clamp_max_(axis, 1.0)
            return
        first, *others = fields.components
        for component, scratch in zip(first, fields.scratches, strict=True):
            torch.mul(component, component, out=scratch)
        for views in others:
            torch._foreach_addcmul_(fields.scratches, views, views)
        torch._foreach_clamp_min_(fields.scratches, divisor**2)
        for scratch in fields.scratches:
            scratch.rsqrt_()
        for axis, scales in zip(fields.axes, fields.scales, strict=True):
            torch._foreach_mul_(axis, scales)

    def views(self, fields: list[torch.Tensor], scratches: list[torch.Tensor]) -> FieldViews:
        """What `prox_of_all_` needs of fields (2, N, C, H, W) and their buffers."""
        clamped = self.kind == "anisotropic" and (self.coupling == "channels" or fields[0].shape[2] == 1)
        components = [] if clamped else [self.components(p) for p in fields]
        return FieldViews(
            [[p[axis] for p in fields] for axis in (0, 1)],
            [list(views) for views in zip(*components, strict=True)],
            scratches,
            [[scale if scale.dim() == 4 else scale[axis] for scale in scratches] for axis in (0, 1)],
        )

    def project_(self, p: torch.Tensor, scratch: torch.Tensor, divisor: float = 1.0) -> torch.Tensor:
        """Divide p in place and project it onto ‖pᵢ‖ ≤ 1 in the dual norm, at each pixel."""
        if self.kind == "anisotropic" and (self.coupling == "channels" or p.shape[2] == 1):
            return (p if divisor == 1 else p.div_(divisor)).clamp_(-1, 1)
        scale = self.squared_norms(p, scratch).clamp_(min=divisor**2).rsqrt_()
        p[0].mul_(scale if scale.dim() == 4 else scale[0])
        p[1].mul_(scale if scale.dim() == 4 else scale[1])
        return p


def total_variation(x: torch.Tensor, kind: Kind = "isotropic", coupling: Coupling = "vectorial") -> float:
    """TV(x) of images (N, C, H, W), summed over the batch; see `TotalVariationNorm`."""
    norm = TotalVariationNorm(kind, coupling)
    differences = gradient(x)
    return float(norm.value(differences, norm.scratch(differences)))
