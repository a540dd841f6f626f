"""Restore one damaged image with nothing but that image.

>>> import zeroshot
>>> from skimage.data import astronaut
>>> damaged = astronaut()[:64, 200:264]
>>> restored = zeroshot.denoise(damaged, sigma=10 / 255, prior="tv").image
>>> restored.shape
(64, 64, 3)

The face, all of which :func:`dir` shows:

- a function for each task, :func:`denoise`, :func:`destripe`, :func:`inpaint`, :func:`sr`, :func:`colorize`,
  :func:`demosaic`, :func:`deblur`, :func:`sharpen`, :func:`jpeg` and :func:`restore`, and :func:`solve`, the engine
  behind them, which takes the task by its name;
- :func:`inspect`, what is wrong with a picture; :func:`find_kernel`, what blurred it, and :func:`kernel_sheet`, what
  other kernels make of it;
- :func:`tasks` and :func:`priors`, the tables of what there is;
- the classes of priors, such as :class:`TotalVariation`, of stopping rules and data terms, and their contracts;
- :mod:`compare`, methods side by side on the same images; :mod:`metrics`, how good an image is; :mod:`images`, files
  and arrays in and out; :mod:`operators`, the damages; :mod:`noise`, its synthesis and estimation;
  :mod:`data_terms`, :mod:`stopping`, :mod:`priors` and :mod:`generators`.

The names stand in ``__init__.pyi``, where editors and type checkers find them, and are loaded when they are first
asked for; so are all other submodules and the classes of priors that other packages bring.
"""

import importlib
import importlib.util
import os
import sys
from typing import Any

import lazy_loader

# What Apple's GPUs cannot do, the CPU does; PyTorch asks when it is imported.
if sys.platform == "darwin":
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")

# `tasks` and `solve` are functions in modules of the same name: lazy_loader keeps an import of the module
# from taking the function's place.
_public, _, __all__ = lazy_loader.attach_stub(__name__, __file__)
# In the stub it has a type of its own, since a package that can be called is nothing that an import can say.
__all__ = sorted([*__all__, "priors"])


def __dir__() -> list[str]:
    from zeroshot.registry import class_names

    return sorted({*__all__, *class_names()})


def __getattr__(name: str) -> Any:
    if name in __all__ and name != "priors":
        return _public(name)
    if not name.startswith("_"):
        if importlib.util.find_spec(f"{__name__}.{name}") is not None:
            return importlib.import_module(f"{__name__}.{name}")
        from zeroshot.registry import class_named

        found = class_named(name)
        if found is not None:
            return found
    raise AttributeError(
        f"module {__name__!r} has no attribute {name!r}{_hint(name)}", name=name, obj=sys.modules[__name__]
    )


def _hint(name: str) -> str:
    """Where the name is another one for a task, the task's."""
    from zeroshot import synonyms

    meant = synonyms.canonical(name, synonyms.TASKS, synonyms.TASKS)
    return "" if meant is None else f"; that task is zeroshot.{meant}"
