"""Optimisers of networks and latents: what they share, and Adam.

They do what those of :mod:`torch.optim` do. The first of those in a process makes PyTorch load its compiler, which
takes seconds; these load nothing, so that a run with little time begins with its first step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch

from zeroshot.precision import widest


class Optimiser(ABC):
    """Groups of parameters, each with its learning rate "lr", and what is remembered of each parameter.

    Attributes
    ----------
    param_groups : list of dict
        "params", "lr" and what else a group holds, as in :class:`torch.optim.Optimizer`.
    state : dict
        Parameter → what is remembered of it: tensors and numbers by name.
    """

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        self.param_groups = groups
        self.state: dict[torch.Tensor, dict[str, Any]] = defaultdict(dict)

    @abstractmethod
    def step(self) -> None:
        """Update every parameter that has a gradient."""

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self._parameters():
            parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """What a continued run needs: the state by the place of the parameter, and the groups' numbers."""
        places = {parameter: place for place, parameter in enumerate(self._parameters())}
        return {
            "state": {places[parameter]: dict(held) for parameter, held in self.state.items()},
            "param_groups": [
                {name: value for name, value in group.items() if name != "params"}
                for group in self.param_groups
            ],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state` was taken; its tensors become the optimiser's own."""
        parameters = self._parameters()
        self.state.clear()
        for place, held in state["state"].items():
            parameter = parameters[place]
            self.state[parameter] = {
                name: value.to(parameter.device) if isinstance(value, torch.Tensor) else value
                for name, value in held.items()
            }
        for group, numbers in zip(self.param_groups, state["param_groups"], strict=True):
            group.update(numbers)

    def _parameters(self) -> list[torch.Tensor]:
        return [parameter for group in self.param_groups for parameter in group["params"]]


class Adam(Optimiser):
    """Steps of −lr · m̂ / (√v̂ + 1e-8), with m̂ and v̂ the running means of gradient and squared gradient, unbiased.

    Parameters
    ----------
    parameters : iterable of torch.Tensor
    lr : float
        Learning rate.
    betas : tuple of float
        Decay of the two means.

    References
    ----------
    D. P. Kingma and J. Ba: Adam: a method for stochastic optimization, ICLR 2015.
    """

    def __init__(
        self, parameters: Iterable[torch.Tensor], *, lr: float, betas: tuple[float, float] = (0.9, 0.999)
    ) -> None:
        super().__init__([{"params": list(parameters), "lr": lr, "betas": betas}])

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            adam_step(group, self.state)


def adam_step(group: dict[str, Any], states: dict[torch.Tensor, dict[str, Any]]) -> None:
    """One step of :class:`Adam` for the parameters of a group, all together."""
    parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
    if not parameters:
        return
    beta1, beta2 = group["betas"]
    first: list[torch.Tensor] = []
    second: list[torch.Tensor] = []
    gradients: list[torch.Tensor] = []
    for parameter in parameters:
        state = states[parameter]
        if "first" not in state:
            state["first"] = torch.zeros_like(parameter)
            state["second"] = torch.zeros_like(parameter)
            state["count"] = 0
        first.append(state["first"])
        second.append(state["second"])
        gradients.append(parameter.grad)
    torch._foreach_lerp_(first, gradients, 1 - beta1)
    torch._foreach_mul_(second, beta2)
    torch._foreach_addcmul_(second, gradients, gradients, 1 - beta2)
    denominator = list(torch._foreach_sqrt(second))
    count = _counted([states[parameter] for parameter in parameters], parameters[0].device)
    of_first, of_second = (1 - beta**count for beta in group["betas"])
    torch._foreach_div_(denominator, _narrow(of_second**0.5))
    torch._foreach_add_(denominator, 1e-8)
    factor = _narrow(-group["lr"] / of_first)
    if not isinstance(factor, torch.Tensor):
        torch._foreach_addcdiv_(parameters, first, denominator, factor)
        return
    # The same, which takes a factor from the host only.
    steps = list(torch._foreach_div(first, denominator))
    torch._foreach_mul_(steps, factor)
    torch._foreach_add_(parameters, steps)


def _counted(states: list[dict[str, Any]], device: torch.device) -> Any:
    """How many steps the first of some parameters has made, this one included, which is counted for all of them.

    On CUDA the count is on the device, so that a recorded step counts when it is replayed; one that is a tensor
    already stays one.
    """
    if device.type == "cuda":
        for state in states:
            if not isinstance(state["count"], torch.Tensor):
                state["count"] = torch.full((), float(state["count"]), dtype=widest(device), device=device)
    if isinstance(states[0]["count"], torch.Tensor):
        torch._foreach_add_([state["count"] for state in states], 1)
    else:
        for state in states:
            state["count"] = int(state["count"]) + 1
    return states[0]["count"]


def _narrow(number: Any) -> Any:
    """A number, or a tensor of one in the precision of parameters."""
    return number.float() if isinstance(number, torch.Tensor) else number
