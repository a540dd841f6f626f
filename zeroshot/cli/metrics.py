"""The command ``zeroshot metrics``: how good images are, in the conventions of the published tables."""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeroshot import images
from zeroshot.cli import files
from zeroshot.cli.arguments import Files
from zeroshot.cli.messages import say, say_page
from zeroshot.spelling import visible
from zeroshot.words import aligned, spreadsheet_text

if TYPE_CHECKING:
    import torch

    from zeroshot.metrics import Metric

#: What is computed where nobody says: what the fields' tables ask for, and nothing that needs an extra.
WITH_REFERENCE = ("psnr", "psnr_y", "ssim", "ms_ssim", "gmsd")
WITHOUT_REFERENCE = ("niqe",)
_NO_VALUE = "–"


@dataclass(frozen=True)
class Pair:
    """An image, what it is compared with, and the folder that it was named by ("" for a file)."""

    image: Path
    reference: Path | None
    group: str


@dataclass(frozen=True)
class Row:
    """What was measured: name of the metric → value, None where the image is too small for it."""

    pair: Pair
    values: dict[str, float | None]
    failures: Sequence[str] = ()


@dataclass(frozen=True)
class Mean:
    """The means over the images of one folder, or over all files."""

    label: str
    count: int
    values: dict[str, float | None]


def add_parser(commands: Any) -> None:
    """Add the command to the sub-parsers of the command line."""
    command = commands.add_parser(
        "metrics",
        help="measure images against a reference, or without one",
        usage="zeroshot metrics REF IMG [IMG ...] [options]\n"
        "       zeroshot metrics --no-reference IMG [IMG ...] [options]\n"
        "       zeroshot metrics --kernel TRUE EST [REF WITH_TRUE WITH_EST] [options]\n"
        "       zeroshot metrics --list",
        description="Measure images against a reference, in the conventions of the published tables, or by "
        "themselves. Values are compared in [0, 1], so that 16 bits go with 8.",
        examples=(
            "zeroshot metrics truth.png restored.png --metrics psnr_y,ssim_y --border 4",
            "zeroshot metrics --kernel true.npy found.png",
        ),
    )
    add = command.add_argument
    add("images", nargs="*", type=Path, action=Files, metavar="REF IMG",
        help="the reference and the images to be measured; folders are matched by file name. Without REF where "
        "--no-reference is given, or none of the metrics needs one")  # fmt: skip
    add("--metrics", type=_names, metavar="NAME,NAME",
        help=f"which ones, see --list (default {','.join(WITH_REFERENCE)}; without a reference "
        f"{','.join(WITHOUT_REFERENCE)})")  # fmt: skip
    add("--border", type=_border, default=0, metavar="N",
        help="leave N pixels out at every side, for metrics that name no border themselves (default 0)")  # fmt: skip
    add("--no-reference", action="store_true", help="there is no reference: measure every image by itself")
    add("--kernel", nargs=2, metavar=("TRUE", "EST"),
        help="compare an estimated blur kernel with the true one, files or text such as gaussian=1.6: similarity up to "
        "a shift; with three pictures, the truth and what either kernel restored, also their error ratio")  # fmt: skip
    add("--alpha", choices=("refuse", "ignore"), default="refuse",
        help="refuse images with transparent pixels, or compare the colours only (default refuse)")  # fmt: skip
    form = command.add_mutually_exclusive_group()
    form.add_argument(
        "--json", action="store_true", help="print JSON, with the means ('inf' for equal images)"
    )
    form.add_argument("--csv", action="store_true", help="print CSV, one line an image")
    form.add_argument("--list", action="store_true", help="list the metrics")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check everything, measure and print; the exit code.

    Raises
    ------
    ValueError, ImportError, OSError
        In one line, before anything is printed.
    """
    if options.list:
        say_page(listing())
        return 0
    if options.kernel:
        from zeroshot.cli import kernel_metrics

        return kernel_metrics.run(options)
    chosen = _chosen(options)
    pairs = _pairs(options, chosen)
    if len(pairs) > 1:
        for pair in pairs:
            load_pair(pair, options.alpha)
    _announce(chosen)
    rows = [_measure(pair, chosen, options.alpha) for pair in pairs]
    lacking = _tell_failures(rows, options)
    means = _means(rows, [metric.name for metric in chosen])
    if options.json:
        say_page(_as_json(rows, means, chosen))
    elif options.csv:
        say_page(_as_csv(rows, chosen))
    else:
        say_page(_as_table(rows, means, chosen))
    return 1 if lacking else 0


def listing() -> str:
    """Every metric by name, which values are good, and what it computes."""
    from zeroshot.metrics import METRICS

    rows = []
    for name, metric in METRICS.items():
        if "_border" in name:
            continue
        need = f' (needs pip install "zeroshot-restore[{metric.extra}]")' if metric.extra else ""
        rows.append([name, f"{metric.better} is better", metric.meaning + need])
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, (9, 16, 0), strict=True)) for row in rows
    ]
    return "\n".join([*lines, "", "NAME_borderN leaves out N pixels at every side, such as psnr_y_border4."])


# --- what is measured ----------------------------------------------------------------------------------------


def _names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if not all(names):
        raise argparse.ArgumentTypeError(f"must be names with commas between them, got {text!r}")
    return names


def _border(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number of pixels from 0 on, got {text!r}")
    return int(text)


def _chosen(options: argparse.Namespace) -> list[Metric]:
    from zeroshot.metrics import metric

    default = WITHOUT_REFERENCE if options.no_reference else WITH_REFERENCE
    names = options.metrics or default
    if options.border:
        names = [name if "_border" in name else f"{name}_border{options.border}" for name in names]
    chosen = [metric(name) for name in names]
    needy = [metric.name for metric in chosen if metric.needs_reference]
    if options.no_reference and needy:
        raise ValueError(f"{', '.join(needy)} cannot be computed with --no-reference: a reference is needed")
    return chosen


def _pairs(options: argparse.Namespace, chosen: Sequence[Metric]) -> list[Pair]:
    given: list[Path] = options.images
    for path in given:
        if not path.exists():
            raise FileNotFoundError(f"there is no file or folder {path}")
    if not any(metric.needs_reference for metric in chosen):
        if not given:
            raise ValueError("give the images to be measured: zeroshot metrics --no-reference IMG [IMG ...]")
        return [Pair(image, None, group) for image, group in _grouped(given)]
    if len(given) < 2:
        raise ValueError(
            "give a reference and at least one image: zeroshot metrics REF IMG [IMG ...]; "
            "images without a reference: zeroshot metrics --no-reference IMG [IMG ...]"
        )
    reference, *measured = given
    pairs = [Pair(image, _counterpart(reference, image), group) for image, group in _grouped(measured)]
    _note_missing(reference, measured, pairs)
    return pairs


def _grouped(given: Sequence[Path]) -> list[tuple[Path, str]]:
    """The images, each with the folder that it was named by."""
    return [
        (image, str(path) if path.is_dir() else "") for path in given for image in files.images_among([path])
    ]


def _counterpart(reference: Path, image: Path) -> Path:
    """The reference of an image: of the same name in a folder, with any suffix where that is clear."""
    if not reference.is_dir():
        return reference
    if (reference / image.name).is_file():
        return reference / image.name
    alike = [path for path in files.images_among([reference]) if path.stem == image.stem]
    if len(alike) == 1:
        return alike[0]
    if alike:
        listed = ", ".join(path.name for path in alike)
        raise ValueError(f"{image} has several references in {reference}: {listed}")
    raise ValueError(f"{image} has no reference: {reference} holds no image called {image.stem}")


def _note_missing(reference: Path, measured: Sequence[Path], pairs: Sequence[Pair]) -> None:
    if not reference.is_dir():
        return
    count = len(files.images_among([reference]))
    for folder in measured:
        found = sum(pair.group == str(folder) for pair in pairs)
        if folder.is_dir() and found < count:
            say(f"zeroshot: note: {folder} holds {found} of the {count} images of {reference}", sys.stderr)


def _announce(chosen: Sequence[Metric]) -> None:
    for metric in chosen:
        if metric.extra is not None:
            say(
                f"zeroshot: note: {metric.name} is computed by pyiqa, which fetches its weights the first time",
                sys.stderr,
            )


# --- measuring -----------------------------------------------------------------------------------------------


def load_pair(pair: Pair, alpha: str) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Image and reference, (1, C, H, W) in [0, 1], of one shape."""
    from zeroshot.images.value_range import on_range, say_range

    measured = _opaque(pair.image, alpha)
    if pair.reference is None:
        say_range(measured)
        return measured.colours, None
    against = _opaque(pair.reference, alpha)
    if measured.samples is not None and against.samples is not None:
        # What white is, the reference says: floats are compared on its range.
        measured = on_range(measured, replace(against.form, source=measured.form.source))
    say_range(against)
    image, reference = measured.colours, against.colours
    if image.shape[-2:] == reference.shape[-2:]:
        image, reference = _as_grey_as(image, reference), _as_grey_as(reference, image)
    if image.shape != reference.shape:
        raise ValueError(
            f"{pair.image} is {_described(image)} and its reference {pair.reference} {_described(reference)}; "
            "both must have one size and be grey or in colour alike"
        )
    return image, reference


def _opaque(path: Path, alpha: str) -> images.Picture:
    picture = images.load(path)
    if alpha == "refuse" and picture.alpha is not None and float(picture.alpha.min()) < 1:
        raise ValueError(
            f"{path} has transparent pixels, whose colours mean nothing; lay it on a background, or compare "
            "the colours with --alpha ignore"
        )
    return picture


def _as_grey_as(image: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """The first channel of a colour image that is grey everywhere, beside a grey one."""
    if image.shape[1] == 3 and other.shape[1] == 1 and bool((image == image[:, :1]).all()):
        return image[:, :1]
    return image


def _described(image: torch.Tensor) -> str:
    _, channels, height, width = image.shape
    return f"{height} × {width} {'grey' if channels == 1 else 'in colour'}"


def _measure(pair: Pair, chosen: Sequence[Metric], alpha: str) -> Row:
    image, reference = load_pair(pair, alpha)
    values: dict[str, float | None] = {}
    failures = []
    for metric in chosen:
        try:
            values[metric.name] = metric.compute(image, reference)
        except ValueError as error:
            failures.append(f"{pair.image}: {error}")
            values[metric.name] = None
    return Row(pair, values, failures)


def _tell_failures(rows: Sequence[Row], options: argparse.Namespace) -> bool:
    """Say what could not be measured; whether that is something that was asked for by name.

    Raises
    ------
    ValueError
        Where nothing could be measured, or one image not as it was asked for.
    """
    failures = [failure for row in rows for failure in row.failures]
    asked = options.metrics is not None
    nothing = all(value is None for row in rows for value in row.values.values())
    if failures and (nothing or (asked and len(rows) == 1)):
        raise ValueError(failures[0])
    # One image that is too small does not take the figures of a folder.
    for failure in failures:
        say(f"zeroshot: note: {failure}", sys.stderr)
    return asked and bool(failures)


def _means(rows: Sequence[Row], names: Sequence[str]) -> list[Mean]:
    """One for every folder and one for the files, where there are several images."""
    groups = list(dict.fromkeys(row.pair.group for row in rows))
    means = []
    for group in groups:
        values = [row.values for row in rows if row.pair.group == group]
        if len(values) > 1:
            label = "mean" if len(groups) == 1 else f"mean of {group or 'the files'}"
            means.append(Mean(label, len(values), {name: _mean([v[name] for v in values]) for name in names}))
    return means


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    # A mean over some of the images would not be comparable with one over all.
    return sum(known) / len(known) if len(known) == len(values) else None


# --- printing ------------------------------------------------------------------------------------------------


def _as_table(rows: Sequence[Row], means: Sequence[Mean], chosen: Sequence[Metric]) -> str:
    head = ["image", *(metric.name for metric in chosen)]
    table = [head, *([visible(row.pair.image), *_cells(row.values, chosen)] for row in rows)]
    table += [[visible(mean.label), *_cells(mean.values, chosen)] for mean in means]
    return "\n".join(aligned(table))


def _cells(values: dict[str, float | None], chosen: Sequence[Metric]) -> Iterator[str]:
    for metric in chosen:
        value = values[metric.name]
        yield _NO_VALUE if value is None else f"{value:.{2 if metric.unit == 'dB' else 4}f}"


def _as_json(rows: Sequence[Row], means: Sequence[Mean], chosen: Sequence[Metric]) -> str:
    described = [
        {"name": m.name, "label": m.label, "better": m.better, "unit": m.unit, "meaning": m.meaning}
        for m in chosen
    ]
    measured = [
        {
            "image": str(row.pair.image),
            "reference": None if row.pair.reference is None else str(row.pair.reference),
            "metrics": _finite(row.values),
        }
        for row in rows
    ]
    averaged = [{"of": mean.label, "images": mean.count, "metrics": _finite(mean.values)} for mean in means]
    report = {"metrics": described, "images": measured, "means": averaged}
    return json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False)


def _finite(values: dict[str, float | None]) -> dict[str, float | str | None]:
    """JSON has no infinity, which is the PSNR of equal images."""
    return {name: v if v is None or math.isfinite(v) else str(v) for name, v in values.items()}


def _as_csv(rows: Sequence[Row], chosen: Sequence[Metric]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [metric.name for metric in chosen]
    writer.writerow(["image", "reference", *names])
    for row in rows:
        values = [row.values[name] for name in names]
        numbers = ["" if value is None else f"{value:.8g}" for value in values]
        names_shown = [spreadsheet_text(str(name or "")) for name in (row.pair.image, row.pair.reference)]
        writer.writerow([*names_shown, *numbers])
    return text.getvalue().rstrip("\n")
