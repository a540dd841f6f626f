"""Handwritten digits of 7 × 7 pixels, restored to 28 × 28 through two small pretrained generators of digits.

The digits come with scikit-learn (`pip install scikit-learn`), the weights are those of
csinva/gan-vae-pretrained-pytorch. One picture is written, a row for each digit: 7 × 7 | restored by one code
of the adversarial network | by several | by one code of the variational decoder | the original::

    python examples/restore_digits.py mnist_gan_mlp_G.ckpt mnist_vae.pth digits.png
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from pretrained_generators import mnist, mnist_decoder
from torch.nn import functional

import zeroshot
import zeroshot.images
from zeroshot.metrics import psnr

SIDE, SCALE = 28, 4
COLUMNS = ("7 × 7, bicubic", "GAN, one code", "GAN, several codes", "VAE, one code", "original")


def digits(count: int) -> torch.Tensor:
    """Handwritten digits 0, 1, 2 …, white on black, (count, 1, 28, 28).

    Those of scikit-learn are 8 × 8; enlarged to 20 × 20 in a margin of 4, as the generators' training images
    are.

    Raises
    ------
    SystemExit
        Where scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError:
        raise SystemExit("the digits come with scikit-learn: pip install scikit-learn") from None
    data = load_digits()
    small = torch.tensor(data.images[:count] / 16, dtype=torch.float32)[:, None]
    large = functional.interpolate(small, size=(20, 20), mode="bicubic", align_corners=False).clamp(0, 1)
    # The sensor's 8 × 8 counts are a soft image; strokes of the training images are nearly white.
    return functional.pad((1.6 * large - 0.25).clamp(0, 1), (4, 4, 4, 4))


def reduced(images: torch.Tensor) -> torch.Tensor:
    """Each block of 4 × 4 pixels by its mean: (count, 1, 7, 7)."""
    return functional.avg_pool2d(images, SCALE)


def restored(small: torch.Tensor, prior: str, starts: int = 3, **settings: Any) -> torch.Tensor:
    """One digit of 7 × 7 as the prior's generator would have drawn it, (1, 1, 28, 28).

    A code may end at another digit: of several `starts`, the one whose 7 × 7 is nearest to the given is taken.
    """
    found = [
        zeroshot.solve(
            small,
            task="sr",
            prior=prior,
            scale=SCALE,
            kernel="box",
            settings=settings,
            seed=seed,
            progress=False,
        ).image
        for seed in range(starts)
    ]
    return min(found, key=lambda image: (reduced(image) - small).square().mean().item())


def rows(gan: str | Path, decoder: str | Path, count: int = 10) -> list[torch.Tensor]:
    """The columns of the picture, each (count, 1, 28, 28)."""
    originals = digits(count)
    network, drawer = mnist(gan), mnist_decoder(decoder)
    columns: list[list[torch.Tensor]] = [[] for _ in COLUMNS]
    for original in originals.split(1):
        small = reduced(original)
        shown = (
            functional.interpolate(small, size=(SIDE, SIDE), mode="bicubic", align_corners=False).clamp(0, 1),
            restored(small, "inversion", weights=network, space="z", distance=1e-3),
            restored(small, "mgan", weights=network),
            restored(small, "inversion", weights=drawer, space="z", distance=1e-3),
            original,
        )
        for column, image in zip(columns, shown, strict=True):
            column.append(image)
    return [torch.cat(column) for column in columns]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("gan", type=Path, help="mnist_gan_mlp_G.ckpt")
    parser.add_argument("decoder", type=Path, help="mnist_vae.pth")
    parser.add_argument("output", type=Path, nargs="?", default=Path("digits.png"))
    parser.add_argument("--count", type=int, default=10, help="how many digits")
    arguments = parser.parse_args()
    columns = rows(arguments.gan, arguments.decoder, arguments.count)
    for name, column in zip(COLUMNS, columns, strict=True):
        figures = [psnr(one, other) for one, other in zip(column.split(1), columns[-1].split(1), strict=True)]
        print(f"{name:<20} {sum(figures) / len(figures):6.2f} dB")
    framed = [functional.pad(column, (2, 2, 2, 2), value=0.5) for column in columns]
    picture = torch.cat([torch.cat(list(column), dim=-2) for column in framed], dim=-1)[None]
    picture = picture.repeat_interleave(3, dim=-1).repeat_interleave(3, dim=-2)
    zeroshot.images.save(zeroshot.images.load(picture.mul(255).round().byte()), arguments.output)


if __name__ == "__main__":
    main()
