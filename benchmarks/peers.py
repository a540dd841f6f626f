"""Other packages and textbook baselines as methods of a table, on the same damaged images as ours.

Packages are imported when they are used: `pip install -e '.[bench]'` brings them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from zeroshot.compare.method import Case, Method
from zeroshot.compare.methods.arrays import to_array, to_tensor
from zeroshot.compare.specification import method_from

#: (H, W) or (H, W, C) in float64, and the options of the task ↦ the restored image.
Restoring = Callable[[np.ndarray, dict[str, Any]], np.ndarray]


@dataclass(frozen=True)
class Peer:
    """A function of a package as a method for one task."""

    name: str
    task: str
    function: Restoring

    def supports(self, case: Case) -> str | None:
        """None for the peer's task with noise of one known level, if it has noise."""
        fits = case.task == self.task and (self.task != "denoise" or case.options.get("sigma"))
        return None if fits else f"{self.name} goes with the task {self.task!r} only"

    def restore(self, image: np.ndarray, task: Case) -> np.ndarray:
        return self.function(image.astype(np.float64), task.options)


def _axis(array: np.ndarray) -> dict[str, int | None]:
    """Where scikit-image finds the channels."""
    return {"channel_axis": None if array.ndim == 2 else -1}


def skimage_tv(array: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    from skimage.restoration import denoise_tv_chambolle

    return denoise_tv_chambolle(array, weight=options["sigma"], **_axis(array))


def skimage_nlm(array: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    from skimage.restoration import denoise_nl_means

    sigma = options["sigma"]
    settings = {"patch_size": 5, "patch_distance": 10, "h": 0.6 * sigma, "sigma": sigma, "fast_mode": True}
    return denoise_nl_means(array, **settings, **_axis(array))


def skimage_wavelet(array: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    from skimage.restoration import cycle_spin, denoise_wavelet

    settings = {"sigma": options["sigma"], "method": "BayesShrink", "rescale_sigma": False, **_axis(array)}
    return cycle_spin(array, func=denoise_wavelet, max_shifts=3, func_kw=settings, **_axis(array))


def skimage_bilateral(array: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    from skimage.restoration import denoise_bilateral

    return denoise_bilateral(array, sigma_color=2.5 * options["sigma"], sigma_spatial=2, **_axis(array))


def skimage_biharmonic(array: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    from skimage.restoration import inpaint_biharmonic

    return inpaint_biharmonic(array, options["mask"][0, 0].numpy() < 0.5, **_axis(array))


def opencv_telea(array: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    import cv2

    holes = (options["mask"][0, 0].numpy() < 0.5).astype(np.uint8)
    return cv2.inpaint((array * 255).round().astype(np.uint8), holes, 3, cv2.INPAINT_TELEA) / 255.0


def opencv_navier_stokes(array: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    import cv2

    holes = (options["mask"][0, 0].numpy() < 0.5).astype(np.uint8)
    return cv2.inpaint((array * 255).round().astype(np.uint8), holes, 3, cv2.INPAINT_NS) / 255.0


def opencv_nlm(array: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    """OpenCV's fast non-local means at the filter strength that its documentation suggests for a level of noise."""
    import cv2

    image, strength = (array.clip(0, 1) * 255).round().astype(np.uint8), 255 * options["sigma"]
    if array.ndim == 2:
        return cv2.fastNlMeansDenoising(image, None, strength, 7, 21) / 255.0
    return cv2.fastNlMeansDenoisingColored(image, None, strength, strength, 7, 21) / 255.0


def menon(array: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    """Directional filtering with a posteriori decision (Menon, Andriani and Calvagno, IEEE TIP 2007)."""
    from colour_demosaicing import demosaicing_CFA_Bayer_Menon2007

    return demosaicing_CFA_Bayer_Menon2007(array, "RGGB")


def opencv_demosaicing(array: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    """OpenCV's edge-aware demosaicking; what it calls BG begins with red."""
    import cv2

    raw = (array * 65535).round().astype(np.uint16)
    return cv2.demosaicing(raw, cv2.COLOR_BayerBG2RGB_EA) / 65535.0


def skimage_richardson_lucy(array: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    """Thirty iterations on the image continued by its mirror image."""
    from skimage.restoration import richardson_lucy

    kernel = np.asarray(options["kernel"]).squeeze()
    margin = max(kernel.shape)
    padded = np.pad(array.clip(0, 1), margin, mode="symmetric")
    return richardson_lucy(padded, kernel, num_iter=30)[margin:-margin, margin:-margin]


def skimage_unsharp_mask(array: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    """What an unsharp mask of the radius told adds, once."""
    from skimage.filters import unsharp_mask

    # Of axes that are counted from the last one it would take the first.
    axis = 2 if array.ndim == 3 else None
    return unsharp_mask(array.clip(0, 1), options["radius"], 1.0, channel_axis=axis)


def skimage_unsupervised_wiener(array: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    """Wiener's filter with levels found by sampling, on the image continued by its mirror image."""
    from skimage.restoration import unsupervised_wiener

    kernel = np.asarray(options["kernel"]).squeeze()
    margin = max(kernel.shape)
    padded = np.pad(array, margin, mode="symmetric")
    restored, _ = unsupervised_wiener(padded, kernel, rng=0, clip=False)
    return restored[margin:-margin, margin:-margin]


def bm3d_package(array: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    import bm3d

    settings = bm3d.BM3DProfile()
    settings.num_threads = torch.get_num_threads()
    run = bm3d.bm3d_rgb if array.ndim == 3 else bm3d.bm3d
    return run(array, options["sigma"], settings)


def bm4d_package(volume: np.ndarray, sigma: float) -> np.ndarray:
    """A volume (D, H, W) denoised by the package `bm4d`, which takes all cores it finds."""
    import bm4d

    return np.asarray(bm4d.bm4d(volume.astype(np.float64), sigma)).reshape(volume.shape)


def pyproximal_tv(array: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    import pyproximal

    planes = array[..., None] if array.ndim == 2 else array
    penalty = pyproximal.TV(dims=planes.shape[:2], sigma=options["sigma"], niter=100)
    channels = [penalty.prox(plane.ravel(), 1.0).reshape(plane.shape) for plane in np.moveaxis(planes, 2, 0)]
    return np.stack(channels, axis=-1)


def malvar(array: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    """The 5 × 5 linear filters of Malvar, He and Cutler (ICASSP 2004, figure 2) for an RGGB mosaic."""
    cross = [[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]]
    along = [[0, 0, 0.5, 0, 0], [0, -1, 0, -1, 0], [-1, 4, 5, 4, -1], [0, -1, 0, -1, 0], [0, 0, 0.5, 0, 0]]
    diagonal = [
        [0, 0, -1.5, 0, 0],
        [0, 2, 0, 2, 0],
        [-1.5, 0, 6, 0, -1.5],
        [0, 2, 0, 2, 0],
        [0, 0, -1.5, 0, 0],
    ]
    kernels = torch.tensor([cross, along, np.transpose(along).tolist(), diagonal])[:, None] / 8
    raw = to_tensor(array)
    padded = functional.pad(raw, (2, 2, 2, 2), mode="reflect")
    green, in_row, in_column, opposite = functional.conv2d(padded, kernels)[0]
    red_row = (torch.arange(raw.shape[-2]) % 2 == 0)[:, None]
    red_column = (torch.arange(raw.shape[-1]) % 2 == 0)[None, :]
    is_green = red_row ^ red_column
    itself = raw[0, 0]
    # The neighbours of the colour in question lie in the row of a green pixel where that colour has its row.
    red_at_green = torch.where(red_row, in_row, in_column)
    blue_at_green = torch.where(red_row, in_column, in_row)
    red = torch.where(is_green, red_at_green, torch.where(red_row, itself, opposite))
    blue = torch.where(is_green, blue_at_green, torch.where(red_row, opposite, itself))
    return to_array(torch.stack([red, torch.where(is_green, itself, green), blue])[None])


#: Task → its peers by name.
PEERS: dict[str, dict[str, Method]] = {
    task: {name: Peer(name, task, function) for name, function in peers.items()}
    for task, peers in {
        "denoise": {
            "bm3d package": bm3d_package,
            "opencv nlm": opencv_nlm,
            "skimage nlm": skimage_nlm,
            "skimage tv": skimage_tv,
            "skimage wavelet": skimage_wavelet,
            "skimage bilateral": skimage_bilateral,
            "pyproximal tv": pyproximal_tv,
        },
        "inpaint": {
            "skimage biharmonic": skimage_biharmonic,
            "opencv telea": opencv_telea,
            "opencv navier-stokes": opencv_navier_stokes,
        },
        "demosaic": {"menon": menon, "malvar": malvar, "opencv edge-aware": opencv_demosaicing},
        "deblur": {
            "skimage richardson-lucy": skimage_richardson_lucy,
            "skimage unsupervised wiener": skimage_unsupervised_wiener,
        },
        "sharpen": {"skimage unsharp mask": skimage_unsharp_mask},
    }.items()
}
# The operators' own first estimates are these.
PEERS["demosaic"]["bilinear"] = method_from("bilinear=first")
PEERS["sr"] = {"bicubic": method_from("bicubic=first")}
PEERS["colorize"] = {"hints spread": method_from("hints spread=first")}
PEERS["jpeg"] = {"decoder": method_from("decoder=first")}
PEERS["restore"] = {"first estimate": method_from("first estimate=first")}
PEERS["destripe"] = {"input": method_from("input=first")}
