"""What is kept of a run, and how two records differ.

A record is plain JSON. The checksum of the pixels says whether anything changed; a few of the pixels, as float32,
say by how much.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import zeroshot

Record = dict[str, Any]
#: Kinds of differences, the gravest first.
KINDS = ("entry", "pixels", "iterations", "reason", "codes", "text")
_SAMPLED = 32
#: What belongs to the machine and the version, not to the run.
_VOLATILE = ("zeroshot", "torch", "threads")


# --- recording ---------------------------------------------------------------------------------------------


def of_pixels(image: np.ndarray) -> Record:
    """Checksum, shape, mean, and some of the pixels of an image."""
    image = np.ascontiguousarray(image)
    flat = image.reshape(-1).astype(np.float32)
    places = np.linspace(0, flat.size - 1, _SAMPLED).astype(int)
    return {
        "sha256": hashlib.sha256(image.tobytes()).hexdigest(),
        "form": f"{image.dtype} {' × '.join(map(str, image.shape))}",
        "mean": round(float(flat.mean(dtype=np.float64)), 6) if flat.size else None,
        "sample": base64.b64encode(flat[places].tobytes()).decode(),
    }


def digest(value: Any) -> str:
    """A short checksum of an array or of anything that JSON or `repr` can write."""
    if isinstance(value, np.ndarray):
        content = f"{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes()
    else:
        content = json.dumps(value, sort_keys=True, default=repr).encode()
    return hashlib.sha256(content).hexdigest()[:12]


def without_folder(text: str, folder: Path) -> str:
    """The text with the name of the temporary folder left out."""
    return text.replace(str(folder), "<folder>")


def of_run(call: Callable[[], zeroshot.Restoration], folder: Path) -> Record:
    """What a run gave: its pixels and how it ended, or the error in one line; and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            record = of_restoration(call(), folder)
        except TimeoutError:
            raise
        except Exception as error:  # whatever it is, it is what happens here
            record = {"refused": without_folder(f"{type(error).__name__}: {error}", folder)}
    said = {
        without_folder(str(one.message), folder) for one in caught if issubclass(one.category, UserWarning)
    }
    # Torch says some things once a process, whichever case comes first.
    said = {text for text in said if "triggered internally" not in text.lower()}
    return record | ({"warned": sorted(said)} if said else {})


def of_restoration(result: zeroshot.Restoration, folder: Path) -> Record:
    """Everything of a result that does not depend on the clock."""
    image = result.image
    history = {name: result.history[name] for name in result.history.columns if name != "seconds"}
    told = without_folder(json.dumps(result.provenance, default=repr), folder)
    # The same weights are written in another order of their names every time.
    provenance = json.loads(re.sub(r"(\.safetensors) sha256 \w+", r"\1", told))
    beside = {f"map {name}": digest(one.numpy()) for name, one in result.maps.items()}
    beside |= {f"array {name}": digest(one.numpy()) for name, one in result.arrays.items()}
    return {
        "picture": of_pixels(image.cpu().numpy() if isinstance(image, torch.Tensor) else np.asarray(image)),
        "beside": beside,
        "iterations": result.iterations,
        "stopped_by": without_folder(result.stopped_by, folder),
        "history": digest({name: np.asarray(column).tolist() for name, column in history.items()}),
        "provenance": {key: digest(one) for key, one in provenance.items() if key not in _VOLATILE},
    }


# --- comparing ---------------------------------------------------------------------------------------------


def differences(before: Record, after: Record) -> Iterator[tuple[str, str]]:
    """Each difference of two records of a case, as its kind and what it is."""
    if "steps" in before:
        yield from _of_commands(before, after)
        return
    if ("refused" in before) != ("refused" in after):
        yield "codes", f"{before.get('refused', 'a result')} → {after.get('refused', 'a result')}"
    elif "refused" in before:
        yield from _of_text("refusal", before["refused"], after["refused"])
    else:
        yield from _of_pictures("", before["picture"], after["picture"])
        for name in sorted({*before["beside"], *after["beside"]}):
            if before["beside"].get(name) != after["beside"].get(name):
                yield "pixels", name
        if before["iterations"] != after["iterations"]:
            yield "iterations", f"{before['iterations']} → {after['iterations']}"
        elif before["history"] != after["history"]:
            yield "iterations", "the history has other values"
        for key in ("stopped_by", "interrupted"):
            if before.get(key) != after.get(key):
                yield "reason", f"{before.get(key)} → {after.get(key)}"
        ours, theirs = before["provenance"], after["provenance"]
        changed = [key for key in sorted({*ours, *theirs}) if ours.get(key) != theirs.get(key)]
        if changed:
            yield "text", f"provenance: {', '.join(changed)}"
    yield from _of_text("warnings", "; ".join(before.get("warned", ())), "; ".join(after.get("warned", ())))


def _of_commands(before: Record, after: Record) -> Iterator[tuple[str, str]]:
    if len(before["steps"]) != len(after["steps"]):
        yield "entry", f"{len(before['steps'])} → {len(after['steps'])} commands"
    for number, (one, other) in enumerate(zip(before["steps"], after["steps"], strict=False), 1):
        where = f"command {number}: " if len(before["steps"]) > 1 else ""
        if one["code"] != other["code"]:
            yield "codes", f"{where}{one['code']} → {other['code']}"
        for stream in ("out", "err"):
            yield from _of_text(f"{where}{stream}", one[stream], other[stream])
    for name in sorted({*before["files"], *after["files"]}):
        if (name in before["files"]) != (name in after["files"]):
            yield "codes", f"{name} is {'no longer' if name in before['files'] else 'now'} written"
        elif isinstance(before["files"][name], dict):
            yield from _of_pictures(f"{name}: ", before["files"][name], after["files"][name])
        elif before["files"][name] != after["files"][name]:
            yield "pixels", f"{name} has other contents"


def _of_pictures(where: str, before: Record, after: Record) -> Iterator[tuple[str, str]]:
    if before["sha256"] == after["sha256"] and before["form"] == after["form"]:
        return
    if before["form"] != after["form"]:
        yield "pixels", f"{where}{before['form']} → {after['form']}"
        return
    one, other = (np.frombuffer(base64.b64decode(half["sample"]), np.float32) for half in (before, after))
    scale = {"uint8": 1.0, "uint16": 255 / 65535}.get(before["form"].split()[0], 255.0)
    apart = np.abs(one.astype(np.float64) - other) * scale
    mean = abs(before["mean"] - after["mean"]) * scale
    yield (
        "pixels",
        f"{where}{np.sqrt(np.mean(apart**2)):.2g} grey levels apart in {len(one)} sampled values (RMS), "
        f"{apart.max():.2g} at most, {mean:.2g} in the mean",
    )


def _of_text(what: str, before: str, after: str) -> Iterator[tuple[str, str]]:
    if before == after:
        return
    if re.sub(r"\s+", " ", before) == re.sub(r"\s+", " ", after):
        yield "text", f"{what}: only spaces and line breaks"
        return
    old, new = before.splitlines() or [""], after.splitlines() or [""]
    pairs = [(a, b) for a, b in zip(old, new, strict=False) if a != b]
    first = pairs[0] if pairs else (f"{len(old)} lines", f"{len(new)} lines")
    yield "text", f"{what}: {first[0].strip()!r} → {first[1].strip()!r}"
