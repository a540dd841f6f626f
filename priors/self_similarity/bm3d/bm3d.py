"""BM3D and CBM3D as a denoising prior."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

import torch
from torch.nn import functional

from zeroshot.checks import require_choice, require_number, require_positive
from zeroshot.colour import from_opponent, opponent_axes, to_opponent
from zeroshot.noise import NoiseModel
from zeroshot.patches.cosine import cosine_matrix
from zeroshot.priors.denoiser import Repetition
from zeroshot.priors.denoising import DenoisingPrior
from zeroshot.priors.scales import over_scales
from zeroshot.priors.self_similarity.bm3d.collaborative import Grouping, GroupMemory, filter_planes
from zeroshot.priors.self_similarity.bm3d.correlation import GroupVariances, excess_distances
from zeroshot.priors.self_similarity.bm3d.profiles import Profile, stages
from zeroshot.priors.self_similarity.bm3d.shrinkage import (
    CorrelatedShrinkage,
    HardThreshold,
    HardThresholdOfCorrelated,
    Wiener,
    WienerOfCorrelated,
)
from zeroshot.priors.self_similarity.bm3d.transforms import of_patches, spline_wavelet_transform
from zeroshot.volume_denoiser import VolumeDenoiser

Colour = Literal["opponent", "separate"]
#: What λ and μ are multiplied by where the variances are exact: those of white noise make up for variances that take
#: no account of patches that overlap.
STRONGER = 1.1


@dataclass(frozen=True)
class BlockMatching3D(DenoisingPrior):
    """Similar patches, stacked and shrunk together: what they share needs few coefficients, noise many.

    Around every reference patch the patches most like it form a group. With T the transform of a group (of
    each patch, then across them), wherever a patch of it lies the estimate gets

        T⁻¹ S(T group),  weighted by 1 / (noise that S lets through).

    The first pass compares noisy patches and keeps the coefficients above λσ (`threshold` · σ). The second
    compares patches of the first result, and attenuates by the Wiener factor q² / (q² + μ²σ²), where q are the
    coefficients of that result. The transform of patches is the biorthogonal spline wavelet 1.5 in the first
    pass and the DCT in the second; across patches it is Haar's, and groups are cut to powers of two.

    RGB images are filtered in an orthonormal opponent space with groups from the brightness alone (CBM3D).

    Parameters
    ----------
    profile : {"fast", "normal", "high"}
        How densely patches are taken: "fast" is quicker and a little worse than "normal", "high" takes nearly
        twice as long and is hardly better (see ``benchmarks/classic.md``, for the next two as well).
    threshold : float
        λ of the first pass; 2.7 is the papers'.
    attenuation : float
        μ² of the second pass: the share of the noise's variance that the Wiener filter reckons with. The
        papers have 1.
    refinement : {"wiener", "none"}
        Whether there is a second pass.
    colour : {"opponent", "separate"}
        Whether the channels of RGB images share their groups; images of other numbers of channels are
        filtered channel by channel.
    prefilter : float
        In units of σ, 0 for none: patches are compared after their DCT was thresholded so in the first pass.
        Meant for strong noise, where 2 is the paper's; it made results worse, and is off as in Hou et al.,
        IEEE TIP 20 (2011).

    References
    ----------
    K. Dabov, A. Foi, V. Katkovnik, K. Egiazarian: Image denoising by sparse 3-D transform-domain collaborative
    filtering, IEEE TIP 16 (2007); Color image denoising via sparse 3D collaborative filtering with grouping
    constraint in luminance-chrominance space, ICIP 2007. M. Lebrun: An analysis and implementation of the BM3D
    image denoising method, IPOL 2 (2012).
    """

    name: ClassVar[str] = "bm3d"
    summary: ClassVar[str] = "BM3D/CBM3D: similar patches shrunk together; seconds, the classic of denoising"
    bytes_per_value: ClassVar[int] = 70  # see benchmarks/large_images.py
    least_bytes: ClassVar[int] = 850 * 2**20

    looks: ClassVar[float | None] = 14.0

    profile: Profile = "normal"
    threshold: float = 2.7
    attenuation: float = 0.75
    refinement: Literal["wiener", "none"] = "wiener"
    colour: Colour = "opponent"
    prefilter: float = 0.0

    def __post_init__(self) -> None:
        require_choice(self, "profile", get_args(Profile))
        require_positive(self, "threshold", "attenuation")
        require_number(self, "prefilter")
        require_choice(self, "refinement", ("wiener", "none"))
        require_choice(self, "colour", get_args(Colour))

    def volume_denoiser(self, spacing: float = 1.0) -> VolumeDenoiser:
        """BM4D: cubes in place of patches. λ and μ² are its own where they are those of planes."""
        from zeroshot.priors.self_similarity.volume_denoiser import collaborative

        if self.colour != "opponent" or self.prefilter:
            raise ValueError("colour and prefilter are settings for planes: BM4D of volumes has neither")
        own = {
            name: getattr(self, name)
            for name in ("threshold", "attenuation")
            if getattr(self, name) != getattr(BlockMatching3D, name)
        }
        return collaborative(profile=self.profile, refinement=self.refinement, **own)

    def repeated(self) -> BlockMatching3D:
        """The fast profile."""
        return dataclasses.replace(self, profile="fast")

    def passes(self, sigma: float) -> int:
        """Two with the Wiener refinement, else one."""
        return 2 if self.refinement == "wiener" else 1

    def repetition(self) -> Repetition:
        """Calls that share their groups; not with `prefilter`, by which they depend on σ, nor of a derived class."""
        shares = type(self) is BlockMatching3D and self.prefilter == 0
        return BlockMatchingRepetition(self) if shares else super().repetition()

    def refine(self, noisy: torch.Tensor, estimate: torch.Tensor, sigma: float, index: int) -> torch.Tensor:
        """Hard thresholding of `noisy`; then Wiener filtering of it, guided by `estimate`."""
        return self._refine(noisy, estimate, sigma, index, None)

    def _refine(
        self,
        noisy: torch.Tensor,
        estimate: torch.Tensor,
        sigma: float,
        index: int,
        memory: GroupMemory | None,
    ) -> torch.Tensor:
        together = self.colour == "opponent" and noisy.shape[1] == 3
        source = to_opponent(noisy) if together else noisy
        pilot = to_opponent(estimate) if together and index else estimate
        result = torch.empty_like(source)
        planes = 3 if together else 1
        for image in range(noisy.shape[0]):
            for first in range(0, noisy.shape[1], planes):
                where = (image, slice(first, first + planes))
                place = None if memory is None else (memory, image * noisy.shape[1] + first)
                result[where] = (
                    self._wiener(source[where], pilot[where], sigma, place)
                    if index
                    else self._hard(source[where], sigma, place)
                )
        return from_opponent(result) if together else result

    def refine_coloured(
        self, noisy: torch.Tensor, estimate: torch.Tensor, noise: NoiseModel, index: int
    ) -> torch.Tensor:
        """The same with the variance of the noise in every coefficient, and over scales.

        See :mod:`~zeroshot.priors.self_similarity.bm3d.correlation` and :mod:`~zeroshot.priors.scales`.
        """
        channels = noisy.shape[1]
        together = self.colour == "opponent" and channels == 3
        axes = opponent_axes(channels) if together else torch.eye(channels)
        models = noise.cautious().rotated(axes).planes(channels)
        source = to_opponent(noisy) if together else noisy
        pilot = to_opponent(estimate) if together else estimate

        def refine(y: torch.Tensor, x: torch.Tensor, models: Sequence[NoiseModel]) -> torch.Tensor:
            return self._correlated(y, x if index else None, models)

        result = torch.empty_like(source)
        planes = 3 if together else 1
        for image in range(noisy.shape[0]):
            for first in range(0, channels, planes):
                where = (image, slice(first, first + planes))
                result[where] = over_scales(
                    refine, source[where], pilot[where], models[first : first + planes]
                )
        return from_opponent(result) if together else result

    def _correlated(
        self, noisy: torch.Tensor, pilot: torch.Tensor | None, noise: Sequence[NoiseModel]
    ) -> torch.Tensor:
        """A pass for planes (C, H, W) at one scale; the second one where there is a pilot."""
        side = min(noisy.shape[-2:])
        first, second = stages(self.profile, noise[0].white_level()[0])
        if pilot is None:
            stage = first.fitted(2 ** (side.bit_length() - 1))
            transform: Callable[[int], torch.Tensor] = spline_wavelet_transform
            excess = excess_distances(noise[0], stage.patch, 2 * stage.radius).to(noisy)
            grouping = Grouping(noisy[:1], _limit(stage.difference, len(noisy)), excess=excess)
            shrinkage: CorrelatedShrinkage = HardThresholdOfCorrelated(STRONGER * self.threshold)
        else:
            stage = second.fitted(side)
            transform = cosine_matrix
            grouping = Grouping(pilot[:1], _limit(stage.difference, len(noisy)))
            shrinkage = WienerOfCorrelated(STRONGER**2 * self.attenuation)
        variances = [
            GroupVariances.of(model, transform(stage.patch), 2 * stage.radius, noisy) for model in noise
        ]
        return filter_planes(noisy, pilot, stage, grouping, transform, shrinkage, variances)

    def _hard(
        self, noisy: torch.Tensor, sigma: float, memory: tuple[GroupMemory, int] | None
    ) -> torch.Tensor:
        """The first pass for planes (C, H, W)."""
        stage = stages(self.profile, sigma)[0]
        side = min(noisy.shape[-2:])
        # The wavelets need a power of two.
        stage = stage.fitted(2 ** (side.bit_length() - 1))
        noise, features = 2 * sigma**2, None
        if self.prefilter:
            basis = of_patches(cosine_matrix(stage.patch)).T.to(noisy)
            noise, features = 0.0, lambda rows: functional.hardshrink(rows @ basis, self.prefilter * sigma)
        grouping = Grouping(noisy[:1], _limit(stage.difference, len(noisy)) + noise, features)
        shrinkage = HardThreshold(self.threshold * sigma)
        return filter_planes(noisy, None, stage, grouping, spline_wavelet_transform, shrinkage, memory=memory)

    def _wiener(
        self,
        noisy: torch.Tensor,
        pilot: torch.Tensor,
        sigma: float,
        memory: tuple[GroupMemory, int] | None,
    ) -> torch.Tensor:
        """The second pass for planes (C, H, W)."""
        stage = stages(self.profile, sigma)[1].fitted(min(noisy.shape[-2:]))
        grouping = Grouping(pilot[:1], _limit(stage.difference, len(noisy)))
        shrinkage = Wiener(self.attenuation * sigma**2)
        return filter_planes(noisy, pilot, stage, grouping, cosine_matrix, shrinkage, memory=memory)


class BlockMatchingRepetition(Repetition):
    """Calls of BM3D whose groups are those of the last call that found them itself."""

    def __init__(self, denoiser: BlockMatching3D) -> None:
        super().__init__(denoiser)
        self._memory = GroupMemory()
        self._remembering = _Remembering(**denoiser.settings(), groups=self._memory)

    def denoise(
        self, noisy: torch.Tensor, sigma: float, contrast: torch.Tensor, *, afresh: bool
    ) -> torch.Tensor:
        """The denoised image, by groups that are found anew where `afresh`."""
        self._memory.afresh = afresh
        return self._remembering.in_passes(noisy, sigma, contrast)

    def state_dict(self) -> dict[str, Any]:
        """What the groups follow from."""
        return self._memory.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state` was taken."""
        self._memory.load_state_dict(state)


@dataclass(frozen=True)
class _Remembering(BlockMatching3D):
    """BM3D with a memory of its groups."""

    groups: GroupMemory = field(default_factory=GroupMemory, compare=False, repr=False)

    def refine(self, noisy: torch.Tensor, estimate: torch.Tensor, sigma: float, index: int) -> torch.Tensor:
        """As ever, with groups that the memory may know."""
        self.groups.pass_ = index
        return self._refine(noisy, estimate, sigma, index, self.groups)


def _limit(difference: float, channels: int) -> float:
    """The mean squared difference in the plane that is compared: √channels times the mean of the channels."""
    return difference / 255**2 * channels
