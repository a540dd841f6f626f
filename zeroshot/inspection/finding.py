"""What one look at a picture has found, in a sentence and in numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for in a picture.

    Attributes
    ----------
    topic : str
        What was looked for, in one word.
    confidence : float
        How sure the finding is, from 0 to 1.
    """

    topic: ClassVar[str]
    confidence: float

    @property
    def sentence(self) -> str:
        """What was found, for people; "" where there is nothing to tell."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """All of it, JSON-able, with the sentence."""
        return {**asdict(self), "sentence": self.sentence}


def grey(level: float) -> str:
    """A level on the [0, 1] scale in 8-bit grey levels, with as many digits as tell something."""
    levels = 255 * level
    return f"{levels:.1f}" if levels < 20 else f"{levels:.0f}"
