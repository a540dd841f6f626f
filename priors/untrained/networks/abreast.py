"""Several networks of one shape as one with grouped convolutions, so that one call makes the images of all.

On a GPU a network for a small image is hundreds of kernels too short to fill it; abreast they take as many kernels as
one network, each with more to do.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch

from zeroshot.priors.untrained.networks.layers import Network


class Abreast:
    """x₁ … x_B = f(z₁; θ₁) … f(z_B; θ_B) by one call of f, whose convolutions have a group for each.

    The channels of the networks lie side by side, and so do their weights: those of each network become views of
    the common ones, so that who updates a network updates its part.

    Parameters
    ----------
    networks : sequence of Network
        Alike but for the values of their weights.
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        self.count = len(networks)
        self._network = copy.deepcopy(networks[0])
        for module in self._network.modules():
            if hasattr(module, "abreast"):
                module.abreast = self.count  # type: ignore[assignment]
        self._weights: list[tuple[torch.nn.Parameter, list[torch.nn.Parameter]]] = []
        for name, common in self._network.named_parameters():
            own = [network.get_parameter(name) for network in networks]
            common.data = torch.cat([parameter.detach() for parameter in own])
            for parameter, part in zip(own, common.data.chunk(self.count), strict=True):
                parameter.data = part
            self._weights.append((common, own))

    def __call__(self, inputs: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """The images (1, C, H, W) that the networks make of their inputs (1, depth, height, width)."""
        return self._network(torch.cat(list(inputs), dim=1)).chunk(self.count, dim=1)

    def forget_gradients(self) -> None:
        """Forget those of the common weights."""
        for common, _ in self._weights:
            common.grad = None

    def give_gradients(self) -> None:
        """Leave the gradients with the weights of the single networks, as views of the common ones."""
        for common, own in self._weights:
            assert common.grad is not None
            for parameter, gradient in zip(own, common.grad.chunk(self.count), strict=True):
                parameter.grad = gradient
