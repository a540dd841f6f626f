"""A noise model as a file holds it, in JSON, and as the record of a result sums it up."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from zeroshot.checks import is_number, is_whole

if TYPE_CHECKING:
    from zeroshot.noise.model import NoiseModel

_KIND, _VERSION = "zeroshot noise model", 1


def as_dict(model: NoiseModel) -> dict[str, Any]:
    """The model as numbers, lists and strings."""

    def listed(tensor: torch.Tensor | None) -> Any:
        return None if tensor is None else [[*map(_short, row)] for row in tensor.flatten(0, -2).tolist()]

    shape = None if model.spectra is None else [*model.spectra.shape]
    return {
        "kind": _KIND,
        "version": _VERSION,
        "intensities": [*model.intensities],
        "variances": [[*map(_short, row)] for row in model.variances],
        "axes": listed(model.axes),
        "powers": None if model.powers is None else [*map(_short, model.powers.tolist())],
        "spectra": {"shape": shape, "rows": listed(model.spectra)} if shape else None,
        "rows": model.rows,
        "columns": model.columns,
        "impulses": model.impulses,
        "confidence": model.confidence,
        "reason": model.reason,
    }


def as_json(model: NoiseModel) -> str:
    """The text of :func:`as_dict`."""
    return json.dumps(as_dict(model)) + "\n"


def from_dict(kind: type[NoiseModel], values: Any) -> NoiseModel:
    """The model that :func:`as_dict` gave.

    Raises
    ------
    ValueError
        In one line, where `values` is none.
    """
    if not isinstance(values, Mapping) or values.get("kind") != _KIND:
        raise ValueError("this is no noise model, such as `zeroshot inspect --noise FILE.json` writes")
    if values.get("version") != _VERSION:
        raise ValueError(f"this noise model is of version {values.get('version')!r}; {_VERSION} is read")
    try:
        axes, powers = _numbers(values, "axes", 2), _numbers(values, "powers", 1)
        return kind(
            tuple(_numbers(values, "intensities", 1) or ()),
            tuple(map(tuple, _numbers(values, "variances", 2) or ())),
            None if axes is None else _tensor(axes, "axes"),
            None if powers is None else torch.tensor(powers, dtype=torch.float64),
            _spectra(values),
            **{name: _number(values, name) for name in ("rows", "columns", "impulses", "confidence")},
            reason=str(values.get("reason", "")),
        )
    except (ValueError, OverflowError) as error:
        raise ValueError(f"this noise model cannot be read: {error}") from None


def summary(model: NoiseModel) -> dict[str, Any]:
    """What a result records of a model: the curve, the levels along the axes, how far it reaches, and a checksum."""
    return {
        "sigma": _short(model.sigma),
        "intensities": [*map(_short, model.intensities)],
        "levels": [[_short(math.sqrt(value)) for value in row] for row in model.variances],
        "powers": None if model.powers is None else [*map(_short, model.powers.tolist())],
        "correlation_length": _short(model.correlation_length),
        "rows": model.rows,
        "columns": model.columns,
        "impulses": model.impulses,
        "confidence": model.confidence,
        "sha256": hashlib.sha256(as_json(model).encode()).hexdigest()[:16],
    }


def _numbers(values: Mapping[str, Any], name: str, depth: int) -> Any:
    """What the file says of `name`: None, or numbers in lists of lists of that depth."""
    if name not in values:
        raise ValueError(f"it has no {name!r}")
    found = values[name]
    if found is not None and not _fits(found, depth):
        raise ValueError(f"{name} must be {'lists of ' * (depth - 1)}{'a list of ' * (depth == 1)}numbers")
    return found


def _fits(value: Any, depth: int) -> bool:
    if depth == 0:
        return is_number(value)
    return isinstance(value, list | tuple) and all(_fits(part, depth - 1) for part in value)


def _number(values: Mapping[str, Any], name: str) -> float:
    if name not in values:
        raise ValueError(f"it has no {name!r}")
    if not is_number(values[name]):
        raise ValueError(f"{name} must be a number, got {values[name]!r}")
    return float(values[name])


def _spectra(values: Mapping[str, Any]) -> torch.Tensor | None:
    if values.get("spectra") is None:
        if "spectra" not in values:
            raise ValueError("it has no 'spectra'")
        return None
    if not isinstance(values["spectra"], Mapping):
        raise ValueError("spectra must have a shape and rows")
    shape, rows = _numbers(values["spectra"], "shape", 1), _numbers(values["spectra"], "rows", 2)
    found = _tensor(rows or [], "rows of spectra")
    if not shape or not all(map(is_whole, shape)) or min(shape) < 1 or math.prod(shape) != found.numel():
        raise ValueError(f"the spectra have {found.numel()} numbers, which are not of the shape {shape}")
    return found.reshape(shape)


def _tensor(rows: Sequence[Sequence[float]], name: str) -> torch.Tensor:
    if len({len(row) for row in rows}) > 1:
        raise ValueError(f"{name} must be equally long")
    return torch.tensor(rows, dtype=torch.float64)


def _short(value: float) -> float:
    return float(f"{value:.7g}")
