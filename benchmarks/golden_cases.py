"""The runs of the golden record: every task with every prior, and the variants of the one loop.

Every case is a name and a function that takes an empty folder and gives what :func:`golden_records.of_run` or a
refusal is made of. The cases know the public face of zeroshot only.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from golden_inputs import damaged, make_weights
from golden_records import Record, of_run

import zeroshot

Case = Callable[[Path], Record]
#: What makes a prior quick on a small crop, and leaves the order of what it does as it is.
FEW: dict[str, dict[str, Any]] = {
    "auto": {"candidates": (zeroshot.Wavelet(iterations=10), zeroshot.TotalVariation(iterations=40))},
    "completion": {"iterations": 30},
    "dip": {"iterations": 6, "precision": "float32", "guide": "tv", "guide_settings": {"iterations": 20}},
    "gsr": {"iterations": 4, "radius": 8},
    "huber_tv": {"iterations": 60},
    "inversion": {"iterations": 5},
    "ksvd": {"sweeps": 2, "atoms": 64},
    "latent": {"iterations": 5},
    "mgan": {"iterations": 5, "codes": 3},
    "ncsr": {"rounds": 2, "inner": 4, "clusters": 8, "radius": 8},
    "nltv": {"iterations": 40},
    "nnm": {"iterations": 2, "radius": 8},
    "pnp": {"iterations": 4, "denoiser": "dct"},
    "pulse": {"iterations": 5, "statistics_samples": 500},
    "red": {"iterations": 4, "denoiser": "dct"},
    "tgv": {"iterations": 60},
    "tv": {"iterations": 60},
    "wavelet": {"iterations": 15},
    "wnnm": {"iterations": 2, "radius": 8},
}
WEIGHTS = {"latent": "decoder", "inversion": "style", "mgan": "style", "pulse": "style"}
GUIDES = ("none", "initial", "gsr", "pnp", "ncsr", "bm3d", "wavelet", "dct", "tv")
RULES: dict[str, Callable[[], zeroshot.StoppingRule]] = {
    "variance": lambda: zeroshot.WindowedMovingVariance(window=4, patience=6),
    "moving_variance": lambda: zeroshot.ExponentialMovingVariance(patience=6),
    "held_out": lambda: zeroshot.HeldOut(patience=4),
    "plateau": lambda: zeroshot.Plateau(window=6, tolerance=0.05) | zeroshot.MaxIterations(150),
    "discrepancy": lambda: zeroshot.Discrepancy() | zeroshot.MaxIterations(150),
    "gap": lambda: zeroshot.DualityGap() | zeroshot.MaxIterations(150),
    "finished": lambda: zeroshot.Finished() | zeroshot.MaxIterations(150),
    "two": lambda: zeroshot.MaxIterations(8) & zeroshot.Plateau(window=4, tolerance=0.5),
    "either": lambda: zeroshot.HeldOut(fraction=0.1) | zeroshot.MaxIterations(9),
    "three": lambda: zeroshot.MaxIterations(3),
    "time": lambda: zeroshot.TimeBudget(1e6) | zeroshot.MaxIterations(7),
}
UNSET = {"guide_settings": None}
#: Denoisers, which take many times longer where plug and play repeats them.
REPEATED = ("bm3d", "coherence", "dct", "fourier", "ksvd", "nlm")
#: Priors whose runs have several steps, so that they can be interrupted between two.
STEPPING = {
    "denoise": ("auto", "dip", "gsr", "huber_tv", "ksvd", "ncsr", "nltv", "nnm", "pnp", "tgv", "tv", "wnnm"),
    "inpaint": ("completion", "dip", "gsr", "ksvd", "pnp", "red", "tv", "wavelet", "wnnm", "mgan"),
    "sr": ("auto", "dip", "ncsr", "pnp", "tgv", "wavelet", "pulse", "latent"),
}


def solved(
    folder: Path,
    task: str,
    prior: str | zeroshot.Prior,
    *,
    size: int | None = None,
    grey: bool = False,
    convert: Callable[[np.ndarray], Any] | None = None,
    settings: dict[str, Any] | None = None,
    rule: str | None = None,
    **more: Any,
) -> zeroshot.Restoration:
    """Solve the small problem of a task with few iterations."""
    chosen: dict[str, Any] = {}
    if isinstance(prior, str):
        chosen = dict(FEW.get(prior, {}))
        if prior in WEIGHTS:
            if not (folder / "style.safetensors").exists():
                make_weights(folder)
            chosen["weights"] = str(folder / f"{WEIGHTS[prior]}.safetensors")
    image, options = damaged(task, size or (16 if prior in WEIGHTS else 32), grey)
    stopping = None if rule is None else RULES[rule]()
    return zeroshot.solve(
        image if convert is None else convert(image),
        task,
        prior,
        settings=chosen | (settings or {}),
        stopping=stopping,
        progress=False,
        device="cpu",
        **(options | more),
    )


def plain(task: str, prior: str, **more: Any) -> Case:
    """A run from its beginning to its end."""
    return lambda folder: of_run(partial(solved, folder, task, prior, **more), folder)


# --- interrupted runs --------------------------------------------------------------------------------------


def resumed(task: str, prior: str, steps: int, how: str, **more: Any) -> Case:
    """A run that is broken off after some steps and continued from its checkpoint."""

    def breaking_off(_estimate: Any, _run: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0 and how == "killed":
            raise InterruptedError
        if left == 0:
            signal.raise_signal(signal.SIGINT)

    left = steps

    def case(folder: Path) -> Record:
        kept = {"checkpoint": folder / "run.checkpoint", "checkpoint_seconds": 1e-9, **more}
        try:
            first = solved(folder, task, prior, callbacks=[breaking_off], **kept)
            reached = f"{first.iterations} iterations, {first.stopped_by}"
        except InterruptedError:
            reached = "killed"
        except ValueError:  # the second attempt is refused alike
            reached = "refused"
        found = (folder / "run.checkpoint").exists()
        record = of_run(partial(solved, folder, task, prior, resume=True, **kept), folder)
        return record | {"interrupted": f"{reached}; {'a' if found else 'no'} checkpoint"}

    return case


# --- the cases ---------------------------------------------------------------------------------------------


def pairs() -> Iterator[tuple[str, Case]]:
    """Every task with every prior, and the grey pictures and data terms of every prior."""
    for prior in zeroshot.prior_names():
        for task in zeroshot.tasks():
            rule = "three" if prior in REPEATED and task != "denoise" else None
            yield f"pair/{task}/{prior}", plain(task, prior, rule=rule)
            if task in ("denoise", "inpaint", "sr"):
                yield f"grey/{task}/{prior}", plain(task, prior, rule=rule, grey=True)
        for term in ("poisson", "l1", "huber"):
            more = {"data_term": term, "peak": 100.0 if term == "poisson" else None}
            yield f"term/{term}/{prior}", plain("denoise", prior, **more)
    for prior in ("auto", "bm3d", "ksvd", "pnp", "tv", "tgv", "wavelet", "wnnm"):
        yield f"estimated/{prior}", plain("denoise", prior, sigma=None)
        yield f"budget/{prior}", plain("denoise", prior, seconds=1e5)
    for guide in ("initial", "dct"):
        yield f"budget/dip/{guide}", plain("sr", "dip", seconds=1e5, settings={"guide": guide, **UNSET})


def loops() -> Iterator[tuple[str, Case]]:
    """Tiles, samples, batches, stopping rules, and runs that are interrupted."""
    tiles = {"tile": 32, "overlap": 8, "size": 48}
    for prior in ("auto", "bm3d", "dip", "pnp", "tv", "wnnm"):
        yield f"tiles/{prior}", plain("denoise", prior, **tiles)
        yield f"samples/{prior}", plain("denoise", prior, samples=2)
        yield f"batch/{prior}", plain("denoise", prior, convert=_batch)
    for prior in ("dip", "tv", "wavelet"):
        yield f"tiles/inpaint/{prior}", plain("inpaint", prior, tile=32, overlap="auto", size=48)
        yield f"tiles/sr/{prior}", plain("sr", prior, **tiles)
        yield f"tiles/demosaic/{prior}", plain("demosaic", prior, **tiles)
        yield f"tiles/deblur/{prior}", plain("deblur", prior, tile=40, overlap=8, size=64)
    for prior in ("dip", "tv"):
        yield f"tiles/samples/{prior}", plain("denoise", prior, samples=2, **tiles)
        yield f"tiles/held_out/{prior}", plain("denoise", prior, rule="held_out", **tiles)
        yield f"samples/held_out/{prior}", plain("denoise", prior, samples=2, rule="held_out")
        yield f"tiles/budget/{prior}", plain("denoise", prior, seconds=1e5, **tiles)
    yield "tiles/colorize/tv", plain("colorize", "tv", **tiles)
    yield "tiles/restore/tv", plain("restore", "tv", **tiles)
    yield "tiles/none/dip", plain("denoise", "dip", tile=None)
    yield "samples/latent/pulse", plain("sr", "pulse", samples=2)
    for prior in ("dip", "tv", "tgv", "pnp", "bm3d", "inversion"):
        many = {"dip": {"iterations": 20}, "inversion": {"iterations": 20}, "tgv": {"iterations": 300}}
        many |= {"tv": {"iterations": 300}}
        for name in RULES:
            yield f"rule/{name}/{prior}", plain("denoise", prior, rule=name, settings=many.get(prior))
    for task, priors in STEPPING.items():
        for prior in priors:
            longer = {"iterations": 4} if prior in ("nnm", "wnnm") else None
            yield f"resume/killed/{task}/{prior}", resumed(task, prior, 2, "killed", settings=longer)
    for prior in ("auto", "dip", "pnp", "tv"):
        yield f"resume/interrupted/{prior}", resumed("denoise", prior, 2, "interrupted")
    yield "resume/samples/dip", resumed("denoise", "dip", 4, "interrupted", samples=2)
    for prior in ("dip", "tv"):
        yield f"resume/tiles/{prior}", resumed("denoise", prior, 8, "killed", **tiles)
        yield f"resume/held_out/{prior}", resumed("denoise", prior, 3, "killed", rule="held_out")
        yield f"resume/variance/{prior}", resumed("denoise", prior, 3, "killed", rule="variance")


def variants() -> Iterator[tuple[str, Case]]:
    """The settings of a prior that lead through other code, and other kinds of input."""
    for guide in GUIDES:
        for task in ("denoise", "deblur"):
            yield f"guide/{guide}/{task}", plain(task, "dip", settings={"guide": guide, **UNSET})
    small = {"recipe": "reference", "iterations": 3, "channels": 16, "guide": "none", **UNSET}
    for task in zeroshot.tasks():
        yield f"reference/{task}", plain(task, "dip", settings=small)
    for network in ("skip", "unet", "resnet", "decoder"):
        yield f"network/{network}", plain("denoise", "dip", settings={**small, "network": network})
    dip: dict[str, dict[str, Any]] = {
        "meshgrid": {**small, "input": "meshgrid", "perturbation": 0.0},
        "bfloat16": {"precision": "bfloat16"},
        "muon": {"optimiser": "muon", "iterations": 6, "guide": "none", **UNSET},
        "held_out": {"stopping": "held_out", "patience": 3, "iterations": 30},
        "variance": {"stopping": "variance", "window": 4, "patience": 4, "iterations": 30},
        "fallback": {"guide_role": "fallback", "handover": (2, 4)},
    }
    for name, settings in dip.items():
        yield f"dip/{name}", plain("denoise", "dip", settings=settings)
    yield (
        "dip/own",
        lambda folder: of_run(
            partial(solved, folder, "denoise", zeroshot.DeepImagePrior(channels=8, scales=2, iterations=4)),
            folder,
        ),
    )
    yield (
        "dip/all_defaults",
        plain("denoise", "dip", settings={"guide": "bm3d", "precision": "auto", **UNSET}),
    )
    for name in ("bm3d", "nlm", "tv", "wavelet", "wnnm", "fourier", "bilateral"):
        few = {"denoiser": name, "iterations": 2}
        yield f"denoiser/pnp/{name}", plain("deblur", "pnp", settings=few)
        yield f"denoiser/red/{name}", plain("inpaint", "red", settings=few)
    for prior, schemes in {"pnp": ("hqs", "admm", "red"), "red": ("hqs", "admm", "magic")}.items():
        for scheme in schemes:
            yield f"scheme/{prior}/{scheme}", plain("sr", prior, settings={"scheme": scheme})
    yield (
        "denoiser/own",
        lambda folder: of_run(
            partial(solved, folder, "deblur", zeroshot.PlugAndPlay(denoiser=_smooth, iterations=4)), folder
        ),
    )
    yield "auto/defaults", plain("denoise", "auto", settings={"candidates": ("pnp", "wavelet", "tgv", "tv")})
    yield (
        "auto/unsupported",
        plain("inpaint", "auto", settings={"candidates": ("fourier", "tv", "completion")}),
    )
    yield "auto/none", plain("sr", "auto", settings={"candidates": ("completion",)})
    kinds: dict[str, Callable[[np.ndarray], Any]] = {
        "uint8": lambda image: (image.clip(0, 1) * 255).round().astype(np.uint8),
        "uint16": lambda image: (image.clip(0, 1) * 65535).round().astype(np.uint16),
        "tensor": lambda image: torch.from_numpy(image).permute(2, 0, 1).contiguous(),
        "double": lambda image: torch.from_numpy(image).permute(2, 0, 1)[None].double(),
        "rgba": lambda image: np.concatenate([image.clip(0, 1), np.ones_like(image[..., :1])], axis=-1),
        "odd": lambda image: image[:37, :41],
        "tiny": lambda image: image[:5, :7],
    }
    for kind, convert in kinds.items():
        for prior in ("dip", "tv", "bm3d"):
            yield f"kind/{kind}/{prior}", plain("denoise", prior, convert=convert)
    yield "seed/dip", plain("denoise", "dip", seed=7)
    yield "range/tv", plain("denoise", "tv", convert=lambda image: image * 1000, value_range=(0, 1000))
    for kernel in ("lanczos3", "box", "magic"):
        yield f"kernel/{kernel}", plain("sr", "tv", kernel=kernel)
    for boundary in ("circular", "replicate", "valid", "magic"):
        yield f"boundary/{boundary}", plain("deblur", "tv", boundary=boundary)
    yield "hints/none", plain("colorize", "tv", hints=None)
    mistakes: dict[str, dict[str, Any]] = {
        "unknown task": {"task": "polish"},
        "unknown prior": {"prior": "tvv"},
        "unknown option": {"sgima": 1},
        "unknown setting": {"settings": {"wieght": 1}},
        "bad setting": {"settings": {"weight": -1}},
        "bad seed": {"seed": True},
        "bad seconds": {"seconds": 0},
        "bad tile": {"tile": 3},
        "bad overlap": {"tile": 32, "overlap": 32},
        "bad samples": {"samples": 0},
        "bad sigma": {"sigma": 25},
        "bad device": {"device": "abacus"},
        "bad data term": {"data_term": "l3"},
        "no peak": {"data_term": "poisson"},
        "resume nothing": {"resume": True},
    }
    image, options = damaged("denoise")
    for name, given in mistakes.items():
        call = {"image": image, "task": "denoise", "prior": "tv", **options, **given}
        yield f"mistake/{name}", lambda folder, call=call: of_run(partial(zeroshot.solve, **call), folder)


def _batch(image: np.ndarray) -> torch.Tensor:
    one = torch.from_numpy(image).permute(2, 0, 1)
    return torch.stack([one, one.flip(-1)])


def _smooth(noisy: torch.Tensor, sigma: float) -> torch.Tensor:
    return torch.lerp(noisy, torch.nn.functional.avg_pool2d(noisy, 3, 1, 1), min(1.0, 5 * sigma))


def cases() -> dict[str, Case]:
    """All runs by name."""
    return {**dict(pairs()), **dict(loops()), **dict(variants())}
