"""Figures from the papers, printed beside the measured ones: mean PSNR in dB.

`REPORTED[task, set, level][method]`. Sources: Set12 from K. Zhang, W. Zuo, Y. Chen, D. Meng, L. Zhang: Beyond
a Gaussian denoiser, IEEE TIP 26 (2017), table III; colour9 from D. Ulyanov, A. Vedaldi, V. Lempitsky: Deep
Image Prior (IJCV 2020); inpaint11 from V. Papyan, Y. Romano, J. Sulam, M. Elad: Convolutional dictionary
learning via local processing, ICCV 2017, as quoted there; Set5 from the papers of the methods named, luma
PSNR; the pipeline from lecture slides; demosaicking from H. S. Malvar, L.-W. He, R. Cutler: High-quality
linear interpolation for demosaicing of Bayer-patterned color images, ICASSP 2004, and the tables
that compare with it (rounded). Those of DIP, ZSSR, LapSRN, WNNM, CBM3D and of inpainting were quoted from
memory, and hold within a rounding error.
"""

from __future__ import annotations

Key = tuple[str, str, float]

REPORTED: dict[Key, dict[str, float]] = {
    ("denoise", "set12", 15): {"bm3d": 32.37, "wnnm": 32.70},
    ("denoise", "set12", 25): {"bm3d": 29.97, "wnnm": 30.26},
    ("denoise", "set12", 50): {"bm3d": 26.72, "wnnm": 27.05},
    ("denoise", "colour9", 25): {"bm3d": 31.42, "nlm": 30.26, "dip": 31.00, "dip, last iterate": 30.43},
    ("demosaic", "kodak_full", 0): {"bilinear": 29.6, "malvar": 35.0},
    ("demosaic", "mcmaster", 0): {"bilinear": 32.3, "malvar": 34.0},
    ("sr", "set5", 0): {"bicubic": 28.43, "dip": 29.89},
    ("sr", "set5", 4): {
        "bicubic": 28.43,
        "dip": 29.89,
        "SelfExSR": 30.33,
        "ZSSR": 31.13,
        "LapSRN": 31.54,
        "SRResNet": 32.05,
        "RCAN": 32.63,
    },
    ("sr", "set5", 8): {"bicubic": 24.4, "dip": 25.88, "LapSRN": 26.15},
    # All of Kodak, demosaicked, denoised and enlarged: the best order of three networks, and one network for all.
    ("pipeline", "kodak", 2): {"best order": 28.45, "joint": 28.60},
}

#: eswmv9, noise: the mean distance of the PSNR at detection from the best of the run is below this, in dB.
DETECTION_GAP = 1.0

#: 50 % of the pixels missing at random: convolutional sparse coding, and Deep Image Prior, image by image.
INPAINTING: dict[str, tuple[float, float]] = {
    "barbara": (28.14, 32.22),
    "boat": (31.44, 33.06),
    "house": (34.58, 39.16),
    "lena": (35.04, 36.16),
    "peppers": (31.11, 33.05),
    "cameraman": (27.90, 29.80),
    "couple": (31.18, 32.52),
    "man": (31.92, 32.20),
    "fingerprint": (31.34, 32.84),
    "hill": (32.35, 32.77),
    "montage": (28.05, 34.54),
}


def reported(task: str, folder: str, level: float, method: str, image: str | None = None) -> float | None:
    """The published mean, or with `image` the figure of that image, where there is one."""
    if image is None:
        return REPORTED.get((task, folder, level), {}).get(method)
    if task == "inpaint" and image in INPAINTING:
        coding, network = INPAINTING[image]
        return network if method == "dip" else coding
    return None
