"""Every published table beside ours, one benchmark after the other; a run that was cut goes on where it was.

    python -m benchmarks.every                       # what `make bench` does
    python -m benchmarks.every --list                # the benchmarks, and what each of them shows
    python -m benchmarks.every --brief               # few pictures and small crops: an hour or two
    python -m benchmarks.every sr_set5 latent        # these alone

Each is a process of its own, and what it prints is shown as it comes. When one has come to its end its text is kept in
`benchmarks/output/every`, and a later run of the same version shows the text instead of measuring again. One that was
cut begins anew, but finds the cells of its tables on file (:mod:`benchmarks.table`). --again forgets the texts, not the
cells: what measures cells anew is the option of the same name of each benchmark. One that fails does not end the
others; the exit code then is 1.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from zeroshot.files import write_atomically
from zeroshot.registry import __version__

from .arguments import parser
from .table import OUTPUT

FOLDER = OUTPUT / "every"
_COLOURS = "--images 2 --size 128"


class Benchmark(NamedTuple):
    """One of the benchmarks.

    Attributes
    ----------
    module : str
        Run as ``python -m``.
    arguments : str
        Of the whole table.
    brief : str
        Of few pictures.
    shows : str
        In a few words.
    """

    module: str
    arguments: str
    brief: str
    shows: str


BENCHMARKS = {
    "operators": Benchmark("benchmarks.operators", "", "--size 256", "milliseconds of the operators"),
    "speed": Benchmark("benchmarks.speed", "", "--repeats 1", "tv, nlm and bm3d beside other packages"),
    "volumes": Benchmark(
        "benchmarks.volume_filters", "", "--depth 12 --side 48 --sigmas 25", "bm4d and nlm in volumes and by planes"
    ),
    "channels": Benchmark(
        "benchmarks.channels", "--priors wavelet", "--priors wavelet --step 12", "channels of stacks, joint and apart"
    ),
    "stopping": Benchmark("benchmarks.stopping", "", "", "what stopping rules cost"),
    "noise": Benchmark(
        "benchmarks.noise_estimate",
        "set12 colour9 --borders --textures",
        "set12",
        "the estimated noise beside the true one",
    ),
    "classic": Benchmark("benchmarks.classic", "", _COLOURS, "classic priors beside published figures"),
    "colour9": Benchmark("benchmarks.tables.denoise_colour9", "", _COLOURS, "colour denoising, CBM3D's table"),
    "sr_set5": Benchmark("benchmarks.tables.sr_set5", "", _COLOURS, "Set5, 4 and 8 times"),
    "inpaint11": Benchmark("benchmarks.tables.inpaint11", "", _COLOURS, "every second pixel missing"),
    "levin": Benchmark(
        "benchmarks.deblur_levin", "", "--images 1 --kernels 1", "pictures of a shaken camera"
    ),
    "defaults": Benchmark("benchmarks.defaults", "", _COLOURS, "every task: default, priors and peers"),
    "auto": Benchmark("benchmarks.auto", "", _COLOURS, "what auto chooses, and what it costs"),
    "latent": Benchmark("benchmarks.latent", "", "--tables faces --images 1", "priors of generators"),
    "pipeline": Benchmark("benchmarks.tables.pipeline_order", "", _COLOURS, "tasks in turn or at once"),
    "early_stopping": Benchmark(
        "benchmarks.tables.early_stopping", "", "--images 1 --size 64 --iterations 1000", "dip's stop, ES-WMV's table"
    ),
    "dip": Benchmark(
        "benchmarks.dip",
        "--tasks denoise sr --images 5 --clock cpu",
        "--tasks denoise --images 1 --clock cpu",
        "dip beside the stored curves of the reference",
    ),
    "dip_published": Benchmark(
        "benchmarks.dip", "--published", "--published --images 1 --size 64", "dip on whole sets, the papers' tables"
    ),
}  # fmt: skip


def kept_in(name: str, benchmark: Benchmark, arguments: str, folder: Path = FOLDER) -> Path:
    """The file with the text of a benchmark with these arguments, by this version."""
    key = " ".join([__version__, benchmark.module, arguments])
    return folder / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:8]}.txt"


def show_benchmark(
    name: str, benchmark: Benchmark, *, brief: bool = False, again: bool = False, folder: Path = FOLDER
) -> bool:
    """Print what a benchmark prints, from its file or by running it; whether it came to its end."""
    arguments = benchmark.brief if brief else benchmark.arguments
    print(f"\n=== {name}: python -m {benchmark.module} {arguments}".rstrip(), flush=True)
    path = kept_in(name, benchmark, arguments, folder)
    if path.exists() and not again:
        print(path.read_text("utf-8"), end="", flush=True)
        return True
    lines = []
    command = [sys.executable, "-m", benchmark.module, *arguments.split()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    if process.returncode:
        print(f"{name} ended with exit code {process.returncode}", file=sys.stderr, flush=True)
        return False
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, "".join(lines).encode())
    return True


def show_all(
    names: Sequence[str], *, brief: bool = False, again: bool = False, folder: Path = FOLDER
) -> list[str]:
    """Print the benchmarks of these names in turn; those that failed."""
    return [
        name
        for name in names
        if not show_benchmark(name, BENCHMARKS[name], brief=brief, again=again, folder=folder)
    ]


def main() -> None:
    """Run those that were named, or all."""
    options = parser(__doc__)
    add = options.add_argument
    add("names", nargs="*", metavar="BENCHMARK", help="default: all")
    add("--list", action="store_true", help="say what there is, and run nothing")
    add("--brief", action="store_true", help="few pictures and small crops")
    add("--again", action="store_true", help="run again what is on file")
    given = options.parse_args()
    if unknown := [name for name in given.names if name not in BENCHMARKS]:
        options.error(f"there is no benchmark {unknown[0]!r}; there are: {', '.join(BENCHMARKS)}")
    names = given.names or list(BENCHMARKS)
    if given.list:
        for name in names:
            one = BENCHMARKS[name]
            arguments = one.brief if given.brief else one.arguments
            path = kept_in(name, one, arguments)
            print(f"{name:16}{one.shows}{' (on file)' if path.exists() else ''}")
            print(f"{'':16}python -m {one.module} {arguments}".rstrip())
        return
    failed = show_all(names, brief=given.brief, again=given.again)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}; the others are on file")


if __name__ == "__main__":
    main()
