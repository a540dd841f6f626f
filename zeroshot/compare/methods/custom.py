"""Methods that a user writes: a class in a Python file, ``python:FILE.py:CLASS[key=value]``."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

import numpy as np

from zeroshot.compare.method import Case
from zeroshot.compare.methods.learned import existing_file
from zeroshot.python_files import ENDINGS, module_in
from zeroshot.words import unknown


class CustomMethod:
    """A user's object as a method: what it leaves out is filled in.

    Parameters
    ----------
    restorer : object
        With ``restore(image, case) -> image``, and perhaps ``name``, ``supports(case)`` and ``prepare()``.
    name : str
        How tables call it.
    """

    def __init__(self, restorer: Any, name: str) -> None:
        self.restorer, self.name = restorer, name

    def prepare(self) -> None:
        """Whatever the object's own ``prepare`` does."""
        if callable(getattr(self.restorer, "prepare", None)):
            self.restorer.prepare()

    def supports(self, case: Case) -> str | None:
        """What the object's own ``supports`` says; None where it has none."""
        own = getattr(self.restorer, "supports", None)
        return own(case) if callable(own) else None

    def restore(self, image: np.ndarray, task: Case) -> np.ndarray:
        return self.restorer.restore(image, task)


def custom_method(target: str, label: str | None = None, **options: Any) -> CustomMethod:
    """The class in a Python file, built with `options`, as a method.

    Parameters
    ----------
    target : str
        ``FILE.py:CLASS``. The file is run; modules beside it can be imported, as in a script.
    label : str, optional
        How tables call it; by default what the object's ``name`` says, else the name of the class.
    **options
        The arguments of the class.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where the file cannot be run, has no such class, or the class has no ``restore``, takes other arguments
        or cannot be built.
    """
    file, colon, name = target.rpartition(":")
    if not colon or not name.isidentifier():
        raise ValueError(f"python: needs a file and a class, FILE.py:CLASS, got {target!r}")
    path = existing_file(file)
    module = module_in(path)
    made = getattr(module, name, None)
    if not callable(made):
        raise ValueError(unknown(f"class in {path.name}", name, _classes(module)))
    subject = f"{name} of {path.name}"
    _require_arguments(made, options, subject)
    try:
        restorer = made(**options)
    except (ValueError, TypeError, OSError, ImportError):
        raise
    except (Exception, *ENDINGS) as error:
        raise ValueError(f"{subject} cannot be built: {type(error).__name__}: {error}") from error
    if not callable(getattr(restorer, "restore", None)):
        raise ValueError(f"{subject} is no method: it has no restore(image, case)")
    own = getattr(restorer, "name", None)
    if own is not None and not isinstance(own, str):
        raise ValueError(f"the name of {subject} must be a text, got {own!r}")
    return CustomMethod(restorer, label or own or name)


def _classes(module: ModuleType) -> list[str]:
    """The classes of the module that restore images."""
    return [
        name
        for name, one in vars(module).items()
        if inspect.isclass(one) and not name.startswith("_") and callable(getattr(one, "restore", None))
    ]


def _require_arguments(made: Any, options: dict[str, Any], subject: str) -> None:
    try:
        signature = inspect.signature(made)
    except (TypeError, ValueError):  # classes of C extensions have none
        return
    try:
        signature.bind(**options)
    except TypeError as error:
        raise ValueError(
            f"{subject}: {error}; it takes {', '.join(signature.parameters) or 'nothing'}"
        ) from None
