"""Dictionaries learned from one image: its patches in clusters, and a principal-component basis for each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from zeroshot.counting import occurrences
from zeroshot.precision import widened
from zeroshot.solvers.singular_values import symmetric_eigen

#: Patches are also taken of the image shrunk by these factors: structures recur at other sizes.
SCALES = (1.0, 0.8**2, 0.8**4, 0.8**6)
#: Patches that clusters and bases are learned from at most; more take time and change the bases little.
MAX_SAMPLES = 120_000
#: Rounds of k-means; the small clusters are dissolved before the last two.
ROUNDS = 14
#: High-pass energy, next to that of the noise, below which a patch counts as smooth: 4 grey levels.
SMOOTH = 4 / 255


@dataclass(frozen=True)
class Dictionaries:
    """An orthonormal basis for each cluster of patches and channel; the first cluster holds the smooth patches.

    The channels of a cluster have bases of their own. One basis for all of them together would have three times
    as many dimensions to learn from as many patches, and would follow the noise (see ``benchmarks/classic.md``).

    Attributes
    ----------
    centres : torch.Tensor
        (K, p²) means of the high-pass features of the clusters 1 … K.
    bases : torch.Tensor
        (K + 1, C, p², p²), the basis vectors in rows, by falling variance; the first are those of smooth
        patches.
    smooth_below : float
        Root mean square of the high-pass features below which a patch is smooth.
    """

    centres: torch.Tensor
    bases: torch.Tensor
    smooth_below: float

    def assign(self, features: torch.Tensor) -> torch.Tensor:
        """The cluster of every row of `features` (P, p²): 0 for smooth ones, else 1 … K; (P,) int64."""
        cluster = torch.zeros(len(features), dtype=torch.int64, device=features.device)
        if len(self.centres):
            nearest = _nearest(features, self.centres) + 1
            smooth = features.square().mean(1).sqrt() < self.smooth_below
            cluster = nearest.masked_fill(smooth, 0)
        return cluster


def learn(
    image: torch.Tensor,
    size: int,
    clusters: int,
    smallest: int,
    high_pass_sigma: float,
    noise: float,
    generator: torch.Generator,
) -> Dictionaries:
    """Cluster the patches of `image` by their high frequencies, and find a basis for each cluster.

    Parameters
    ----------
    image : torch.Tensor
        (C, H, W); the clusters are those of the first channel.
    size : int
        p, the side of a patch.
    clusters : int
        How many clusters to begin with.
    smallest : int
        Clusters with fewer patches are dissolved into their neighbours.
    high_pass_sigma : float
        Standard deviation of the Gaussian that is subtracted to get the features, in pixels.
    noise : float
        Standard deviation of the noise in `image`: patches whose features are hardly stronger are smooth.
    generator : torch.Generator
        A CPU generator, for the first centres.

    References
    ----------
    W. Dong, L. Zhang, G. Shi, X. Li: Nonlocally centralized sparse representation for image restoration,
    IEEE TIP 22 (2013).
    """
    features, patches = _training_patches(image, size, high_pass_sigma, generator)
    smooth_below = (noise**2 + SMOOTH**2) ** 0.5
    smooth = features.square().mean(1).sqrt() < smooth_below
    flat, rough = smooth.nonzero()[:, 0], (~smooth).nonzero()[:, 0]
    samples = features[rough]
    centres = k_means(samples, clusters, smallest, generator)
    groups = [patches[flat] if len(flat) >= size * size else patches]
    if len(centres):
        member = _nearest(samples, centres)
        counts = occurrences(member, len(centres)).tolist()
        groups += list(patches[rough[member.argsort(stable=True)]].split(counts))
    return Dictionaries(centres, principal_components(groups), smooth_below)


def high_pass(image: torch.Tensor, sigma: float, size: int) -> torch.Tensor:
    """`image` (C, H, W) less its Gaussian mean of standard deviation `sigma`, edges repeated."""
    reach = (size + 2) // 2
    place = torch.arange(-reach, reach + 1, device=image.device, dtype=image.dtype)
    weights = torch.exp(-0.5 * (place / sigma) ** 2)
    weights = weights / weights.sum()
    low = image[:, None]
    low = functional.conv2d(functional.pad(low, (reach, reach, 0, 0), "replicate"), weights.view(1, 1, 1, -1))
    low = functional.conv2d(functional.pad(low, (0, 0, reach, reach), "replicate"), weights.view(1, 1, -1, 1))
    return image - low[:, 0]


def k_means(samples: torch.Tensor, clusters: int, smallest: int, generator: torch.Generator) -> torch.Tensor:
    """Centres (K, D) of the clusters of `samples` (n, D), by Lloyd's iteration from randomly chosen samples.

    Clusters of fewer than `smallest` samples are dissolved; where there are not twice as many samples there is
    one cluster at most, and none for no samples.
    """
    count = len(samples)
    if count == 0:
        return samples[:0]
    clusters = max(1, min(clusters, count // max(1, smallest)))
    first = torch.randperm(count, generator=generator)[:clusters].to(samples.device)
    centres = samples[first]
    for turn in range(ROUNDS):
        member = _nearest(samples, centres)
        sizes = occurrences(member, len(centres))
        sums = torch.zeros_like(centres).index_add_(0, member, samples)
        centres = torch.where(sizes[:, None] > 0, sums / sizes[:, None].clamp(min=1), centres)
        if turn == ROUNDS - 3:
            centres = _without_small(centres, sizes, smallest)
    return centres


def _without_small(centres: torch.Tensor, sizes: torch.Tensor, smallest: int) -> torch.Tensor:
    """The centres of the clusters that are large enough, or of the largest where none is."""
    return centres[sizes >= sizes.max().clamp(max=smallest)]


def principal_components(groups: list[torch.Tensor]) -> torch.Tensor:
    """The principal components of each group (n, C, D), channel by channel, in rows by falling variance.

    Returns
    -------
    torch.Tensor
        (groups, C, D, D).
    """
    covariances = []
    for group in groups:
        channels = (group - group.mean(0)).transpose(0, 1)
        covariances.append(channels.mT @ channels / max(1, len(group)))
    _, vectors = symmetric_eigen(widened(torch.stack(covariances)))
    return vectors.flip(-1).mT.to(groups[0].dtype).contiguous()


def _nearest(samples: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """The index of the nearest centre of every sample."""
    half = centres.square().sum(1) / 2
    return torch.addmm(half, samples, centres.T, alpha=-1).argmin(1)


def _training_patches(
    image: torch.Tensor, size: int, sigma: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """High-pass features (n, p²) of the first channel and patches (n, C, p²) at all scales, at most MAX_SAMPLES."""
    height, width = image.shape[-2:]
    sizes = [(round(height * scale), round(width * scale)) for scale in SCALES]
    sizes = [pair for pair in sizes if min(pair) >= size]
    totals = [(rows - size + 1) * (columns - size + 1) for rows, columns in sizes]
    share = min(1.0, MAX_SAMPLES / sum(totals))
    features, patches = [], []
    for pair, total in zip(sizes, totals, strict=True):
        scaled = image
        if pair != (height, width):
            scaled = functional.interpolate(image[None], pair, mode="bilinear", antialias=True)[0]
        high = high_pass(scaled[:1], sigma, size)
        both = functional.unfold(torch.cat([high, scaled])[None], size)[0]
        if share < 1:
            chosen = torch.randperm(total, generator=generator)[: max(1, round(share * total))]
            both = both[:, chosen.sort().values.to(image.device)]
        features.append(both[: size * size].T)
        patches.append(both[size * size :].T.unflatten(1, (-1, size * size)))
    return torch.cat(features).contiguous(), torch.cat(patches).contiguous()
