"""Blind deblurring: the kernel found from the picture, beside knowing it.

"levin": the pictures of Levin et al., PSNR and SSIM as in ``benchmarks.deblur_levin`` (aligned, 15 pixels left out) and
the error ratio, ‖x(k̂) − x‖² / ‖x(k) − x‖². "photographs": colour pictures of the Kodak set, blurred by eight isotropic
and anisotropic Gaussians and four motions with noise of 1 % (the twelve kernels that come with KAIR), PSNR after
alignment. "crops": small parts of pictures of four sets, 112 to 256 pixels wide, many with few edges, under lines,
disks, Gaussians and paths. "sharp": pictures as they are; how much deblurring changes them, in grey levels.

With ``--joint`` the kernel that was found is where ``selfdeblur`` begins, which then restores by the prior.

The seconds are those of the processor for finding the kernel, and for finding it and restoring.

    python -m benchmarks.blind [--parts levin,photographs,sharp] [--images 4] [--kernels 4] [--prior default] [--joint]
    python -m benchmarks.blind --parts crops --crops 60 --prior tv
    python -m benchmarks.blind --parts photographs --images 8 --kernels 3 --prior tv --only "kodim01 k0,kodim13 k8"
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
import scipy.io
import torch

import zeroshot
from zeroshot.images import load
from zeroshot.kernels import KernelEstimate, blur_kernel
from zeroshot.metrics import kernel_similarity, ssim
from zeroshot.operators import Blur
from zeroshot.operators.kernels import disk, gaussian, motion

from .arguments import parsed, parser
from .deblur_levin import BORDER, LEVIN, aligned_psnr, pictures, restored, shifted
from .sets import SHARED, image_files, picture
from .table import means, show

SIZE, NOISE = 384, 0.01
#: A kernel that is told with that confidence is believed.
SURE = 0.8
#: The sets that small crops are of, their sides and the levels of their noise.
CROPPED, SIDES, LEVELS = (
    ("kodak_full", "set12", "cbsd68", "mcmaster"),
    (112, 128, 160, 200, 256),
    (0.002, 0.006, 0.01),
)


def found_kernel(picture: torch.Tensor) -> tuple[KernelEstimate, float]:
    """The kernel of a picture, and the seconds."""
    began = time.process_time()
    return blur_kernel(picture), time.process_time() - began


def fitted_together(
    blurred: np.ndarray, prior: str, estimate: KernelEstimate
) -> tuple[torch.Tensor, float, np.ndarray]:
    """The picture restored by a prior with the kernel of ``selfdeblur``, the seconds, and that kernel."""
    began = time.process_time()
    result = zeroshot.solve(
        blurred,
        "deblur",
        "selfdeblur",
        kernel=estimate.kernel,
        settings={"finish": prior},
        progress=False,
    )
    kernel = np.asarray(result.provenance["kernel"]["weights"])
    return result.picture.colours, time.process_time() - began, kernel


def compared(
    name: str, blurred: np.ndarray, kernel: np.ndarray, truth: torch.Tensor, arguments: Any
) -> list[Any]:
    """A line of the table of one blurred picture."""
    prior = arguments.prior
    estimate, finding = found_kernel(load(blurred).colours)
    known, _ = restored(blurred, prior, kernel=kernel)
    found = estimate.kernel
    if arguments.joint and estimate.kind != "none":
        blind, seconds, found = fitted_together(blurred, prior, estimate)
    else:
        blind, seconds = restored(blurred, prior, kernel=found)
    best, shift = aligned_psnr(blind, truth)
    with_known, _ = aligned_psnr(known, truth)
    similar = ssim(shifted(blind, *shift), truth, border=BORDER)
    ratio = 10 ** ((with_known - best) / 10)
    likeness = kernel_similarity(found, kernel).value
    line = [name, aligned_psnr(load(blurred).colours, truth)[0], best, similar, with_known, ratio, likeness]
    line += [finding, finding + seconds, estimate.confidence, estimate.kind]
    print(*(part if isinstance(part, str) else f"{part:.3f}" for part in line), flush=True)
    return line


def is_chosen(name: str, arguments: Any) -> bool:
    """Whether a picture is among those that are asked for."""
    return not arguments.only or name in arguments.only.split(",")


def levin(arguments: Any) -> None:
    """The pictures of a shaken camera."""
    images, kernels = (list(range(1, 1 + min(4, count))) for count in (arguments.images, arguments.kernels))
    table = [compared(*one, arguments) for one in pictures(images, kernels) if is_chosen(one[0], arguments)]
    report("Levin et al.", table)


def report(what: str, table: list[list[Any]]) -> None:
    """Print the table with its means and the shares of error ratios."""
    heads = {"": "", "input": ".2f", "blind": ".2f", "SSIM": ".3f", "known": ".2f", "ratio": ".2f"}
    heads |= {"likeness": ".3f", "s kernel": ".1f", "s": ".1f", "sure": ".2f", "kind": ""}
    ratios, sure = (np.array([line[place] for line in table]) for place in (5, -2))
    shown = [*table, ["mean", *means([line[1:-1] for line in table]), ""]]
    show(f"blind deblurring, {what}, {len(table)} pictures", heads, shown)
    print(f"error ratio at most 2: {(ratios <= 2).sum()}, at most 3: {(ratios <= 3).sum()} of {len(ratios)}")
    found = np.array([line[-1] != "none" for line in table])
    for name, which in {"at least": found & (sure >= SURE), "less than": found & (sure < SURE)}.items():
        print(f"a confidence of {name} {SURE}: {which.sum()}, ratio at most 3: {(ratios[which] <= 3).sum()}")


def damaged(
    truth: torch.Tensor, kernel: np.ndarray, noise: float, seed: int
) -> tuple[np.ndarray, torch.Tensor]:
    """The pixels of a picture (1, C, H, W) under a kernel of sum 1 and noise, and the part of the picture they show."""
    blurred = Blur(kernel, "valid")(truth)
    blurred = blurred + noise * torch.randn(blurred.shape, generator=torch.Generator().manual_seed(seed))
    pixels = (255 * blurred.clamp(0, 1)[0].permute(1, 2, 0)).round().byte().numpy().squeeze()
    down, right = (length // 2 for length in kernel.shape)
    return pixels, truth[..., down : truth.shape[-2] - down, right : truth.shape[-1] - right]


def photographs(arguments: Any) -> None:
    """Colour pictures blurred here."""
    weights = _twelve()
    table = []
    for index, path in enumerate(image_files("kodak_full", arguments.images)):
        truth = picture(path, SIZE + 24)
        # Every picture gets its share of the twelve, so that few pictures see them all.
        chosen = [(index * arguments.kernels + step) % len(weights) for step in range(arguments.kernels)]
        for which in chosen:
            name = f"{path.stem} k{which}"
            if not is_chosen(name, arguments):
                continue
            pixels, inner = damaged(truth, weights[which], NOISE, seed=which)
            table.append(compared(name, pixels, weights[which], inner, arguments))
    report("Kodak with noise of 1 %", table)


def crops(arguments: Any) -> None:
    """Small parts of pictures, drawn from a fixed seed, under one kernel after the other."""
    generator = np.random.default_rng(0)
    files = [path for name in CROPPED for path in image_files(name)]
    table, kernels = [], list(_kernels().items())
    for index in range(arguments.crops):
        (what, kernel), path = kernels[index % len(kernels)], generator.choice(files)
        side, noise = int(generator.choice(SIDES)), float(generator.choice(LEVELS))
        name = f"{index} {path.stem} {what}"
        whole = load(path).colours
        places = [
            int(generator.integers(max(1, length - side - weights + 1)))
            for length, weights in zip(whole.shape[-2:], kernel.shape, strict=True)
        ]
        parts = (
            slice(place, place + side + weights - 1)
            for place, weights in zip(places, kernel.shape, strict=True)
        )
        truth = whole[(..., *parts)]
        if not is_chosen(name, arguments):
            continue
        pixels, inner = damaged(truth, kernel, noise, seed=index)
        table.append(compared(name, pixels, kernel, inner, arguments))
    report("small crops", table)


def _kernels() -> dict[str, np.ndarray]:
    """Lines, disks, Gaussians, the paths of Levin's camera and those that come with KAIR."""
    found = {
        f"line {length} at {angle}": motion(length, angle)
        for length in (5, 9, 15)
        for angle in (0, 30, 90, 135)
    }
    found |= {f"disk {radius}": disk(radius) for radius in (2, 4)}
    found |= {f"Gaussian {sigma}": np.outer(gaussian(sigma), gaussian(sigma)) for sigma in (1.5, 3)}
    weights = np.load(LEVIN / "kernels_1-4_float.npz")
    found |= {f"path {index}": weights[name] for index, name in enumerate(sorted(weights.files), 1)}
    found = {name: kernel / kernel.sum() for name, kernel in found.items()}
    return found | {f"path {index}": kernel for index, kernel in enumerate(_twelve()) if index >= 8}


def _twelve() -> list[np.ndarray]:
    """The kernels that come with KAIR: eight Gaussians and four motions."""
    weights = scipy.io.loadmat(SHARED / "kernels" / "kernels_12.mat")["kernels"][0]
    return [one / one.sum() for one in (np.asarray(kernel, np.float64) for kernel in weights)]


def sharp(arguments: Any) -> None:
    """Pictures without a blur."""
    table = []
    for path in image_files("kodak_full"):
        image = picture(path)
        estimate, seconds = found_kernel(image)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            given = image[0].permute(1, 2, 0).numpy()
            after = zeroshot.solve(given, "deblur", arguments.prior_or_none, progress=False).picture.colours
        change = 255 * float((after - image).square().mean().sqrt())
        table.append([path.stem, change, seconds, estimate.kind])
    shown = [*table, ["mean", *means([line[1:-1] for line in table]), ""]]
    show("sharp pictures", {"": "", "change": ".3f", "s kernel": ".1f", "kind": ""}, shown)


PARTS = {"levin": levin, "photographs": photographs, "crops": crops, "sharp": sharp}


def main() -> None:
    """Print the tables of the parts that are asked for."""
    options = parser(__doc__)
    add = options.add_argument
    add("--parts", default=",".join(PARTS), help="comma-separated")
    add("--images", type=int, default=4, help="pictures of each set")
    add("--kernels", type=int, default=4, help="kernels for each picture")
    add("--crops", type=int, default=60, help="how many small crops")
    add("--only", metavar="NAMES", help='these alone, such as "kodim13 k8,kodim15 k9" or "im4 kernel3"')
    add("--prior", default="default", help="what restores; 'default' is that of the task")
    add("--joint", action="store_true", help="fit kernel and image together, from the kernel that was found")
    add("--threads", type=int, help="CPU threads (default: all cores)")
    arguments = parsed(options)
    arguments.prior_or_none = None if arguments.prior == "default" else arguments.prior
    if arguments.prior == "default":
        arguments.prior = zeroshot.tasks()["deblur"].prior
    for part in arguments.parts.split(","):
        PARTS[part](arguments)


if __name__ == "__main__":
    main()
