"""What the golden record is made of: small damaged pictures, files for the command line and tiny generators.

Everything is made here from one photograph of scikit-image with numpy and a seed, and only the public face of
zeroshot is used, so that the inputs stay the same whatever moves within the package.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from skimage.data import astronaut

from zeroshot import generators

Damaged = tuple[np.ndarray, dict[str, Any]]
LUMA = np.float32([0.299, 0.587, 0.114])
LANDMARKS = "20,20 40,20 30,30 23,42 37,42"
#: Where a multilayer file of torchvision's VGG16 has its convolutions, and their channels.
_VGG16 = {0: (3, 64), 2: (64, 64), 5: (64, 128), 7: (128, 128)} | {10: (128, 256), 12: (256, 256)}
_VGG16 |= {14: (256, 256), 17: (256, 512), 19: (512, 512), 21: (512, 512)}
_VGG16 |= {24: (512, 512), 26: (512, 512), 28: (512, 512)}


# --- pictures ----------------------------------------------------------------------------------------------


def photograph(size: int = 48, grey: bool = False) -> np.ndarray:
    """A crop of a photograph, float32 in [0, 1], size × size × 3 or size × size."""
    crop = astronaut()[60 : 60 + size, 190 : 190 + size].astype(np.float32) / 255
    return (crop @ LUMA).astype(np.float32) if grey else crop


def noise(shape: tuple[int, ...], grey_levels: float) -> np.ndarray:
    """White Gaussian noise."""
    return (np.random.default_rng(0).standard_normal(shape) * grey_levels / 255).astype(np.float32)


def known(size: int, share: float = 0.5) -> np.ndarray:
    """A mask, 1 where a pixel is known."""
    return (np.random.default_rng(1).random((size, size)) < share).astype(np.float32)


def halved(image: np.ndarray) -> np.ndarray:
    """Means of blocks of 2 × 2 pixels."""
    return ((image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) / 4).astype(
        np.float32
    )


def mosaic(image: np.ndarray) -> np.ndarray:
    """One colour a pixel, in the order RGGB."""
    raw = image[..., 1].copy()
    raw[::2, ::2], raw[1::2, 1::2] = image[::2, ::2, 0], image[1::2, 1::2, 2]
    return raw


def blurred(image: np.ndarray, sigma: float = 1.5) -> np.ndarray:
    """Convolved with a Gaussian, the picture reflected at its border."""
    taps = np.exp(-0.5 * (np.arange(-4, 5) / sigma) ** 2)
    for axis in (0, 1):
        padding = [(4, 4) if one == axis else (0, 0) for one in range(image.ndim)]
        padded = np.pad(image.astype(np.float64), padding, mode="reflect")
        length = image.shape[axis]
        image = sum(
            weight * np.take(padded, range(start, start + length), axis=axis)
            for start, weight in enumerate(taps / taps.sum())
        )
    return image.astype(np.float32)


def hinted(image: np.ndarray, share: float = 0.05) -> np.ndarray:
    """RGBA: the colours of a share of the pixels."""
    given = known(len(image), share)[..., None]
    return np.concatenate([image * given, given], axis=-1)


def damaged(task: str, size: int = 48, grey: bool = False) -> Damaged:
    """The photograph damaged as the task undoes it, and the options that say so."""
    clean = photograph(size, grey)
    holes = known(size) if grey else known(size)[..., None]
    if task == "denoise":
        return clean + noise(clean.shape, 25), {"sigma": 25 / 255}
    if task == "inpaint":
        return clean * holes, {"mask": known(size)}
    if task == "sr":
        return halved(clean), {"scale": 2}
    if task == "colorize":
        return clean @ LUMA, {"hints": hinted(clean)}
    if task == "demosaic":
        return mosaic(clean), {"pattern": "RGGB"}
    if task == "deblur":
        return blurred(clean) + noise(clean.shape, 2), {"kernel": "gaussian=1.5", "sigma": 2 / 255}
    if task == "restore":
        raw = mosaic(halved(clean))
        return raw + noise(raw.shape, 10), {"operator": "mosaic(RGGB) @ downsample(2)", "sigma": 10 / 255}
    raise ValueError(f"no damage is made here for task {task!r}")


# --- generators --------------------------------------------------------------------------------------------


def make_weights(folder: Path) -> None:
    """Write a StyleGAN and a decoder with random weights, and a VGG16 of zeros and a few random taps."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        style = generators.StyleGAN(16, 12, 10, [16, 12, 8], [14, 10])
        style.output.weight.data *= 0.3
        generators.save(style, folder / "style.safetensors")
        generators.save(generators.TinyDecoder(4, 12, "pooled"), folder / "decoder.safetensors")


def make_features(folder: Path) -> None:
    """Write a VGG16 with random weights, named as in torchvision's file."""
    state = {}
    source = torch.Generator().manual_seed(0)
    for place, (before, after) in _VGG16.items():
        spread = (2 / (9 * before)) ** 0.5
        state[f"features.{place}.weight"] = torch.randn(after, before, 3, 3, generator=source) * spread
        state[f"features.{place}.bias"] = torch.zeros(after)
    torch.save(state, folder / "vgg.pth")


# --- files -------------------------------------------------------------------------------------------------


def write(path: Path, image: np.ndarray) -> None:
    """Write an image of [0, 1] with 8 bits."""
    Image.fromarray((image.clip(0, 1) * 255).round().astype(np.uint8)).save(path)


def make_files(folder: Path) -> None:
    """Write every input that a command of the golden record reads."""
    clean = photograph(48)
    write(folder / "photo.png", clean)
    write(folder / "large.png", photograph(96))
    write(folder / "torn.png", clean * known(48)[..., None])
    write(folder / "known.png", known(48))
    write(folder / "alpha.png", np.concatenate([clean, known(48, 0.8)[..., None]], axis=-1))
    marked = np.where(known(48, 0.8)[..., None] > 0, clean, np.float32([1, 0, 1]))
    write(folder / "marked.png", marked)
    for task in ("sr", "colorize", "demosaic", "deblur", "restore"):
        write(folder / f"{task}.png", damaged(task)[0])
    noisy = damaged("denoise")[0]
    write(folder / "noisy.png", noisy)
    write(folder / "noisy.jpg", noisy)
    write(folder / "grey.png", damaged("denoise", grey=True)[0])
    write(folder / "strokes.png", hinted(clean))
    write(folder / "face4.png", photograph(4))
    write(folder / "face16.png", photograph(16))
    sixteen = (damaged("denoise", grey=True)[0].clip(0, 1) * 4095).round().astype(np.uint16)
    Image.fromarray(sixteen).save(folder / "counts.tiff")
    Image.fromarray(damaged("denoise", grey=True)[0] * 1000 - 100).save(folder / "floats.tiff")
    (folder / "folder").mkdir()
    write(folder / "folder" / "a.png", noisy[:32, :32])
    (folder / "folder" / "b.png").write_bytes(b"no image")
    write(folder / "folder" / "c.png", noisy[-32:, -32:])
    (folder / "frames").mkdir()
    for number in range(6):
        frame = photograph(24, grey=True)
        frame[5:9, 3 * number : 3 * number + 3] = 1
        write(folder / "frames" / f"frame{number}.png", frame)
    np.save(folder / "smile.npy", np.ones(10))
    _make_mistakes(folder)


def _make_mistakes(folder: Path) -> None:
    """Write the files that a command has to refuse."""
    (folder / "text.png").write_text("not an image")
    (folder / "cut.png").write_bytes((folder / "photo.png").read_bytes()[:2000])
    (folder / "notes.txt").write_text("nothing")
    write(folder / "small_mask.png", np.ones((9, 9), np.float32))
    write(folder / "empty_mask.png", np.zeros((48, 48), np.float32))
    np.save(folder / "even.npy", np.ones((4, 4)))
    np.save(folder / "zero.npy", np.zeros((3, 3)))
    spoilt = photograph(48, grey=True)
    spoilt[3, 3] = np.nan
    Image.fromarray(spoilt).save(folder / "nan.tiff")
    write(folder / "existing.png", photograph(48))
    (folder / "half.png.checkpoint").write_bytes(b"half")
