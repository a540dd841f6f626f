"""The mapping network z → w of the StyleGAN family, and the truncation of w."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from .layers import GAIN, SLOPE, EqualisedLinear, pixel_norm

_MOST_LAYERS = 64
#: How z and the label are scaled before the first layer.
LABEL_NORMALISATIONS = ("apart", "together")


class Mapping(nn.Module):
    """z and a label → w: normalised, then layers of leaky rectifiers, then truncation.

    Parameters
    ----------
    z_dim, w_dim : int
        Lengths of z and w.
    num_latents : int
        How often w is repeated.
    widths : sequence of int
        Outputs of all layers; the last is w_dim.
    label_dim : int
        Length of the label, embedded to `embedding` numbers and appended to z.
    embedding : int or None
        By default as long as w.
    label_normalisation : {"apart", "together"}
        z and the embedded label each normalised, as in StyleGAN2-ADA and 3; or one behind the other as one vector,
        as in the TensorFlow networks of StyleGAN and StyleGAN2.
    """

    w_avg: torch.Tensor

    def __init__(
        self,
        z_dim: int,
        w_dim: int,
        num_latents: int,
        widths: list[int],
        label_dim: int = 0,
        embedding: int | None = None,
        label_normalisation: str = "apart",
    ) -> None:
        super().__init__()
        if label_normalisation not in LABEL_NORMALISATIONS:
            known = " or ".join(map(repr, LABEL_NORMALISATIONS))
            raise ValueError(f"label_normalisation must be {known}, got {label_normalisation!r}")
        self.label_normalisation = label_normalisation
        if len(widths) > _MOST_LAYERS:
            raise ValueError(f"the mapping may have {_MOST_LAYERS} layers, got {len(widths)}")
        self.label_dim, self.num_latents = label_dim, num_latents
        embedding = (w_dim if embedding is None else embedding) if label_dim else 0
        if label_dim:
            self.embed = EqualisedLinear(label_dim, embedding)
        before = z_dim + embedding
        self.depth = len(widths)
        for index, width in enumerate(widths):
            self.add_module(f"fc{index}", EqualisedLinear(before, width, rate=0.01))
            before = width
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(
        self,
        z: torch.Tensor,
        label: torch.Tensor | None = None,
        truncation: float = 1.0,
        truncation_layers: int | None = None,
    ) -> torch.Tensor:
        """(N, num_latents, w_dim); see :meth:`zeroshot.generators.Generator.mapping`."""
        if self.label_dim:
            if label is None or label.shape != (len(z), self.label_dim):
                got = None if label is None else tuple(label.shape)
                raise ValueError(
                    f"this generator needs labels of shape ({len(z)}, {self.label_dim}), got {got}"
                )
            embedded = self.embed(label.to(z))
            if self.label_normalisation == "together":
                x = pixel_norm(torch.cat([z, embedded], dim=1))
            else:
                x = torch.cat([pixel_norm(z), pixel_norm(embedded)], dim=1)
        else:
            x = pixel_norm(z)
        for index in range(self.depth):
            x = functional.leaky_relu(self.get_submodule(f"fc{index}")(x), SLOPE) * GAIN
        return truncated(
            x[:, None].expand(-1, self.num_latents, -1), self.w_avg, truncation, truncation_layers
        )


def truncated(
    latents: torch.Tensor, mean: torch.Tensor, truncation: float, layers: int | None = None
) -> torch.Tensor:
    """w̄ + ψ (w − w̄) in the first `layers` latents, (N, num_latents, w_dim)."""
    if truncation == 1:
        return latents
    layers = latents.shape[1] if layers is None else layers
    return torch.cat([mean.lerp(latents[:, :layers], truncation), latents[:, layers:]], dim=1)
