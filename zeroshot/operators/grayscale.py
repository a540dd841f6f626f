"""The grey value of a colour image: colourisation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from zeroshot.checks import is_number
from zeroshot.colour import LUMA_WEIGHTS
from zeroshot.operators.operator import Operator, Shape, require_image
from zeroshot.operators.window import Locality, Window
from zeroshot.precision import widened

WEIGHTS = {
    "bt601": LUMA_WEIGHTS["bt601"],
    "bt709": LUMA_WEIGHTS["bt709"],
    "mean": (1 / 3, 1 / 3, 1 / 3),
}


class Grayscale(Operator):
    """A x = w₁ R + w₂ G + w₃ B, (N, 3, H, W) → (N, 1, H, W).

    Parameters
    ----------
    weights : str or sequence of three floats
        "bt601" (0.299, 0.587, 0.114), "bt709" (0.2126, 0.7152, 0.0722), "mean", or the three weights
        themselves, used as given. Their sum must not be zero.
    """

    weights: torch.Tensor

    def __init__(self, weights: str | Sequence[float] = "bt601") -> None:
        super().__init__()
        self.name, values = _weights(weights)
        self.register_buffer("weights", torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        require_image(x.shape, self, channels=3)
        return (x * self.weights).sum(dim=1, keepdim=True)

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        require_image(y.shape, self, channels=1)
        return y * self.weights

    def input_shape(self, measurement_shape: Sequence[int]) -> Shape:
        count, channels, *size = measurement_shape
        if channels != 1:
            raise ValueError(
                f"{self.describe()} gives one channel, got a measurement {tuple(measurement_shape)}"
            )
        return (count, 3, *size)

    def output_shape(self, image_shape: Sequence[int]) -> Shape:
        require_image(image_shape, self, channels=3)
        return (image_shape[0], 1, *image_shape[2:])

    def norm(self, measurement_shape: Sequence[int] | None = None) -> float:
        return float(torch.linalg.vector_norm(widened(self.weights)))

    def initial(self, y: torch.Tensor) -> torch.Tensor:
        """The grey image in all three channels, at the level where A(initial(y)) = y."""
        require_image(y.shape, self, channels=1)
        return (y / self.weights.sum()).repeat(1, 3, 1, 1)

    def locality(self) -> Locality:
        return Locality()

    def crop(self, window: Window) -> tuple[Operator, Window]:
        return self, window

    def describe(self) -> str:
        return "grayscale" if self.name == "bt601" else f"grayscale({self.name})"


def _weights(weights: str | Sequence[float]) -> tuple[str, tuple[float, ...]]:
    """The name for messages, and the three numbers."""
    known = "'bt601', 'bt709', 'mean'"
    if isinstance(weights, str):
        if weights.lower() not in WEIGHTS:
            raise ValueError(f"unknown grey weights {weights!r}; known are {known} or three numbers")
        return weights.lower(), WEIGHTS[weights.lower()]
    given = weights.tolist() if isinstance(weights, torch.Tensor) else weights
    if not isinstance(given, Iterable):
        raise ValueError(f"weights must be {known} or three numbers, got {weights!r}")
    values = tuple(given)
    if len(values) != 3 or not all(map(is_number, values)):
        raise ValueError(f"weights must be {known} or three finite numbers, got {weights!r}")
    values = tuple(map(float, values))
    if abs(sum(values)) < 1e-6:
        raise ValueError(f"the grey weights {values} sum to zero; a grey value needs a sum that is not zero")
    return f"[{', '.join(f'{value:g}' for value in values)}]", values
