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
from collections.abc import Mapping
from functools import partial
from itertools import product

import torch

from benchmarks.arguments import add_table_options, parsed, parser, part_of_set
from benchmarks.methods import column, measure_all, restored
from benchmarks.published import REPORTED
from benchmarks.sets import image_files, picture
from benchmarks.table import Figures, Table, show_images
from zeroshot.compare.specification import method_from, split
from zeroshot.metrics import psnr
from zeroshot.tasks.degrade import Degraded, degrade

from .pipeline_stages import ORDERS, PATTERN, SCALE, Pipeline, denoised, enlarged, title

OPERATOR = f"mosaic({PATTERN}) @ downsample({SCALE})"
#: Those of the stages did best on crops of eight of the pictures.
JOINT = "dip,pnp,red[iterations=32],ncsr,tv"
DEFAULTS = {"denoise": "bm3d", "demosaic": "pnp", "sr": "ncsr"}
Measured = Mapping[str, Mapping[str, float]]


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
    table: Table, kinds: list[str], methods: Mapping[str, Pipeline], images: Mapping[str, Degraded]
) -> dict[str, dict[str, dict[str, float]]]:
    """Kind of pipeline → combination → image → PSNR."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for kind, (text, pipeline) in product(kinds, methods.items()):
        values = {
            name: table.measure(name, f"{kind}: {text}", partial(_figures, kind, pipeline, raw))["psnr"]
            for name, raw in images.items()
        }
        found.setdefault(kind, {})[text] = values
        print(f"  {kind}, {text}: {statistics.mean(values.values()):.2f} dB", flush=True)
    return found


def _figures(kind: str, pipeline: Pipeline, raw: Degraded) -> Figures:
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
    sigma, size = arguments.sigma, arguments.size
    images = {
        path.stem: degrade(picture(path, size), "restore", operator=OPERATOR, sigma=sigma / 255)
        for path in image_files(arguments.folder, arguments.images)
    }
    methods = {text: method_from(text) for text in arguments.priors}
    stages = pipelines(arguments)
    orders = [title(order) for order in ORDERS]
    kinds = [*orders, "DM+DN → SR", "DN → DM+SR"]
    terms = {"set": arguments.folder, "sigma": sigma, "size": size}
    names, again = list(images), arguments.again
    joint_table = Table(
        "pipeline_joint", terms | {"budget": arguments.seconds}, names, list(methods), again=again
    )
    joint = column(measure_all(joint_table, methods, images, arguments.seconds))
    combinations = [f"{kind}: {text}" for kind, text in product(kinds, stages)]
    table = Table("pipeline_order", terms, names, combinations, again=again)
    shown = {kind: best_of(found) for kind, found in measure_pipelines(table, kinds, stages, images).items()}
    columns = {kind: values for kind, (_, values) in shown.items()} | joint
    heading = f"{OPERATOR}, noise of {sigma:g} grey levels: PSNR in dB{part_of_set(arguments)}"
    show_images(heading, names, columns)
    for kind, (text, _) in shown.items():
        print(f"{kind}: {text}")
    if joint:
        print(verdict(best_of(joint), best_of({order: shown[order][1] for order in orders})))


def _arguments() -> argparse.Namespace:
    options = parser(__doc__)
    add_table_options(options, JOINT, size=128)
    add = options.add_argument
    add("--folder", default="kodak_full", choices=["kodak_full", "kodak_500"], help="the set")
    add("--sigma", type=float, default=10.0, help="the noise in 8-bit grey levels")
    for stage, default in DEFAULTS.items():
        add(f"--{stage}", type=split, default=split(default), metavar="LIST",
            help=f"the methods of this stage (default {default})")  # fmt: skip
    add("--spread", type=float, nargs="+", default=[1.4],
        help="the noise that denoising after another stage assumes, as multiples of the true one")  # fmt: skip
    return parsed(options)


if __name__ == "__main__":
    main()
