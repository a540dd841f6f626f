"""What is minimised: the measurement, the damage, and how far apart the two may be.

``min over x of D(A(x), y)`` where A is the operator, y the measurement and D the data term. A problem never
knows which prior solves it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace

import torch

from zeroshot.data_terms import DataTerm, Gaussian
from zeroshot.operators.operator import Operator


@dataclass(frozen=True, eq=False)
class Problem:
    """A measurement and how it came about.

    Attributes
    ----------
    y : torch.Tensor
        The measurement, (N, C, H, W), float32, nominally in [0, 1].
    operator : Operator
        The damage A.
    data_term : DataTerm
        D, averaged over the measured values.
    sigma : float or None
        Standard deviation of the noise in y on the [0, 1] scale; 0 for a noise-free measurement, None where
        it is unknown.
    task : str
        The name of the task, so that a prior can look its defaults up.
    reference_shape : tuple of int
        The shape (N, C, H, W) of the image that is looked for. Worked out from the operator where not given.
    measured : torch.Tensor or None
        1 where y carries a measurement and 0 where it is empty (holes), broadcastable to y; None: everywhere.
    held_out : torch.Tensor or None
        1 at measurements kept aside for validation, of y's shape; None: nothing is kept aside.
    """

    y: torch.Tensor
    operator: Operator
    data_term: DataTerm = field(default_factory=Gaussian)
    sigma: float | None = None
    task: str = "restore"
    reference_shape: tuple[int, ...] = ()
    measured: torch.Tensor | None = None
    held_out: torch.Tensor | None = None
    _weight: torch.Tensor | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        if not self.reference_shape:
            object.__setattr__(self, "reference_shape", tuple(self.operator.input_shape(tuple(self.y.shape))))
        object.__setattr__(self, "_weight", self._fitted())

    def _fitted(self) -> torch.Tensor | None:
        """1 at the measurements that are fitted: those that exist and are not held out; None: all."""
        if self.held_out is None:
            return self.measured
        kept = 1 - self.held_out
        return kept if self.measured is None else kept * self.measured

    def loss(self, x: torch.Tensor) -> torch.Tensor:
        """D(A(x), y), averaged over the measurements that are not held out."""
        return self.data_term(self.operator(x), self.y, self._weight)

    def validation_loss(self, x: torch.Tensor) -> torch.Tensor:
        """D(A(x), y), averaged over the held-out measurements."""
        if self.held_out is None:
            raise ValueError(
                "this problem holds no measurements out; make one with problem.hold_out(fraction)"
            )
        return self.data_term(self.operator(x), self.y, self.held_out)

    def residual(self, x: torch.Tensor) -> float:
        """Root mean square of A(x) − y over the measured values: what sigma would be if x were the truth."""
        squared = (self.operator(x) - self.y).square()
        if self.measured is None:
            return float(squared.mean().sqrt())
        weight = self.measured.expand_as(squared)
        return float(((squared * weight).sum() / weight.sum().clamp(min=1)).sqrt())

    def initial(self) -> torch.Tensor:
        """A cheap first estimate of the image, in [0, 1]: what a prior has to beat."""
        return self.operator.initial(self.y).clamp(0, 1)

    def hold_out(self, fraction: float, generator: torch.Generator) -> Problem:
        """The same problem with a random `fraction` of its measured pixels kept aside for validation.

        A pixel is kept aside in all its channels: a network would otherwise read it off its neighbours in
        the other channels.
        """
        if not 0 < fraction < 1:
            raise ValueError(f"fraction of held-out pixels must lie between 0 and 1, got {fraction}")
        count, _, height, width = self.y.shape
        held_out = torch.zeros(count, 1, height * width)
        for index in range(count):
            known = self._measured_pixels(index)
            if len(known) < 2:
                raise ValueError("holding pixels out needs at least two measured pixels")
            chosen = max(1, min(len(known) - 1, round(fraction * len(known))))
            held_out[index, 0, known[torch.randperm(len(known), generator=generator)[:chosen]]] = 1
        mask = held_out.view(count, 1, height, width).to(self.y).expand_as(self.y)
        if self.measured is not None:
            mask = mask * self.measured
        return replace(self, held_out=mask.contiguous())

    def _measured_pixels(self, index: int) -> torch.Tensor:
        """The flat positions of the pixels of image `index` that are measured in any channel."""
        if self.measured is None:
            return torch.arange(self.y.shape[-2] * self.y.shape[-1])
        known = self.measured[min(index, self.measured.shape[0] - 1)].amax(dim=0)
        return known.expand(self.y.shape[-2:]).flatten().nonzero()[:, 0].cpu()

    def to(self, device: torch.device | str) -> Problem:
        """The same problem on another device."""

        def move(tensor: torch.Tensor | None) -> torch.Tensor | None:
            return None if tensor is None else tensor.to(device)

        return replace(
            self,
            y=self.y.to(device),
            # Module.to works in place, and the operator may be the caller's own.
            operator=copy.deepcopy(self.operator).to(device),
            measured=move(self.measured),
            held_out=move(self.held_out),
        )
