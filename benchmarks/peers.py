"""Other packages and textbook baselines, on the same damaged images as ours.

Each peer is a function from a :class:`damages.Case` to the restored image (1, C, H, W). Packages are imported
when they are used: `pip install 'zeroshot[bench]'` brings them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from damages import Case
from torch.nn import functional

from zeroshot.operators import Downsample, Mosaic


def _array(case: Case) -> tuple[np.ndarray, dict[str, int | None]]:
    """The damaged image as scikit-image wants it: (H, W) or (H, W, C), float64."""
    array = case.damaged[0].double().permute(1, 2, 0).numpy()
    return (array[..., 0], {"channel_axis": None}) if array.shape[2] == 1 else (array, {"channel_axis": -1})


def _tensor(array: np.ndarray) -> torch.Tensor:
    array = array[..., None] if array.ndim == 2 else array
    return torch.from_numpy(np.ascontiguousarray(array)).permute(2, 0, 1)[None].float()


def skimage_tv(case: Case) -> torch.Tensor:
    from skimage.restoration import denoise_tv_chambolle

    array, axis = _array(case)
    return _tensor(denoise_tv_chambolle(array, weight=case.options["sigma"], **axis))


def skimage_nlm(case: Case) -> torch.Tensor:
    from skimage.restoration import denoise_nl_means

    array, axis = _array(case)
    sigma = case.options["sigma"]
    settings = {"patch_size": 5, "patch_distance": 10, "h": 0.6 * sigma, "sigma": sigma, "fast_mode": True}
    return _tensor(denoise_nl_means(array, **settings, **axis))


def skimage_wavelet(case: Case) -> torch.Tensor:
    from skimage.restoration import cycle_spin, denoise_wavelet

    array, axis = _array(case)
    settings = {"sigma": case.options["sigma"], "method": "BayesShrink", "rescale_sigma": False, **axis}
    return _tensor(cycle_spin(array, func=denoise_wavelet, max_shifts=3, func_kw=settings, **axis))


def skimage_bilateral(case: Case) -> torch.Tensor:
    from skimage.restoration import denoise_bilateral

    array, axis = _array(case)
    return _tensor(denoise_bilateral(array, sigma_color=2.5 * case.options["sigma"], sigma_spatial=2, **axis))


def skimage_biharmonic(case: Case) -> torch.Tensor:
    from skimage.restoration import inpaint_biharmonic

    array, axis = _array(case)
    return _tensor(inpaint_biharmonic(array, case.options["mask"][0, 0].numpy() < 0.5, **axis))


def bm3d_package(case: Case) -> torch.Tensor:
    import bm3d

    array, _ = _array(case)
    run = bm3d.bm3d_rgb if array.ndim == 3 else bm3d.bm3d
    return _tensor(run(array, case.options["sigma"]))


def pyproximal_tv(case: Case) -> torch.Tensor:
    import pyproximal

    array, _ = _array(case)
    planes = array[..., None] if array.ndim == 2 else array
    penalty = pyproximal.TV(dims=planes.shape[:2], sigma=case.options["sigma"], niter=100)
    channels = [penalty.prox(plane.ravel(), 1.0).reshape(plane.shape) for plane in np.moveaxis(planes, 2, 0)]
    return _tensor(np.stack(channels, axis=-1))


def bicubic(case: Case) -> torch.Tensor:
    return Downsample(4).initial(case.damaged)


def bilinear(case: Case) -> torch.Tensor:
    return Mosaic(case.options["pattern"]).initial(case.damaged)


def malvar(case: Case) -> torch.Tensor:
    """The 5 × 5 linear filters of Malvar, He and Cutler (ICASSP 2004, figure 2) for an RGGB mosaic."""
    cross = torch.tensor(
        [[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]]
    )
    along = torch.tensor(
        [[0, 0, 0.5, 0, 0], [0, -1, 0, -1, 0], [-1, 4, 5, 4, -1], [0, -1, 0, -1, 0], [0, 0, 0.5, 0, 0]]
    )
    diagonal = torch.tensor(
        [[0, 0, -1.5, 0, 0], [0, 2, 0, 2, 0], [-1.5, 0, 6, 0, -1.5], [0, 2, 0, 2, 0], [0, 0, -1.5, 0, 0]]
    )
    kernels = torch.stack([cross.float(), along, along.T, diagonal])[:, None] / 8
    raw = case.damaged
    green, in_row, in_column, opposite = functional.conv2d(
        functional.pad(raw, (2, 2, 2, 2), mode="reflect"), kernels
    )[0]
    red_row = (torch.arange(raw.shape[-2]) % 2 == 0)[:, None]
    red_column = (torch.arange(raw.shape[-1]) % 2 == 0)[None, :]
    is_green = red_row ^ red_column
    itself = raw[0, 0]
    # The neighbours of the colour in question lie in the row of a green pixel where that colour has its row.
    red_at_green = torch.where(red_row, in_row, in_column)
    blue_at_green = torch.where(red_row, in_column, in_row)
    red = torch.where(is_green, red_at_green, torch.where(red_row, itself, opposite))
    blue = torch.where(is_green, blue_at_green, torch.where(red_row, opposite, itself))
    return torch.stack([red, torch.where(is_green, itself, green), blue])[None]


#: Task → name in the table → the peer.
PEERS: dict[str, dict[str, Callable[[Case], torch.Tensor]]] = {
    "denoise": {
        "bm3d package": bm3d_package,
        "skimage nlm": skimage_nlm,
        "skimage tv": skimage_tv,
        "skimage wavelet": skimage_wavelet,
        "skimage bilateral": skimage_bilateral,
        "pyproximal tv": pyproximal_tv,
    },
    "inpaint": {"skimage biharmonic": skimage_biharmonic},
    "sr": {"bicubic": bicubic},
    "demosaic": {"bilinear": bilinear, "malvar": malvar},
}
