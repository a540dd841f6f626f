"""What there is in an image beside noise, so that whoever has looked for it need not look again."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from zeroshot.noise.stripes import StripeComponent


@dataclass(frozen=True, eq=False)
class Beside:
    """Outliers and stripes of an image all of whose pixels are known.

    Attributes
    ----------
    outliers : torch.Tensor
        (N, C, H, W), boolean: all of them, as :func:`zeroshot.noise.outliers` finds them.
    stripes : list of StripeComponent
        Those that are clear, of each of the N.
    """

    outliers: torch.Tensor
    stripes: list[StripeComponent]
