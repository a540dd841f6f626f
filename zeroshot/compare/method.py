"""The interface of a method in a comparison: it restores a damaged image, given its task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from zeroshot.images import load
from zeroshot.images.picture import Picture
from zeroshot.problem import Problem
from zeroshot.tasks import make_problem


@dataclass(frozen=True, eq=False)
class Case:
    """What a method may know of one damaged image, beside the image itself.

    Attributes
    ----------
    task : str
        A name in the table of :func:`zeroshot.tasks`.
    options : dict
        The task's options as :func:`zeroshot.solve` takes them: ``{"scale": 4}``, ``{"sigma": 25 / 255}``.
    problem : Problem
        The measurement with its operator, data term, noise level and the shape of the wanted image.
    seconds : float or None
        How long the method may take; None: no limit.
    seed : int
        The seed of its randomness.
    settings : dict
        Hyper-parameters for this run, by name.
    show : callable
        ``show(image)`` hands in an intermediate image, H × W or H × W × C in [0, 1], for the curves of quality
        over time. The time that looking at it takes is not counted.
    note : callable
        ``note(key, value)`` records a fact about the run: "iterations", "stopped_by", "parameters".
    """

    task: str
    options: dict[str, Any]
    problem: Problem
    seconds: float | None = None
    seed: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    show: Callable[[np.ndarray], None] = lambda image: None
    note: Callable[[str, Any], None] = lambda key, value: None

    @classmethod
    def of(cls, image: Any, task: str, options: Mapping[str, Any], **more: Any) -> Case:
        """The case that a damaged image poses, also to try a method outside of a comparison.

        Parameters
        ----------
        image : path, PIL image, numpy array, torch tensor or Picture
            The damaged image.
        task, options
            As :func:`zeroshot.solve` takes them; defaults are filled in.
        **more
            Any of `seconds`, `seed`, `settings`, `show` and `note`.

        Raises
        ------
        ValueError, TypeError
            In one line, where the task, an option or the image does not fit.
        """
        picture = image if isinstance(image, Picture) else load(image)
        problem, _, complete = make_problem(task, picture, dict(options))
        return cls(task, complete, problem, **more)


@runtime_checkable
class Method(Protocol):
    """One column of a comparison.

    A class, or any object, with these members; only :meth:`restore` does work. Weights are loaded in the
    constructor or at the first :meth:`restore`; a method lives in a process of its own.
    """

    @property
    def name(self) -> str:
        """How tables call it; unique in a comparison."""

    def supports(self, case: Case) -> str | None:
        """None where the method can restore this case, else the reason why not, in one line."""

    def restore(self, image: np.ndarray, task: Case) -> np.ndarray:
        """The restored image.

        Parameters
        ----------
        image : numpy.ndarray
            The damaged image, float32, H × W (grey) or H × W × C, nominally in [0, 1], not clipped.
        task : Case
            What the damage is.

        Returns
        -------
        numpy.ndarray
            Float, of the shape of the wanted image: H × W, or H × W × C with the channels of
            ``task.problem.framed_shape``. It is clipped to [0, 1] by whoever saves or measures it.
        """
