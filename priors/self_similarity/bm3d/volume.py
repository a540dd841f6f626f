"""BM4D: collaborative filtering of volumes, whose groups are made of cubes.

References
----------
M. Maggioni, V. Katkovnik, K. Egiazarian, A. Foi: Nonlocal transform-domain filter for volumetric data denoising and
reconstruction, IEEE TIP 22 (2013).
"""

from __future__ import annotations

from typing import Literal

import torch

from zeroshot.patches.cosine import cosine_matrix
from zeroshot.patches.cubes import Triple
from zeroshot.priors.self_similarity.bm3d.collaborative_volume import CubeTransform, filter_channels
from zeroshot.priors.self_similarity.bm3d.profiles import Profile
from zeroshot.priors.self_similarity.bm3d.shrinkage import HardThresholdOfCorrelated, WienerOfCorrelated
from zeroshot.priors.self_similarity.bm3d.transforms import spline_wavelet_transform
from zeroshot.priors.self_similarity.bm3d.volume_profiles import volume_stages

#: λ and μ² of either pass.
THRESHOLD, ATTENUATION = 2.7, 0.75
#: Peak of memory per value, beside the volume and the result, and whatever its size.
BYTES_PER_VALUE, LEAST_BYTES = 24, 450 * 2**20
#: So many make no difference to the settings.
MANY_PLANES = 1000
#: Parts of a volume that begin at multiples of it have the reference cubes of the whole.
STEP = 6


@torch.no_grad()
def filter_volume(
    noisy: torch.Tensor,
    sigma: float | torch.Tensor,
    *,
    profile: Profile = "normal",
    threshold: float | None = None,
    attenuation: float | None = None,
    refinement: Literal["wiener", "none"] = "wiener",
) -> torch.Tensor:
    """The denoised volume.

    Parameters
    ----------
    noisy : torch.Tensor
        (C, D, H, W), on the [0, 1] scale but not confined to it; left unchanged. Cubes are compared in the first
        channel.
    sigma : float or torch.Tensor
        Standard deviation of white noise, above 0; or that of each voxel, to be broadcast to (1, D, H, W).
    profile : {"fast", "normal", "high"}
        How densely cubes are taken.
    threshold, attenuation : float, optional
        λ and μ².
    refinement : {"wiener", "none"}
        Whether there is a second pass.

    Returns
    -------
    torch.Tensor
        (C, D, H, W), not clipped.
    """
    shape: Triple = (noisy.shape[1], noisy.shape[2], noisy.shape[3])
    levels = sigma if isinstance(sigma, torch.Tensor) else torch.tensor(sigma)
    variance = levels.to(noisy).square()
    variance = variance.view(1, 1, 1) if variance.numel() == 1 else variance.expand(1, *shape)[0]
    first, second = volume_stages(profile, float(variance.mean().sqrt()), shape[0])
    first, second = first.fitted(shape), second.fitted(shape)
    scale = len(noisy) / 255**2
    transform = CubeTransform.separable(list(map(_wavelets, first.cube)), first.beta, noisy)
    shrinkage = HardThresholdOfCorrelated(THRESHOLD if threshold is None else threshold)
    estimate = filter_channels(noisy, None, first, transform, shrinkage, variance, scale * first.difference)
    if refinement == "none":
        return estimate
    transform = CubeTransform.separable(list(map(cosine_matrix, second.cube)), second.beta, noisy)
    wiener = WienerOfCorrelated(ATTENUATION if attenuation is None else attenuation)
    return filter_channels(noisy, estimate, second, transform, wiener, variance, scale * second.difference)


def reach(
    sigma: float,
    *,
    profile: Profile = "normal",
    threshold: float | None = None,
    attenuation: float | None = None,
    refinement: Literal["wiener", "none"] = "wiener",
    depth: int = MANY_PLANES,
) -> tuple[int, int]:
    """How far a value reaches in planes, and in rows and columns of a volume of `depth` planes.

    It is felt beyond that, by way of groups of cubes that are in groups of others, but hardly: in volumes with noise of
    25/255 it made a difference of 0.0015 there, root mean square.
    """
    passes = volume_stages(profile, sigma, depth)[: 1 if refinement == "none" else 2]
    planes, rows = (sum(one.radius[axis] + one.cube[axis] - 1 for one in passes) for axis in (0, 1))
    return planes, rows


def _wavelets(side: int) -> torch.Tensor:
    """Spline wavelets for powers of two, as they do for the patches of an image; else cosines."""
    return spline_wavelet_transform(side) if side & (side - 1) == 0 else cosine_matrix(side)
