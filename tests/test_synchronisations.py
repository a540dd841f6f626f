"""How often a run makes the host wait for its device: bounds that a read within a loop would exceed."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest
import torch

import zeroshot
from tests.emulated_device import emulated_device
from tests.pictures import SIGMA, as_image, sample, seeded, with_noise
from tests.synchronisations import synchronisations
from zeroshot.estimate import Estimate
from zeroshot.noise import random_mask
from zeroshot.operators import Blur
from zeroshot.prior import Run
from zeroshot.priors.self_similarity.nonlocal_means import NonlocalMeans

SIDE = 20


def test_what_makes_the_host_wait_is_counted_once() -> None:
    host = torch.arange(6.0)
    with emulated_device() as device, synchronisations() as found:
        there = host.to(device)
        assert found.total == 1
        above = there > 2
        for wait in (
            lambda: there.sum().item(),
            lambda: float(there[0]),
            lambda: bool(above.any()),
            lambda: there.tolist(),
            lambda: there.cpu(),
            lambda: there[above],
            lambda: above.nonzero(),
            lambda: torch.unique(there),
            lambda: torch.bincount(there.long()),
            lambda: torch.equal(there, there),
            lambda: there[[0, 1]],
            lambda: there[torch.tensor([0, 1])],
            lambda: there.new_tensor([1.0, 2.0]),
            lambda: torch.tensor([1.0, 2.0], device=device),
            lambda: there.repeat_interleave(above.long()),
            lambda: torch.linalg.eigh(there[:, None] * there),
        ):
            before = found.total
            wait()  # type: ignore[no-untyped-call]
            assert found.total == before + 1, found.places
    assert all(place.startswith("tests/test_synchronisations.py:") for place in found.places)


def test_what_does_not_is_not() -> None:
    host = torch.arange(6.0)
    with emulated_device() as device:
        there, index = host.to(device), torch.tensor([0, 1]).to(device)
        with synchronisations() as found:
            above = there > 2
            torch.where(above, there, 0.0)
            there[above] = 0.0
            there[index] = there[index] + 1
            torch.full((), 2.0, device=device)
            torch.arange(3, device=device).repeat_interleave(2)
            there.new_full((2,), 1.0)
            # What the host holds itself it reads at once.
            host.sum().item()
            host[host > 2].tolist()
    assert not found.places


def _damaged(task: str) -> tuple[torch.Tensor, dict[str, Any]]:
    clean = as_image(sample("astronaut")[100 : 100 + SIDE, 200 : 200 + SIDE])
    if task == "denoise":
        return with_noise(clean), {"sigma": SIGMA}
    if task == "inpaint":
        mask = random_mask(tuple(clean.shape), 0.5, seeded())
        return clean * mask, {"mask": mask}
    blur = Blur.gaussian(1.0)
    return with_noise(blur(clean), 2 / 255), {"kernel": blur.kernel, "sigma": 2 / 255}


# The most waits of a step after the first, as measured; one of them is for the loss. Steps of the penalties of total
# variation are ten iterations each, those of wavelets five.
@pytest.mark.parametrize(
    ("task", "prior", "settings", "most"),
    [
        ("denoise", "bm3d", {}, 2),
        ("inpaint", "pnp", {"denoiser": "bm3d", "iterations": 2}, 3),
        ("inpaint", "pnp", {"denoiser": NonlocalMeans(patch=3, window=3), "iterations": 2}, 1),
        ("inpaint", "red", {"denoiser": "dct", "iterations": 3}, 1),
        ("denoise", "dct", {}, 1),
        ("denoise", "wnnm", {"iterations": 4, "radius": 4}, 32),
        ("inpaint", "gsr", {"iterations": 2, "radius": 4}, 6),
        ("deblur", "gsr", {"iterations": 2, "radius": 4}, 12),
        ("denoise", "ncsr", {"rounds": 2, "clusters": 2, "radius": 4}, 11),
        ("inpaint", "ncsr", {"rounds": 2, "inner": 2, "block": 2, "clusters": 2, "radius": 4}, 10),
        ("denoise", "ksvd", {"sweeps": 2, "atoms": 32, "sparsity": 6}, 15),
        ("denoise", "wavelet", {"transform": "orthogonal"}, 1),
        ("inpaint", "wavelet", {"iterations": 6, "levels": 2}, 3),
        ("denoise", "tv", {"iterations": 20}, 2),
        ("inpaint", "tv", {"iterations": 20}, 2),
        ("denoise", "huber_tv", {"iterations": 20}, 2),
        ("denoise", "tgv", {"iterations": 20}, 2),
        ("deblur", "tv", {"iterations": 20}, 3),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_step_makes_the_host_wait_more_often(
    task: str, prior: str, settings: dict[str, Any], most: int
) -> None:
    y, options = _damaged(task)
    seen: list[Counter[str]] = []
    with emulated_device() as device, synchronisations() as found:

        def step(estimate: Estimate, run: Run) -> None:
            seen.append(found.places.copy())

        zeroshot.solve(
            y, task, prior, settings=settings, device=device, progress=False, callbacks=[step], **options
        )
    steps = [later - earlier for earlier, later in itertools.pairwise(seen)]
    assert steps
    for waits in steps:
        for place in [place for place in waits if place.startswith("zeroshot/constants.py")]:
            # Once in a process.
            del waits[place]
    worst = max(steps, key=Counter.total)
    assert worst.total() <= most, worst.most_common()
