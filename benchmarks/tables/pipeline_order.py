"""Demosaicking, denoising and super-resolution of a raw image: in turn, in every order, or all at once.

    python -m benchmarks.tables.pipeline_order
    python -m benchmarks.tables.pipeline_order --size 192 --sigma 10 --demosaic pnp,red --sr ncsr,red

A small noisy raw image is made of a Kodak picture by `mosaic(RGGB) @ downsample(2)` and Gaussian noise. The joint
methods (--priors) solve for that operator; the pipelines do one thing after the other, each with a prior of
ours, and of every order the combination of methods with the best mean is shown. Two rows between them do two of
the three things at once. PSNR over all channels.

Published are means over all of Kodak with trained networks, at another noise: what compares is the sign of the
difference, not the level.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path

import torch

from benchmarks.damages import centre_crop, image_files
from benchmarks.published import REPORTED
from zeroshot.compare.method import Method
from zeroshot.compare.specification import method_from, split
from zeroshot.degradation import Degraded, degrade
from zeroshot.images import load
from zeroshot.metrics import psnr

from .finished_rows import (
    Column,
    FinishedRows,
    measure_all,
    parse_table_arguments,
    part_of_set,
    print_table,
    table_parser,
)
from .methods import restored
from .pipeline_stages import ORDERS, PATTERN, SCALE, Pipeline, denoised, enlarged, title

OPERATOR = f"mosaic({PATTERN}) @ downsample({SCALE})"
#: Those of the stages did best on crops of eight of the pictures.
JOINT = "dip,pnp,red[iterations=32],ncsr,tv"
DEFAULTS = {"denoise": "bm3d", "demosaic": "pnp", "sr": "ncsr"}
Measured = Mapping[str, Mapping[str, float]]


def raw_image(path: Path, size: int | None, sigma: float) -> Degraded:
    """The small noisy mosaic of a picture's centre."""
    truth = centre_crop(load(path).colours, size)
    return degrade(truth, "restore", operator=OPERATOR, sigma=sigma / 255)


def jointly(method: Method, raw: Degraded, seconds: float | None) -> torch.Tensor:
    """All three at once."""
    return restored(method, raw.measurement, "restore", raw.options, seconds)


def pairwise(kind: str, methods: Pipeline, raw: Degraded) -> torch.Tensor:
    """Two of the three at once, the third before or after them."""
    sigma = raw.options["sigma"]
    if kind == "DM+DN → SR":
        options = {"pattern": PATTERN, "sigma": sigma}
        return enlarged(restored(methods.demosaic, raw.measurement, "demosaic", options), methods.sr)
    clean = denoised(raw.measurement, sigma, methods.denoise)
    return restored(methods.demosaic, clean, "restore", {"operator": OPERATOR, "sigma": 0.0})


def pipelines(arguments: argparse.Namespace) -> dict[str, Pipeline]:
    """Every combination of the methods of the stages, by what it is called."""
    combinations = product(arguments.denoise, arguments.demosaic, arguments.sr, arguments.spread)
    return {
        f"{denoise} {demosaic} {sr} {spread:g}": Pipeline(
            method_from(denoise), method_from(demosaic), method_from(sr), spread
        )
        for denoise, demosaic, sr, spread in combinations
    }


def measure_pipelines(
    rows: FinishedRows, arguments: argparse.Namespace, files: Sequence[Path], common: Mapping[str, object]
) -> dict[str, dict[str, dict[str, float]]]:
    """Order → combination → image → PSNR."""
    kinds = [title(order) for order in ORDERS]
    kinds += ["DM+DN → SR", "DN → DM+SR"]
    found: dict[str, dict[str, dict[str, float]]] = {}
    for kind, (text, pipeline) in product(kinds, pipelines(arguments).items()):
        values = found.setdefault(kind, {}).setdefault(text, {})
        for path in files:
            key = {**common, "method": f"{kind}: {text}", "image": path.stem}
            work = partial(_pipeline_figures, kind, pipeline, path, arguments)
            values[path.stem] = rows.measure(key, work, again=arguments.again)["psnr"]
        print(f"  {kind}, {text}: {statistics.mean(values.values()):.2f} dB", flush=True)
    return found


def _pipeline_figures(
    kind: str, pipeline: Pipeline, path: Path, arguments: argparse.Namespace
) -> dict[str, float]:
    raw = raw_image(path, arguments.size, arguments.sigma)
    orders = {title(order): order for order in ORDERS}
    if kind in orders:
        image = pipeline.run(raw.measurement, raw.options["sigma"], orders[kind])
    else:
        image = pairwise(kind, pipeline, raw)
    return {"psnr": psnr(image.clamp(0, 1), raw.truth)}


def best_of(measured: Measured) -> tuple[str, Mapping[str, float]]:
    """The entry with the best mean."""
    return max(measured.items(), key=lambda entry: statistics.mean(entry[1].values()))


def verdict(joint: tuple[str, Mapping[str, float]], order: tuple[str, Mapping[str, float]]) -> str:
    """Which is better, by how much, and on how many images."""
    differences = [joint[1][image] - order[1][image] for image in order[1]]
    mean, ahead = statistics.mean(differences), sum(difference > 0 for difference in differences)
    published = REPORTED["pipeline", "kodak", SCALE]
    gained = published["joint"] - published["best order"]
    return (
        f"joint ({joint[0]}) against the best order ({order[0]}): {mean:+.2f} dB, "
        f"better on {ahead} of {len(differences)} images (published: {gained:+.2f} dB, "
        f"{published['joint']:.2f} against {published['best order']:.2f})"
    )


def main() -> None:
    arguments = _arguments()
    files = image_files(arguments.folder)[: arguments.images]
    names = [path.stem for path in files]
    rows = FinishedRows("pipeline_order", ("set", "sigma", "size", "seconds", "method", "image"), ("psnr",))
    common = {"set": arguments.folder, "sigma": arguments.sigma, "size": arguments.size}
    methods = {text: method_from(text) for text in arguments.priors}

    def figures(method: Method, path: Path) -> Mapping[str, float]:
        raw = raw_image(path, arguments.size, arguments.sigma)
        return {"psnr": psnr(jointly(method, raw, arguments.seconds), raw.truth)}

    timed = {**common, "seconds": arguments.seconds}
    joint = measure_all(rows, methods, files, timed, figures, again=arguments.again)
    found = measure_pipelines(rows, arguments, files, {**common, "seconds": None})
    shown = {kind: best_of(combinations) for kind, combinations in found.items()}
    columns = [Column(kind, values) for kind, (_, values) in shown.items()]
    columns += [Column(name, values) for name, values in joint.items()]
    print_table(
        f"{OPERATOR}, noise of {arguments.sigma:g} grey levels: PSNR in dB{part_of_set(arguments)}",
        names,
        columns,
    )
    for kind, (text, _) in shown.items():
        print(f"{kind}: {text}")
    orders = {title(order): shown[title(order)][1] for order in ORDERS}
    if joint:
        print(verdict(best_of(joint), best_of(orders)))


def _arguments() -> argparse.Namespace:
    parser = table_parser(__doc__, JOINT, size=128)
    add = parser.add_argument
    add("--folder", default="kodak_full", choices=["kodak_full", "kodak_500"], help="the set")
    add("--sigma", type=float, default=10.0, help="the noise in 8-bit grey levels")
    for stage, default in DEFAULTS.items():
        add(f"--{stage}", type=split, default=split(default), metavar="LIST",
            help=f"the methods of this stage (default {default})")  # fmt: skip
    add("--spread", type=float, nargs="+", default=[1.4],
        help="the noise that denoising after another stage assumes, as multiples of the true one")  # fmt: skip
    return parse_table_arguments(parser)


if __name__ == "__main__":
    main()
