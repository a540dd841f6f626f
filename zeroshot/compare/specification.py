"""The methods of a comparison as text: ``dip[channels=64]``, ``bicubic``, ``fast=onnx:model.onnx``."""

from __future__ import annotations

import ast
import importlib
import re
from dataclasses import dataclass, field
from typing import Any

from zeroshot.compare.method import Method
from zeroshot.compare.methods.baselines import BASELINES
from zeroshot.compare.methods.priors import PriorMethod
from zeroshot.registry import is_prior, prior_names
from zeroshot.words import unknown

#: Kind → the module and class that run such a file. Loaded when first asked for: each needs an extra.
_LEARNED = {
    "onnx": ("zeroshot.compare.methods.onnx_runtime", "OnnxMethod"),
    "opencv": ("zeroshot.compare.methods.opencv", "OpenCVMethod"),
    "torchscript": ("zeroshot.compare.methods.torchscript", "TorchScriptMethod"),
    "spandrel": ("zeroshot.compare.methods.spandrel_models", "SpandrelMethod"),
    "python": ("zeroshot.compare.methods.custom", "custom_method"),
}
_EXAMPLE = "'onnx:model.onnx'"
_LABEL = re.compile(r"([^\[\]:,=/\\]+)=(.*)", re.DOTALL)
_CLOSING = {"[": "]", "(": ")", "{": "}"}


@dataclass(frozen=True)
class Specification:
    """One method as it was written.

    Attributes
    ----------
    text : str
        All of it.
    label : str or None
        How tables are to call it.
    kind : str
        "prior", "baseline", or what runs the file: "onnx", "opencv", "torchscript", "spandrel", "python".
    target : str
        The name of the prior or baseline, or the file (for "python" ``FILE.py:CLASS``).
    options : dict
        What stood in brackets.
    """

    text: str
    label: str | None
    kind: str
    target: str
    options: dict[str, Any] = field(default_factory=dict)


def split(text: str) -> list[str]:
    """The methods in a comma-separated list; commas within brackets or quotes part nothing.

    Examples
    --------
    >>> split("dip[channels=64,iterations=500], bicubic")
    ['dip[channels=64,iterations=500]', 'bicubic']
    """
    return [part.strip() for part in _parts(text) if part.strip()]


def parse(text: str) -> Specification:
    """What `text` says: ``[LABEL=]NAME[KEY=VALUE,…]`` or ``[LABEL=]KIND:FILE[KEY=VALUE,…]``.

    The label may also stand among the options, as ``label=TEXT``.
    Values are read as Python's numbers, words in quotes, lists, tuples, True, False and None; anything else is
    a word.

    Raises
    ------
    ValueError
        Where it is not written like that, or the kind or name is unknown.
    """
    found = _LABEL.fullmatch(text.strip())
    label, body = (found[1].strip(), found[2].strip()) if found else (None, text.strip())
    head, options = _head_and_options(body, text)
    label = label or _label_among(options)
    kind, colon, target = head.partition(":")
    if colon:
        if kind not in _LEARNED:
            raise ValueError(unknown("kind of model", kind, [*_LEARNED]) + f", as in {_EXAMPLE}")
        if not target:
            raise ValueError(f"{text!r} names no file; write {kind}:FILE")
        # Quotes keep the commas of a file name from parting it; they are no part of it.
        target = re.sub(r"""^(["'])(.+?)\1""", r"\2", target)
        return Specification(text, label, kind, target, options)
    return Specification(text, label, _kind_of(head, text), head, options)


def method_from(text: str) -> Method:
    """The method that `text` describes; it loads its weights when it first restores, or in ``prepare()``.

    Nothing large is loaded here: to call it is to check a text before any work.

    Parameters
    ----------
    text : str
        A registered prior with settings (``dip``, ``dip[channels=64,iterations=500]``); ``nearest``,
        ``bilinear``, ``bicubic``, ``lanczos`` for super-resolution; ``first``, the operator's first estimate;
        ``none``, the damaged image itself; ``onnx:FILE``, ``torchscript:FILE`` and ``spandrel:FILE`` with the
        options of :class:`zeroshot.compare.methods.model_interface.ModelInterface`; ``opencv:FILE.pb`` with `model` and
        `scale`; ``python:FILE.py:CLASS[key=value]`` for a class with ``restore(image, case)`` and perhaps
        ``name``, ``supports(case)`` and ``prepare()``. ``LABEL=…`` before any of them says how tables call it.

    Returns
    -------
    Method
        With ``prepare()`` where there are weights to load, which belongs to no restoration's time.

    Raises
    ------
    ValueError
        In one line, where the text, a name, a setting or an option is not right.
    ImportError
        Where an extra is missing; the message names it.
    FileNotFoundError
        Where there is no such file.

    Examples
    --------
    >>> method_from("plain=tv[iterations=50]").name
    'plain'
    """
    wanted = parse(text)
    if wanted.kind == "prior":
        return PriorMethod(wanted.target, wanted.options, wanted.label or _own_name(wanted))
    if wanted.kind == "baseline":
        if wanted.options:
            raise ValueError(f"{wanted.target!r} has no options, got {', '.join(wanted.options)}")
        return BASELINES[wanted.target](wanted.label)
    module, maker = _LEARNED[wanted.kind]
    return getattr(importlib.import_module(module), maker)(
        wanted.target, label=wanted.label, **wanted.options
    )


def _own_name(wanted: Specification) -> str:
    """The name of a prior without a label: with its settings, so that two of one prior stay apart."""
    return wanted.text.strip() if wanted.options else wanted.target


def _kind_of(name: str, text: str) -> str:
    if name in BASELINES:
        return "baseline"
    known = prior_names()
    if is_prior(name):
        return "prior"
    if not name:
        raise ValueError(f"{text!r} names no method; write NAME, LABEL=NAME or KIND:FILE")
    if "." in name or "/" in name:
        raise ValueError(
            f"{text!r}: a file needs to be told how it is run: {', '.join(kind + ':' for kind in _LEARNED)}"
        )
    raise ValueError(
        unknown("method", name, [*known, *BASELINES]) + f"; a model's file is written as {_EXAMPLE}"
    )


def _head_and_options(body: str, text: str) -> tuple[str, dict[str, Any]]:
    """What stands before the brackets at the end, and what stands in them."""
    if not body.endswith("]"):
        if "[" in body and ":" not in body:  # the name of a file may have them
            raise ValueError(f"{text!r} has brackets that do not end it; write NAME[KEY=VALUE,…]")
        return body, {}
    opening = _opening_bracket(body)
    if opening < 0:
        raise ValueError(f"{text!r} has a ']' without a '['; write NAME[KEY=VALUE,…]")
    options: dict[str, Any] = {}
    for part in _parts(body[opening + 1 : -1]):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not part.strip():
            continue
        if not equals or not key.isidentifier():
            raise ValueError(f"{text!r}: an option is written KEY=VALUE, got {part.strip()!r}")
        if key in options:
            raise ValueError(f"{text!r} gives {key} twice")
        options[key] = _value(value)
    return body[:opening].strip(), options


def _label_among(options: dict[str, Any]) -> str | None:
    """The label that stands among the options, which is taken out of them."""
    label = options.pop("label", None)
    if label is not None and not isinstance(label, str):
        raise ValueError(f"label must be a text, got {label!r}")
    return label


def _opening_bracket(body: str) -> int:
    """Where the bracket opens that the last character closes; −1 if nowhere."""
    depth = 0
    for index in range(len(body) - 1, -1, -1):
        depth += (body[index] == "]") - (body[index] == "[")
        if depth == 0:
            return index
    return -1


def _parts(text: str) -> list[str]:
    """The text between the commas that stand outside of brackets and quotes."""
    parts, begin, closing, quote = [], 0, [], ""
    for index, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in _CLOSING:
            closing.append(_CLOSING[letter])
        elif closing and letter == closing[-1]:
            closing.pop()
        elif letter == "," and not closing:
            parts.append(text[begin:index])
            begin = index + 1
    return [*parts, text[begin:]]


def _value(text: str) -> Any:
    """A number, list, tuple, truth value or None as Python writes it, else a word."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
