"""The memory that a run takes is known before it begins: tiles where that is too much, else a refusal in one line."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import zeroshot
from zeroshot.memory import sharing
from zeroshot.operators import Blur, Identity, Mask, Operator
from zeroshot.prior import Prior
from zeroshot.problem import Problem
from zeroshot.registry import prior_class, prior_names
from zeroshot.tiling.planning import LARGEST, Tiling

#: Those whose generator makes images of one size.
_OF_ONE_SIZE = {"inversion", "mgan", "pulse"}
_LARGE, _SMALL = (1, 3, 3000, 4000), (1, 3, 512, 512)


def posed(shape: tuple[int, ...], operator: Operator | None = None, task: str = "denoise") -> Problem:
    small = torch.rand((1, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    return Problem(small, operator or Identity(), sigma=0.1, task=task, reference_shape=shape)


def supporting(name: str) -> tuple[Prior, Problem]:
    """The prior, and a problem of 12 megapixels that it is for."""
    mask = torch.ones(1, 1, 16, 16)
    mask[..., ::2, 1::2] = 0
    tasks = (("denoise", Identity()), ("deblur", Blur.gaussian(1.0)), ("inpaint", Mask(mask)))
    for task, operator in tasks:
        problem = posed(_LARGE, operator, task)
        prior = prior_class(name).for_problem(problem)
        if name in ("latent", "dip") or prior.supports(problem) is None:
            return prior, problem
    raise AssertionError


@pytest.mark.parametrize("name", sorted(set(prior_names()) - _OF_ONE_SIZE))
def test_every_prior_knows_what_twelve_megapixels_take(name: str) -> None:
    prior, problem = supporting(name)
    needed = prior.memory(problem)
    assert needed is not None
    # At least the picture and an estimate; what is within bounds as a whole is so in one of several jobs.
    assert needed > 2 * 4 * 36e6
    if needed > LARGEST and name not in ("latent", "completion"):  # weights, and a measurement of that size
        tiled = Tiling().applied(prior, problem, None, torch.device("cpu"))
        assert (tiled.memory(problem) or 0) <= LARGEST
        assert tiled.supports(problem) is None


@pytest.mark.parametrize("name", ["tgv", "nltv", "pnp", "red", "pixel2pixel", "dip"])
def test_a_photograph_of_twelve_megapixels_is_known_to_need_tiles(name: str) -> None:
    large, small = posed(_LARGE, Blur.gaussian(1.0)), posed(_SMALL, Blur.gaussian(1.0))
    prior = prior_class(name).for_problem(large)
    assert (prior.memory(large) or 0) > LARGEST > 4 * (prior.memory(small) or 0)


def test_a_denoiser_that_is_plugged_in_takes_what_plugging_in_takes() -> None:
    blurred = posed(_LARGE, Blur.gaussian(1.0), "deblur")
    plugged = prior_class("bm3d").for_problem(blurred)
    assert plugged.memory(blurred) == prior_class("pnp").for_problem(blurred).memory(blurred)
    noisy = posed(_LARGE)
    assert (prior_class("bm3d").for_problem(noisy).memory(noisy) or 0) < LARGEST


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).random((200, 260, 3)).astype(np.float32)


def test_what_the_memory_does_not_suffice_for_is_refused_before_any_work(image: np.ndarray) -> None:
    def never(estimate: object, run: object) -> None:
        raise AssertionError

    with (
        sharing(2, 100 * 2**20),
        pytest.raises(
            ValueError,
            match=r"^200 × 260 pixels take prior 'pixel2pixel' about 0.218 GiB of memory, and 0.0488 GiB are free; "
            "take a part of the picture, another prior, or other tiles$",
        ),
    ):
        zeroshot.denoise(image, prior="pixel2pixel", sigma=0.1, tile=None, callbacks=[never])


def test_what_cannot_be_cut_is_refused_with_the_reason(image: np.ndarray) -> None:
    operator = zeroshot.operators.from_functions(lambda x: x.flip(-1), lambda y: y.flip(-1))
    with (
        sharing(1, 10 * 2**20),
        pytest.raises(ValueError, match=r"GiB are free; .* since the image cannot be cut"),
    ):
        zeroshot.solve(image, "restore", "tv", operator=operator, sigma=0.1)


def test_tiles_are_made_of_what_one_of_several_jobs_cannot_hold(image: np.ndarray) -> None:
    result = zeroshot.denoise(image, prior="tv", sigma=0.1, settings={"iterations": 1})
    assert "tiles" not in result.provenance
    with sharing(4, 4 * 17 * 2**20):  # of which nine tenths are allowed, and the whole takes 16.4
        result = zeroshot.denoise(image, prior="tv", sigma=0.1, settings={"iterations": 1})
    assert result.provenance["tiles"]["tile"] == 192
