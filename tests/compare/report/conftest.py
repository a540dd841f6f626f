"""A comparison as its runner leaves it: denoised photographs, with a method that failed and one that crashed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage import data, restoration

from zeroshot import metrics
from zeroshot.compare.records import Cell, CurvePoint, Table

SIGMA = 25 / 255
PHOTOGRAPHS = {
    "astronaut.png": lambda: data.astronaut()[20:108, 170:282],
    "cat <&> \"quoted\" 'ñ 猫'.png": lambda: data.chelsea()[60:148, 150:262],
    "camera $x_1$": lambda: data.camera()[60:148, 190:302],
}
METHODS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda y: y,
    "gaussian": lambda y: ndimage.gaussian_filter(y, (1, 1, 0)[: y.ndim]),
    "median": lambda y: ndimage.median_filter(y, (3, 3, 1)[: y.ndim]),
    "tv": lambda y: restoration.denoise_tv_chambolle(y, 0.12, channel_axis=2 if y.ndim == 3 else None),
    "=wavelet<b>": lambda y: restoration.denoise_wavelet(y, SIGMA, channel_axis=2 if y.ndim == 3 else None),
}


@pytest.fixture(scope="package")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> tuple[Table, Path]:
    """The table and its folder; nobody changes them."""
    folder = tmp_path_factory.mktemp("comparison")
    return make_comparison(folder), folder


def make_comparison(folder: Path) -> Table:
    generator = np.random.default_rng(0)
    truths, damaged, cells = {}, {}, []
    for number, (name, photograph) in enumerate(PHOTOGRAPHS.items()):
        truth = photograph().astype(np.float32) / 255
        noisy = truth + SIGMA * generator.standard_normal(truth.shape)
        truths[name] = _saved(folder, f"truth/{number}.png", truth)
        damaged[name] = _saved(folder, f"damaged/{number}.png", noisy)
        for order, (method, restore) in enumerate(METHODS.items()):
            start = time.perf_counter()
            restored = np.clip(restore(noisy), 0, 1)
            seconds = time.perf_counter() - start
            file = _saved(folder, f"restored/{number}-{order}.png", restored)
            cells.append(
                Cell(
                    image=name,
                    method=method,
                    status="done",
                    seconds=seconds,
                    memory_mib=180.0 + 7 * order,
                    metrics=_measured(restored, truth, noisy),
                    notes={"stopped_by": "the budget", "iterations": order},
                    curve=_curve(noisy, truth) if method == "tv" else (),
                    file=file,
                )
            )
    names = list(PHOTOGRAPHS)
    cells += [
        Cell(names[0], "network", "memory", "needed more than 4 GiB", seconds=None),
        Cell(names[1], "network", "crashed", "the process ended with signal 11 <SIGSEGV>"),
        Cell(names[0], "interpolation", "failed", "RuntimeError: weights & image disagree"),
        *(Cell(name, "interpolation", "unsupported", "enlarges; this is denoising") for name in names[1:]),
    ]
    return Table(
        title="Denoising, σ = 25/255",
        task="denoise",
        options={"sigma": SIGMA},
        images=tuple(names),
        methods=(*METHODS, "network", "interpolation"),
        metrics=("psnr", "ssim", "niqe", "consistency"),
        cells=tuple(cells),
        truths=truths,
        damaged=damaged,
        seconds=60.0,
        seed=0,
        provenance={
            "command": "zeroshot compare astronaut.png camera.png --task denoise --sigma 25/255",
            "processor": "an eight-bit processor at 1 MHz",
            "cores": 2,
            "threads": 1,
            "versions": {"zeroshot": "0.1.0", "numpy": np.__version__},
        },
    )


def _saved(folder: Path, name: str, pixels: np.ndarray) -> str:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    Image.fromarray((np.clip(pixels, 0, 1) * 255).round().astype(np.uint8)).save(path)
    return name


def _measured(restored: np.ndarray, truth: np.ndarray, noisy: np.ndarray) -> dict[str, float]:
    roughness = np.abs(
        ndimage.laplace(restored)
    ).mean()  # stands in for a measure that looks at the result alone
    return {
        "psnr": metrics.psnr(restored.astype(np.float32), truth),
        "ssim": float(np.corrcoef(restored.ravel(), truth.ravel())[0, 1]),
        "niqe": 3 + 20 * abs(float(roughness) - 0.12),
        "consistency": 255 * float(np.sqrt(np.mean((restored - noisy) ** 2))),
    }


def _curve(noisy: np.ndarray, truth: np.ndarray) -> tuple[CurvePoint, ...]:
    points = []
    for step, weight in enumerate(np.geomspace(0.005, 0.12, 8)):
        axis = 2 if noisy.ndim == 3 else None
        image = np.clip(restoration.denoise_tv_chambolle(noisy, weight, channel_axis=axis), 0, 1)
        points.append(CurvePoint(0.01 * 2.5**step, metrics.psnr(image.astype(np.float32), truth)))
    return tuple(points)
