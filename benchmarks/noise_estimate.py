"""The estimated noise level beside the true one: photographs, clipped or not; flat borders; clean textures.

    python -m benchmarks.noise_estimate                              # Set12
    python -m benchmarks.noise_estimate set12 colour9 kodak_500 --sigma 0 5 25
    python -m benchmarks.noise_estimate --borders --textures
    python -m benchmarks.noise_estimate set12 colour9 --models       # noise that is not white
    python -m benchmarks.noise_estimate --real                       # photographs with their mean of many

All in 8-bit grey levels. "error" is the mean of the magnitude over the images, "bias" the mean, "worst" the error of
the image named last. The noise has seed 0; "8 bits" is clipped and rounded.

With --models and --real the model of the noise is beside the truth: the root mean square of the noise; the ratio of
the estimated to the true standard deviation of DCT coefficients of 8 × 8 blocks, the median over the images and the
extremes, for brightness and for red − blue, at low, middle and high frequencies (sums of the orders 1 to 2, 3 to 7, 8
to 14); how many of the images are said to have coloured noise, noise that depends on the intensity, and neither.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable

import torch
from skimage import data

from zeroshot.images import load
from zeroshot.noise import add_gaussian, estimate_noise, estimate_sigma
from zeroshot.tasks.rounding import rounded

from .arguments import parsed, parser
from .noise_kinds import KINDS
from .noise_ratios import Ratios
from .sets import image_files, picture, real_pairs
from .table import show

SIGMAS = [0.0, 2.0, 5.0, 10.0, 15.0, 25.0, 35.0, 50.0, 75.0]
TEXTURES = ("grass", "gravel", "brick", "camera", "moon", "page", "text", "coins", "astronaut", "chelsea")
#: Shares of the rows that are a border, and its values on the [0, 1] scale.
BORDERS, VALUES = (0.06, 0.25, 0.5, 0.7), (0.0, 100 / 255, 1.0)


def estimated(
    image: torch.Tensor, sigma: float, clipped: bool, border: tuple[float, float] = (0, 0)
) -> float:
    """The estimate for an image with noise, and with rows above and below of one value, in grey levels."""
    noisy = add_gaussian(image, sigma / 255, torch.Generator().manual_seed(0))
    noisy = rounded(noisy) if clipped else noisy
    rows = round(border[0] * noisy.shape[-2] / 2)
    if rows:
        noisy[..., :rows, :] = noisy[..., -rows:, :] = border[1]
    return 255 * estimate_sigma(noisy)


def line(head: Iterable[object], images: dict[str, torch.Tensor], sigma: float, clipped: bool,
         border: tuple[float, float] = (0, 0)) -> list[object]:  # fmt: skip
    """One line of a table."""
    errors = {name: estimated(image, sigma, clipped, border) - sigma for name, image in images.items()}
    worst = max(errors, key=lambda name: abs(errors[name]))
    mean = statistics.mean(map(abs, errors.values()))
    return [*head, mean, statistics.mean(errors.values()), errors[worst], worst]


def model_line(head: Iterable[object], pairs: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> list[object]:
    """One line of the table of models: of images and the same without noise."""
    ratios = Ratios()
    for noisy, clean in pairs:
        ratios.add(estimate_noise(noisy), noisy, noisy - clean)
    return [*head, *ratios.cells()]


def main() -> None:
    options = parser(__doc__)
    options.add_argument("sets", nargs="*", default=["set12"], metavar="SET", help="default set12")
    options.add_argument("--sigma", type=float, nargs="+", default=SIGMAS, help="in grey levels")
    options.add_argument("--borders", action="store_true", help="with borders of one value, at σ = 5 and 25")
    options.add_argument("--textures", action="store_true", help="the samples of scikit-image without noise")
    options.add_argument("--models", action="store_true", help="noise that is not white")
    options.add_argument("--real", action="store_true", help="real photographs")
    options.add_argument("--threads", type=int, help="CPU threads (default: all cores)")
    arguments = parsed(options)
    if arguments.real:
        lines = [
            model_line([name], (tuple(map(picture, pair)) for pair in real_pairs(name).values()))
            for name in ("cc15", "polyu", "sidd")
        ]
        show("real photographs, models", {"set": "", **Ratios.heads()}, lines)
        return
    for name in arguments.sets:
        images = {path.stem: picture(path) for path in image_files(name)}
        if arguments.models:
            lines = []
            for kind, make in KINDS.items():
                made = (make(x, torch.Generator().manual_seed(0)) for x in images.values())
                lines.append(model_line([kind], ((each.noisy, each.truth) for each in made)))
            show(f"{name}, models of {len(images)} images", {"noise": "", **Ratios.heads()}, lines)
            continue
        lines = [line([f"{sigma:g}", kind], images, sigma, kind == "8 bits")
                 for kind in ("8 bits", "floats") for sigma in arguments.sigma]  # fmt: skip
        heads = {"sigma": "", "kind": "", "error": ".3f", "bias": "+.3f", "worst": "+.2f", "image": ""}
        show(f"{name}, {len(images)} images", heads, lines)
        if arguments.borders:
            lines = [line([f"{share:.0%} of {255 * value:g}", f"{sigma:g}"], images, sigma, True, (share, value))
                     for share in BORDERS for value in VALUES for sigma in (5.0, 25.0)]  # fmt: skip
            heads = {"border": "", "sigma": "", "error": ".3f", "bias": "+.3f", "worst": "+.2f", "image": ""}
            show(f"{name} with borders", heads, lines)
    if arguments.textures:
        lines = [[name, estimated(load(getattr(data, name)()).colours, 0, False)] for name in TEXTURES]
        show("without noise", {"": "", "estimate": ".2f"}, lines)


if __name__ == "__main__":
    main()
