"""Deep Image Prior: its fast recipe beside the reference, the papers, and other ways to stop.

    python -m benchmarks.dip                                    # reference and fast on the same crops
    python -m benchmarks.dip --tasks sr --size 512 --images 1 --reference measured
    python -m benchmarks.dip --tasks demosaic --reference none  # fast alone
    python -m benchmarks.dip --published                        # whole images beside the papers' figures
    python -m benchmarks.dip --stopping                         # rule × task × gap to the best of the run
    python -m benchmarks.dip --budgets 10 30 120                # quality within a time budget
    python -m benchmarks.dip --record --tasks denoise           # the stored curves of the reference: hours, or a GPU
    python -m benchmarks.dip --all

The reference is the recipe with the published settings, run in float32 by this engine. It takes hours, so its
curves are stored (`benchmarks/results/dip/TASK_IMAGE.csv`: seed 0, crops of 256 × 256, all iterations; those of
`denoise` in float32, made by ``--record`` on a GPU, that of `sr` in bfloat16) and only the seconds of its float32 steps
are measured, between steps of the fast run; ``--reference measured`` runs it in full. The fast run is a whole call of
solve() with its default stopping, and its seconds hold all of it, the guide too, but not the measuring of PSNR. The
reference is given the better of its average and its newest iterate, the fast run what it would return.

Everything has fixed seeds. Killed runs of ``--published``, ``--stopping``, ``--budgets`` and of a measured reference
are continued by the same command; ``--again`` measures anew. Curves and figures go to `benchmarks/output`.
"""

from __future__ import annotations

import argparse

from benchmarks.arguments import count, parser, positive
from zeroshot.prior import require_known_settings
from zeroshot.priors.untrained.deep_image_prior import DeepImagePrior

from .budgets import compare_budgets
from .cases import SETS, crop, setting
from .curves import CLOCKS, record_reference
from .quality import TABLES, compare_quality
from .speed import STORED_SIZE, compare_speed, measure_alone
from .stopping import compare_stopping

PUBLISHED_TASKS = ["denoise", "inpaint", "sr"]
BUDGETS = [10.0, 30.0, 120.0]


def parsed() -> argparse.Namespace:
    options = parser(__doc__)
    modes = options.add_mutually_exclusive_group()
    modes.add_argument("--published", action="store_true", help="whole images beside the papers' figures")
    modes.add_argument("--stopping", action="store_true", help="rule × task × gap")
    modes.add_argument("--budgets", nargs="+", type=positive, metavar="S", help="PSNR within so many seconds")
    modes.add_argument(
        "--record", action="store_true", help="measure the curves of the reference and store them"
    )
    modes.add_argument("--all", action="store_true", help="all of these, one after the other")
    add = options.add_argument
    add("--tasks", nargs="+", choices=list(SETS), help="default: those that the mode is about")
    add("--tables", nargs="+", choices=list(TABLES), default=list(TABLES), help="of --published")
    add("--size", type=count, help="side of the centre crops; default 256, --published: whole images")
    add("--images", type=count, help="how many images a set; default 5, --published: all")
    add("--iterations", type=count, help="the most iterations of either recipe")
    add("--reference", choices=["stored", "measured", "none"], default="stored")
    add("--precision", choices=["float32", "bfloat16"], default="float32", help="of a measured reference")
    add("--set", dest="settings", action="append", type=setting, default=[], metavar="NAME=VALUE")
    add("--seconds", type=positive, help="budget of --published, an image")
    add("--seed", type=int, default=0)
    add("--device", default="auto")
    add("--clock", choices=list(CLOCKS), default="wall", help="cpu: for one thread on a busy machine")
    add("--again", action="store_true", help="measure anew what is on file")
    arguments = options.parse_args()
    try:
        require_known_settings(DeepImagePrior, dict(arguments.settings))
    except ValueError as error:
        options.error(str(error))
    is_stored = measures_speed(arguments) and arguments.reference == "stored"
    if is_stored and (arguments.size not in (None, STORED_SIZE) or arguments.seed != 0):
        options.error(f"stored curves are of crops of {STORED_SIZE} and seed 0; use --reference measured")
    given = arguments.size or STORED_SIZE, arguments.seed, arguments.precision, arguments.iterations
    if arguments.record and given != (STORED_SIZE, 0, "float32", None):
        options.error(f"--record stores whole runs in float32, of crops of {STORED_SIZE} and with seed 0")
    return arguments


def measures_speed(arguments: argparse.Namespace) -> bool:
    return not (arguments.published or arguments.stopping or arguments.budgets or arguments.record)


def with_defaults(arguments: argparse.Namespace, **defaults: object) -> argparse.Namespace:
    """The arguments, with `defaults` for those that were not given."""
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    return argparse.Namespace(**{**vars(arguments), **defaults, **given})


def main() -> None:
    arguments = parsed()
    crops = {"size": STORED_SIZE, "images": 5}
    if arguments.record:
        chosen = with_defaults(arguments, tasks=PUBLISHED_TASKS, size=STORED_SIZE, images=4)
        for task in chosen.tasks:
            for name in SETS[task][1][: chosen.images]:
                record_reference(task, name, crop(task, name, chosen.size), chosen)
        return
    if measures_speed(arguments):
        chosen = with_defaults(arguments, tasks=PUBLISHED_TASKS, **crops)
        for task in chosen.tasks:
            (measure_alone if chosen.reference == "none" else compare_speed)(task, chosen)
    if arguments.all or arguments.published:
        compare_quality(arguments)
    if arguments.all or arguments.stopping:
        compare_stopping(with_defaults(arguments, tasks=list(SETS), **crops))
    if arguments.all or arguments.budgets:
        compare_budgets(with_defaults(arguments, tasks=PUBLISHED_TASKS, budgets=BUDGETS, **crops))


if __name__ == "__main__":
    main()
