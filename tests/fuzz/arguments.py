"""Command lines of every kind of mistake: wrong types, numbers beyond reason, odd words, files that are none.

A command is grown from tables of what each command takes, most of it right,
and bent in one or several places.
The pictures are tiny; where a run could be long by right, it is given a budget.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.fuzz.damage import Draw, choose, noise, whole
from tests.fuzz.judging import Case, command, quiet

# --- words -------------------------------------------------------------------------------------------------

_NUMBERS = (
    "0", "1", "2", "3", "4", "8", "16", "17", "-1", "-0", "0.5", "1.5", "25", "255", "256", "1000000", "1e8",
    "1e308", "1e999",
    "-1e9", "nan", "inf", "-inf", "NaN", "1e-300", "0x10", "1_000", "٣", "１", "1,5", "1/3", "+3", " 2 ",
    "2.0", "00", "1e", "--1",
    "9" * 400, "0." + "0" * 400 + "1", str(2**31), str(2**63), str(2**64), "1j", "True", "None",
)  # fmt: skip
_WORDS = (
    "", " ", "auto", "none", "alpha", "x" * 300, "ä", "日本", "\u202ered", "\x1b[31mred", "\x9b2J", "\n",
        "a\nb", "a\tb", "\0"[:0] + "\x07",
    "%s", "%(prog)s", "{0}", "$HOME", "`id`", "$(id)", "; ls", "' or 1", '"', "\\", "../..", "~", "*", "?",
    "-", "--", "=", ",", ":", "@",
    "\udcff", "\ud800", "é" * 200, "e\u0301", "NUL", "con", "a=b=c", "#ff00ff", "#xyz", "@file", "zeroshot",
    "tv", "dip", "bm3d", "TV",
)  # fmt: skip
_TASKS = ("denoise", "destripe", "inpaint", "sr", "colorize", "demosaic", "deblur", "sharpen", "restore")
_DENOISERS = (
    "tv",
    "wavelet",
    "dct",
    "bilateral",
    "domain_transform",
    "fourier",
    "nlm",
    "huber_tv",
    "bm3d",
    "perona_malik",
    "coherence",
)
_FOR_ALL = ("tv", "wavelet", "huber_tv", "tv", "nltv", "tgv")
_SLOW = ("dip", "auto", "pnp", "red", "ksvd", "nltv", "tgv", "ncsr", "gsr", "nnm", "wnnm", "completion",
    "pulse", "mgan", "inversion",
         "latent", "idr", "pixel2pixel", "zsn2n")  # fmt: skip
_PATTERNS = (
    "RGGB",
    "BGGR",
    "GRBG",
    "GBRG",
    "quad-rggb",
    "xtrans",
    "rggb",
    "RGBG",
    "RG",
    "RGGBX",
    "GGGG",
    "quad-",
    "mono",
    "R" * 37,
)
_METRICS = (
    "psnr",
    "psnr_y",
    "ssim",
    "ms_ssim",
    "gmsd",
    "niqe",
    "consistency",
    "lpips",
    "PSNR",
    "psnr,psnr",
    "psnr,",
    "all",
)
_KERNELS = ("gaussian=1.6", "motion=5, angle=30", "motion=5", "disk=2", "gaussian=0", "gaussian=-1",
    "gaussian=1e8", "gaussian=nan",
            "motion=1000000", "motion=0", "disk=1e9", "gaussian", "gaussian=1)@(identity",
            "gaussian=1, disk=2", "box", "bicubic",
            "lanczos3", "1.6", "gauss=2", "angle=3", "gaussian=(1,2)", "gaussian=[", "motion=5,angle=inf",
                "disk=0.1", "=",
            "gaussian=1" + "0" * 50, "gaussian=1/0", "gaussian='1'", "gaussian=True", "lambda: 0",
            "__import__('os')")  # fmt: skip

# --- operators ---------------------------------------------------------------------------------------------


def _expression(draw: Draw, files: dict[str, str], depth: int = 0) -> str:
    """An operator, by the grammar."""
    way = draw.random()
    if depth < 5 and way < 0.35:
        left, right = (_expression(draw, files, depth + 1) for _ in range(2))
        return f"{left} @ {right}" if draw.random() < 0.8 else f"({left}) @ ({right})"
    if depth < 4 and way < 0.42:
        return f"stack({', '.join(_expression(draw, files, depth + 1) for _ in range(whole(draw, 0, 4)))})"
    number = choose(
        draw,
        (
            "2",
            "3",
            "4",
            "1",
            "0",
            "-2",
            "16",
            "1.5",
            "25/255",
            "1/0",
            "1e8",
            "1e400",
            "nan",
            "True",
            "None",
            "'2'",
        ),
    )
    return choose(draw, (
        "identity", "identity()", "identity(2)", "grayscale", "grayscale(bt709)",
        f"grayscale([{number}, 0.5, 0.1])", "grayscale([])",
        f"mosaic({choose(draw, _PATTERNS)})", "mosaic()", f"mosaic([{number}])", f"downsample({number})",
        f"downsample(2, kernel={choose(draw, ('box', 'lanczos3', 'gaussian', 'sinc'))})",
        f"downsample(2, kernel=gaussian, sigma={number})", f"downsample(scale={number})",
        f"blur(gaussian={number})", f"blur(motion={number}, angle={number})",
        f"blur(disk={number})", "blur()",
        f"blur(gaussian=1, boundary={choose(draw, ('valid', 'circular', 'reflect', 'replicate', 'wrap', '7'))})",
        f'mask("{choose(draw, files.values())}")', f'blur("{choose(draw, files.values())}")',
        f'downsample(2, kernel="{choose(draw, files.values())}")',
        "mask", "mask(3)", "blr(1)", f"blur(gaussian=1, gaussian={number})", "blur(**{})", "blur(*[1])",
        f"{number}", "[identity]",
    ))  # fmt: skip


_BITS = ("@", "@ @", "(", ")", "))", "((((", ",", "'", '"', "#", "\\", "\n", "lambda x: x", "import os", "{}",
    "f''", "b''", "...", "1 if 1 else 2",
         "identity" * 3, "blur(", "=", ":=", "\x1b[31m", "\u202e", "９", "ｉdentity", "0o", "1e", "not",
             "await x", "x[0]", "x.y", "~", "-")  # fmt: skip


def _operator(draw: Draw, files: dict[str, str]) -> str:
    """An operator, perhaps with a bit cut out of it or put into it."""
    text = _expression(draw, files)
    way = draw.random()
    if way < 0.25:
        for _ in range(whole(draw, 1, 4)):
            at = whole(draw, 0, len(text) + 1)
            text = text[:at] + choose(draw, _BITS) + text[at + whole(draw, 0, 3) :]
    elif way < 0.3:
        many = choose(draw, (20, 150, 2000))
        text = choose(draw, ("(" * many + text + ")" * many, " @ ".join([text] * min(many, 150)),
            "-" * many + "1", text + " @ identity" * many,
                             "blur(gaussian=" + "-" * many + "1)", "stack(" * many + ")" * many))  # fmt: skip
    return text


# --- files -------------------------------------------------------------------------------------------------


def prepare(folder: Path) -> None:
    """Nothing takes long to make here."""


def _files(draw: Draw, folder: Path) -> dict[str, str]:
    """What a user might name, by what it is."""
    from PIL import Image

    grey = draw.integers(0, 256, (12, 14), dtype=np.uint8)
    colour = draw.integers(0, 256, (12, 14, 3), dtype=np.uint8)
    known = (draw.random((12, 14)) < 0.6).astype(np.uint8) * 255
    hints = np.dstack([colour, known])
    kernel = np.ones((3, 3), np.uint8) * 20
    with quiet():
        for name, pixels in (
            ("grey", grey),
            ("colour", colour),
            ("mask", known),
            ("hints", hints),
            ("kernel", kernel),
            ("dot", grey[:1, :1]),
        ):
            Image.fromarray(pixels).save(folder / f"{name}.png")
        Image.fromarray(colour).save(folder / "photo.jpg")
    np.save(folder / "kernel.npy", choose(draw, (np.ones((3, 3)) / 9, np.ones((2, 2)), np.zeros((3, 3)),
        np.full((3, 3), np.nan), np.ones(5),
                                                 np.array(["a"]), np.ones((3, 3), complex), -np.ones((3, 3)),
                                                 np.ones((0, 0)))))  # fmt: skip
    np.savez(folder / "arrays.npz", latent=np.zeros((1, 2)), kernel=np.ones((3, 3)))
    (folder / "text.png").write_text("no picture")
    (folder / "empty.png").touch()
    (folder / "points.json").write_text(
        choose(
            draw,
            ("[[1,2],[3,4],[5,6],[7,8],[9,10]]", "{}", "[", "null", "[1]", '"x"', "[[1e999,2]]", "9" * 5000),
        )
    )
    (folder / "folder").mkdir()
    for name in ("one", "two"):
        Image.fromarray(colour).save(folder / "folder" / f"{name}.png")
    (folder / "nothing").mkdir()
    os.mkfifo(folder / "pipe.png")
    os.symlink("colour.png", folder / "link.png")
    os.symlink("nowhere", folder / "dangling.png")
    os.symlink("loop.png", folder / "loop.png")
    (folder / "ünï \x1b[31m\u202e.png").write_bytes((folder / "colour.png").read_bytes())
    (folder / ("l" * 246 + ".png")).write_bytes((folder / "grey.png").read_bytes())
    names = {path.name: str(path) for path in folder.iterdir()}
    return {
        **names, "missing": str(folder / "missing.png"), "beneath a file": str(folder / "grey.png" / "x.png"),
        "null": "/dev/null",
        "zero": "/dev/zero", "full": "/dev/full", "root": "/", "empty": "", "url": "http://127.0.0.1:9/x.png",
        "nul": "a\ufffdb.png",
        "proc": "/proc/self/mem",
    }  # fmt: skip


# --- commands ----------------------------------------------------------------------------------------------


class _Line:
    """A command line that grows; one place in `bend` is filled with something else than what belongs there."""

    def __init__(self, draw: Draw, folder: Path, bend: float) -> None:
        self.draw, self.folder, self.bend = draw, folder, bend
        self.files = _files(draw, folder)
        self.words: list[str] = []
        self.writes = {
            "out.png",
            "out.png.checkpoint",
            "out.tif",
            "out.tif.checkpoint",
            "out-hints.png",
            "out-mask.png",
            "out",
            "trace.json",
            "preview.png",
            "maps",
        }

    def bent(self) -> bool:
        return self.draw.random() < self.bend

    def any_word(self) -> str:
        draw = self.draw
        return choose(draw, (choose(draw, _NUMBERS), choose(draw, _WORDS),
            choose(draw, list(self.files.values())),
                             noise(draw, 6).decode("latin-1").replace("\0", "0")))  # fmt: skip

    def add(self, flag: str, *right: str) -> None:
        """A flag with one of the right values, or a wrong one, or none."""
        self.words.append(flag if not self.bent() or self.draw.random() < 0.8 else flag[:-1])
        if self.bent():
            if self.draw.random() < 0.9:
                self.words.append(self.any_word())
        else:
            self.words.append(choose(self.draw, right))

    def maybe(self, share: float, flag: str, *right: str) -> None:
        if self.draw.random() < share:
            self.add(flag, *right)

    def flag(self, share: float, name: str) -> None:
        if self.draw.random() < share:
            self.words.append(name)

    def file(self, *right: str) -> str:
        """The path of one of these files, or of another."""
        name = choose(self.draw, list(self.files)) if self.bent() else choose(self.draw, right)
        return self.files[name]

    def output(self, *right: str) -> None:
        self.words += [
            "-o",
            choose(self.draw, list(self.files.values()))
            if self.bent()
            else f"{self.folder}{os.sep}{choose(self.draw, right or ('out.png',))}",
        ]


def _task(line: _Line) -> None:
    draw = line.draw
    task = choose(draw, _TASKS)
    grey = task in ("colorize", "demosaic")
    line.words += [task, line.file("grey.png" if grey else "colour.png")]
    if line.bent() and draw.random() < 0.5:
        line.words.append(line.file("grey.png", "folder"))
    line.output("out.png", "out.png", "out.tif", "out/")
    quick = _DENOISERS if task == "denoise" else _FOR_ALL
    prior = choose(draw, quick if draw.random() < 0.8 else (*_DENOISERS, *_FOR_ALL, *_SLOW))
    line.add("--prior", prior)
    _task_options(line, task)
    line.maybe(0.4, "--sigma", "10", "25", "0", "auto", "2.5")
    if not line.bend or line.bent():
        line.maybe(0.3, "--data-term", "gaussian", "l1", "huber", "poisson")
        line.maybe(0.2, "--peak", "30", "1000")
        line.maybe(0.2, "--range", "0,255", "-100,900", "5,4", "nan,1", "1", "0,1,2", "-inf,inf", "0,1e300")
    line.maybe(0.1, "--tile", "auto", "none", "32", "64")
    line.maybe(0.1, "--overlap", "auto", "8", "16")
    line.maybe(0.05, "--samples", "1", "2", "1000")
    line.maybe(0.1, "--checkpoint-seconds", "0", "60", "inf")
    if not line.words[-1].endswith("out/"):
        line.maybe(0.05, "--trace", str(line.folder / "trace.json"))
        line.maybe(0.05, "--preview", str(line.folder / "preview.png"))
        line.maybe(0.05, "--maps", str(line.folder / "maps"))
    if line.bent():
        line.maybe(0.3, "--latent", str(line.folder / "out.npz"))
        line.maybe(0.3, "--weights", line.file("arrays.npz", "text.png"))
    line.flag(0.2, "--resume")
    line.flag(0.1, "--overwrite")
    line.flag(0.3, "--quiet")
    _run_options(line, prior)
    # Last, and so the one that counts: whatever was asked for ends soon.
    line.words += ["--seconds", "0.1"]


def _task_options(line: _Line, task: str) -> None:
    draw, files = line.draw, line.files
    if task == "inpaint":
        line.add("--mask", files["mask.png"], "alpha", "#ff00ff", files["hints.png"])
    elif task == "sr":
        line.add("--scale", "2", "3", "4", "16")
        line.maybe(
            0.4,
            "--kernel",
            "bicubic",
            "lanczos2",
            "box",
            "gaussian",
            files["kernel.npy"],
            files["kernel.png"],
        )
        line.maybe(0.2, "--kernel-sigma", "1.2", "0.1", "1e8")
    elif task == "colorize":
        line.maybe(0.6, "--hints", files["hints.png"])
        line.maybe(0.4, "--luma", "bt601", "bt709", "mean")
    elif task == "demosaic":
        line.maybe(0.8, "--pattern", *_PATTERNS)
    elif task == "deblur":
        line.add("--kernel", *_KERNELS, files["kernel.npy"], files["kernel.png"])
        line.maybe(0.4, "--boundary", "unknown", "reflect", "circular", "replicate", "valid")
    elif task == "restore":
        right = ("identity", "downsample(2)", "blur(gaussian=1)", 'mask("{mask}") @ blur(disk=1)',
            "mosaic(RGGB) @ downsample(2)",
                 "grayscale @ downsample(2, kernel=box)", "stack(grayscale, downsample(2))",
                 'blur("{kernel}")')  # fmt: skip
        text = (
            choose(draw, right).replace("{mask}", files["mask.png"]).replace("{kernel}", files["kernel.png"])
        )
        line.words += ["--operator", text if draw.random() < 0.4 else _operator(draw, files)]


def _run_options(line: _Line, prior: str) -> None:
    draw = line.draw
    for _ in range(whole(draw, 0, 3) if draw.random() < 0.5 else 0):
        settings = _settings_of(prior)
        name = choose(draw, settings)
        value = settings[name]
        if line.bend or draw.random() < 0.5:
            value = choose(
                draw,
                (
                    *_NUMBERS,
                    "(1, 2)",
                    "[1]",
                    "{}",
                    "'x'",
                    "bm3d",
                    "none",
                    "reference",
                    "fast",
                    "haar",
                    "db2",
                    "[" * 200,
                ),
            )
        line.words += ["--set", f"{name}={value}" if not line.bent() else line.any_word()]
    line.maybe(0.2, "--seed", "0", "1", "7", str(2**63 - 1))
    line.maybe(
        0.1, "--device", "auto", "cpu", *(("cuda", "cuda:99", "meta", "mps", "cpu:1") if line.bend else ())
    )
    line.maybe(0.05, "--threads", "1", "2", *(("0", "1025") if line.bend else ()))


def _settings_of(prior: str) -> dict[str, object]:
    """The settings of a prior with their defaults."""
    from zeroshot.registry import prior_class

    try:
        return {field.name: field.default for field in dataclasses.fields(prior_class(prior))}
    except ValueError:
        return {"iterations": 3}


def _restricted(line: _Line) -> None:
    line.words += [choose(line.draw, ("tasks", "priors", "priors", "info", "weights", "--help", "--version"))]
    command_name = line.words[0]
    if command_name == "priors":
        line.words += [choose(line.draw, (*_DENOISERS, *_SLOW, *_WORDS))]
    elif command_name == "info":
        line.words += [
            line.file("colour.png", "photo.jpg", *line.files) for _ in range(whole(line.draw, 1, 4))
        ]
    elif command_name == "weights":
        line.words += [
            choose(line.draw, ("list", "inspect", "inspect", "convert", "fetch", "")),
            line.file(*line.files),
        ]
        if line.words[1] == "convert":
            line.words.append(str(line.folder / "out.png"))
        if line.words[1] == "fetch":
            line.words[2] = choose(line.draw, (*_WORDS, "stylegan99"))
    elif line.bent():
        line.words.append(line.any_word())


def _degrade(line: _Line) -> None:
    draw = line.draw
    task = choose(draw, _TASKS)
    line.words += ["degrade", line.file("colour.png", "grey.png", "photo.jpg")]
    line.output("out.png", "out.tif", "out/")
    line.add("--task", task)
    if task in ("sr", "restore", "deblur") or draw.random() < 0.1:
        _task_options(line, task)
    line.maybe(0.3, "--sigma", "10", "0", "300")
    line.maybe(0.2, "--peak", "30", "1e-9", "1e30")
    line.maybe(0.2, "--salt-pepper", "0.1", "0.999", "1", "0")
    line.maybe(0.4 if task == "inpaint" else 0.1, "--missing", "0.5", "0.999999", "0", "1")
    line.maybe(0.1, "--mask", line.files["mask.png"])
    line.maybe(0.4 if task == "colorize" else 0.05, "--hints", "0.1", "0.5", line.files["hints.png"])
    line.maybe(0.2, "--quantise", "8-bit", "none")
    line.maybe(0.1, "--truth", str(line.folder / "preview.png"))
    line.maybe(0.1, "--seed", "0", "7")
    line.maybe(0.1, "--range", "0,255", "5,4")
    line.flag(0.1, "--overwrite")


def _metrics(line: _Line) -> None:
    line.words += [
        "metrics",
        *(line.file("colour.png", "photo.jpg", "folder", "grey.png") for _ in range(whole(line.draw, 1, 4))),
    ]
    line.maybe(0.6, "--metrics", *_METRICS)
    line.maybe(0.3, "--border", "0", "2", "6", "1000")
    line.maybe(0.2, "--alpha", "refuse", "ignore")
    for name in ("--no-reference", "--json", "--csv", "--list"):
        line.flag(0.15, name)


def _background(line: _Line) -> None:
    line.words += [
        "background",
        *(line.file("colour.png", "photo.jpg", "folder") for _ in range(whole(line.draw, 1, 4))),
    ]
    line.output("out", "out/")
    line.maybe(0.3, "--weight", "1", "0.1", "10", "11")
    line.flag(0.1, "--overwrite")


def _align(line: _Line) -> None:
    draw = line.draw
    line.words += ["align", line.file("colour.png", "photo.jpg")]
    line.output()
    line.add("--landmarks", "3,3 9,3 6,6 4,9 8,9", "3,3 9,3 6,6 4,9 8,9", line.files["points.json"],
        "1,1 1,1 1,1 1,1 1,1", "nan,1 2,2 3,3 4,4 5,5",
             "1e30,0 0,1e30 5,5 6,6 7,7", "1,2 3,4", "0,0 0,0 0,0 0,0 1e-30,0",
             "3,3 9,3 6,6 4,9 8")  # fmt: skip
    line.maybe(0.5, "--size", "16", "32", "8", "1000000", "0", "7.5")
    line.maybe(0.2, "--back", line.files["colour.png"])
    line.maybe(0.2, "--border", "0.1", "0", "1", "5")
    line.flag(0.1, "--overwrite") if draw.random() < 0.5 else None


def _edit(line: _Line) -> None:
    line.words += ["edit", line.file("arrays.npz")]
    line.output()
    line.add("--weights", line.files["text.png"], line.files["arrays.npz"])
    line.maybe(0.5, "--direction", line.files["kernel.npy"])
    line.maybe(0.3, "--towards", line.files["arrays.npz"])
    line.maybe(0.3, "--mix", line.files["arrays.npz"])
    for flag, right in (("--strength", "2"), ("--share", "0.5"), ("--layers", "0-2"), ("--sample", "0")):
        line.maybe(0.3, flag, right, *_NUMBERS)


def _features(line: _Line) -> None:
    line.words += ["invert-features", line.file("colour.png")]
    line.output()
    line.add("--features", line.files["arrays.npz"], line.files["text.png"])
    line.maybe(0.5, "--layer", "relu4_1", "relu1_1", "relu9_9")
    _run_options(line, "tv")


def _compare(line: _Line) -> None:
    """Mistakes only: what is right would start processes of its own."""
    line.words += ["compare", line.file("colour.png", "folder", "text.png")]
    line.add("--task", *_TASKS)
    line.add("--methods", "nope", "tv[", "tv[x=1]", "tv[iterations=]", "onnx:missing.onnx",
        "python:missing.py:X", "torchscript:text.png", "=tv",
             "a=tv,a=dip", "", ",", "opencv:x.pb", "spandrel:", "python:", 'onnx:"a, b', "tv[[[]]]",
             "\x1b[31m", "a" * 5000)  # fmt: skip
    line.words += ["--report", str(line.folder / "out")]
    line.maybe(0.3, "--metrics", *_METRICS)
    line.maybe(0.3, "--timeout", "10", "0")
    line.maybe(0.3, "--memory", "1", "0")
    line.maybe(0.3, "--truth", line.files["folder"])
    line.flag(0.2, "--damaged")
    line.words += ["--seconds", "-1"] if line.draw.random() < 0.2 else ["--seconds", "0.3"]


def _anything(line: _Line) -> None:
    line.words += [line.any_word() for _ in range(whole(line.draw, 0, 5))]
    if line.draw.random() < 0.7:
        line.words.insert(
            0,
            choose(
                line.draw,
                (*_TASKS, "metrics", "degrade", "compare", "info", "weights", "align", "denoize", "Denoise"),
            ),
        )


_COMMANDS: tuple[tuple[float, Callable[[_Line], None]], ...] = (
    (0.5, _task), (0.08, _restricted), (0.12, _degrade), (0.06, _metrics), (0.04, _background),
    (0.05, _align), (0.04, _edit),
    (0.02, _features), (0.04, _compare), (0.05, _anything),
)  # fmt: skip


def case(draw: Draw, prepared: Path, folder: Path) -> Case:
    """One command line."""
    line = _Line(draw, folder, choose(draw, (0.0, 0.0, 0.0, 0.05, 0.1, 0.3)))
    shares = np.array([share for share, _ in _COMMANDS])
    _COMMANDS[int(draw.choice(len(_COMMANDS), p=shares / shares.sum()))][1](line)
    words = [word.replace("\0", "0") for word in line.words]
    shown = " ".join(repr(word.replace(str(folder) + os.sep, ""))[:200] for word in words)
    return Case(f"zeroshot {shown}", command(words), frozenset(line.writes))
