"""The blur kernel of a picture, from the picture itself.

Edges tell whether there is a blur. What it is, is told by the spectrum: a line, a disk or a Gaussian where one explains
it, and else a free kernel. That is looked for in squares of several sides, since a narrow kernel in a wide square
gathers what is no part of it, and the spectrum, which none of them was made for, says which of them is right.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from zeroshot.colour import full_range_luma
from zeroshot.kernels.edge_widths import DirectionalWidths, directional_widths
from zeroshot.kernels.estimate import KernelEstimate
from zeroshot.kernels.free_search import extent, free_kernel
from zeroshot.kernels.kernel_fit import centred, impulse, spread, trimmed
from zeroshot.kernels.periodic import Canvas
from zeroshot.kernels.power_law import CLEAR_GAIN, PowerLaw
from zeroshot.kernels.region import telling_region
from zeroshot.kernels.shape_search import gaussian_shape, probable_shapes
from zeroshot.kernels.shapes import Shape
from zeroshot.kernels.sharp_image import judged_image, variation_weight
from zeroshot.noise import estimate_sigma, saturated

#: The sides of the squares, in pixels, that a free kernel is looked for in, and of one that comes next where it fills
#: the first by more than that share.
_SIDES, _WIDER, _FILLED = (35, 23, 15, 9), 69, 0.85
#: The longest side of the part of a picture that is looked at for a free kernel, and of the part whose spectrum is.
_LARGEST_REGION, _LARGEST_SPECTRUM = 400, 256
#: Pictures of a shorter side tell nothing of a kernel, those of fewer pixels nothing of a free one.
_LEAST_SIDE, _LEAST_PIXELS = 48, 110**2
#: A picture without measurable edges that varies by less than so many times the noise tells of no blur.
_LEAST_CONTRAST = 5.0
#: By how much more probable than no blur a kernel must be where some edges tell of a blur, and where those of all
#: directions do, see :meth:`PowerLaw.gain`; and in a picture of few pixels.
_LEAST_GAIN, _LEAST_GAIN_OF_WIDE, _LEAST_GAIN_OF_SMALL = 0.05, 0.03, 0.2
#: By how much the widths by the spectrum and by edges may differ.
_LARGEST_RATIO = 2.0
#: By how much more probable than a line or a Gaussian a disk must be, or a free kernel, and than a free kernel of the
#: first square one of another.
_GAIN_OF_DISK, _GAIN_OF_FREE, _GAIN_OF_SQUARE = 0.03, 0.03, 0.02
#: After so many free kernels that are less probable than no blur there is none.
_MISSES = 2
#: The energy of the error of a free kernel, as a share of its own.
_ERROR_OF_FREE = 0.05
#: A shape of that gain, and of no more than that loss, needs no other kernel beside it.
_EXPLAINED_GAIN, _EXPLAINED_LOSS = 0.25, 0.5
#: Of how many pixels the restored values may be beyond black and white, as a share, and by how much they may be without
#: being counted.
_LARGEST_SHARE_BEYOND, _TOLERANCE = 0.01, 0.02
#: How gains grow into a confidence, and how it falls with the loss above that of a kernel that explains the spectrum.
_SURE_GAIN, _SURE_LOSS = 0.1, 0.1
#: Above that loss a spectrum is none of a photograph.
_STRANGE_LOSS = 1.0
#: The spectrum does not tell the phase, on which a free kernel depends.
_SURE_OF_FREE = 0.8
#: That of no blur where edges are wider than pixels make them: a picture all of whose lines run one way has a spectrum
#: that tells nothing.
_SURE_AGAINST_EDGES = 0.5


def blur_kernel(
    image: torch.Tensor,
    kind: str | None = None,
    known: torch.Tensor | None = None,
    *,
    may_be_free: bool = True,
) -> KernelEstimate:
    """The kernel that blurred a picture.

    Parameters
    ----------
    image : torch.Tensor
        (1, C, H, W) in [0, 1], grey or colour.
    kind : {"motion", "lens"} or None
        A motion along a line, or one of a lens (Gaussian or out of focus), where that is known; None: any.
    known : torch.Tensor, optional
        (1, 1, H, W), true where the picture shows something; elsewhere it is no evidence.
    may_be_free : bool
        Whether a kernel without a name is looked for, which takes longer.

    Returns
    -------
    KernelEstimate
        Of kind "none" where the picture is not blurred, or has no edges to tell. Its evidence holds the median and the
        largest width of edges, and of the kernel, or of the best of those that were refused, "gain", by how much more
        probable than without a blur the spectrum is, in nats for each wave above the noise, and "loss", see
        :meth:`zeroshot.kernels.power_law.PowerLaw.losses`.
    """
    plane = (full_range_luma(image) if image.shape[1] == 3 else image[:, :1])[0, 0].float().cpu()
    clipped = saturated(image.cpu())
    visible = torch.ones_like(plane) if known is None else known.cpu()[0, 0].to(plane)
    plane = _extended(plane, visible)
    shown = visible if clipped is None else visible * ~clipped[0].any(dim=0)
    region = telling_region(plane, shown, _LARGEST_REGION)
    plane, shown, visible = (one[region].contiguous() for one in (plane, shown, visible))
    if min(plane.shape) < _LEAST_SIDE:
        return _nothing({})
    told = None if bool((shown > 0).all()) else shown[None, None]
    widths = directional_widths(plane[None, None], estimate_sigma(image, known), told)
    noise, evidence = estimate_sigma(plane[None, None], told), _evidence(widths)
    seen = plane[shown > 0]
    varied = len(seen) > 1 and float(seen.std()) > _LEAST_CONTRAST * noise
    if not widths.is_blurred and not varied:
        return _nothing(evidence)
    # The window of the spectrum may show what is clipped, but not what is hidden.
    part = telling_region(plane, shown, _LARGEST_SPECTRUM)
    judge = _Judge(PowerLaw(plane[part], noise, visible[part]), plane, shown, noise)
    if judge.law.is_silent:
        return _nothing(evidence, 0.0 if widths.is_blurred else 1.0)
    found = judge.ranked(probable_shapes(judge.law, kind))
    is_small = plane.numel() < _LEAST_PIXELS
    # A path that is worth finding widens edges.
    may_be_path = kind is None and may_be_free and not is_small and (widths.is_blurred or widths.is_wide)
    if may_be_path and not judge.is_explained_by(found[0]):
        free = judge.free(_free(plane, shown, noise))
        found = sorted([*found, *free], key=lambda one: -one.score)
    best = next((one for one in found if judge.is_possible(one)), None)
    if best is None:
        return _nothing(evidence, 0.0)
    least = _LEAST_GAIN_OF_SMALL if is_small else _least_gain(widths)
    if best.gain < least:
        sure = (1 - max(best.gain, 0.0) / (2 * least)) * judge.plausibility_of_none
        if widths.is_blurred:
            sure *= _SURE_AGAINST_EDGES
        return _nothing(evidence | best.evidence, sure)
    best = judge.beside_edges(best, widths)
    evidence |= best.evidence | {"spread": round(spread(torch.from_numpy(best.shape.kernel)), 3)}
    return KernelEstimate(
        best.shape.kernel, best.shape.kind, best.shape.parameters, best.confidence, evidence
    )


def _least_gain(widths: DirectionalWidths) -> float:
    """By how much more probable than no blur a kernel must be, see :meth:`PowerLaw.gain`."""
    if widths.is_wide:
        return _LEAST_GAIN_OF_WIDE
    return _LEAST_GAIN if widths.is_blurred else CLEAR_GAIN


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A kernel, the loss of the spectrum under it, and by how much more probable than no blur it is.

    The gain is in nats for each wave above the noise; `score` is what candidates are compared by.
    """

    shape: Shape
    loss: float
    gain: float
    score: float

    @property
    def evidence(self) -> dict[str, float]:
        return {"gain": round(self.gain, 3), "loss": round(self.loss, 4)}

    @property
    def confidence(self) -> float:
        """From 0 to 1."""
        sure = 1 - math.exp(-max(self.gain, 0.0) / _SURE_GAIN)
        sure *= math.exp(-max(self.loss - _EXPLAINED_LOSS, 0.0) / _SURE_LOSS)
        return sure if self.shape.is_named else sure * _SURE_OF_FREE


class _Judge:
    """What a picture says of kernels that may have blurred it."""

    def __init__(self, law: PowerLaw, plane: torch.Tensor, known: torch.Tensor, noise: float) -> None:
        self.law = law
        self._plane, self._known = plane, known
        self._weight = variation_weight(noise)
        # A picture whose own values go beyond black or white may be restored beyond them.
        self._darkest, self._brightest = min(0.0, float(plane.min())), max(1.0, float(plane.max()))
        self._possible: dict[_Candidate, bool] = {}

    def ranked(self, shapes: Iterable[Shape]) -> list[_Candidate]:
        """Shapes with a name, the most probable first."""
        handicaps = {"defocus": _GAIN_OF_DISK}
        found = (self._candidate(shape, handicaps.get(shape.kind, 0.0)) for shape in shapes)
        return sorted(found, key=lambda one: -one.score)

    def free(self, found: Iterable[torch.Tensor]) -> list[_Candidate]:
        """Free kernels, of the first square and of others, as long as they are worth looking for."""
        candidates: list[_Candidate] = []
        for kernel in found:
            handicap = _GAIN_OF_FREE + (_GAIN_OF_SQUARE if candidates else 0.0)
            candidates.append(
                self._candidate(Shape(kernel.double().numpy(), "free"), handicap, _ERROR_OF_FREE)
            )
            if sum(one.gain < 0 for one in candidates) == _MISSES:
                break
        return candidates

    def _candidate(self, shape: Shape, handicap: float = 0.0, error: float = 0.0) -> _Candidate:
        loss = self.law.loss(torch.from_numpy(shape.kernel), error)
        gain = self.law.gain(loss)
        return _Candidate(shape, loss, gain, gain - handicap)

    def is_explained_by(self, candidate: _Candidate) -> bool:
        """Whether no other kernel could do much better."""
        is_probable = candidate.gain > _EXPLAINED_GAIN and candidate.loss < _EXPLAINED_LOSS
        return is_probable and self.is_possible(candidate)

    def is_possible(self, candidate: _Candidate) -> bool:
        """Whether the picture that is restored with it stays within black and white.

        One that is wider than the blur makes waves of the noise, and of edges, which go far beyond them.
        """
        if candidate not in self._possible:
            kernel = torch.from_numpy(candidate.shape.kernel).float()
            canvas = Canvas.around(self._plane, self._known, max(kernel.shape))
            x = judged_image(canvas, kernel, self._weight)
            beyond = (x < self._darkest - _TOLERANCE) | (x > self._brightest + _TOLERANCE)
            share = float((beyond & (canvas.measured > 0)).sum() / canvas.measured.sum())
            self._possible[candidate] = share <= _LARGEST_SHARE_BEYOND
        return self._possible[candidate]

    def beside_edges(self, candidate: _Candidate, widths: DirectionalWidths) -> _Candidate:
        """A Gaussian of a width between those that the spectrum and the edges tell, whose errors are not the same."""
        covariance = candidate.shape.covariance
        if covariance is None or not widths.found:
            return candidate
        ratio = math.sqrt(float(np.trace(widths.gaussian()) / np.trace(covariance)))
        between = self._candidate(
            gaussian_shape(covariance * min(max(ratio, 1 / _LARGEST_RATIO), _LARGEST_RATIO))
        )
        return between if self.is_possible(between) else candidate

    @property
    def plausibility_of_none(self) -> float:
        """From 0 to 1: whether the spectrum of a picture without a blur could be this one at all."""
        return math.exp(-max(self.law.loss_without_blur - _STRANGE_LOSS, 0.0) / _SURE_LOSS)


def _free(plane: torch.Tensor, known: torch.Tensor, noise: float) -> Iterator[torch.Tensor]:
    """The free kernels in squares of several sides, none of them wider than a third of the picture."""
    limit = (min(plane.shape) // 3) | 1
    sides = list(dict.fromkeys(min(side, limit) for side in _SIDES))
    kernel = free_kernel(plane, known, sides[0], noise)
    yield trimmed(centred(kernel))
    if extent(kernel) > _FILLED * sides[0] and sides[0] < limit:
        sides.insert(1, min(_WIDER, limit))
    for side in sides[1:]:
        yield trimmed(centred(free_kernel(plane, known, side, noise)))


def _extended(plane: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """The plane with the nearest known pixel wherever none is: what is hidden there must not begin the estimate."""
    holes = known.numpy() == 0
    if not holes.any() or holes.all():
        return plane
    # Loaded where it is needed: it takes a good part of a second.
    from scipy import ndimage

    rows, columns = ndimage.distance_transform_edt(holes, return_distances=False, return_indices=True)
    return plane[torch.from_numpy(rows).long(), torch.from_numpy(columns).long()]


def _evidence(widths: DirectionalWidths) -> dict[str, float]:
    found = widths.found
    return (
        {"edge_width": round(float(np.median(found)), 3), "widest_edge": round(max(found), 3)}
        if found
        else {}
    )


def _nothing(evidence: dict[str, float], sure: float = 1.0) -> KernelEstimate:
    return KernelEstimate(impulse(1).numpy(), "none", {}, sure if evidence else 0.0, evidence)
