"""A user's own generator, ``python:FILE.py:FUNCTION``: a function that builds the module and loads its weights.

A file of weights alone does not tell the network that they belong to. What the function returns is a
:class:`zeroshot.generators.Generator`, or a module whose latent and range of values show in its layers.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import nn

from zeroshot.generators import Generator
from zeroshot.python_files import ENDINGS, module_in
from zeroshot.words import unknown

PREFIX = "python:"
_ADVICE = "return Generator.wrap(module, latent_shape=(…,), output_range=(black, white))"


def is_python(weights: Any) -> bool:
    """Whether weights are given as ``python:FILE.py:FUNCTION``."""
    return isinstance(weights, str) and weights.startswith(PREFIX)


def generator_from(weights: str) -> Generator:
    """The generator that the function returns; the same one however often it is asked for.

    Parameters
    ----------
    weights : str
        ``python:FILE.py:FUNCTION``, a function without arguments.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where the file cannot be run, has no such function, or the function returns no generator.
    """
    file, colon, name = weights.removeprefix(PREFIX).rpartition(":")
    if not colon or not name.isidentifier():
        raise ValueError(f"python: needs a file and a function, python:FILE.py:FUNCTION, got {weights!r}")
    path = Path(file).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"there is no Python file {path}")
    return _made(path.resolve(), name)


@lru_cache(maxsize=2)
def _made(path: Path, name: str) -> Generator:
    module = module_in(path)
    function = getattr(module, name, None)
    subject = f"{name} of {path.name}"
    if not callable(function):
        known = [each for each, one in vars(module).items() if callable(one) and not each.startswith("_")]
        raise ValueError(unknown(f"function in {path.name}", name, known))
    try:
        made = function()
    except (ValueError, OSError, ImportError):
        raise
    except (Exception, *ENDINGS) as error:
        raise ValueError(f"{subject} failed: {type(error).__name__}: {error}") from error
    if not isinstance(made, nn.Module):
        raise ValueError(f"{subject} must return a generator or a torch module, got {type(made).__name__}")
    return (made if isinstance(made, Generator) else _wrapped(made, subject)).eval().requires_grad_(False)


def _wrapped(module: nn.Module, subject: str) -> Generator:
    """The module as a generator, its latent told by its first layer and its range of values by its last."""
    leaves = [layer for layer in module.modules() if not any(layer.children())]
    first = next((layer for layer in leaves if any(True for _ in layer.parameters())), None)
    if isinstance(first, nn.Linear):
        latent_shape: tuple[int, ...] = (first.in_features,)
    elif isinstance(first, nn.ConvTranspose2d):
        latent_shape = (first.in_channels, 1, 1)
    else:
        raise ValueError(f"{subject} returns a module whose latent does not show in its layers; {_ADVICE}")
    ranges = {nn.Sigmoid: (0.0, 1.0), nn.Tanh: (-1.0, 1.0)}
    output_range = ranges.get(type(leaves[-1]))
    if output_range is None:
        raise ValueError(
            f"{subject} returns a module whose black and white do not show in its last layer, a sigmoid or a "
            f"hyperbolic tangent; {_ADVICE}"
        )
    try:
        return Generator.wrap(module, latent_shape, output_range=output_range)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"{subject} returns a module that makes no image of a latent {latent_shape}: {reason}; {_ADVICE}"
        ) from None
