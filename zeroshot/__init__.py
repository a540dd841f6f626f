"""Restore one damaged image with nothing but that image.

>>> import zeroshot
>>> from skimage.data import astronaut
>>> damaged = astronaut()[:64, 200:264]
>>> restored = zeroshot.solve(damaged, task="denoise", prior="tv", sigma=10 / 255).image
>>> restored.shape
(64, 64, 3)

:func:`solve` is the engine, :func:`tasks` lists the damages it undoes, :func:`prior_names` what it may assume
about images. The public names stand in ``__init__.pyi``, where editors and type checkers find them, and are
loaded when they are first asked for; so are submodules, such as ``zeroshot.images``, and the classes of priors
that other packages bring.
"""

import importlib
import importlib.util
import sys
from typing import Any

import lazy_loader

# `tasks` and `solve` are functions in modules of the same name: lazy_loader keeps an import of the module
# from taking the function's place.
_public, _, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __dir__() -> list[str]:
    from zeroshot.registry import class_names

    return sorted({*__all__, *class_names()})


def __getattr__(name: str) -> Any:
    if name in __all__:
        return _public(name)
    if not name.startswith("_"):
        if importlib.util.find_spec(f"{__name__}.{name}") is not None:
            return importlib.import_module(f"{__name__}.{name}")
        from zeroshot.registry import class_named

        found = class_named(name)
        if found is not None:
            return found
    raise AttributeError(
        f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__]
    )
