"""Runs on a device that has no double precision and mixes with nothing of the host, where every machine can try it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import zeroshot
from tests.emulated_device import emulated_device
from tests.jpegs import encoded, photograph
from tests.pictures import seeded

SIDE = 24


def test_the_emulated_device_refuses_what_a_true_one_refuses() -> None:
    host = torch.ones(3, 4)
    with emulated_device() as device:
        there = host.to(device)
        assert there.device == device
        assert (there + 1).mean().device == device
        assert torch.zeros_like(there).device == device
        assert there.cpu().device == host.device
        assert torch.nn.Conv2d(1, 1, 3).to(device).weight.device == device
        with pytest.raises(TypeError, match="float64"):
            there.sum(dtype=torch.float64)
        with pytest.raises(RuntimeError, match="same device"):
            torch.cat([there, host])
        with pytest.raises(TypeError, match="numpy"):
            there.numpy()
    assert isinstance(torch.Generator(), torch.Generator)
    assert host.device == torch.device("cpu")


def _clean(channels: int = 3) -> torch.Tensor:
    across = torch.linspace(0, 1, SIDE)
    slopes = 0.25 + 0.5 * (across[:, None] + across > 1).float() + 0.1 * across
    return slopes.expand(1, channels, SIDE, SIDE).contiguous()


def _input(task: str) -> tuple[torch.Tensor, dict[str, Any]]:
    draws = seeded(3)
    noisy = _clean() + 0.1 * torch.randn(_clean().shape, generator=draws)
    match task:
        case "denoise":
            return noisy, {"sigma": 0.1}
        case "inpaint":
            return _clean(), {"mask": torch.rand(1, 1, SIDE, SIDE, generator=draws) > 0.4}
        case "sr":
            return _clean(), {"scale": 2}
        case "deblur":
            return _clean(), {"kernel": "gaussian=1.2", "sigma": 0.01}
        case _:
            return _clean(1), {}


@pytest.mark.parametrize(
    ("task", "prior", "settings"),
    [
        ("denoise", "bm3d", {}),
        ("denoise", "dct", {}),
        ("denoise", "wavelet", {}),
        ("denoise", "tv", {}),
        ("denoise", "wnnm", {"iterations": 2}),
        pytest.param("denoise", "ncsr", {}, marks=pytest.mark.slow),
        ("denoise", "fourier", {}),
        ("denoise", "perona_malik", {}),
        ("denoise", "domain_transform", {}),
        ("denoise", "coherence", {}),
        ("inpaint", "tv", {"iterations": 5}),
        ("inpaint", "pnp", {"iterations": 2}),
        ("inpaint", "completion", {}),
        ("deblur", "wiener", {}),
        ("deblur", "richardson_lucy", {"iterations": 3}),
        ("sr", "tv", {"iterations": 5}),
    ],
)
def test_a_prior_makes_the_picture_of_the_cpu(task: str, prior: str, settings: dict[str, Any]) -> None:
    y, options = _input(task)
    here = zeroshot.solve(y, task, prior, progress=False, **options, settings=settings)
    with emulated_device() as device:
        there = zeroshot.solve(y, task, prior, progress=False, device=device, **options, settings=settings)
    assert there.provenance["device"] == "mps"
    assert torch.allclose(torch.as_tensor(there.image), torch.as_tensor(here.image), atol=2e-3)


@pytest.mark.parametrize("stopping", ["held_out", "variance"])
def test_deep_image_prior_runs_there(stopping: str) -> None:
    y, options = _input("denoise")
    settings = {"iterations": 4, "stopping": stopping, "guide": "dct"}
    with emulated_device() as device:
        result = zeroshot.solve(
            y, "denoise", "dip", progress=False, device=device, **options, settings=settings
        )
    assert result.provenance["device"] == "mps"
    assert torch.as_tensor(result.image).isfinite().all()


def test_noise_that_nobody_told_of() -> None:
    y, _ = _input("denoise")
    coloured = torch.nn.functional.avg_pool2d(y, 3, 1, 1)
    here = zeroshot.solve(coloured, "denoise", "bm3d", progress=False)
    with emulated_device() as device:
        there = zeroshot.solve(coloured, "denoise", "bm3d", progress=False, device=device)
    assert torch.allclose(torch.as_tensor(there.image), torch.as_tensor(here.image), atol=2e-3)


def test_a_jpeg(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(encoded(photograph(32, 32), quality=20))
    here = zeroshot.solve(photo, "jpeg", "dct", progress=False)
    with emulated_device() as device:
        there = zeroshot.solve(photo, "jpeg", "dct", progress=False, device=device)
    assert torch.allclose(torch.as_tensor(there.image), torch.as_tensor(here.image), atol=2e-3)
