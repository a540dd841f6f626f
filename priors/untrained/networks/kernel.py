"""A network whose output is a blur kernel: its weights are not negative and have the sum 1, whatever its parameters."""

from __future__ import annotations

import math

import torch
from torch import nn


class KernelNetwork(nn.Module):
    """softmax(V max(0, U z + u) + v) for a fixed random z, as a kernel of `side` × `side` pixels.

    Parameters
    ----------
    side : int
        Of the kernel, odd.
    hidden : int
        Units of the hidden layer.
    inputs : int
        The length of z, which is uniform in [0, 1].

    References
    ----------
    D. Ren, K. Zhang, Q. Wang, Q. Hu, W. Zuo: Neural blind deconvolution using deep priors, CVPR 2020.
    """

    def __init__(self, side: int, hidden: int = 1000, inputs: int = 200) -> None:
        super().__init__()
        self.side = side
        self.code: torch.Tensor
        self.register_buffer("code", torch.empty(inputs))
        self.first_weight = nn.Parameter(torch.empty(hidden, inputs))
        self.first_bias = nn.Parameter(torch.empty(hidden))
        self.last_weight = nn.Parameter(torch.empty(side * side, hidden))
        self.last_bias = nn.Parameter(torch.empty(side * side))

    def forward(self) -> torch.Tensor:
        """The kernel, (side, side)."""
        hidden = torch.relu(torch.addmv(self.first_bias, self.first_weight, self.code))
        logits = torch.addmv(self.last_bias, self.last_weight, hidden)
        return torch.softmax(logits, dim=0).view(self.side, self.side)

    @torch.no_grad()
    def initialise(self, kernel: torch.Tensor, least: float, generator: torch.Generator) -> None:
        """Draw z and the first layer from `generator`; the last layer makes the network begin at a kernel.

        Parameters
        ----------
        kernel : torch.Tensor
            (side, side), not negative.
        least : float
            What weights below this share of the largest are raised to: those that are 0 could not grow.
        generator : torch.Generator
            On the CPU.
        """
        inputs = len(self.code)
        self.code.copy_(torch.rand(inputs, generator=generator))
        scale = math.sqrt(2 / inputs)
        self.first_weight.copy_(scale * torch.randn(self.first_weight.shape, generator=generator))
        self.first_bias.zero_()
        self.last_weight.zero_()
        self.last_bias.copy_(kernel.clamp(min=least * float(kernel.max())).log().flatten())
