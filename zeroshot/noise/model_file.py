"""A noise model as a file holds it, in JSON, and as the record of a result sums it up."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

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
        spectra = values["spectra"]
        return kind(
            tuple(map(float, values["intensities"])),
            tuple(tuple(map(float, row)) for row in values["variances"]),
            _tensor(values["axes"]),
            _tensor(values["powers"]),
            None if spectra is None else _tensor(spectra["rows"]).reshape(spectra["shape"]),  # type: ignore[union-attr]
            **{name: float(values[name]) for name in ("rows", "columns", "impulses", "confidence")},  # type: ignore[arg-type]
            reason=str(values["reason"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError, RuntimeError) as error:
        what = f"has no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise ValueError(f"this noise model cannot be read: it {what}") from None


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


def _tensor(values: Sequence[Any] | None) -> torch.Tensor | None:
    return None if values is None else torch.tensor(values, dtype=torch.float64)


def _short(value: float) -> float:
    return float(f"{value:.7g}")
