"""What the adapters of learned models share: a file, an interface, one pass of a network.

A method lives in a process of its own; the libraries are told to use as many threads as torch does there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from zeroshot.compare.method import Case
from zeroshot.compare.methods.arrays import described_shape, to_array, to_tensor
from zeroshot.compare.methods.model_interface import Declared, ModelInterface, by_colours, scale_between
from zeroshot.compare.methods.tiles import padded, run_in_tiles
from zeroshot.provenance import described


class Network(Protocol):
    """A loaded model.

    Attributes
    ----------
    declared : list
        For each of its inputs the shape that it declares, see :data:`Declared`.
    """

    declared: list[Declared]

    def __call__(self, image: torch.Tensor, sigma: torch.Tensor | None) -> torch.Tensor:
        """One pass, in the model's own layout and range; `sigma` is None for models of one input."""


class LearnedMethod(ABC):
    """``x = f(y)``: one pass of a network that was trained for the damage.

    The constructor checks what can be checked without reading the weights; they are read by :meth:`prepare`,
    or by the first :meth:`restore`. One pass is all there is: a budget of seconds changes nothing.

    Parameters
    ----------
    file : str or Path
        The model.
    label : str, optional
        How tables call it; by default the name of the file without its ending.
    **options
        The fields of :class:`ModelInterface`.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ImportError
        Where the library is missing; the message names the extra.
    ValueError
        Where an option is unknown or has a value that it cannot have.
    """

    def __init__(self, file: str | Path, label: str | None = None, **options: Any) -> None:
        self.path = existing_file(file)
        self.name = label or self.path.stem
        self.interface = ModelInterface.from_options(options, self.path.name)
        self.require_library()
        self._network: Network | None = None
        self._weights = ""

    @abstractmethod
    def require_library(self) -> None:
        """Raise an ImportError that names the extra where the library is missing."""

    @abstractmethod
    def load(self) -> Network:
        """The network in the file."""

    def prepare(self) -> None:
        """Load the weights, where they are not loaded yet."""
        if self._network is None:
            self._network = self.load()
            self._weights = described(self.path).removeprefix(f"{self.path.parent}/")
            self.interface = self.interface.resolved(self._network.declared)

    def supports(self, case: Case) -> str | None:
        """None for one grey or colour image; it cannot tell whether the model was trained for the damage."""
        channels = case.problem.y.shape[1]
        if self.interface.input != "first" and channels not in (1, 3):
            return (
                f"the measurement has {channels} channels, a learned model takes 1 or 3; or give input=first"
            )
        return None

    def restore(self, image: np.ndarray, task: Case) -> np.ndarray:
        self.prepare()
        task.note("weights", self._weights)
        wanted = task.problem.framed_shape
        with torch.inference_mode():
            given = self.interface.given(to_tensor(image), task)
            network = partial(self._pass, case=task, scale=self._scale(given, wanted))
            restored = by_colours(network, given, self.interface.channels)
            if wanted[1] == 1:
                restored = restored.mean(dim=1, keepdim=True)
        self._require_shape(tuple(restored.shape), tuple(wanted))
        return to_array(restored)

    def _scale(self, given: torch.Tensor, wanted: tuple[int, ...]) -> int:
        try:
            return scale_between(given.shape, wanted)
        except ValueError as error:
            raise ValueError(f"{self.path.name}: {error}") from None

    def _pass(self, image: torch.Tensor, case: Case, scale: int) -> torch.Tensor:
        """The network on an image of its own number of colours, in tiles where it must be."""
        one = partial(self._tile_pass, case=case, scale=scale)
        tile = self._tile(image.shape[-2:])
        if tile is not None:
            return run_in_tiles(one, image, tile, min(self.interface.overlap, min(tile) - 1), scale)
        height, width = image.shape[-2:]
        multiple = self.interface.multiple
        whole = padded(image, -(-height // multiple) * multiple, -(-width // multiple) * multiple)
        return one(whole)[..., : scale * height, : scale * width]

    def _tile(self, size: torch.Size) -> tuple[int, int] | None:
        """Height and width of the tiles; None where the image is handled as a whole."""
        assert self._network is not None
        shape = self._network.declared[0] if self._network.declared else None
        if shape is not None and len(shape) == 4:
            height, width = shape[1:3] if self.interface.layout == "nhwc" else shape[2:]
            if height is not None and width is not None:
                return (height, width)
        tile = self.interface.tile - self.interface.tile % self.interface.multiple
        return (tile, tile) if 0 < tile < max(size) else None

    def _tile_pass(self, image: torch.Tensor, case: Case, scale: int) -> torch.Tensor:
        """The network on an image of a size that it takes: values, layout and noise level as it wants them."""
        assert self._network is not None
        black, white = self.interface.range
        given, sigma = image * (white - black) + black, None
        if self.interface.sigma != "none":
            level = self._noise_level(case) * (white - black)
            if self.interface.sigma == "channel":
                given = torch.cat((given, torch.full_like(given[:, :1], level)), dim=1)
            else:
                shape = self._network.declared[1] if len(self._network.declared) > 1 else (1, 1, 1, 1)
                sigma = torch.full([size or 1 for size in shape or (1, 1, 1, 1)], level)
        answer = self._in_own_layout(given, sigma)
        expected = (*image.shape[:2], scale * image.shape[-2], scale * image.shape[-1])
        if answer.ndim != 4 or answer.shape[-2:] != expected[-2:]:
            raise ValueError(
                f"{self.path.name} made {described_shape(answer.shape)} of {described_shape(given.shape)}, "
                f"but {described_shape(expected)} is wanted; is it trained for another scale, or does it take "
                "the enlarged image (input=enlarged)?"
            )
        if self.interface.output == "image":
            return (answer - black) / (white - black)
        sign = 1 if self.interface.output == "residual" else -1
        return image + sign * answer / (white - black)

    def _in_own_layout(self, given: torch.Tensor, sigma: torch.Tensor | None) -> torch.Tensor:
        assert self._network is not None
        last = self.interface.layout == "nhwc"
        image = given.permute(0, 2, 3, 1).contiguous() if last else given.contiguous()
        self._require_declared(image)
        answer = self._network(image, sigma)
        return answer.permute(0, 3, 1, 2) if last and answer.ndim == 4 else answer

    def _require_declared(self, image: torch.Tensor) -> None:
        assert self._network is not None
        shape = self._network.declared[0] if self._network.declared else None
        if shape is None:
            return
        fits = len(shape) == 4 and all(
            want in (None, have) for want, have in zip(shape, image.shape, strict=True)
        )
        if not fits:
            declared = " × ".join("any" if size is None else str(size) for size in shape)
            raise ValueError(
                f"{self.path.name} takes images of {declared}, got {described_shape(image.shape)}; "
                "give channels=, layout= or sigma= as it was trained"
            )

    def _noise_level(self, case: Case) -> float:
        if case.problem.sigma is None:
            raise ValueError(f"{self.path.name} is told the noise level, which is unknown here; give sigma")
        return case.problem.sigma

    def _require_shape(self, made: tuple[int, ...], wanted: tuple[int, ...]) -> None:
        if made != wanted:
            raise ValueError(
                f"{self.path.name} made an image of {described_shape(made)}, but {described_shape(wanted)} is wanted"
            )


def existing_file(file: str | Path) -> Path:
    """The path of a file that exists.

    Raises
    ------
    FileNotFoundError
        Where it does not.
    """
    path = Path(file).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    return path


def missing(package: str, extra: str) -> ImportError:
    """The error for a package that is not installed."""
    return ImportError(
        f'this needs {package}, which is not installed: pip install "zeroshot-restore[{extra}]"'
    )


def first_line(error: BaseException) -> str:
    """The first line of what an error says."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
