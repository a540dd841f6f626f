"""Operators written as text, for the command line: ``mosaic(RGGB) @ downsample(2, kernel=lanczos3)``.

The text is read with Python's own parser and interpreted here; nothing in it is ever executed.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from zeroshot.checks import is_number
from zeroshot.operators.blur import Blur
from zeroshot.operators.downsample import KERNELS, Downsample
from zeroshot.operators.grayscale import Grayscale
from zeroshot.operators.identity import Identity
from zeroshot.operators.jpeg_compression import JpegCompression
from zeroshot.operators.mask import Mask
from zeroshot.operators.mosaic import Mosaic
from zeroshot.operators.operator import Operator
from zeroshot.operators.plane_files import kernel_file, mask_file
from zeroshot.operators.space_varying_blur import blur_by
from zeroshot.operators.stack import Stack
from zeroshot.words import shortened

_LONGEST = 10_000
#: Operators in one text, and operators or options within each other.
_MOST_OPERATORS = 64
_LARGEST_NUMBER = 1e15
#: What a blur kernel is described by where it is not drawn.
_SHAPES = ("gaussian", "motion", "angle", "disk")


def parse(text: str) -> Operator:
    """The operator that `text` describes.

    :data:`zeroshot.operators.catalogue.NOTATIONS` lists how each is written. Words need no quotes; file names
    do. Numbers may be written as fractions, such as ``25/255``.

    Raises
    ------
    ValueError
        If the text cannot be read, names an unknown operator or option, or a file cannot be read.
    """
    if not isinstance(text, str) or not text.strip() or len(text) > _LONGEST:
        raise ValueError(
            f"an operator is a text such as 'mosaic(RGGB) @ downsample(2)', got {str(text)[:60]!r}"
        )
    advice = "write for example 'mosaic(RGGB) @ downsample(2)', with file names in quotes"
    complaint = f"cannot read the operator {shortened(text)!r}; {advice}"
    tree = _tree(text, complaint)
    try:
        count = sum(isinstance(node, ast.Call | ast.MatMult) for node in ast.walk(tree))
        if count > _MOST_OPERATORS:
            raise ValueError(
                f"an operator is made of at most {_MOST_OPERATORS} others, got {shortened(text)!r}"
            )
        return _operator(tree)
    except RecursionError:
        raise ValueError(complaint) from None


def blur_kernel(text: str) -> torch.Tensor:
    """The kernel (height, width) that `text` describes: ``gaussian=1.6``, ``motion=15, angle=30``, ``disk=3``.

    Raises
    ------
    ValueError
        If the text is none of these, or the kernel would be too large.
    """
    wanted = "write gaussian=SIGMA, motion=LENGTH, angle=DEGREES or disk=RADIUS"
    complaint = f"cannot read the kernel {shortened(text)!r}; {wanted}"
    options: dict[str, Any] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or name not in _SHAPES or name in options:
            raise ValueError(complaint)
        options[name] = _number(name, _value(_tree(value, complaint)))
    operator = _build("blur", [], options)
    assert isinstance(operator, Blur)
    return operator.kernel


def _tree(text: str, complaint: str) -> ast.expr:
    """The expression that `text` is, as Python's parser sees it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the parser has to say of literals
            return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(complaint) from None


def _operator(node: ast.expr) -> Operator:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        return _operator(node.left) @ _operator(node.right)
    if isinstance(node, ast.Name):
        return _build(node.id, [], {})
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        name = node.func.id
        read = _operator if name.lower() == "stack" else _value
        options: dict[str, Any] = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                raise ValueError(f"{name}(**…) is not an operator; write the options as name=value")
            options[keyword.arg] = _value(keyword.value)
        return _build(name, [read(argument) for argument in node.args], options)
    raise ValueError(f"{shortened(ast.unparse(node))!r} is not an operator; known are {', '.join(_BUILDERS)}")


def _value(node: ast.expr) -> Any:
    """A number, a word, a quoted text, or a list of them."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float):
        if not isinstance(node.value, str) and not abs(node.value) <= _LARGEST_NUMBER:
            raise ValueError(f"{shortened(ast.unparse(node))} is too large a number for an operator")
        return node.value
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(element) for element in node.elts]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _value(node.operand)
        if isinstance(value, int | float):
            return -value
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left), _value(node.right)
        if isinstance(node.op, ast.Sub) and isinstance(left, str) and isinstance(right, str):
            return f"{left}-{right}"  # quad-rggb
        if isinstance(node.op, ast.Div) and isinstance(left, int | float) and isinstance(right, int | float):
            if right == 0:
                raise ValueError(f"{ast.unparse(node)!r} divides by zero")
            return left / right
    raise ValueError(f"{shortened(ast.unparse(node))!r} is neither a number nor a word nor a text in quotes")


def _build(name: str, arguments: list[Any], options: dict[str, Any]) -> Operator:
    builder = _BUILDERS.get(name.lower())
    if builder is None:
        near = difflib.get_close_matches(name.lower(), _BUILDERS, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise ValueError(f"unknown operator {name!r}{hint}; known are {', '.join(_BUILDERS)}")
    signature = inspect.signature(builder)
    try:
        signature.bind(*arguments, **options)
    except TypeError as error:
        parameters = ", ".join(
            str(parameter.replace(annotation=inspect.Parameter.empty))
            for parameter in signature.parameters.values()
        )
        raise ValueError(f"{name}: {error}; it is written {name.lower()}({parameters})") from None
    try:
        return builder(*arguments, **options)
    except TypeError as error:
        raise ValueError(f"{name}: {error}") from None


def _blur(
    kernel: Any = None,
    *,
    gaussian: Any = None,
    motion: Any = None,
    angle: Any = 0,
    disk: Any = None,
    boundary: str = "reflect",
) -> Operator:
    choices = {"kernel": kernel, "gaussian": gaussian, "motion": motion, "disk": disk}
    given = [name for name, value in choices.items() if value is not None]
    if len(given) != 1:
        raise ValueError(
            "blur takes one of: the name of a kernel file in quotes, gaussian=sigma, motion=length with "
            f"angle=degrees, disk=radius; got {' and '.join(given) or 'none of them'}"
        )
    if angle != 0 and motion is None:
        raise ValueError("angle belongs to motion=length")
    if gaussian is not None:
        return Blur.gaussian(_number("gaussian", gaussian), boundary)
    if motion is not None:
        return Blur.motion(_number("motion", motion), _number("angle", angle), boundary)
    if disk is not None:
        return Blur.disk(_number("disk", disk), boundary)
    return blur_by(_read("kernel", kernel, kernel_file), boundary)


def _downsample(scale: Any, kernel: Any = "bicubic", sigma: Any = None) -> Operator:
    sigma = None if sigma is None else _number("sigma", sigma)
    if isinstance(kernel, str) and kernel not in KERNELS and Path(kernel).suffix:
        return Downsample(scale, _read("kernel", kernel, kernel_file))
    return Downsample(scale, kernel, sigma=sigma)


def _grayscale(weights: Any = "bt601") -> Operator:
    return Grayscale(weights)


def _mask(file: Any, invert: Any = "false") -> Operator:
    known = _read("mask", file, mask_file).known
    words = {"invert": True, "true": True, "1": True, "false": False, "0": False}
    chosen = words.get(str(invert).lower())
    if chosen is None:
        raise ValueError(f"invert must be true or false, got {invert!r}: whether black is known in the mask")
    return Mask(~known if chosen else known)


def _mosaic(pattern: Any) -> Operator:
    return Mosaic(pattern)


def _jpeg(quality: Any = "auto", subsampling: Any = "auto") -> Operator:
    return JpegCompression(quality, str(subsampling))


def _stack(*operators: Operator) -> Operator:
    return Stack(operators)


_BUILDERS: dict[str, Callable[..., Operator]] = {
    "identity": lambda: Identity(),
    "mask": _mask,
    "downsample": _downsample,
    "grayscale": _grayscale,
    "mosaic": _mosaic,
    "blur": _blur,
    "stack": _stack,
    "jpeg": _jpeg,
}


def _number(name: str, value: Any) -> float:
    if not is_number(value):
        raise ValueError(f"{name} must be a number, got {value!r}")
    return float(value)


def _read(what: str, file: Any, reader: Callable[[str], Any]) -> Any:
    """What `reader` finds in a file that the text names."""
    if not isinstance(file, str):
        raise ValueError(f"a {what} is the name of an image or .npy file in quotes, got {file!r}")
    if not os.path.exists(file):
        raise ValueError(f"there is no file {shortened(file)!r} to read the {what} from")
    try:
        return reader(file)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"cannot read the {what} from {file!r}: {reason}") from None
