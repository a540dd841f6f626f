"""Settings of the right kind but out of range are refused by name; the contract tries those of a wrong kind."""

from __future__ import annotations

from typing import Any

import pytest

from zeroshot.registry import prior_class

#: Prior → setting → values that are numbers or words, and yet not what is wanted.
REFUSED: dict[str, dict[str, tuple[Any, ...]]] = {
    "bilateral": {"spatial": (0,)},
    "bm3d": {"threshold": (0,)},
    "coherence": {"integration": (0,)},
    "completion": {"discrepancy": (0,), "tolerance": (0,), "iterations": (0,), "block": (0,)},
    "dct": {"patch": (1, 8.0, 33), "threshold": (0,)},
    "dip": {
        "channels": (0, (), 16.5, True),
        "scales": (0,),
        "kernel_down": (4,),
        "iterations": (0,),
        "learning_rate": (0.0,),
        "averaging": (1.0,),
        "held_out": (0.0,),
    },
    "domain_transform": {"presmoothing": (0,), "rounds": (0,)},
    "gsr": {
        "patch": (1,),
        "group": (0,),
        "radius": (0,),
        "iterations": (0,),
        "refresh": (0,),
        "sigma_start": (0,),
        "initial": ("pnp",),
    },
    "huber_tv": {"smoothing": (0,)},
    "idr": {"rounds": (0,), "network_share": (1.5,), "reduction": (3,), "orientations": (9,), "crop": (8,)},
    "inversion": {"iterations": (0,), "learning_rate": (0,)},
    "ksvd": {"patch": (1,), "atoms": (0,), "sparsity": (0,), "stride": (9,), "gain": (0,), "finest": (0.5,)},
    "latent": {"iterations": (0,), "learning_rate": (0,), "averaging": (1,)},
    "mgan": {"codes": (0,), "depth": (1.5,), "learning_rate": (0,), "held_out": (1.0,)},
    "ncsr": {
        "patch": (1, 33),
        "similar": (1,),
        "clusters": (0,),
        "radius": (0,),
        "inner": (0,),
        "gradients": (0,),
        "block": (0,),
        "strength": (0,),
        "assumed_noise": (0,),
        "initial": ("wavelets",),
    },
    "nlm": {"patch": (0, 4), "strength": (0,)},
    "nltv": {"neighbours": (0,), "patch": (4, 33), "radius": (51,)},
    "nnm": {"patch": (1,), "iterations": (0,), "stride": (0,), "feedback": (2,), "strength": (0,)},
    "perona_malik": {"strength": (0,), "discrepancy": (0,)},
    "pixel2pixel": {"patch": (4, 0), "members": (1,), "refill": (1.5,), "radius": (0,)},
    "pnp": {
        "denoiser": (3,),
        "iterations": (0,),
        "sigma_start": (0,),
        "weight": (0,),
        "chroma": (0,),
        "constant": (1.5,),
        "initial": ("bm3d",),
    },
    "pulse": {"samples": (0,), "learning_rate": (0,)},
    "richardson_lucy": {"tv": (-0.1, 0.3), "discrepancy": (0,), "iterations": (0,)},
    "selfdeblur": {"channels": (0, (), (3, 0)), "finish": ("bm3d",), "averaging": (1,), "iterations": (0,)},
    "unsupervised_wiener": {"exponent": (-1, 6)},
    "wiener": {"exponent": (-1, 6), "weight": (0,), "iterations": (0,), "tolerance": (0,)},
    "tgv": {"ratio": (0,), "across": (0, 2), "updates": (-1,), "weight": (0,), "block": (0,)},
    "tv": {
        "across": (1.5,),
        "curvature": (-1,),
        "updates": (0.5,),
        "weight": (0,),
        "chroma": (0,),
        "discrepancy": (0,),
        "iterations": (0,),
        "tolerance": (0,),
        "block": (0,),
    },
    "wavelet": {"levels": (0, 13), "shifts": (0, 4097), "strength": (0,), "chroma": (0,), "iterations": (0,)},
    "wnnm": {"patch": (1,), "iterations": (0,), "stride": (0,), "feedback": (2,), "constant": (0,)},
    "zsn2n": {
        "orientations": (0, 9),
        "iterations": (0,),
        "depth": (0,),
        "block": (0,),
        "learning_rate": (0,),
    },
}


@pytest.mark.parametrize(
    ("prior", "name", "value"),
    [
        (prior, name, value)
        for prior, row in REFUSED.items()
        for name, values in row.items()
        for value in values
    ],
)
def test_settings_out_of_range_are_refused_by_name(prior: str, name: str, value: Any) -> None:
    with pytest.raises(ValueError) as caught:
        prior_class(prior)(**{name: value})
    message = str(caught.value)
    assert message.startswith(name)
    assert " must " in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("prior", "settings", "message"),
    [
        ("auto", {"candidates": ()}, "candidates must be a list of priors"),
        ("auto", {"candidates": ("auto",)}, "candidate of itself"),
        ("auto", {"candidates": ("tvv",)}, "did you mean 'tv'"),
        ("auto", {"fraction": 0.0}, "fraction must be above 0"),
        ("auto", {"fraction": 0.7}, "at most 0.5"),
        ("pnp", {"denoiser": 3}, "denoiser must be a name, a DenoisingPrior or a function"),
        ("wavelet", {"wavelet": "bior2.2"}, "'bior2.2' is not orthogonal; wavelet must be"),
        ("wavelet", {"wavelet": "daubechies"}, "wavelet must be the name of an orthogonal wavelet"),
    ],
)
def test_some_settings_are_told_more_about(prior: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prior_class(prior)(**settings)
