"""Every registered prior holds the contract, on the tasks that take different ways through it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.contract import PriorCase, PriorContract
from tests.generators.small_generators import build, tiny_decoder
from tests.pictures import as_image, damaged, sample, uniform
from zeroshot.data_terms import L1
from zeroshot.generators import Generator
from zeroshot.operators import Downsample
from zeroshot.priors.shared_work import SharedWork, shared
from zeroshot.priors.untrained import selfdeblur_run
from zeroshot.problem import Problem
from zeroshot.registry import prior_class, prior_names

NETWORK: dict[str, Any] = {"channels": 6, "scales": 2, "input_depth": 4, "iterations": 8}
DICTIONARY: dict[str, Any] = {"sweeps": 3, "training": 200, "atoms": 40, "patch": 4}
PATCHES: dict[str, Any] = {"inner": 6, "block": 3, "rounds": 2, "clusters": 10, "radius": 6, "patch": 5}
GROUPS: dict[str, Any] = {"patch": 5, "group": 20, "iterations": 4, "stride": 3, "radius": 6}
WAVELET: dict[str, Any] = {"iterations": 9, "block": 3, "levels": 2, "wavelet": "haar"}
LEARNING: dict[str, Any] = {"channels": 6, "iterations": 12, "block": 3, "crop": 16}
BANK: dict[str, Any] = {"members": 3, "coarse": 2, "radius": 4, "patch": 3}
SPLITTING: dict[str, Any] = {"denoiser": "dct", "iterations": 5}

#: Case → the prior, the task that it undoes, and settings that make it quick.
SETTINGS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "auto": ("auto", "denoise", {"candidates": ("perona_malik", "fourier"), "fraction": 0.1}),
    "bilateral": ("bilateral", "denoise", {}),
    "bm3d": ("bm3d", "denoise", {"profile": "fast"}),
    "coherence": ("coherence", "denoise", {}),
    "completion": ("completion", "inpaint", {"iterations": 30}),
    "dct": ("dct", "denoise", {}),
    "dip": ("dip", "denoise", {**NETWORK, "guide": "none"}),
    "dip, muon, pool": (
        "dip",
        "denoise",
        {**NETWORK, "guide": "none", "optimiser": "muon", "perturbation_noise": "pool"},
    ),
    "dip, guided": (
        "dip",
        "denoise",
        {
            **NETWORK,
            "guide": "initial",
            "guide_role": "fallback",
            "stopping": "iterations",
            "network_share": 0.5,
            "handover": (2, 5),
        },
    ),
    "domain_transform": ("domain_transform", "denoise", {}),
    "fourier": ("fourier", "denoise", {}),
    "gsr, holes": ("gsr", "inpaint", {"iterations": 4, "radius": 6, "group": 20, "refresh": 2}),
    "gsr": ("gsr", "sr", {"iterations": 4, "radius": 6, "group": 20, "refresh": 2, "patch": 6}),
    "huber_tv": ("huber_tv", "denoise", {"iterations": 60}),
    "idr": ("idr", "denoise", {**LEARNING, "guide": "dct", "rounds": 2}),
    "idr, alone": ("idr", "denoise", {**LEARNING, "guide": "none", "optimiser": "adam"}),
    "ksvd": ("ksvd", "denoise", DICTIONARY),
    "ksvd, holes": ("ksvd", "inpaint", {**DICTIONARY, "sweeps": 2, "coarsest": 0.025, "finest": 0.02}),
    "ncsr": ("ncsr", "denoise", PATCHES),
    "ncsr, sr": ("ncsr", "sr", PATCHES),
    "nlm": ("nlm", "denoise", {"window": 7}),
    "nltv": ("nltv", "denoise", {"radius": 3, "iterations": 30, "block": 5, "updates": 2}),
    "nnm": ("nnm", "denoise", GROUPS),
    "perona_malik": ("perona_malik", "denoise", {}),
    "pixel2pixel": ("pixel2pixel", "denoise", {**LEARNING, **BANK, "guide": "dct"}),
    "pixel2pixel, alone": (
        "pixel2pixel",
        "denoise",
        {**LEARNING, **BANK, "guide": "none", "gap": 0, "reduction": 1, "crop": 0},
    ),
    "pnp, hqs": ("pnp", "inpaint", {**SPLITTING, "scheme": "hqs"}),
    "pnp, outliers": ("pnp", "deblur", {**SPLITTING, "scheme": "hqs", "iterations": 3}),
    "pnp, admm": ("pnp", "sr", {**SPLITTING, "scheme": "admm"}),
    "red": ("red", "inpaint", SPLITTING),
    "richardson_lucy": ("richardson_lucy", "deblur", {"iterations": 8}),
    "selfdeblur": (
        "selfdeblur",
        "deblur",
        {"channels": (6, 6), "hidden": 20, "iterations": 6, "warm_up": 1, "finish": "wavelet"},
    ),
    "unsupervised_wiener": ("unsupervised_wiener", "deblur", {}),
    "wiener": ("wiener", "deblur", {}),
    "tgv": ("tgv", "denoise", {"iterations": 40, "block": 4}),
    "tv": ("tv", "denoise", {"iterations": 60}),
    "tv, given weight": ("tv", "demosaic", {"iterations": 60, "weight": 0.05, "chroma": 2.0}),
    "wavelet": ("wavelet", "denoise", {}),
    "wavelet, undecimated": ("wavelet", "sr", {"iterations": 12, "block": 3}),
    "wavelet, spun": (
        "wavelet",
        "sr",
        {"iterations": 12, "block": 3, "transform": "orthogonal", "shifts": 2},
    ),
    "wnnm": ("wnnm", "denoise", GROUPS),
    "zsn2n": ("zsn2n", "denoise", LEARNING),
}
LATENT: dict[str, tuple[str, Callable[[], Generator], dict[str, Any]]] = {
    "latent": ("latent", tiny_decoder, {"iterations": 6}),
    "inversion, tuned": (
        "inversion",
        lambda: build("style"),
        {"iterations": 3, "tuning_iterations": 4, "noise": "optimised"},
    ),
    "mgan": ("mgan", lambda: build("progressive"), {"iterations": 6, "codes": 3}),
    "mgan, style": ("mgan", lambda: build("style"), {"iterations": 6, "codes": 3}),
    "pulse": ("pulse", lambda: build("style"), {"iterations": 6, "statistics_samples": 500, "samples": 2}),
}
#: What holds for methods whose random start, or whose weights, know a scale, an orientation and pictures.
NO_SYMMETRY: dict[str, Any] = {
    "constant_tolerance": None,
    "scale_tolerance": None,
    "offset_tolerance": None,
    "turn_tolerance": None,
}
LEARNERS = ("dip", "idr", "pixel2pixel", "selfdeblur", "zsn2n")
#: How far turning goes, as the root mean square of what differs, and why it is not exact.
TURNS: dict[str, float | None] = {
    # The measurements that are held out to choose by are drawn by their place.
    "auto": None,
    # The matrix has the columns of all channels side by side, and one row of pixels a row.
    "completion": 0.03,
    # The grid of the reference patches begins at the upper left, and of equal patches the first is taken.
    "bm3d": 0.01,
    "gsr": 0.01,
    "gsr, holes": 0.01,
    "nltv": 0.005,
    # The filters run down and back again, which the border tells apart.
    "domain_transform": 0.02,
    # Differences are taken to the right and down.
    **dict.fromkeys(("tv", "huber_tv", "tgv"), 0.02),
    # It begins with total variation.
    "pnp, admm": 0.02,
    # What dictionaries and clusters begin with is drawn by its place.
    **dict.fromkeys(("ksvd", "ksvd, holes", "ncsr", "ncsr, sr"), 0.04),
    # The filters are not symmetric.
    "wavelet": 0.005,
    "wavelet, undecimated": 0.02,
    # Bases that are not redundant have their own grid.
    "wavelet, spun": None,
}
#: Case → what the contract has to know of it.
KNOWN: dict[str, dict[str, Any]] = {
    **{name: {"is_random": True} for name in ("ksvd", "ksvd, holes")},
    # The guide may be None.
    **{name: {"is_random": True, "free": ("guide",)} for name in ("dip", "dip, muon, pool")},
    # The mean of a group is one of its singular values, which hard thresholding mostly keeps.
    **{name: {"offset_tolerance": 0.01} for name in ("gsr", "gsr, holes")},
    # The guide may be None.
    **{
        name: {"is_random": True, "free": ("guide",)}
        for name in ("idr", "idr, alone", "pixel2pixel", "pixel2pixel, alone")
    },
    "zsn2n": {"is_random": True},
    # It shows what is held out, and is refused with a rule that holds out.
    "dip, guided": {"is_random": True, "free": ("guide",), "held_out_tolerance": 1.0},
    "ncsr, sr": {"resumed_after": (1,), "steps": 3},
    # One step and one weight are chosen for the whole batch, which shows far from the minimum.
    **{name: {"batch_tolerance": 0.02} for name in ("nltv", "tgv")},
    # A weight that is given has the units of the image.
    "tv, given weight": {"batch_tolerance": 0.02, "scale_tolerance": None, "offset_tolerance": None},
    "auto": {"resumed_after": (1, 4, 8), "begins_again": True},
    # Total variation, with which it begins, has one step and one weight for the whole batch.
    "pnp, admm": {"batch_tolerance": 1e-3},
    # The inner splitting of robust data terms has a penalty in the units of the image, and ends after four turns.
    "pnp, outliers": {
        "resumed_after": (2,),
        "steps": 3,
        "batch_tolerance": 1e-3,
        "scale_tolerance": 0.03,
        "offset_tolerance": 0.03,
    },
    **{name: {"resumed_after": (2,), "steps": 3} for name in ("wavelet, undecimated", "wavelet, spun")},
    "inversion, tuned": {"free": ("label",), "resumed_after": (1, 2, 4)},
    # Light is multiplied, from black on.
    "richardson_lucy": {"offset_tolerance": None},
    # Conjugate gradients that end early keep what rounding has made of them.
    **{name: {"batch_tolerance": 1e-3} for name in ("unsupervised_wiener", "wiener")},
    "mgan": {"is_random": True, "free": ("label", "layer")},
    "mgan, style": {"is_random": True, "free": ("label", "layer")},
    "pulse": {"is_random": True, "free": ("label",)},
}


def marks_of(name: str) -> tuple[pytest.MarkDecorator, ...]:
    """Those that train a network on what another prior has made of the picture take long, and inner splittings."""
    return (pytest.mark.slow,) if name.startswith(("idr", "pixel2pixel", "pnp, outliers")) else ()


def picture() -> torch.Tensor:
    return as_image(sample("astronaut")[84:104, 192:212])


@functools.cache
def case_of(name: str) -> PriorCase:
    if name in LATENT:
        family, network, settings = LATENT[name]
        # What the small generators make is 16 × 16.
        problem = Problem(Downsample(2)(uniform(1, 3, 16, 16, seed=2)), Downsample(2), sigma=0.0, task="sr")
        prior = prior_class(family)(weights=network(), **settings)
    else:
        family, task, settings = SETTINGS[name]
        problem = damaged(task, picture())
        if name == "pnp, outliers":
            problem = replace(problem, data_term=L1())
        prior = prior_class(family).for_problem(problem, **settings)
    symmetry = NO_SYMMETRY if name in LATENT or name.startswith(LEARNERS) else {}
    turns = {"turn_tolerance": TURNS[name]} if name in TURNS else {}
    return PriorCase(prior, problem, **{**symmetry, **turns, **KNOWN.get(name, {})})


@functools.cache
def beginnings_of(name: str) -> SharedWork:
    """Solutions of other priors, under contract themselves, that the runs of a case on its problem begin with."""
    return SharedWork(case_of(name).problem)


class TestEveryPrior(PriorContract):
    @pytest.fixture(params=[pytest.param(name, marks=marks_of(name)) for name in (*SETTINGS, *LATENT)])
    def case(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[PriorCase]:
        # What restores with the kernel is as quick here as where it is under contract itself.
        monkeypatch.setattr(selfdeblur_run, "_own_settings", lambda kind, problem: WAVELET)
        with shared(beginnings_of(request.param)):
            yield case_of(request.param)


def test_every_registered_prior_is_under_contract() -> None:
    assert {family for family, _, _ in [*SETTINGS.values(), *LATENT.values()]} == set(prior_names())
