"""Missing pixels as a linear prediction from their neighbours, learned from the known pixels around them.

Natural images are locally autoregressive: what best predicts a pixel from its neighbours, along an edge or across a
texture, is the same a few pixels away, where the answer is known. Scattered holes, as impulses leave them, are filled
so in a fraction of a second about as well as non-local methods do it.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from zeroshot.operators import fill_holes
from zeroshot.sliding import window_means

#: Opposite neighbours share a coefficient: half the unknowns, and a slope stays as it is.
_PAIRS = ((0, 1), (1, 0), (1, 1), (1, -1))
#: The prediction is learned from that many pixels in every direction.
RADIUS = 4
#: The variance of the smallest structure that is learned from, on the [0, 1] scale, and the share of the neighbours'
#: own by which coefficients are held back.
_FLOOR, _RIDGE = 1e-4, 0.01
#: Neighbours that were missing themselves are better known the second and third time.
ROUNDS = 3
#: Side of the parts that are worked on at once; those without holes are passed over.
_PART = 128


def fill_by_prediction(y: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Fill missing pixels by the linear prediction that fits their surroundings.

    With the four pairs of opposite neighbours p_k of pixel i, their means a_k and the mean m of these, the prediction
    is ``x_i = m_i + Σ_k c_k (a_ik − m_i) + Σ_l e_l (x_il − m_il)``, where the second sum is over the other channels of
    a colour image that are known at i. The coefficients minimise the weighted square error at the known pixels of the
    9 × 9 around i, with a small ridge. Neighbours that are missing begin with a smooth filling.

    Parameters
    ----------
    y : torch.Tensor
        (N, C, H, W), nominally in [0, 1]. What stands in the holes is ignored.
    known : torch.Tensor
        1 where pixels are known and 0 elsewhere, broadcastable to `y`.

    Returns
    -------
    torch.Tensor
        `y` where it is known, filled elsewhere.

    References
    ----------
    X. Li, M. T. Orchard: New edge-directed interpolation, IEEE TIP 10 (2001), for coefficients from the covariance
    of the surroundings.
    """
    known = (known > 0.5).expand_as(y)
    result = fill_holes(y, known.to(y))
    if min(y.shape[-2:]) <= RADIUS + 1:
        return result
    for image, where in zip(result, known, strict=True):
        if not bool(where.all()) and bool(where.any()):
            low, high = float(image[where].min()), float(image[where].max())
            for index in range(ROUNDS):
                _fill_once(image, where, first=index == 0)
                image.clamp_(low, high)
    return result


def _fill_once(image: torch.Tensor, known: torch.Tensor, *, first: bool) -> None:
    """Predict the missing pixels of an image (C, H, W) in place, all from what stands there now."""
    reach = RADIUS + 1
    values = functional.pad(image[None], (reach,) * 4, mode="reflect")[0]
    trusted = functional.pad(known[None].to(image), (reach,) * 4, mode="reflect")[0]
    height, width = image.shape[-2:]
    for top in range(0, height, _PART):
        for left in range(0, width, _PART):
            part = slice(top, min(top + _PART, height)), slice(left, min(left + _PART, width))
            framed = (
                ...,
                slice(part[0].start, part[0].stop + 2 * reach),
                slice(part[1].start, part[1].stop + 2 * reach),
            )
            for channel in range(len(image)):
                holes = ~known[channel][part]
                if bool(holes.any()):
                    predicted = _predicted(values[framed], trusted[framed], channel, holes, first=first)
                    image[channel][part][holes] = predicted


def _predicted(
    values: torch.Tensor, trusted: torch.Tensor, channel: int, holes: torch.Tensor, *, first: bool
) -> torch.Tensor:
    """What its surroundings predict of one channel where `holes` (h, w) is true.

    Parameters
    ----------
    values, trusted : torch.Tensor
        (C, h + 2·reach, w + 2·reach), the image and 1 where it is known.
    """

    def pairs(plane: torch.Tensor) -> torch.Tensor:
        inner = plane.shape[0] - 2, plane.shape[1] - 2

        def beside(down: int, right: int) -> torch.Tensor:
            return plane[1 + down : 1 + down + inner[0], 1 + right : 1 + right + inner[1]]

        return torch.stack([(beside(*step) + beside(-step[0], -step[1])) / 2 for step in _PAIRS])

    means = pairs(values[channel])
    middle = means.mean(dim=0)
    features = [*(means - middle)]
    usable = [torch.ones_like(holes)] * len(_PAIRS)
    for other in range(len(values)):
        known = _inner(trusted[other], RADIUS + 1) > 0.5
        if other == channel or not bool((known & holes).any()):
            continue
        features.append(_inner(values[other], 1) - pairs(values[other]).mean(dim=0))
        usable.append(known)
    weight = _inner(trusted[channel], 1)
    if first:  # smooth fillings beside a pixel tell less of it
        weight = weight * (0.1 + pairs(trusted[channel]).mean(dim=0).square())
    wanted = _inner(values[channel], 1) - middle
    count = len(features)
    upper = [(i, j) for i in range(count) for j in range(i, count)]
    products = [features[i] * features[j] for i, j in upper] + [one * wanted for one in features]
    sums = _window_sums(torch.stack([weight, *(weight * one for one in products)]))[:, holes]
    moments = sums.new_empty(count, count, sums.shape[1])
    for (i, j), moment in zip(upper, sums[1:], strict=False):
        moments[i, j] = moments[j, i] = moment
    correlated = sums[1 + len(upper) :]
    # What is not known at the place itself must not be leant on there.
    leant_on = torch.stack(usable)[:, holes].to(sums)
    moments *= leant_on[:, None] * leant_on
    ridge = _FLOOR * sums[0] + _RIDGE * moments.diagonal().T.mean(dim=0) + 1e-12
    moments.diagonal().add_(ridge[:, None])
    coefficients = torch.linalg.solve(moments.permute(2, 0, 1), (correlated * leant_on).T[..., None])[
        ..., 0
    ].T
    at_holes = torch.stack([_inner(one, RADIUS)[holes] for one in features])
    return _inner(middle, RADIUS)[holes] + (coefficients * at_holes).sum(dim=0)


def _inner(plane: torch.Tensor, frame: int) -> torch.Tensor:
    """The plane without a frame."""
    return plane[frame:-frame, frame:-frame]


def _window_sums(planes: torch.Tensor) -> torch.Tensor:
    """The sums over the windows of RADIUS around the inner pixels of the planes (K, h, w)."""
    side = 2 * RADIUS + 1
    return window_means(planes, side) * side**2
