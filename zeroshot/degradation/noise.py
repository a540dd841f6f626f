"""The noise of a degradation: which kinds there are, and what the task that removes it is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from zeroshot.noise import add_gaussian, add_poisson, add_salt_and_pepper
from zeroshot.task_options import checked_sigma

#: What adds noise, in any task; at most one of them.
NOISE = {
    "sigma": "standard deviation of Gaussian noise on the [0, 1] scale",
    "peak": "photon noise: how many photons make white",
    "salt_pepper": "share of the pixels that become black or white",
}


def check_noise(given: dict[str, Any]) -> None:
    """Refuse values that are no noise level, and several kinds at once.

    Raises
    ------
    ValueError, TypeError
        In one line.
    """
    checked_sigma(given.get("sigma"))
    peak = given.get("peak")
    if peak is not None and not (is_number(peak) and 0 < peak < float("inf")):
        raise ValueError(f"peak must be a positive number of photons, got {peak!r}")
    if "salt_pepper" in given:
        check_share("salt_pepper", given["salt_pepper"])
    kinds = kinds_of_noise(given)
    if len(kinds) > 1:
        raise ValueError(f"{' and '.join(kinds)} are different kinds of noise; give one of them")


def kinds_of_noise(given: dict[str, Any]) -> list[str]:
    """The names of the noises that `given` asks for."""
    return [name for name in NOISE if name in given and given[name] > 0]


def noisy(clean: torch.Tensor, given: dict[str, Any], generator: torch.Generator) -> torch.Tensor:
    """The image with the noise that `given` asks for, not clipped."""
    for kind in kinds_of_noise(given):
        add = {"sigma": add_gaussian, "peak": add_poisson, "salt_pepper": add_salt_and_pepper}[kind]
        return add(clean, float(given[kind]), generator)
    return clean


def noise_options(given: dict[str, Any]) -> dict[str, Any]:
    """What the task is told of the noise; sigma None has it estimated, where no one number describes it."""
    kinds = kinds_of_noise(given)
    options: dict[str, Any] = {"sigma": float(given.get("sigma", 0.0))}
    if kinds == ["peak"]:
        options = {"data_term": "poisson", "peak": float(given["peak"]), "sigma": None}
    elif kinds == ["salt_pepper"]:
        options = {"data_term": "l1", "sigma": None}
    return options | {name: given[name] for name in ("data_term",) if name in given}


def is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def check_share(name: str, value: Any) -> None:
    """Refuse what is no share of the pixels strictly between none and all."""
    if not (is_number(value) and 0 < value < 1):
        raise ValueError(f"{name} must be a share of the pixels between 0 and 1, got {value!r}")
