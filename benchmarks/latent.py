"""The latent priors: faces, generators' own images, photographs, and what a step costs.

    python -m benchmarks.latent                                       # every table
    python -m benchmarks.latent --tables faces drawn digits --images 16   # generators on pictures that they know
    python -m benchmarks.latent --tables faces --sheet faces.png      # and a sheet of the pictures
    python -m benchmarks.latent --tables pulse                        # PULSE on images that it could make
    python -m benchmarks.latent --tables photographs --images 3 --seconds 30
    python -m benchmarks.latent --tables cost --resolutions 256 1024

Every cell is the mean PSNR over the images, of the unrounded result within [0, 1], and the mean seconds; with the
pictures that a generator knows also the distance in features (:mod:`benchmarks.feature_distance`). "first" is the
operator's own cheap estimate (bicubic, the hole filled smoothly, grey), "one code" the inversion in the generator's
range alone. The hole is the middle quarter of the area. Noise, masks and hints have seed 0. The real faces are
placed by eyes and mouth as the generator's mean face has them, which has seen none of them; drawn faces and digits
are its own, moved out of its range (:mod:`benchmarks.generator_pictures`). It takes the weights and images of the
folder `shared`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch

import zeroshot
from zeroshot.generators import Generator, StyleGAN2
from zeroshot.generators import load as load_generator
from zeroshot.images import load, save
from zeroshot.loop import Loop
from zeroshot.metrics import psnr
from zeroshot.operators import Downsample, Identity
from zeroshot.prior import Prior
from zeroshot.priors.latent.inversion import Inversion
from zeroshot.priors.latent.pulse import Pulse
from zeroshot.problem import Problem
from zeroshot.stopping import MaxIterations
from zeroshot.tasks import make_problem
from zeroshot.tasks.degrade import Degraded, degrade

from .arguments import parser
from .feature_distance import feature_distance
from .generator_pictures import FACES, own_pictures, real_face
from .sets import SHARED, picture
from .table import means, show
from .timing import peak_gib, seconds_of

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))
from pretrained_generators import anime, celeba, mnist

WEIGHTS, ORACLES = SHARED.parent / "weights" / "generators", SHARED.parent / "oracles" / "generators"
PHOTOGRAPHS = (
    "set5/hr_x4/butterfly.png",
    "colour9/house.png",
    "kodak_500/kodim05.png",
    "colour9/lena.png",
    "set5/hr_x4/bird.png",
    "kodak_500/kodim03.png",
)
CHECKPOINTS = (
    "genforce_stylegan_64.pth",
    "genforce_stylegan2_64.pth",
    "stylegan2ada_64.pkl",
    "rosinality_stylegan2_16.pt",
    "stylegan3t_32.pkl",
)
#: Kind of damage → the task that undoes it, and what :func:`zeroshot.tasks.degrade.degrade` is told.
DAMAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "identity": ("restore", {"operator": Identity()}),
    "denoise": ("denoise", {"sigma": 25 / 255}),
    "random": ("inpaint", {"missing": 0.5}),
    "hole": ("inpaint", {}),
    "sr": ("sr", {"scale": 4, "quantise": "none"}),
    "sr8": ("sr", {"scale": 8, "quantise": "none"}),
    "grey": ("colorize", {}),
    "hints": ("colorize", {"hints": 0.02}),
}
#: Channels of the published StyleGAN2 at 4, 8, 16 … 1024 pixels.
WIDTHS = [512, 512, 512, 512, 512, 256, 128, 64, 32]


def own_images(network: Generator, count: int, noise: str = "none") -> list[torch.Tensor]:
    """Images that the generator makes of random latents."""
    z = torch.randn(count, network.z_dim, generator=torch.Generator().manual_seed(100))
    with torch.no_grad():
        images = network.synthesis(network.mapping(z), noise).clamp(0, 1)
    return list(images.split(1))


def damaged(kind: str, clean: torch.Tensor) -> Degraded:
    """`clean` damaged in one of the ways of `DAMAGES`.

    "hole" is the middle quarter of the area; what no 8 divides, such as a digit of 28 pixels, is reduced by 7.
    """
    task, options = DAMAGES[kind]
    if kind == "hole":
        side = clean.shape[-1]
        known = torch.ones_like(clean[:, :1])
        hole = slice(side // 4, side - side // 4)
        known[..., hole, hole] = 0
        options = {"mask": known}
    if kind == "sr8" and clean.shape[-1] % 8:
        options = {**options, "scale": 7}
    return degrade(clean, task, **options)


def posed(damage: Degraded) -> Problem:
    """The problem as the engine poses it."""
    with warnings.catch_warnings():
        # Colouring without hints is a guess, and says so.
        warnings.simplefilter("ignore")
        return make_problem(damage.task, load(damage.measurement), dict(damage.options))[0]


def first(damage: Degraded) -> torch.Tensor:
    """The operator's own estimate."""
    return damage.operator.initial(damage.measurement)


def solved(damage: Degraded, prior: str, seconds: float | None = None, **settings: Any) -> torch.Tensor:
    """The result of a prior."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return zeroshot.solve(
            damage.measurement,
            damage.task,
            prior,
            seconds=seconds,
            settings=settings,
            progress=False,
            device="cpu",
            **damage.options,
        ).image


Method = Callable[[Degraded], torch.Tensor]


def table(
    title: str,
    images: list[torch.Tensor],
    kinds: list[str],
    methods: dict[str, Method],
    *,
    features: bool = False,
    sheet: Path | None = None,
) -> None:
    """Print the mean PSNR and seconds of every method, kind by kind, and with `features` their distance."""
    lines, pictures = [], [torch.cat(images, dim=-1)] * bool(sheet)
    for name, method in methods.items():
        cells = []
        for kind in kinds:
            text, results = _cell(method, [damaged(kind, image) for image in images], features)
            cells.append(text)
            pictures += [torch.cat(results, dim=-1)] if sheet and results else []
        lines.append([name, *cells])
        print(f"  {name}: {', '.join(cells)}", flush=True)
    show(f"{title}, {len(images)} images", dict.fromkeys(["", *kinds], ""), lines)
    if sheet:
        stacked = torch.cat(pictures, dim=-2).clamp(0, 1).mul(255).round().byte()
        save(load(stacked), sheet.with_stem(f"{sheet.stem}-{title.split(',')[0].replace(' ', '-')}"))


def _cell(method: Method, problems: list[Degraded], features: bool) -> tuple[str, list[torch.Tensor]]:
    figures, distances, spent, results = [], [], [], []
    try:
        for problem in problems:
            started = time.process_time()
            image = method(problem).clamp(0, 1)
            spent.append(time.process_time() - started)
            figures.append(psnr(image, problem.truth))
            distances.append(feature_distance(image, problem.truth) if features else 0.0)
            results.append(image)
    except (NotImplementedError, ValueError) as error:
        print(f"[{error}]", file=sys.stderr)
        return "–", []
    apart = f"{statistics.mean(distances):.3f}, " if features else ""
    return f"{statistics.mean(figures):.2f} ({apart}{statistics.mean(spent):.1f} s)", results


def on_generator(network: Generator) -> dict[str, Method]:
    """The methods that a small generator is compared by."""
    alone = {"distance": 0.0, "remainder": "none", "learning_rate": 0.05, "schedule": "fixed"}
    return {
        "first": first,
        "tv": partial(solved, prior="tv"),
        "one code": partial(solved, prior="inversion", weights=network, space="z", **alone),
        "inversion": partial(solved, prior="inversion", weights=network),
        "mgan": partial(solved, prior="mgan", weights=network),
    }


KINDS = ["identity", "denoise", "random", "hole", "sr", "sr8", "grey"]
#: What a generator is for: most of the picture is not measured.
MISSING = ["sr", "sr8", "hole", "grey"]


def known(arguments: argparse.Namespace, title: str, network: Generator, images: list[torch.Tensor]) -> None:
    """The table of a generator on pictures that it knows."""
    coloured = [kind for kind in MISSING if kind != "grey" or network.channels == 3]
    methods = {
        name: method
        for name, method in on_generator(network).items()
        if not arguments.methods or name in arguments.methods
    }
    kinds = arguments.kinds or coloured
    table(title, images[: arguments.images], kinds, methods, features=True, sheet=arguments.sheet)


def faces(arguments: argparse.Namespace) -> None:
    """Real faces, which the generator has never seen."""
    images = [real_face(name) for name in list(FACES)[: arguments.images]]
    known(
        arguments, "real faces, CelebA generator of 32 × 32", celeba(WEIGHTS / "celeba_dcgan_32.pth"), images
    )


def drawn(arguments: argparse.Namespace) -> None:
    """Drawn faces, made by the generator itself and moved out of its range."""
    network = anime(WEIGHTS / "anime_dcgan_64.pth")
    images = own_pictures(network, arguments.images)
    known(arguments, "drawn faces, anime generator of 64 × 64", network, images)


def digits(arguments: argparse.Namespace) -> None:
    """Digits, made by the generator itself and moved out of its range."""
    network = mnist(WEIGHTS / "mnist_gan_mlp_G.ckpt")
    images = own_pictures(network, arguments.images)
    known(arguments, "digits, MNIST generator of 28 × 28", network, images)


def photographs(arguments: argparse.Namespace) -> None:
    """Crops of photographs, through the decoder of an autoencoder."""
    decoder = load_generator(WEIGHTS / "taef2_decoder.pth")
    images = [picture(SHARED / name, 128)[:, :3] for name in PHOTOGRAPHS[: arguments.images]]
    budget = arguments.seconds
    methods: dict[str, Method] = {
        "first": first,
        "tv": partial(solved, prior="tv", seconds=budget),
        "dip": partial(solved, prior="dip", seconds=budget),
        "latent": partial(solved, prior="latent", seconds=budget, weights=decoder),
    }
    kinds = arguments.kinds or ["denoise", "random", "sr", "hints"]
    table(f"photographs of 128 × 128, at most {budget:g} s", images, kinds, methods)


def normalised(network: Generator) -> Generator:
    """The generator with images around 0.5 of deviation 0.15: random weights make any contrast."""
    finish = network._finish
    with torch.no_grad():
        z = torch.randn(16, network.z_dim, generator=torch.Generator().manual_seed(99))
        images = 2 * network.synthesis(network.mapping(z), "none") - 1
    mean, deviation = images.mean().item(), images.std().item()

    def normalised_finish(features: Any, latent: torch.Tensor) -> torch.Tensor:
        return 0.3 * (finish(features, latent) - mean) / deviation

    setattr(network, "_finish", normalised_finish)  # noqa: B010
    return network


def pulse(arguments: argparse.Namespace) -> None:
    """PULSE on images that the generator makes: how near it comes, and whether it says so."""
    noise = {"noise": "none"}
    for name in arguments.checkpoints:
        network = normalised(load_generator(ORACLES / name))
        images = own_images(network, arguments.images)
        lines = []
        for kind in ("sr", "random", "hole", "grey"):
            rows = [_recovery(damaged(kind, image), network, noise, arguments.epsilon) for image in images]
            *figures, _ = means(rows)
            lines.append([kind, *figures, f"{sum(row[-1] for row in rows):.0f}/{len(rows)}"])
        heads = {
            "": "",
            **dict.fromkeys(("first", "one w", "w+", "pulse"), ".2f"),
            "misfit": ".5f",
            "reached": "",
        }
        title = f"PULSE on its own images, {name}, {len(images)} images, epsilon {arguments.epsilon:g}"
        show(title, heads, lines)


def _recovery(damage: Degraded, network: Generator, noise: dict[str, Any], epsilon: float) -> list[float]:
    """PSNR of the first estimate, inversions in w and w+, and PULSE; its misfit, and whether it reached ε."""
    problem = posed(damage)
    priors: list[Prior] = [
        Inversion(weights=network, space="w", **noise),
        Inversion(weights=network, **noise),
        Pulse(weights=network, statistics_samples=20_000, epsilon=epsilon, **noise),
    ]
    row = [psnr(first(damage).clamp(0, 1), damage.truth)]
    for prior in priors:
        rule = MaxIterations(prior.iterations)  # type: ignore[attr-defined]
        loop = Loop(problem, prior, rule, generator=torch.Generator().manual_seed(0)).complete()
        row.append(psnr(loop.image, damage.truth))
    found = loop.run.findings()
    return [*row, found["misfit"], float(found["epsilon_reached"])]


def cost(arguments: argparse.Namespace) -> None:
    """A step of PULSE beside the bare forward and backward pass of the network, each in its own process."""
    lines = []
    for resolution in arguments.resolutions:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as child:
            bare, step, before, after = child.submit(step_cost, resolution, arguments.repeats).result()
        ratio = statistics.median(ours / theirs for ours, theirs in zip(step, bare, strict=True))
        lines.append([resolution, *map(statistics.median, (bare, step)), ratio, before, after])
    title = "PULSE on StyleGAN2 of the published widths, random weights, ×8 super-resolution, one sample"
    heads = {"": "d", "bare s": ".2f", "step s": ".2f", "ratio": ".3f", "bare GiB": ".2f", "step GiB": ".2f"}
    show(title, heads, lines)


def step_cost(resolution: int, repeats: int) -> tuple[list[float], list[float], float, float]:
    """Seconds of every bare pass and of every step, in turn, and the peak memory in GiB after either."""
    torch.manual_seed(0)
    widths = WIDTHS[: resolution.bit_length() - 2]
    network = StyleGAN2(resolution, 512, 512, widths, [512] * 8).eval().requires_grad_(False)
    operator = Downsample(8)
    y = torch.full((1, 3, resolution // 8, resolution // 8), 0.5)
    prior = Pulse(weights=network, statistics_samples=1000)
    run: Any = prior.begin(Problem(y, operator, sigma=0.0), torch.Generator().manual_seed(0))
    latent = torch.randn(1, network.num_latents, 512)
    noise = [torch.randn(shape) for shape in network.noise_shapes]

    def bare() -> None:
        w = latent.clone().requires_grad_()
        maps = [one.clone().requires_grad_(index < prior.trainable_noise) for index, one in enumerate(noise)]
        network.synthesis(w, maps).square().mean().backward()

    bare()
    before = peak_gib()
    run.step()
    after = peak_gib()
    # The processor's own time: it does not depend on what else the machine does.
    pairs = [[seconds_of(call, time.process_time) for call in (bare, run.step)] for _ in range(repeats)]
    bare_seconds, step_seconds = map(list, zip(*pairs, strict=True))
    return bare_seconds, step_seconds, before, after


TABLES: dict[str, Callable[[argparse.Namespace], None]] = {
    "faces": faces,
    "drawn": drawn,
    "digits": digits,
    "pulse": pulse,
    "photographs": photographs,
    "cost": cost,
}


def main() -> None:
    options = parser(__doc__)
    add = options.add_argument
    add("--tables", nargs="+", choices=list(TABLES), default=list(TABLES))
    add("--images", type=int, default=3, help="how many of the set, the first ones")
    add("--kinds", nargs="+", choices=[*KINDS, "hints"], help="damages; default the table's")
    add("--methods", nargs="+", help="rows of the tables of pictures that a generator knows")
    add("--sheet", type=Path, help="also write the pictures of those tables, a row for each of their cells")
    add("--seconds", type=float, default=30.0, help="budget per photograph")
    add("--resolutions", type=int, nargs="+", default=[256, 1024], help="of the cost table")
    add("--repeats", type=int, default=3, help="of the cost table")
    add("--epsilon", type=float, default=2e-3, help="of the pulse table; 2e-3 is published")
    add("--checkpoints", nargs="+", default=CHECKPOINTS, help="of the pulse table")
    arguments = options.parse_args()
    for name in arguments.tables:
        TABLES[name](arguments)


if __name__ == "__main__":
    main()
