"""The classic priors over the test sets: PSNR, SSIM and seconds beside published figures and other packages.

    python -m benchmarks.classic                                   # every task, small selection of images
    python -m benchmarks.classic denoise --sigma 15 25 50 --all    # the whole of Set12
    python -m benchmarks.classic denoise --folder colour9 --priors bm3d,nlm --all
    python -m benchmarks.classic denoise --sigma 10 25 50 --priors 'tv[discrepancy=0.925],tv[discrepancy=1]' --peers
    python -m benchmarks.classic inpaint --priors gsr,wnnm --all
    python -m benchmarks.classic sr demosaic deblur --size 256

PSNR and SSIM are means over the images, of the result within [0, 1]; for super-resolution of the luma in 8 bits
without a border of 4 pixels, as in its tables. "published" is the mean over the whole set, and for inpainting the
mean of the published figures (convolutional sparse coding) of the images that were run. Finished images are not run
again (--again); all of a table's are in its `results.csv`. The noise has seed 0.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping

from zeroshot.compare.method import Method
from zeroshot.compare.specification import method_from
from zeroshot.tasks.degrade import Degraded

from .arguments import add_table_options, parsed, parser
from .methods import measure_all
from .peers import PEERS
from .published import reported
from .sets import damaged, image_files, picture
from .table import Table, means, show

#: Task → the set that its published tables use.
SETS = {
    "denoise": "set12",
    "poisson": "set12",
    "inpaint": "inpaint11",
    "sr": "set5",
    "demosaic": "kodak_full",
    "deblur": "set12",
}
PRIORS = {
    "denoise": "bm3d wnnm ncsr ksvd nlm dct wavelet nnm gsr tv huber_tv tgv nltv bilateral domain_transform "
    "perona_malik coherence fourier",
    "poisson": "bm3d nlm dct wavelet tv tgv",
    "inpaint": "gsr wnnm ksvd pnp ncsr tgv tv nltv wavelet completion",
    "sr": "ncsr pnp red tgv tv nltv wavelet",
    "demosaic": "pnp wavelet tgv tv",
    "deblur": "pnp red ncsr gsr tgv tv nltv wavelet",
}
#: Selection without --all: enough to see that something went wrong.
FEW = 3


def run(
    task: str, folder: str, level: float, methods: Mapping[str, Method], arguments: argparse.Namespace
) -> None:
    """Print the table of one task, set and noise level."""
    noise = {"denoise": {"sigma": level / 255}, "poisson": {"peak": level}}.get(task, {})
    files = image_files(folder, None if arguments.all else arguments.images or FEW)
    cases: dict[str, Degraded] = {
        path.stem: damaged(task, picture(path, arguments.size), **noise) for path in files
    }
    terms = {"task": task, "set": folder, "level": level, "size": arguments.size or "full"}
    if arguments.seconds is not None:
        terms["budget"] = arguments.seconds
    table = Table("classic", terms, list(cases), list(methods), again=arguments.again)
    measured = measure_all(table, methods, cases, arguments.seconds)
    lines = []
    for method, found in measured.items():
        figures = means([[row["psnr"], row["ssim"], row["seconds"]] for row in found.values()])
        lines.append([method, *figures, published(task, folder, level, method, cases)])
    heads = {"method": "", "PSNR": ".2f", "SSIM": ".4f", "seconds": ".2f", "published": ".2f"}
    size = arguments.size or "full"
    show(f"{task}, {folder}, level {level:g}, {len(cases)} images, size {size}", heads, lines)
    print(f"image by image: {table.write_csv()}", flush=True)


def published(
    task: str, folder: str, level: float, method: str, cases: Mapping[str, Degraded]
) -> float | None:
    """The published mean, of the whole set or for inpainting of these images."""
    if task != "inpaint":
        return reported(task, folder, level, method)
    figures = [reported(task, folder, level, method, name) for name in cases]
    known = [figure for figure in figures if figure is not None]
    return statistics.mean(known) if known else None


def main() -> None:
    options = parser(__doc__)
    options.add_argument("tasks", nargs="*", metavar="TASK", help=", ".join(SETS) + "; default all")
    options.add_argument("--folder", help="another set than the task's own")
    options.add_argument(
        "--sigma", type=float, nargs="+", default=[25.0], help="of `denoise`, in grey levels"
    )
    options.add_argument("--peak", type=float, default=30.0, help="photons of white, of `poisson`")
    options.add_argument(
        "--peers", nargs="*", help="names of peers; default all of the task's; none: just the flag"
    )
    options.add_argument("--all", action="store_true", help=f"all images of the set, not the first {FEW}")
    add_table_options(options)
    arguments = parsed(options)
    for task in arguments.tasks or list(SETS):
        if task not in SETS:
            options.error(f"there is no task {task!r}; there are: {', '.join(SETS)}")
        peers = PEERS.get(task, {})
        chosen = list(peers) if arguments.peers is None else arguments.peers
        methods = {text: method_from(text) for text in arguments.priors or PRIORS[task].split()}
        methods |= {name: peers[name] for name in chosen if name in peers}
        levels = arguments.sigma if task == "denoise" else [arguments.peak if task == "poisson" else 0.0]
        for level in levels:
            run(task, arguments.folder or SETS[task], level, methods, arguments)


if __name__ == "__main__":
    main()
