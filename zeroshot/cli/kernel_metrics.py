"""``zeroshot metrics --kernel``: how good an estimated kernel is, by itself and by what it restores."""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from zeroshot.cli.messages import say, say_page
from zeroshot.cli.metrics import Pair, load_pair
from zeroshot.spelling import visible
from zeroshot.words import aligned, spreadsheet_text

if TYPE_CHECKING:
    import torch

#: By how many pixels restorations may be moved, as in the evaluation of Levin et al.
LARGEST_SHIFT = 5
#: By how much more alike a turned kernel is where somebody must have turned it.
_CLEARLY = 0.1


def run(options: argparse.Namespace) -> int:
    """Compare and print; the exit code.

    Raises
    ------
    ValueError, OSError
        In one line, before anything is printed.
    """
    for flag, given in (("--metrics", options.metrics), ("--no-reference", options.no_reference)):
        if given:
            raise ValueError(f"{flag} measures pictures and cannot be combined with --kernel")
    row = _measured(options)
    if options.json:
        say_page(json.dumps(_for_json(row), indent=2, ensure_ascii=False, allow_nan=False))
    elif options.csv:
        say_page(_as_csv(row))
    else:
        say_page(_as_table(row))
    return 0


def _measured(options: argparse.Namespace) -> dict[str, str | float]:
    """Name of the column → value."""
    from zeroshot.metrics import kernel_similarity

    truth, estimate = (_kernel(word) for word in options.kernel)
    ratio = _error_ratio(options) if options.images else None
    similarity = kernel_similarity(estimate, truth)
    turned = kernel_similarity(estimate.flip(0, 1), truth)
    if turned.value > similarity.value + _CLEARLY:
        say(
            f"zeroshot: note: turned by 180° the estimate is more like the true kernel ({turned.value:.4f}): one of "
            "the two was made for a correlation",
            sys.stderr,
        )
    down, right = similarity.shift
    row: dict[str, str | float] = {"kernel": options.kernel[1], "reference": options.kernel[0]}
    row |= {"similarity": similarity.value, "down": down, "right": right}
    return row if ratio is None else {**row, "error_ratio": ratio}


def _kernel(word: str) -> torch.Tensor:
    """The kernel in a file, or that of a shape with its size."""
    from zeroshot.operators.expression import blur_kernel
    from zeroshot.operators.kernels import as_kernel
    from zeroshot.operators.plane_files import kernel_file

    if "=" in word and not Path(word).exists():
        return blur_kernel(word)
    kernel = kernel_file(word)
    try:
        as_kernel(kernel)
    except ValueError as error:
        raise ValueError(f"{word}: {error}") from None
    return kernel


def _error_ratio(options: argparse.Namespace) -> float:
    from zeroshot.metrics import error_ratio

    if len(options.images) != 3:
        raise ValueError(
            "for the error ratio give three pictures: zeroshot metrics --kernel TRUE EST REF WITH_TRUE WITH_EST"
        )
    reference, with_true, with_estimate = options.images
    for path in options.images:
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {path}")
    known, truth = load_pair(Pair(with_true, reference, ""), options.alpha)
    estimated, _ = load_pair(Pair(with_estimate, reference, ""), options.alpha)
    assert truth is not None
    # Where one was saved in grey, grey as colour stays as it was.
    channels = max(image.shape[1] for image in (known, truth, estimated))
    images = [image.expand(-1, channels, -1, -1) for image in (estimated, known, truth)]
    return error_ratio(*images, border=options.border, largest_shift=LARGEST_SHIFT)


def _shown(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.4f}"


def _as_table(row: Mapping[str, str | float]) -> str:
    columns = [name for name in row if name != "reference"]
    cells = [
        f"{row[name]:+g}" if name in ("down", "right") else visible(_shown(row[name])) for name in columns
    ]
    return "\n".join(aligned([columns, cells]))


def _for_json(row: Mapping[str, str | float]) -> dict[str, str | float]:
    """JSON has no infinity, which the ratio is where the true kernel restores everything."""
    return {
        name: value if isinstance(value, str) or math.isfinite(value) else str(value)
        for name, value in row.items()
    }


def _as_csv(row: Mapping[str, str | float]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(row)
    writer.writerow(
        spreadsheet_text(value) if isinstance(value, str) else f"{value:.8g}" for value in row.values()
    )
    return text.getvalue().rstrip("\n")
