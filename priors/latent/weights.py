"""What a prior's `weights` name: a file, a name of the zoo, or a generator itself."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeroshot.generators import Generator
from zeroshot.generators.checkpoints import load

if TYPE_CHECKING:
    from zeroshot.problem import Problem


def generator_for(weights: Any, mapping: str | Path | None = None) -> Generator:
    """The generator that `weights` stand for, in evaluation mode, on the CPU.

    Parameters
    ----------
    weights : Generator, path or str
        A generator; a checkpoint; or the name of one in the zoo, which is downloaded on its first use.
    mapping : path, optional
        The second file of checkpoints that come in two.

    Raises
    ------
    ValueError
        Where nothing is given, or the file holds no generator.
    FileNotFoundError
        Where there is no such file, and the zoo has no such name.
    """
    if isinstance(weights, Generator):
        return weights
    if weights is None:
        raise ValueError(
            "this prior needs weights=…: a checkpoint of a generator of such images, such as 'ffhq.pkl'"
        )
    path = Path(weights).expanduser()
    if not path.is_file():
        path = _from_zoo(str(weights))
    beside = None if mapping is None else Path(mapping).expanduser()
    return _loaded(path, path.stat().st_mtime_ns, beside)


@lru_cache(maxsize=2)
def _loaded(path: Path, changed: int, mapping: Path | None) -> Generator:
    return load(path, mapping)


def _from_zoo(name: str) -> Path:
    from zeroshot.generators import zoo

    if name not in zoo.names():
        known = ", ".join(zoo.names())
        raise FileNotFoundError(f"there is no file {name}, and no such name in the zoo, which has: {known}")
    return zoo.fetch(name)


def misfit(generator: Generator, problem: Problem) -> str | None:
    """Why the generator's images are not those that the problem looks for, or None."""
    count, channels, height, width = problem.reference_shape
    side = generator.resolution
    if count != 1:
        return "a latent is fitted to one image; give the images of a batch one by one"
    if side and (height, width) != (side, side):
        return f"the generator makes images of {side} × {side}, and this asks for {height} × {width}"
    if channels not in (1, generator.channels):
        return f"the generator makes images of {generator.channels} channel(s), and this asks for {channels}"
    return None
