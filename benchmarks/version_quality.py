"""Whether speed cost quality: mean PSNR of priors over whole sets by another version and by this one.

The other version is installed in an environment of its own, whose interpreter is named. Both restore the same damaged
images, which this version makes by the published protocol of the set, with seed 0 and one thread::

    python -m benchmarks.version_quality ../before/.venv/bin/python --set set12
    python -m benchmarks.version_quality ../before/.venv/bin/python --set inpaint11 --priors gsr,wnnm --size 128
    python -m benchmarks.version_quality ../before/.venv/bin/python --set set5 --priors dip --size 128 --images 3

"difference" is the mean now less the mean before; "worst" is the image that lost most or gained least. Seconds are the
processor's, of the restorations of the whole set. What has been measured is on file, that of the other version by what
its source says; --again measures this version anew. A prior that either version lacks is left out.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from zeroshot.tasks.degrade import Degraded
from zeroshot.threads import ask_for

from .arguments import add_table_options, parser
from .methods import quality
from .sets import damaged, image_files, picture
from .table import Figures, Table, show

#: Set → how it is damaged, and the priors of its table.
SETS = {
    "set12": ("denoise", "dct,wavelet,nlm,tv,tgv,nltv,ksvd,bm3d,ncsr,wnnm"),
    "colour9": ("denoise", "dct,wavelet,nlm,bm3d"),
    "set5": ("sr", "tv,ncsr,pnp"),
    "inpaint11": ("inpaint", "tv,gsr,wnnm,pnp"),
}
#: What a process of either version does: no more than every version understands.
SERVE = """
import hashlib, json, sys, time, warnings
from pathlib import Path

import torch, zeroshot, zeroshot.priors

warnings.simplefilter("ignore")
torch.set_num_threads(1)
answers, sys.stdout = sys.stdout, sys.stderr


def answer(found):
    print(json.dumps(found), file=answers, flush=True)


source = hashlib.sha256()
for folder in (Path(zeroshot.__file__).parent, *map(Path, zeroshot.priors.__path__)):
    for file in sorted(folder.rglob("*.py")):
        source.update(file.read_bytes())
answer(source.hexdigest()[:12])
for line in sys.stdin:
    task, prior, file = json.loads(line)
    image, options = torch.load(file)
    began = time.process_time()
    try:
        result = zeroshot.solve(image, task, prior, seed=0, device="cpu", progress=False, **options).image
    except Exception as error:
        answer({"error": f"{type(error).__name__}: {error}"})
        continue
    seconds = time.process_time() - began
    torch.save(torch.as_tensor(result).clamp(0, 1), file)
    answer({"seconds": seconds})
"""


class Version:
    """The version that an interpreter has installed, in a process of its own that restores one image after another.

    Parameters
    ----------
    python : str
        The interpreter.
    folder : Path
        For the files that are exchanged; outside of any checkout, whose folder would go before what is installed.

    Attributes
    ----------
    source : str
        A checksum of the code of its engine and priors.
    """

    def __init__(self, python: str, folder: Path) -> None:
        self._file = folder / "case.pt"
        self._process = subprocess.Popen(
            [python, "-c", SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        self.source: str = self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args[0]} ended with exit code {self._process.wait()}")  # type: ignore[index]
        return json.loads(line)

    def restored(self, damaged: Degraded, prior: str) -> tuple[torch.Tensor, float]:
        """The image (1, C, H, W) in [0, 1] that a prior makes, and the processor's seconds.

        Raises
        ------
        ValueError
            Where this version cannot.
        """
        assert self._process.stdin is not None
        torch.save((damaged.measurement, damaged.options), self._file)
        print(json.dumps([damaged.task, prior, str(self._file)]), file=self._process.stdin, flush=True)
        found = self._answer()
        if "error" in found:
            raise ValueError(found["error"])
        return torch.load(self._file), found["seconds"]

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


@contextlib.contextmanager
def opened(python: str) -> Iterator[Version]:
    """The version that an interpreter has installed, closed in the end."""
    # Not resolved: the interpreter of a virtual environment is a link.
    absolute = str(Path(python).absolute())
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(Version(absolute, Path(folder))) as version,
    ):
        yield version


def compare_prior(
    prior: str, images: Mapping[str, Degraded], versions: Mapping[str, tuple[Version, Table]]
) -> list[list[Figures]]:
    """Image by image the figures of each version, printed as they are measured.

    Raises
    ------
    ValueError
        Where a version cannot; the message names it.
    """
    lines = []
    for name, case in images.items():
        line = []
        for label, (version, table) in versions.items():

            def work(version: Version = version, label: str = label, case: Degraded = case) -> Figures:
                try:
                    image, seconds = version.restored(case, prior)
                except ValueError as error:
                    raise ValueError(f"{label}: {error}") from error
                return {"psnr": quality(image, case)["psnr"], "seconds": seconds}

            line.append(table.measure(name, prior, work))
        lines.append(line)
        texts = (
            f"{label} {one['psnr']:.3f} dB, {one['seconds']:.1f} s"
            for label, one in zip(versions, line, strict=True)
        )
        print(f"  {name}: {prior} {'; '.join(texts)}", flush=True)
    return lines


def row(prior: str, images: Mapping[str, Degraded], lines: list[list[Figures]]) -> list[Any]:
    """A line of the table: means, difference, worst image, seconds of the set."""
    gains = {name: now["psnr"] - before["psnr"] for name, (before, now) in zip(images, lines, strict=True)}
    worst = min(gains, key=gains.__getitem__)
    before, now = (statistics.mean(line[side]["psnr"] for line in lines) for side in (0, 1))
    seconds = [sum(line[side]["seconds"] for line in lines) for side in (0, 1)]
    return [prior, before, now, now - before, worst, gains[worst], *seconds]


def compare_set(
    python: str, folder: str, priors: list[str], *, size: int | None, count: int | None, again: bool
) -> list[list[Any]]:
    """Print and return the table of one set.

    Parameters
    ----------
    python : str
        The interpreter that has the other version.
    folder : str
        One of `SETS`.
    priors : list of str
        Names; empty: those of the set.
    size : int or None
        Side of the centre crop; None: whole images.
    count : int or None
        The first images only; None: all.
    again : bool
        Whether this version is measured anew.
    """
    kind, standard = SETS[folder]
    priors = priors or standard.split(",")
    images = {path.stem: damaged(kind, picture(path, size)) for path in image_files(folder, count)}
    terms = {"set": folder, "size": size or "full"}
    rows = []
    with opened(python) as other, opened(sys.executable) as this:
        versions = {
            label: (
                version,
                Table("version_quality", {**terms, "source": source}, list(images), priors, again=anew),
            )
            for label, version, source, anew in (
                ("before", other, other.source, False),
                ("now", this, "now", again),
            )
        }
        for prior in priors:
            try:
                rows.append(row(prior, images, compare_prior(prior, images, versions)))
            except ValueError as error:
                print(f"  {prior} is left out: {error}", flush=True)
    heads = {
        "prior": "", "before": ".3f", "now": ".3f", "difference": "+.3f", "worst": "", "its": "+.3f",
        "seconds before": ".1f", "now ": ".1f",
    }  # fmt: skip
    title = f"{kind}, {folder}, {len(images)} images, size {size or 'full'}: PSNR in dB"
    show(title, heads, rows)
    return rows


def main() -> None:
    """Print the tables."""
    options = parser(__doc__)
    options.add_argument("before", metavar="PYTHON", help="the interpreter that has the other version")
    options.add_argument("--set", choices=list(SETS), help="default: all")
    add_table_options(options)
    given = options.parse_args()
    if given.seconds is not None or given.threads is not None:
        options.error(
            "--seconds and --threads do not go with a comparison of versions: one thread, own rules"
        )
    ask_for(1)
    for folder in [given.set] if given.set else SETS:
        compare_set(
            given.before, folder, given.priors, size=given.size, count=given.images, again=given.again
        )


if __name__ == "__main__":
    main()
