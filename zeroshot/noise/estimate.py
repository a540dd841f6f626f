"""The noise level of an image, estimated from the image itself.

All noise levels are standard deviations on the [0, 1] scale: the literature's sigma = 25 is 25/255 here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import torch
from torch.nn import functional

from zeroshot.noise.constant import CONSTANT_TOLERANCE, constant_areas
from zeroshot.patches.cosine import cosine_matrix
from zeroshot.sliding import sliding

#: Standard deviation of the rounding error of 8-bit images, half a grey level wide on either side.
QUANTISATION = 0.5 / 255 / math.sqrt(3)
#: Side of the patches whose covariance is analysed, where the image is large enough.
PATCH_SIZE = 8
#: Smallest such side: below it, low and high frequencies cannot be told apart.
SMALLEST_PATCH = 3
#: The fraction of the patches, those with the least texture, that is analysed.
SMOOTHEST = 0.2
#: Covariances are taken from at least this many patches a dimension, or their eigenvalues spread.
PATCHES_PER_DIMENSION = 50
#: Patches taken of one image at most; more cost memory and add nothing.
MAX_PATCHES = 80_000
#: Below this share of the level that the colour channels have on their own, the joint estimate is that of
#: smoothed chroma.
LEAST_JOINT_SHARE = 0.5
#: Of the patches of one brightness, the share that is taken for free of texture.
FLOOR_QUANTILE = 0.02
_FLOOR_NORMAL_QUANTILE = NormalDist().inv_cdf(FLOOR_QUANTILE)
#: Noise may depend on the intensity, so that its floor is looked for in each of this many classes of brightness.
BRIGHTNESS_CLASSES = 8
#: As long as each class has that many patches.
PATCHES_PER_CLASS = 1500
#: Below that many dimensions of noise the energy of a patch says too little.
LEAST_DIMENSIONS = 8
#: Where the patches beside constant areas cover that share of what is not constant, it is a picture.
LEAST_PICTURE_SHARE = 0.5
#: Noise of that many steps of the values, rounded, leaves no constant areas.
LEAST_STEPS = 2
#: A floor below that share of the variance is one; above, the difference is that of the draw.
LEAST_FLOOR_SHARE = 0.95
#: The fewest pixels from which the noise is estimated where no patches are whole, if the image has that many.
ENOUGH_PIXELS = 200


def estimate_sigma(image: torch.Tensor, mask: torch.Tensor | None = None) -> float:
    """The standard deviation of the additive white Gaussian noise in an image.

    Patches of natural images fill a low-dimensional subspace, so that the smallest eigenvalues of their
    covariance are those of the noise alone. Of the eigenvalues in ascending order, the estimate is the root
    of the mean of the smallest i, for the largest i at which that mean is also their median: the mean
    exceeds the median as long as eigenvalues of the image are among them (Chen et al.). The patches are
    the 20 % that have the least energy in the lower half of their frequencies, and the covariance is that of
    the upper half, whose noise does not depend on that choice (after Ponomarenko et al.): without it the
    texture of small photographs passes for noise. Mean error on photographs with σ = 5 to 50: 0.1 to 0.3
    levels of 255.

    Dense texture fills all dimensions. Noise, though, is everywhere and texture is not: of the energies that the
    patches have in those i dimensions, the 2 % quantile is that of noise alone, whose law is χ² with i degrees
    of freedom. Where the σ² that it tells, averaged over eight classes of brightness, is less than 0.95 of the
    estimate, it is taken.

    Borders and other fillings of one value, in any channel, are left out, and so are channels of one value
    throughout, unless what remains are the lines of a drawing, or noise so weak that it is rounded to such areas.

    A colour image is analysed with its channels together, which tells texture from noise best, as long as the
    noise is independent between them. Subsampled or smoothed chroma, as in most JPEG files of cameras, leaves
    directions of colour with hardly any noise, and the smallest eigenvalues are then theirs. Where the
    joint estimate is less than half the root mean square of those of the single channels, the latter is taken.

    Where too few patches are free of holes, known pixels are compared with the mean of those of their eight
    neighbours that are known together with their opposite (k of them); the difference has the variance
    (1 + 1/k) σ² where the image is smooth, and the estimate is 1.4826 times the median of its magnitude
    over the 20 % of the pixels whose neighbours differ least. Fine texture still counts as noise: photographs
    with every second pixel missing come out about 0.7 levels of 255 too high (up to 3 for dense texture).

    Noise that depends on the intensity is measured where the image is smoothest.

    Parameters
    ----------
    image : torch.Tensor
        (N, C, H, W). Pixels at its very minimum or maximum are left out where others
        suffice: noise clipped at black or white is weaker than it was.
    mask : torch.Tensor, optional
        1 where pixels are known and 0 at holes, broadcastable to `image`; a pixel counts as known where it is
        in all channels.

    Returns
    -------
    float
        sigma on the [0, 1] scale, the mean over the N images; 0 where an image has fewer than two known
        neighbouring pixels.

    Raises
    ------
    ValueError
        If the image is not four-dimensional or empty, or the mask does not fit it.

    References
    ----------
    G. Chen, F. Zhu, P. A. Heng: An Efficient Statistical Method for Image Noise Level Estimation, ICCV 2015.
    N. N. Ponomarenko, V. V. Lukin, M. S. Zriakhov, A. Kaarna, J. T. Astola: An automatic approach to lossy
    compression of AVIRIS images, IGARSS 2007 (the choice of patches by their low frequencies).
    """
    if image.ndim != 4 or image.numel() == 0:
        raise ValueError(f"image must be a batch of shape (N, C, H, W), got shape {tuple(image.shape)}")
    known = known_pixels(image, mask)
    sigmas = [_sigma_of_image(image[i].detach(), known[i]) for i in range(image.shape[0])]
    return math.fsum(sigmas) / len(sigmas)


def phase_planes(raw: torch.Tensor, period: int) -> torch.Tensor:
    """The planes of a mosaic in which every pixel has the same place in the colour-filter pattern.

    Parameters
    ----------
    raw : torch.Tensor
        (N, 1, H, W).
    period : int
        Side of the repeating pattern: 2 for Bayer, 6 for X-Trans. Rows and columns beyond the last whole
        pattern are left out.

    Returns
    -------
    torch.Tensor
        (N·period², 1, H // period, W // period), the planes of one image following each other row by row.
    """
    if raw.ndim != 4 or raw.shape[1] != 1:
        raise ValueError(f"a mosaic has the shape (N, 1, H, W), got {tuple(raw.shape)}")
    height, width = raw.shape[-2] // period, raw.shape[-1] // period
    if height == 0 or width == 0:
        raise ValueError(f"a mosaic of period {period} must be at least that large, got {tuple(raw.shape)}")
    planes = functional.pixel_unshuffle(raw[..., : height * period, : width * period], period)
    return planes.reshape(-1, 1, height, width)


def known_pixels(image: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Where pixels are known in all channels, (N, H, W), boolean."""
    if mask is None:
        return torch.ones_like(image[:, 0], dtype=torch.bool)
    try:
        return (mask.to(image.device) > 0.5).expand(image.shape).all(dim=1)
    except RuntimeError:
        raise ValueError(
            f"the mask of shape {tuple(mask.shape)} does not fit the image of shape {tuple(image.shape)}"
        ) from None


def _sigma_of_image(image: torch.Tensor, known: torch.Tensor) -> float:
    """The estimate for one image (C, H, W) whose pixels are known where `known` (H, W) is true."""
    if not bool(known.any()):
        return 0.0
    low, high = image[:, known].amin(dim=1), image[:, known].amax(dim=1)
    # A channel of one value throughout was not measured, and has no noise to tell of.
    image, low = image[low < high], low[low < high]
    if len(image) == 0:
        return 0.0
    image = torch.where(known, image, low[:, None, None])
    constant = constant_areas(image, known)
    joint = _sigma_of_channels(image, known, constant.any(dim=0))
    if len(image) == 1:
        return joint
    single = [
        _sigma_of_channels(channel[None], known, area) for channel, area in zip(image, constant, strict=True)
    ]
    own = math.sqrt(math.fsum(sigma**2 for sigma in single) / len(single))
    return own if joint < LEAST_JOINT_SHARE * own else joint


def _sigma_of_channels(image: torch.Tensor, known: torch.Tensor, constant: torch.Tensor) -> float:
    """The estimate from all channels of an image (C, H, W) together, beside its constant areas (H, W)."""
    if holds_a_picture(~constant) and bool((known & ~constant).any()):
        sigma = _sigma_of_pixels(image, known & ~constant)
        # Weaker noise is rounded to areas of one value: then they are a part of the picture.
        if sigma >= LEAST_STEPS * _step(image):
            return sigma
    return _sigma_of_pixels(image, known)


def _sigma_of_pixels(image: torch.Tensor, usable: torch.Tensor) -> float:
    """The estimate from the pixels of an image (C, H, W) that are usable (H, W)."""
    # Where white or black clips the noise there is none to be seen.
    low, high = image[:, usable].amin(), image[:, usable].amax()
    inside = usable & ((image > low) & (image < high)).all(dim=0)
    for pixels in (inside, usable):
        patches = _whole_patches(image, pixels)
        if patches is not None:
            return _sigma_of_patches(patches)
    return _robust_difference(image, usable)


def holds_a_picture(varied: torch.Tensor) -> bool:
    """Whether what lies beside constant areas is a picture, and not the lines and letters of a drawing.

    A picture is mostly made of whole patches; the lines of a drawing are wrapped up in its areas.
    """
    if bool(varied.all()) or min(varied.shape) < PATCH_SIZE:
        return False
    whole = sliding(varied, PATCH_SIZE, torch.logical_and)
    covered = sliding(functional.pad(whole, (PATCH_SIZE - 1,) * 4), PATCH_SIZE, torch.logical_or)
    return int(covered.sum()) >= LEAST_PICTURE_SHARE * max(int(varied.sum()), 1)


def _step(image: torch.Tensor) -> float:
    """The smallest step between the values of an image: 1/255 in 8 bits, next to nothing in floats."""
    values = image.flatten()
    values = values[:: 1 + len(values) // MAX_PATCHES].unique()
    steps = values.diff()
    steps = steps[steps > CONSTANT_TOLERANCE * (values[-1] - values[0])]
    return float(steps.min()) if len(steps) else 0.0


def _whole_patches(image: torch.Tensor, known: torch.Tensor) -> torch.Tensor | None:
    """The patches without holes, (L, C, size, size), of the largest size that has enough of them, or None."""
    channels, height, width = image.shape
    for size in range(min(PATCH_SIZE, height, width), SMALLEST_PATCH - 1, -1):
        whole = functional.max_pool2d(1 - known[None].float(), size, stride=1)[0] == 0
        dimension = channels * size * (size + 1) // 2
        places = whole.flatten().nonzero()[:, 0]
        if len(places) < 2 * PATCHES_PER_DIMENSION * dimension:
            continue
        if len(places) > MAX_PATCHES:
            generator = torch.Generator().manual_seed(0)
            chosen = torch.randint(len(places), (MAX_PATCHES,), generator=generator).unique()
            places = places[chosen.to(places.device)]
        rows, columns = places // whole.shape[1], places % whole.shape[1]
        windows = image.unfold(1, size, 1).unfold(2, size, 1)
        return windows[:, rows, columns].transpose(0, 1)
    return None


def _sigma_of_patches(patches: torch.Tensor) -> float:
    """The noise level in patches (L, C, size, size)."""
    samples, brightness = _high_frequencies_of_smoothest(patches)
    samples = samples.double()
    # Frequencies above 0 have no mean of their own, so that none is subtracted.
    eigenvalues, directions = torch.linalg.eigh(samples.T @ samples / len(samples))
    eigenvalues = eigenvalues.clamp(min=0)
    count = _noise_dimensions(eigenvalues)
    mean = float(eigenvalues[:count].mean())
    if count < LEAST_DIMENSIONS:
        return math.sqrt(mean)
    energies = (samples @ directions[:, :count]).square().mean(dim=1)
    floor = _floor(energies, brightness, count)
    return math.sqrt(floor if floor < LEAST_FLOOR_SHARE * mean else mean)


def _high_frequencies_of_smoothest(patches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The upper half of the frequencies of the patches with the least energy in the lower half; their means.

    In an orthonormal basis the white noise of one half says nothing about that of the other, so that the
    choice of patches does not bias the noise in what remains.
    """
    size = patches.shape[-1]
    transform = cosine_matrix(size).to(patches)
    spectrum = (transform @ patches @ transform.T).flatten(2)
    order = torch.arange(size, device=patches.device)
    frequency = (order[:, None] + order).flatten()
    low, high = (frequency > 0) & (frequency < size - 1), frequency >= size - 1
    dimension = patches.shape[1] * int(high.sum())
    count = max(round(SMOOTHEST * len(patches)), PATCHES_PER_DIMENSION * dimension)
    texture = spectrum[:, :, low].square().sum(dim=(1, 2))
    smoothest = texture.topk(count, largest=False, sorted=False).indices
    return spectrum[smoothest][:, :, high].flatten(1), spectrum[smoothest][:, :, 0].mean(dim=1)


def _noise_dimensions(eigenvalues: torch.Tensor) -> int:
    """How many of the eigenvalues, in ascending order, are those of the noise alone."""
    for count in range(len(eigenvalues), 1, -1):
        smallest = eigenvalues[:count]
        mean = smallest.mean()
        if int((smallest > mean).sum()) >= int((smallest < mean).sum()):
            return count
    return 1


def _floor(energies: torch.Tensor, brightness: torch.Tensor, dimensions: int) -> float:
    """The variance that no patch goes below but by chance, the mean over classes of brightness.

    Noise is everywhere and texture is not. The mean of the squares of k normal values has the quantile
    σ² (1 − 2/(9k) + z √(2/(9k)))³ (Wilson and Hilferty), z being that of the normal distribution.
    """
    spread = 2 / (9 * dimensions)
    expected = (1 - spread + _FLOOR_NORMAL_QUANTILE * math.sqrt(spread)) ** 3
    classes = max(1, min(BRIGHTNESS_CLASSES, len(energies) // PATCHES_PER_CLASS))
    floors = [float(part.quantile(FLOOR_QUANTILE)) for part in energies[brightness.argsort()].chunk(classes)]
    return math.fsum(floors) / len(floors) / expected


def _robust_difference(image: torch.Tensor, known: torch.Tensor) -> float:
    """The noise level from the differences between known pixels and the means of their known neighbours."""
    for find, least in ((_opposite_neighbours, 4), (_opposite_neighbours, 2), (_all_neighbours, 1)):
        total, squares, count = find(image, known)
        usable = known & (count >= least)
        if int(usable.sum()) < (ENOUGH_PIXELS if least > 1 else 1):
            continue
        values, total, squares, k = image[:, usable], total[:, usable], squares[:, usable], count[usable]
        difference = (values - total / k).abs() / (1 + 1 / k).sqrt()
        if least > 1:
            # The spread of the neighbours is independent of their mean, and so does not bias the choice.
            texture = (squares - total.square() / k).sum(dim=0) / (k - 1)
            kept = max(round(SMOOTHEST * texture.numel()), ENOUGH_PIXELS)
            difference = difference[:, texture.topk(kept, largest=False, sorted=False).indices]
        return 1.4826 * float(difference.median())
    return 0.0


#: Half of the eight neighbours of a pixel, as (down, right); the other half lies opposite.
_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))


def _opposite_neighbours(image: torch.Tensor, known: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Of the neighbours known together with their opposite: their sum, sum of squares and number."""
    return _neighbour_sums(image, known, lambda down, right: _shifted(known, -down, -right))


def _all_neighbours(image: torch.Tensor, known: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Of the known neighbours: their sum, sum of squares and number."""
    return _neighbour_sums(image, known, lambda down, right: torch.ones_like(known))


def _neighbour_sums(
    image: torch.Tensor, known: torch.Tensor, condition: Callable[[int, int], torch.Tensor]
) -> tuple[torch.Tensor, ...]:
    total, squares, count = torch.zeros_like(image), torch.zeros_like(image), torch.zeros_like(image[0])
    for down, right in _DIRECTIONS + tuple((-down, -right) for down, right in _DIRECTIONS):
        counted = _shifted(known, down, right) & condition(down, right)
        value = _shifted(image, down, right) * counted
        total += value
        squares += value.square()
        count += counted
    return total, squares, count


def _shifted(plane: torch.Tensor, down: int, right: int) -> torch.Tensor:
    """`plane` (…, H, W) with the value of the neighbour `down` and `right`; 0 beyond the edge."""
    height, width = plane.shape[-2:]
    padded = functional.pad(plane, (1, 1, 1, 1))
    return padded[..., 1 + down : 1 + down + height, 1 + right : 1 + right + width]
