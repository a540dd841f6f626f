"""Values that a sensor or a file could not hold: clipped at white."""

from __future__ import annotations

import torch
from torch.nn import functional

#: How far below white a clipped value may have been rounded or compressed, and how many of the 3 × 3 around it are
#: clipped as well: single ones are noise at a bright place.
_WHITE, _FEWEST = 1 - 0.5 / 255, 3


def saturated(image: torch.Tensor) -> torch.Tensor | None:
    """Where values are clipped at white, together with some of those around them.

    Parameters
    ----------
    image : torch.Tensor
        (N, C, H, W), 1 being white.

    Returns
    -------
    torch.Tensor or None
        Of the image's shape, true at clipped values; None where there are none. Where values lie beyond white, nothing
        was clipped there.
    """
    if float(image.max()) > 1 + 1e-6:
        return None
    white = (image >= _WHITE).to(image)
    if not bool(white.any()):
        return None
    around = 9 * functional.avg_pool2d(functional.pad(white, (1,) * 4, mode="replicate"), 3, stride=1)
    clipped = (white > 0) & (around > _FEWEST - 0.5)
    return clipped if bool(clipped.any()) else None
