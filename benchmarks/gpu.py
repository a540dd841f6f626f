"""What a GPU is worth: steps of Deep Image Prior, whole restorations, and every prior beside the CPU's picture.

    python -m benchmarks.gpu                        # all four tables, on one GPU in under six minutes
    python -m benchmarks.gpu --parts steps
    python -m benchmarks.gpu --parts priors --tasks denoise sr --priors bm3d,pnp --size 256
    python -m benchmarks.gpu --device cpu --size 48 --iterations 4      # a rehearsal where there is none

`steps`: milliseconds of a step, launched kernel by kernel and recorded as a CUDA graph, what of it the GPU computes
(the union of its kernels' times under the profiler), and the kernels of a step. `abreast`: milliseconds of a step of
each of several runs, which are stepped in turn and by one call. `quality`: seconds of a whole call of
solve() and the PSNR at its end. `priors`: every prior and task on the same picture by CPU, in processes of two threads
each, and by GPU; PSNR of both, that of one against the other, and seconds. A run that would take longer than
``--seconds`` is cut on both, and its pictures are not compared. Pictures are crops of those of scikit-image.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from skimage import data

import zeroshot
from zeroshot.compare.specification import split
from zeroshot.cuda_graphs import launched_singly
from zeroshot.images import load
from zeroshot.metrics import psnr
from zeroshot.operators import Blur
from zeroshot.prior import Prior
from zeroshot.priors.untrained.deep_image_prior import DeepImagePrior
from zeroshot.priors.untrained.deep_image_run import DeepImageRun
from zeroshot.problem import Problem
from zeroshot.registry import prior_names
from zeroshot.solve import resolve_device
from zeroshot.tasks import make_problem
from zeroshot.tasks.degrade import Degraded, degrade
from zeroshot.threads import ask_for

from .arguments import count, parser, positive
from .sets import centre_crop
from .table import show

PARTS = ["steps", "abreast", "quality", "priors"]
#: Task → how the picture is damaged.
DAMAGES: dict[str, dict[str, Any]] = {
    "denoise": {"sigma": 25 / 255},
    "inpaint": {"missing": 0.5},
    "sr": {"scale": 4},
    "demosaic": {"pattern": "RGGB"},
    "deblur": {"kernel": Blur.gaussian(1.6).kernel, "sigma": 2 / 255},
    "colorize": {},
    "jpeg": {"quality": 20},
}
#: Priors that need a pretrained generator.
LATENT = ("inversion", "latent", "mgan", "pulse")
#: Those of the other tasks. Denoisers that are not among them would only measure plug and play again.
INDIRECT = (
    "dct", "dip", "gsr", "huber_tv", "ksvd", "ncsr", "nltv", "pnp", "red", "richardson_lucy", "tgv", "tv",
    "unsupervised_wiener", "wavelet", "wiener",
    "completion", "coherence",
)  # fmt: skip
WARM_UP = 12


def damaged(task: str, size: int, name: str = "astronaut", top_left: bool = False) -> Degraded:
    """A crop of one of scikit-image's pictures, damaged."""
    whole = load(getattr(data, name)()).colours
    clean = whole[..., :size, :size].contiguous() if top_left else centre_crop(whole, size)
    return degrade(clean, task, seed=0, **DAMAGES[task])


def posed(one: Degraded, device: torch.device) -> Problem:
    """The problem on the device."""
    return make_problem(one.task, load(one.measurement), dict(one.options))[0].to(device)


# --- steps -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Steps:
    """Milliseconds of a step, those of it that the GPU computes, and the kernels of a step."""

    wall: float
    busy: float | None
    kernels: float | None


def steps_of(problem: Problem, settings: dict[str, Any], iterations: int, recorded: bool) -> Steps:
    """Time the steps of a loop of Deep Image Prior, the rule and all that it reads included."""
    prior = DeepImagePrior.for_problem(problem, **settings)
    with nullcontext() if recorded else launched_singly():
        loop = zeroshot.loop.Loop(problem, prior, generator=torch.Generator().manual_seed(0))
    wall = milliseconds_of(loop.step, problem.y.device, iterations)
    if problem.y.device.type != "cuda":
        return Steps(wall, None, None)
    profiled = min(10, iterations)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(profiled):
            loop.step()
        wait(problem.y.device)
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in profile.events()
        if event.device_type == torch.autograd.DeviceType.CUDA
    )
    return Steps(wall, covered(spans) / 1000 / profiled, len(spans) / profiled)


def milliseconds_of(step: Callable[[], object], device: torch.device, iterations: int) -> float:
    """The time of a step, of so many after the first ones."""
    for _ in range(WARM_UP):
        step()
    wait(device)
    began = time.perf_counter()
    for _ in range(iterations):
        step()
    wait(device)
    return 1000 * (time.perf_counter() - began) / iterations


def covered(spans: list[tuple[float, float]]) -> float:
    """The length of the union of intervals that are sorted by their beginnings."""
    total, reached = 0.0, -math.inf
    for start, end in spans:
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def wait(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def compare_steps(arguments: argparse.Namespace, device: torch.device) -> None:
    """The table of steps."""
    sizes = [arguments.size] if device.type == "cpu" else [256, 512, 1024]
    # A guide that is quickly made, which is no part of a step.
    fast = {"guide": "tv"}
    cases: list[tuple[str, str, int, dict[str, Any]]] = [("fast", "denoise", size, fast) for size in sizes]
    cases += [("fast", "sr", sizes[0], fast), ("reference", "denoise", sizes[0], {"recipe": "reference"})]
    heads = {"recipe": "", "task": "", "size": "d", "launched": "", "ms": ".2f", "GPU ms": ".2f"}
    heads |= {"busy": ".0%", "kernels": ".0f", "peak GiB": ".2f"}
    lines = []
    for recipe, task, size, settings in cases:
        problem = posed(damaged(task, size), device)
        for recorded in (False, True):
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)
            steps = steps_of(problem, settings, arguments.iterations, recorded)
            peak = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else None
            share = None if steps.busy is None else steps.busy / steps.wall
            how = "as a graph" if recorded else "singly"
            lines.append([recipe, task, size, how, steps.wall, steps.busy, share, steps.kernels, peak])
            print("  ", lines[-1], flush=True)
    show(f"a step of dip, {arguments.iterations} steps after {WARM_UP}, {name_of(device)}", heads, lines)


# --- several runs --------------------------------------------------------------------------------------------


def milliseconds_abreast(problem: Problem, count: int, together: bool, iterations: int) -> float:
    """The time of a step of each of so many runs, divided by their number."""
    prior = DeepImagePrior.for_problem(problem, guide="none")
    runs = [prior.begin(problem, torch.Generator().manual_seed(seed)) for seed in range(count)]

    def take_a_round() -> None:
        if together and not runs[0].join(runs[1:]):
            raise RuntimeError("these runs cannot be joined")
        for run in runs:
            run.step()

    return milliseconds_of(take_a_round, problem.y.device, iterations) / count


def compare_abreast(arguments: argparse.Namespace, device: torch.device) -> None:
    """The table of several runs."""
    # Measured where it is never done otherwise.
    DeepImageRun.joins_on = (device.type,)
    sizes = [arguments.size] if device.type == "cpu" else [128, 256, 512]
    lines = []
    for size in sizes:
        problem = posed(damaged("denoise", size), device)
        for runs in (2, 4, 8):
            turn, joint = (
                milliseconds_abreast(problem, runs, together, arguments.iterations)
                for together in (False, True)
            )
            lines.append([size, runs, turn, joint, turn / joint])
            print("  ", lines[-1], flush=True)
    heads = {"size": "d", "runs": "d", "ms in turn": ".2f", "ms by one call": ".2f", "ratio": ".2f"}
    show(f"a step of one of several runs of dip, {name_of(device)}", heads, lines)


# --- whole restorations ------------------------------------------------------------------------------------


def compare_quality(arguments: argparse.Namespace, device: torch.device) -> None:
    """The table of whole restorations."""
    whole = arguments.size if device.type == "cpu" else 512
    half = arguments.size if device.type == "cpu" else 256
    cases = [("denoise", whole, "astronaut", "dip"), ("denoise", whole, "astronaut", "bm3d")]
    cases += [("sr", half, name, "dip") for name in ("astronaut", "chelsea", "coffee")]
    cases += [("sr", half, "astronaut", "pnp"), ("inpaint", half, "astronaut", "dip")]
    lines = []
    for task, size, name, prior in cases:
        one = damaged(task, size, name)
        for attempt in ("first", "second"):
            result, seconds = solved(one, prior, str(device), None)
            quality = psnr(result.image.clamp(0, 1), one.truth)
            lines.append([task, prior, name, size, attempt, quality, seconds, result.iterations])
            print("  ", lines[-1], result.stopped_by, flush=True)
    heads = {"task": "", "prior": "", "picture": "", "size": "d", "call": "", "dB": ".2f", "seconds": ".2f"}
    show(f"solve(), {name_of(device)}", heads | {"iterations": "d"}, lines)


def solved(one: Degraded, prior: str | Prior, device: str, seconds: float | None) -> tuple[Any, float]:
    """The result of a call of solve(), and its seconds."""
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        result = zeroshot.solve(
            one.measurement, one.task, prior, device=device, progress=False, seconds=seconds, **one.options
        )
    return result, time.perf_counter() - began


# --- every prior -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Made:
    """A picture, the seconds it took and whether it is finished; or why there is none."""

    image: torch.Tensor | None
    seconds: float
    is_cut: bool
    reason: str = ""


def made(task: str, prior: str, size: int, device: str, seconds: float, threads: int) -> Made:
    """One picture, in whatever process."""
    ask_for(threads)
    one = damaged(task, size)
    try:
        result, spent = solved(one, prior, device, seconds)
    except ValueError as error:
        return Made(None, 0.0, False, str(error).partition("\n")[0])
    except Exception as error:  # one prior that fails is one line of the table
        return Made(None, 0.0, False, f"{type(error).__name__}: {error}".partition("\n")[0])
    return Made(result.image.clamp(0, 1), spent, "time budget" in result.stopped_by)


def pairs(arguments: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """The tasks and the priors that are measured at them."""
    for task in arguments.tasks or DAMAGES:
        denoisers = [name for name in prior_names() if name not in LATENT]
        for prior in arguments.priors or (denoisers if task == "denoise" else INDIRECT):
            yield task, prior


def compare_priors(arguments: argparse.Namespace, device: torch.device) -> None:
    """The table of priors."""
    heads = {"task": "", "prior": "", "CPU dB": ".2f", "GPU dB": ".2f", "alike": ".1f"}
    heads |= {"CPU s": ".2f", "GPU s": ".2f", "ratio": ".1f", "": ""}
    context = multiprocessing.get_context("spawn")
    lines = []
    with (
        ProcessPoolExecutor(arguments.workers, context) as beside,
        ProcessPoolExecutor(arguments.gpu_workers, context) as at_gpu,
    ):
        cells: list[tuple[str, str, Future[Made], Future[Made]]] = []
        for task, prior in pairs(arguments):
            given = (task, prior, arguments.size)
            cells.append(
                (
                    task,
                    prior,
                    beside.submit(made, *given, "cpu", arguments.seconds, 2),
                    at_gpu.submit(made, *given, str(device), arguments.seconds, 2),
                )
            )
        truths = {task: damaged(task, arguments.size).truth for task in DAMAGES}
        for task, prior, by_cpu, by_gpu in cells:
            cpu, gpu = by_cpu.result(), by_gpu.result()
            if cpu.image is None and gpu.image is None and cpu.reason == gpu.reason:
                continue
            lines.append([task, prior, *compared(cpu, gpu, truths[task])])
            print("  ", *(f"{x:.2f}" if isinstance(x, float) else x for x in lines[-1]), flush=True)
    title = f"every prior, crops of {arguments.size}, at most {arguments.seconds:g} s, {name_of(device)}"
    show(title, heads, lines)
    gaps = [abs(line[3] - line[2]) for line in lines if None not in line[2:4] and not line[8]]
    if gaps:
        print(
            f"largest difference of finished runs {max(gaps):.2f} dB; {sum(gap > 0.05 for gap in gaps)} above 0.05"
        )
    ratios = [line[7] for line in lines if line[7] is not None]
    if ratios:
        slower = sum(ratio < 1 for ratio in ratios)
        print(
            f"median ratio {statistics.median(ratios):.1f}; slower than two cores: {slower} of {len(ratios)}"
        )


def compared(cpu: Made, gpu: Made, truth: torch.Tensor) -> list[Any]:
    """The cells of a line: PSNR of both, how alike they are, seconds, their ratio and a remark."""
    if cpu.image is None or gpu.image is None:
        return [None, None, None, cpu.seconds, gpu.seconds, None, f"CPU: {cpu.reason} GPU: {gpu.reason}"]
    remark = " and ".join(name for name, one in (("CPU", cpu), ("GPU", gpu)) if one.is_cut)
    alike = psnr(gpu.image, cpu.image)
    ratio = None if gpu.is_cut else cpu.seconds / gpu.seconds
    return [
        psnr(cpu.image, truth),
        psnr(gpu.image, truth),
        min(alike, 99.9),
        cpu.seconds,
        gpu.seconds,
        ratio,
        f"{remark} cut short" if remark else "",
    ]


def name_of(device: torch.device) -> str:
    """What the device is called."""
    return (
        torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    )


def main() -> None:
    options = parser(__doc__)
    add = options.add_argument
    add("--parts", nargs="+", choices=PARTS, default=PARTS)
    add("--device", default="auto")
    add("--size", type=count, default=256, help="side of the pictures of --parts priors")
    add("--iterations", type=count, default=60, help="steps that are timed")
    add("--tasks", nargs="+", choices=list(DAMAGES))
    add("--priors", type=split, default=[], metavar="LIST")
    add("--seconds", type=positive, default=30.0, help="the most for one picture of --parts priors")
    add("--workers", type=count, default=6, help="processes that make the CPU's pictures")
    add("--gpu-workers", type=count, default=1, help="processes that make the GPU's pictures")
    arguments = options.parse_args()
    device = resolve_device(arguments.device)
    for part in arguments.parts:
        tables = {"steps": compare_steps, "abreast": compare_abreast}
        tables |= {"quality": compare_quality, "priors": compare_priors}
        tables[part](arguments, device)


if __name__ == "__main__":
    main()
