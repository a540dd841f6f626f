"""The networks that a prior's settings name: generators and feature extractors, by file, by name or as they are."""

from __future__ import annotations

import copy
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from zeroshot.generators import Generator, load, zoo
from zeroshot.generators.formats import load_state_dict
from zeroshot.generators.vgg import FeatureExtractor
from zeroshot.priors.latent.python_generators import generator_from, is_python
from zeroshot.problem import Problem
from zeroshot.spelling import Argument, OptionError


def generator_for(weights: Any, mapping: str | Path | None = None) -> Generator:
    """The generator that `weights` stand for; one from a file is on the CPU and in evaluation mode.

    Parameters
    ----------
    weights : Generator, path or str
        A generator, used as it is; a file of weights; a name in the zoo, whose file is downloaded on first use; or
        ``python:FILE.py:FUNCTION``, a function that returns a generator.
    mapping : path, optional
        The second file of weights that come in two.

    Raises
    ------
    ValueError
        Where nothing is given, or the file holds no generator.
    FileNotFoundError
        Where there is no such file, and the zoo has no such name.
    """
    if isinstance(weights, Generator):
        return weights
    if is_python(weights):
        return generator_from(weights)
    path = file_of(weights)
    beside = None if mapping is None else Path(mapping).expanduser().resolve()
    changed = tuple(one.stat().st_mtime_ns for one in (path, beside) if one is not None and one.is_file())
    return _loaded(path, changed, beside)


def file_of(weights: Any) -> Path:
    """The file that `weights` name, fetched from the zoo where they are a name of it.

    Raises
    ------
    ValueError, FileNotFoundError
        As for :func:`generator_for`.
    """
    if weights is None:
        what = ": a checkpoint of a generator of such images, such as 'ffhq.pkl'"
        raise OptionError("this prior needs ", Argument("weights", ...), what)
    path = Path(weights).expanduser()
    return (path if path.is_file() else _from_zoo(str(weights))).resolve()


def statistics_file(weights: Any) -> Path | None:
    """The file next to which statistics of a generator are kept; None where it is given as an object."""
    return None if isinstance(weights, Generator) or is_python(weights) else file_of(weights)


def extractor_for(weights: FeatureExtractor | str | Path) -> FeatureExtractor:
    """The feature network that `weights` stand for.

    Parameters
    ----------
    weights : FeatureExtractor, path or str
        A network, used as it is; a file of torchvision's; or "vgg16" or "vgg19", downloaded on first use.

    Raises
    ------
    FileNotFoundError, ValueError
        Where there is no such file, or it holds something else.
    """
    if isinstance(weights, FeatureExtractor):
        return weights
    path = Path(weights).expanduser()
    if not path.is_file() and str(weights) in ("vgg16", "vgg19"):
        path = zoo.fetch(str(weights))
    return FeatureExtractor.from_state_dict(load_state_dict(path), path.name)


@lru_cache(maxsize=2)
def _loaded(path: Path, changed: tuple[int, ...], mapping: Path | None) -> Generator:
    return load(path, mapping)


def own_copy(network: Generator, device: torch.device) -> Generator:
    """The generator on `device`, in evaluation mode and without gradients; itself where it is all that.

    The one that was given, or that later runs will use, is not moved or changed.
    """
    parameters = list(network.parameters())
    is_there = all(tensor.device == device for tensor in (*parameters, *network.buffers()))
    is_still = not any(module.training for module in network.modules())
    if is_there and is_still and not any(parameter.requires_grad for parameter in parameters):
        return network
    return copy.deepcopy(network).to(device).eval().requires_grad_(False)


def _from_zoo(name: str) -> Path:
    if name not in zoo.names():
        known = ", ".join(zoo.names())
        raise FileNotFoundError(f"there is no file {name}, and no such name in the zoo, which has: {known}")
    return zoo.fetch(name)


def misfit(generator: Generator, problem: Problem) -> str | None:
    """Why the generator makes no images like the unknown one of the problem, or None."""
    count, channels, height, width = problem.reference_shape
    if count != 1:
        return "a latent is fitted to one image; give the images of a batch one by one"
    if generator.image_size == (0, 0):
        return "this is the decoder of an autoencoder, not a generator; use prior 'latent'"
    size = generator.image_size
    if (height, width) != tuple(size):
        return f"the generator makes images of {size[0]} × {size[1]}, and this asks for {height} × {width}"
    can_be_grey = channels == 1 and generator.channels == 3
    if channels != generator.channels and not can_be_grey:
        return f"the generator makes images of {generator.channels} channel(s), and this asks for {channels}"
    return None


def label_misfit(generator: Generator, label: int | None) -> str | None:
    """Why `label` names no class of the generator, or None; without classes any label will do."""
    if generator.label_dim and (label is None or not 0 <= label < generator.label_dim):
        return f"the generator has classes; give label, a number from 0 to {generator.label_dim - 1}"
    return None
