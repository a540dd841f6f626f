"""The commands of the golden record: those of the README, every help page and listing, and one mistake of each kind.

Each case is one or several commands that run one after the other as ``python -m zeroshot`` in a folder of small
inputs, those of the README in copies of a process that has imported torch already; its record has the exit codes,
the texts without what changes from run to run, and the pixels written.
"""

from __future__ import annotations

import io
import os
import re
import runpy
import shlex
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import tifffile
from golden_inputs import LANDMARKS, make_features, make_files, make_weights
from golden_records import Record, digest, of_pixels, without_folder
from PIL import Image

import zeroshot

_TASKS = tuple(zeroshot.tasks())
_OTHERS = ("tasks", "priors", "info", "degrade", "metrics", "compare", "weights", "weights list")
_OTHERS += (
    "weights inspect",
    "weights convert",
    "weights fetch",
    "edit",
    "align",
    "background",
    "invert-features",
)
_FEW = "--set iterations=3 --set channels=8 --set guide=dct --set precision=float32"
_PULSE = "--prior pulse --set iterations=4 --set statistics_samples=500 --weights style.safetensors"
_INVERSION = "--sigma 0 --prior inversion --weights style.safetensors"
_FEATURES = "--set iterations=3 --set channels=8 --set scales=2 --features vgg.pth"

#: What the README shows, on inputs and with settings that take a second.
README = {
    "denoise": ["denoise noisy.png -o clean.png --sigma 25 " + _FEW, "info clean.png"],
    "denoise auto sigma": ["denoise noisy.png -o clean.png " + _FEW],
    "inpaint": [f"inpaint torn.png -o whole.png --mask known.png {_FEW}"],
    "inpaint alpha": ["inpaint alpha.png -o whole.png --mask alpha --prior tv"],
    "inpaint colour": ["inpaint marked.png -o whole.png --mask '#ff00ff' --prior tv"],
    "sr": [f"sr sr.png -o large.out.png --scale 4 --seconds 1e5 {_FEW}"],
    "colorize": ["colorize colorize.png -o colour.png --hints strokes.png " + _FEW],
    "demosaic": ["demosaic demosaic.png -o colour.tiff --pattern RGGB " + _FEW],
    "deblur": ["deblur deblur.png -o sharp.jpg --kernel gaussian=1.6 --prior tv", "info sharp.jpg"],
    "restore": ["restore restore.png -o out.png --operator 'mosaic(RGGB) @ downsample(2)' " + _FEW],
    "denoise bm3d": ["denoise noisy.png -o clean.png --prior bm3d"],
    "denoise auto": [
        "denoise folder/ -o restored/ --prior auto --set \"candidates=('wavelet','tv')\"",
        "denoise folder/a.png -o a.png --prior auto --set \"candidates=('dct','tv')\"",
        "info a.png restored/a.png",
    ],
    "pnp": ["deblur deblur.png -o out.png --kernel gaussian=1.5 --prior pnp --set denoiser=nlm"],
    "info": ["denoise noisy.png -o clean.png --prior tv --quiet", "info clean.png", "info noisy.png"],
    "compare": [
        "compare photo.png --task sr --scale 4 --report out --methods 'bicubic,dip[iterations=3]' --threads 1"
        " --seconds 300",
        "compare photo.png --task sr --scale 4 --report out --methods 'bicubic,tv' --threads 1 --seconds 300",
    ],
    "compare folder": [
        "compare folder/a.png folder/c.png --task denoise --sigma 25 --report out --methods wavelet,none --quiet"
        " --threads 1",
        "compare noisy.png --damaged --task denoise --report blind --methods wavelet --threads 1",
    ],
    "degrade": [
        f"degrade large.png -o {task}.out.tiff --task {task} --truth {task}.truth.tiff {words}"
        for task, words in {
            "denoise": "--sigma 25",
            "inpaint": "--missing 0.5",
            "sr": "--scale 4",
            "colorize": "--hints 0.02",
            "demosaic": "",
            "deblur": "--kernel gaussian=1.5 --sigma 2",
            "restore": "--operator 'mosaic(RGGB) @ downsample(2)' --peak 100",
        }.items()
    ],
    "degrade more": [
        "degrade photo.png -o a.png --task denoise --salt-pepper 0.1 --seed 3",
        "info a.png",
        "degrade folder -o many/ --task sr --scale 2",
    ],
    "metrics": [
        "metrics photo.png noisy.png --metrics psnr_y,ssim_y --border 4",
        "metrics photo.png noisy.png noisy.jpg --json",
        "metrics photo.png noisy.png --csv",
        "metrics --no-reference large.png",
        "metrics --list",
    ],
    "weights": [
        "weights inspect style.safetensors",
        "weights inspect decoder.safetensors",
        "weights convert style.safetensors ours.safetensors",
        "weights fetch nothing",
    ],
    "align": [
        f"align large.png -o face.png --landmarks '{LANDMARKS}' --size 32",
        f"align large.png -o done.png --landmarks '{LANDMARKS}' --back face.png",
    ],
    "pulse": [f"sr face4.png -o out.png --scale 4 {_PULSE} --set samples=2 --maps spread/ --latent me.npz"],
    "mgan": [
        "denoise face16.png -o out.png --sigma 5 --prior mgan --weights style.safetensors --set codes=3"
        " --set iterations=4"
    ],
    "edit": [
        f"denoise face16.png -o one.png {_INVERSION} --set iterations=3 --latent me.npz",
        f"denoise face16.png -o two.png {_INVERSION} --set iterations=5 --latent you.npz",
        "edit me.npz -o moved.png --weights style.safetensors --direction smile.npy --strength 2",
        "edit me.npz -o between.png --weights style.safetensors --towards you.npz --share 0.3",
        "edit me.npz -o mixed.png --weights style.safetensors --mix you.npz --layers 0-2",
        "edit me.npz -o bad.png --weights style.safetensors",
    ],
    "latent": [
        "inpaint torn.png -o whole.png --mask known.png --prior latent --weights decoder.safetensors"
        " --set iterations=4"
    ],
    "invert-features": [
        f"invert-features photo.png -o seen.png {_FEATURES} --layer relu1_2",
        f"invert-features photo.png -o bad.png {_FEATURES} --layer relu9_9",
    ],
    "background": ["background frames/ -o separated/", "background frames/ -o separated/"],
    "default output": [
        "denoise photo.png --prior tv",
        "denoise photo.png --prior tv",
        "denoise folder --prior TV",
        "upscale photo.png --scale 2 --prior wavelet",
    ],
    "overwrite": [
        "denoise noisy.png -o existing.png --prior tv",
        "denoise noisy.png -o existing.png --prior tv --overwrite",
        "denoise noisy.png -o noisy.png --prior tv --overwrite",
    ],
    "resume": [
        "denoise noisy.png -o half.png --prior tv",
        "denoise noisy.png -o half.png --prior tv --resume",
        "denoise noisy.png -o existing.png --prior tv --resume",
    ],
    "tiles and samples": [
        "denoise noisy.png -o a.png --prior tv --tile 32",
        "denoise noisy.png -o b.png --sigma 25 --samples 2 --maps spread/ " + _FEW,
    ],
    "watching": [f"denoise noisy.png -o a.png --trace a.json --preview p.png --sigma 25 {_FEW}"],
    "reference": [f"denoise noisy.png -o a.png --sigma 25 {_FEW} --set recipe=reference --set guide=none"],
    "depth": [
        "denoise counts.tiff -o counts.out.tiff --range 0,4095 --prior tv",
        "denoise floats.tiff -o floats.out.tiff --range -100,900 --sigma 5 --prior bm3d",
        "denoise floats.tiff -o refused.tiff --prior tv",
        "denoise counts.tiff -o counts.out.png --prior wavelet",
        "denoise alpha.png -o alpha.out.png --prior nlm",
        "denoise grey.png -o grey.out.png --prior dct",
        "denoise noisy.jpg -o low.jpg --sigma 0.1 --prior tv",
    ],
}

#: One mistake of each kind; OUT stands for an output that does not exist.
MISTAKES = {
    "missing file": "denoise none.png OUT",
    "not an image": "denoise text.png OUT",
    "another format": "denoise notes.txt OUT",
    "truncated": "denoise cut.png OUT",
    "mask of another size": "inpaint photo.png --mask small_mask.png OUT",
    "mask that knows nothing": "inpaint photo.png --mask empty_mask.png OUT",
    "mask missing": "inpaint photo.png OUT",
    "mask alpha of an opaque image": "inpaint photo.png --mask alpha OUT",
    "mask of no file": "inpaint photo.png --mask nowhere.png OUT",
    "no arguments": "",
    "unknown command": "denose photo.png OUT",
    "unknown prior": "denoise photo.png --prior bm3 OUT",
    "unknown prior to describe": "priors tvv",
    "unknown setting": "denoise photo.png --prior tv --set wieght=1 OUT",
    "unknown option": "denoise photo.png --sgima 5 OUT",
    "unknown device": "denoise photo.png --device abacus OUT",
    "unknown data term": "denoise photo.png --data-term l3 OUT",
    "unknown operator": "restore photo.png --operator 'blurr(2)' OUT",
    "unknown pattern": "demosaic grey.png --pattern RGBX OUT",
    "colour mosaic": "demosaic photo.png OUT",
    "setting without value": "denoise photo.png --set weight OUT",
    "setting out of range": "denoise photo.png --set iterations=0 OUT",
    "setting of a wrong kind": "denoise photo.png --prior tv --set weight=soon OUT",
    "scale 0": "sr photo.png --scale 0 OUT",
    "scale 1.5": "sr photo.png --scale 1.5 OUT",
    "no scale": "sr photo.png OUT",
    "a setting for an option": "denoise photo.png --iterations 100 OUT",
    "an option by another name": "denoise photo.png --noise 25 OUT",
    "no command": "photo.png",
    "kernel of a number": "deblur photo.png --kernel 1.6 OUT",
    "standard input": "denoise - OUT",
    "not a number": "denoise nan.tiff OUT",
    "even kernel": "deblur photo.png --kernel even.npy OUT",
    "kernel of zero sum": "deblur photo.png --kernel zero.npy OUT",
    "kernel in words": "deblur photo.png --kernel 'gauss=2' OUT",
    "kernel sigma without gaussian": "sr photo.png --scale 2 --kernel-sigma 1 OUT",
    "kernel gaussian without sigma": "sr photo.png --scale 2 --kernel gaussian OUT",
    "no kernel": "deblur photo.png OUT",
    "output in no folder": "denoise photo.png -o nowhere/out.png",
    "output of unknown kind": "denoise photo.png -o out.xyz",
    "output folder is a file": "denoise folder -o photo.png",
    "sigma out of range": "denoise photo.png --sigma 300 OUT",
    "sigma is a word": "denoise photo.png --sigma abc OUT",
    "seconds is a word": "denoise photo.png --seconds soon OUT",
    "seconds negative": "denoise photo.png --seconds -1 OUT",
    "seed is a fraction": "denoise photo.png --seed 1.5 OUT",
    "no threads": "denoise photo.png --threads 0 OUT",
    "tile too small": "denoise photo.png --tile 3 OUT",
    "overlap without sense": "denoise photo.png --tile 32 --overlap 40 --prior tv OUT",
    "samples 0": "denoise photo.png --samples 0 OUT",
    "range of one number": "denoise photo.png --range 255 OUT",
    "range the wrong way": "denoise photo.png --range -1,-2 OUT",
    "peak without poisson": "denoise photo.png --peak 100 OUT",
    "poisson without peak": "denoise photo.png --data-term poisson OUT",
    "preview is the output": "denoise photo.png --preview out.png OUT",
    "trace is the input": "denoise photo.png --trace photo.png --overwrite OUT",
    "preview exists": "denoise photo.png --preview existing.png OUT",
    "folder with an unknown prior": "denoise folder --prior magic -o new",
    "folder into itself": "denoise folder -o folder --overwrite",
    "prior cannot": "sr photo.png --scale 2 --prior fourier OUT",
    "prior cannot at all": "sr photo.png --scale 2 --prior completion OUT",
    "weights for nothing": "denoise photo.png --prior tv --weights style.safetensors OUT",
    "weights missing": "denoise photo.png --prior pulse OUT",
    "weights of no file": "denoise photo.png --prior pulse --weights none.pkl OUT",
    "weights are an image": "denoise photo.png --prior pulse --weights photo.png OUT",
    "latent for nothing": "denoise photo.png --prior tv --latent me.npz OUT",
    "info of no file": "info none.png",
    "info of another image": "info photo.png",
    "degrade without damage": "degrade photo.png --task denoise OUT",
    "degrade an unknown task": "degrade photo.png --task polish OUT",
    "degrade with another task's option": "degrade photo.png --task denoise --sigma 5 --scale 2 OUT",
    "degrade out of range": "degrade photo.png --task inpaint --missing 2 OUT",
    "metrics of other sizes": "metrics photo.png large.png",
    "metrics unknown": "metrics photo.png noisy.png --metrics psnrr",
    "compare an unknown method": "compare photo.png --task sr --scale 2 --methods tvv --report out",
    "compare without a task": "compare photo.png --methods tv --report out",
    "align outside": "align large.png OUT --landmarks '920,20 940,20 930,30 923,42 937,42'",
    "align three points": "align large.png OUT --landmarks '1,2 3,4 5,6'",
    "background of one frame": "background photo.png -o separated",
    "weights inspect an image": "weights inspect photo.png",
    "edit no latent": "edit none.npz OUT --weights style.safetensors --direction smile.npy",
}


def run_commands(commands: list[str], forked: bool, folder: Path) -> Record:
    """Run commands one after the other in a folder of inputs; exit codes, texts and what was written."""
    make_files(folder)
    if any(".safetensors" in command for command in commands):
        make_weights(folder)
    if any("vgg.pth" in command for command in commands):
        make_features(folder)
    before = _stamps(folder)
    cache = folder.parent / f"{folder.name}.cache"  # nobody's own downloads
    own = {
        "COLUMNS": "100",
        "LC_ALL": "C.UTF-8",
        "ZEROSHOT_WEIGHTS": str(cache),
        "XDG_CACHE_HOME": str(cache),
    }
    steps = []
    for command in commands:
        # What a comparison starts is to find a process like a user's.
        is_fresh = not forked or command.startswith("compare")
        ended = (_fresh if is_fresh else _forked)(shlex.split(command), folder, own)
        texts = {"out": _normalised(ended.stdout, folder), "err": _normalised(ended.stderr, folder)}
        steps.append({"code": ended.returncode, **texts})
    written = sorted(
        path for path, stamp in _stamps(folder).items() if before.get(path) != stamp and path.name != ".lock"
    )
    return {"steps": steps, "files": {str(path.relative_to(folder)): _contents(path) for path in written}}


def _fresh(words: list[str], folder: Path, own: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command in an interpreter of its own."""
    call = [sys.executable, "-m", "zeroshot", *words]
    return subprocess.run(call, cwd=folder, env=os.environ | own, capture_output=True, text=True)


def _forked(words: list[str], folder: Path, own: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command in a copy of this process, which spares it the seconds of importing torch."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            code = 70
            try:
                code = _as_program(words, folder, own)
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess(words, os.waitstatus_to_exitcode(status), *texts)


def _as_program(words: list[str], folder: Path, own: dict[str, str]) -> int:
    """Become ``python -m zeroshot``; the exit code."""
    os.environ.update(own)
    os.chdir(folder)
    sys.argv = ["zeroshot", *words]
    sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", closefd=False), encoding="utf-8", write_through=True)
    sys.stderr = io.TextIOWrapper(os.fdopen(2, "wb", closefd=False), encoding="utf-8", write_through=True)
    try:
        runpy.run_module("zeroshot", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _stamps(folder: Path) -> dict[Path, tuple[int, int]]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in files}


def _normalised(text: str, folder: Path) -> str:
    """The text without seconds, versions, memory and the name of the folder."""
    text = without_folder(text, folder).replace(f"{folder.name}.cache", "<cache>")
    text = re.sub(r"<?\b\d+(\.\d+)?( ?(?:s|seconds)\b)", r"<number>\2", text)
    # A table of `compare`, whose column of seconds may need more or less room.
    text = re.sub(r"(?m) +(?:<?\d+(?:\.\d+)?|seconds|-+) +(\d+/\d+|images|------)$", r"  <number>  \1", text)
    text = re.sub(r'("(?:zeroshot|torch)": )"[^"]*"', r'\1"<version>"', text)
    return re.sub(r"^zeroshot \d\S*", "zeroshot <version>", text)


def _contents(path: Path) -> Record | str:
    """What a file that was written holds: pixels, the digest of arrays, or that it is there."""
    if path.parent.name == "plots":  # over the time
        return "written"
    if path.suffix in (".png", ".jpg"):
        return of_pixels(np.asarray(Image.open(path)))
    if path.suffix in (".tif", ".tiff"):
        return of_pixels(tifffile.imread(path))
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return digest({name: digest(arrays[name]) for name in arrays.files})
    return "written"


def commands() -> dict[str, Callable[[Path], Record]]:
    """All cases of the command line by name."""
    return {name: partial(run_commands, list(lines), name.startswith("readme/")) for name, lines in _lines()}


def _lines() -> Iterator[tuple[str, list[str]]]:
    for name, lines in README.items():
        yield f"readme/{name}", lines
    yield "listing/version", ["--version"]
    yield "listing/help", ["--help"]
    for listing in ("tasks", "priors", "weights list"):
        yield f"listing/{listing}", [listing]
    for prior in zeroshot.prior_names():
        yield f"listing/priors {prior}", [f"priors {prior}"]
    for command in (*_TASKS, *_OTHERS):
        yield f"help/{command}", [f"{command} --help"]
    for task in _TASKS:
        yield f"help/{task}, all", [f"{task} --help-all"]
    for name, line in MISTAKES.items():
        yield f"cli mistake/{name}", [line.replace("OUT", "-o out.png")]
