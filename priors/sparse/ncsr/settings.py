"""The settings of nonlocally centralised sparse coding, and how long a run they ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from zeroshot.checks import require_choice, require_positive, require_whole
from zeroshot.priors.warm_start import BEGINNINGS, Beginning

Colour = Literal["luminance", "all"]

#: Rounds for operators other than the identity, where `rounds` is None.
GENERAL_ROUNDS = 8


@dataclass(frozen=True)
class CentralisedSparseSettings:
    """What the runs have to know; :class:`NonlocallyCentralizedSparse` says what each of them means."""

    patch: int | None = None
    clusters: int = 70
    similar: int | None = None
    radius: int = 20
    stride: int = 2
    strength: float | None = None
    rounds: int | None = None
    inner: int = 20
    gradients: int = 5
    assumed_noise: float = 0.7 / 255
    colour: Colour | None = None
    block: int = 5
    initial: Beginning | None = None

    def __post_init__(self) -> None:
        require_whole(self, "patch", least=2, most=32, none="allowed")
        require_whole(self, "similar", least=2, none="allowed")
        require_whole(self, "rounds", none="allowed")
        require_whole(self, "clusters", "stride", "radius", "inner", "gradients", "block")
        require_positive(self, "strength", none="allowed")
        require_positive(self, "assumed_noise")
        require_choice(self, "colour", get_args(Colour), none="allowed")
        require_choice(self, "initial", BEGINNINGS, none="allowed")

    @property
    def iterations(self) -> int:
        """The iterations of a run for operators other than the identity."""
        return self.inner * (GENERAL_ROUNDS if self.rounds is None else self.rounds)
