"""The methods that take part in a comparison: texts or objects, each with a name and an identity."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zeroshot.compare.machine import versions
from zeroshot.compare.method import Method
from zeroshot.compare.process import MethodRunner, Runner, WorkerProcess
from zeroshot.compare.specification import Specification, method_from, parse, split
from zeroshot.compare.store import require_distinct
from zeroshot.compare.worker import Setup
from zeroshot.provenance import described

#: Kind of a method → the packages that run it, of which another version is another method.
_LIBRARIES = {
    "onnx": ("onnxruntime", "onnxruntime-gpu"),
    "opencv": ("opencv-contrib-python", "opencv-contrib-python-headless"),
    "spandrel": ("spandrel",),
}


@dataclass(frozen=True)
class ComparedMethod:
    """One method of a comparison.

    Attributes
    ----------
    name : str
        How tables call it.
    given : str or Method
        Its text, or the object itself.
    identity : str
        What makes its results what they are: the text with checksums of its files and the version of the library
        that runs them, or the class with its source and settings.
    """

    name: str
    given: str | Method
    identity: str

    def runner(self, log: Path, *, threads: int | None, memory: int | None) -> Runner:
        """What restores images with this method; nothing is started yet."""
        text = self.given if isinstance(self.given, str) else ""
        setup = Setup(text, threads, memory)
        if isinstance(self.given, str):
            return WorkerProcess(setup, log)
        return MethodRunner(self.given, setup, log)


def compared_methods(methods: Iterable[str | Method]) -> list[ComparedMethod]:
    """The methods, checked.

    Raises
    ------
    ValueError, TypeError, ImportError, FileNotFoundError
        In one line, where a text is malformed, an object is not a method, or two methods have one name.
    """
    if isinstance(methods, str):
        methods = split(methods)
    found = [_from_text(method) if isinstance(method, str) else _from_object(method) for method in methods]
    if not found:
        raise ValueError("a comparison needs at least one method, such as 'tv' or 'bicubic'")
    require_distinct((one.name for one in found), "methods", "name one of them by LABEL=… before its text")
    return found


def _from_text(text: str) -> ComparedMethod:
    wanted = parse(text)
    libraries = [f"{name} {version}" for name, version in versions(_LIBRARIES.get(wanted.kind, ())).items()]
    return ComparedMethod(method_from(text).name, text, " ".join([text, *_checksums(wanted), *libraries]))


def _checksums(wanted: Specification) -> list[str]:
    """Of the files that a text names, and of those that hold the weights of an ONNX file beside it."""
    target = wanted.target.rpartition(":")[0] if wanted.kind == "python" else wanted.target
    named = [target, *(value for value in wanted.options.values() if isinstance(value, str))]
    files = [Path(name + ending).expanduser() for name in named for ending in ("", ".data", "_data")]
    return [described(file).rpartition(" sha256 ")[2] for file in files if file.is_file()]


def _from_object(method: Any) -> ComparedMethod:
    missing = [name for name in ("name", "supports", "restore") if not hasattr(method, name)]
    if missing or isinstance(method, type):
        lacking = "is a class, not an object of it" if isinstance(method, type) else f"lacks {missing[0]}"
        raise TypeError(f"a method is a text or has name, supports and restore; {method!r} {lacking}")
    kind = f"{type(method).__module__}.{type(method).__qualname__}"
    source = _source_of(type(method))
    settings = json.dumps(described(dict(getattr(method, "__dict__", {}))), sort_keys=True)
    # The address of an object in memory is no part of what it does.
    identity = source + re.sub(r" at 0x[0-9a-f]+", "", settings)
    digest = hashlib.sha256(identity.encode("utf-8", errors="surrogatepass")).hexdigest()[:16]
    return ComparedMethod(str(method.name), method, f"{kind} {digest}")


def _source_of(kind: type) -> str:
    """The lines that define a class; empty where they are not available, as for extensions in C."""
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):
        return ""
