"""A function for each task: made from the tables, seen by editors, and no more than `solve` with its task."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zeroshot
from tests.write_stubs import STUB, stub
from zeroshot.tasks import task_named


@pytest.fixture
def noisy() -> np.ndarray:
    return np.random.default_rng(0).normal(0.5, 0.1, (24, 24)).clip(0, 1).astype(np.float32)


def test_the_stub_is_what_the_tables_make() -> None:
    assert STUB.read_text(encoding="utf-8") == stub(), "run 'make stubs'"


@pytest.mark.parametrize("name", zeroshot.tasks())
def test_its_options_are_those_of_the_task_and_of_solve(name: str) -> None:
    function = getattr(zeroshot, name)
    parameters = inspect.signature(function).parameters
    own = [option.name for option in task_named(name).options]
    solving = [one for one in inspect.signature(zeroshot.solve).parameters if one not in ("task", "options")]
    assert list(parameters) == [
        "image",
        *own,
        "prior",
        *[one for one in solving if one not in ("image", "prior")],
    ]
    for option in task_named(name).options:
        default = parameters[option.name].default
        assert default is inspect.Parameter.empty if option.required else default == option.default
        assert f"{option.name}\n" in str(function.__doc__)
    assert function.__name__ == name


def test_it_is_solve_with_its_task(noisy: np.ndarray) -> None:
    expected = zeroshot.solve(noisy, "denoise", "tv", sigma=0.1)
    for result in (
        zeroshot.denoise(noisy, sigma=0.1, prior="tv"),
        zeroshot.denoise(noisy, 0.1, prior="TV"),
        zeroshot.denoise(image=noisy, sigma=0.1, prior="total_variation"),
        zeroshot.denoise(noisy, 0.1, prior=zeroshot.TotalVariation()),
        zeroshot.solve(noisy, "Denoising", "TotalVariation", sigma=0.1),
    ):
        np.testing.assert_array_equal(result.image, expected.image)
        assert result.provenance["task"] == "denoise"
        assert result.provenance["prior"] == "tv"


def test_the_first_option_may_be_given_by_its_place(noisy: np.ndarray) -> None:
    assert zeroshot.sr(noisy, 2, prior="tv", seconds=5).image.shape == (48, 48)
    assert zeroshot.inpaint(noisy, noisy > 0.5, prior="tv").image.shape == (24, 24)
    assert zeroshot.demosaic(noisy, "RGGB", prior="tv").image.shape == (24, 24, 3)


@pytest.mark.parametrize(
    ("task", "arguments", "told"),
    [
        (
            "denoise",
            {"iterations": 10},
            r"iterations is a setting of other priors: write prior='dip', settings=\{'iterations': 10\}",
        ),
        ("inpaint", {"iterations": 10}, r"of prior 'pnp': write settings=\{'iterations': 10\}"),
        ("inpaint", {"iterations": np.int64(10)}, r"write settings=\{'iterations': 10\}"),
        (
            "denoise",
            {"prior": zeroshot.TotalVariation(), "weight": 0.1},
            r"a setting of prior 'tv': write TotalVariation\(weight=0\.1\)",
        ),
        ("denoise", {"noise_level": 0.1}, r"no option 'noise_level' \(did you mean 'sigma'\?\)"),
        ("denoise", {"sigam": 0.1}, r"no option 'sigam' \(did you mean 'sigma'\?\)"),
        ("denoise", {"method": "tv"}, "there is no argument 'method': write prior=…"),
        ("denoise", {"data_range": (0, 1)}, "there is no argument 'data_range': write value_range=…"),
        ("denoise", {"prior": "tvv"}, r"no prior 'tvv' \(did you mean 'tv'\?\)"),
        ("denoise", {"prior": "tv", "settings": {"wieght": 1}}, r"'wieght' \(did you mean 'weight'\?\)"),
        ("denoise", {"prior": zeroshot.TotalVariation}, r"the class TotalVariation; make one of it"),
        ("deblur", {"kernel": 1.6}, r"did you mean kernel='gaussian=1\.6'\?"),
        ("deblur", {"kernel": "gauss=2"}, "did you mean kernel='gaussian=2'"),
        ("deblur", {"kernel": "defocus=3"}, "did you mean kernel='disk=3'"),
        ("sr", {"factor": 2}, r"no option 'factor' \(did you mean 'scale'\?\)"),
        ("sr", {"scale": 2, "kernel": "gaussian=1.6"}, "kernel='gaussian' kernel_sigma=1.6"),
        ("sr", {}, "needs scale=…"),
    ],
)
def test_a_guess_is_answered_with_the_right_spelling(
    noisy: np.ndarray, task: str, arguments: dict[str, Any], told: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=told) as caught:
        getattr(zeroshot, task)(noisy, **arguments)
    assert "\n" not in str(caught.value)


def test_two_places_are_too_many(noisy: np.ndarray) -> None:
    for call in (lambda: zeroshot.denoise(noisy, 0.1, "tv"), lambda: zeroshot.denoise(noisy, 0.1, sigma=0.1)):
        with pytest.raises(TypeError, match=r"denoise\(image, sigma, …\) takes one sigma"):
            call()


def noisy_square() -> np.ndarray:
    return np.random.default_rng(0).integers(90, 160, (24, 24), dtype=np.uint8)


def test_a_masked_array_is_refused_with_both_ways_out():
    masked = np.ma.masked_greater(noisy_square(), 150)
    with pytest.raises(ValueError, match=r"is masked, with \d+ of 576 .*array\.data.*array\.filled\(0\)"):
        zeroshot.denoise(masked, prior="dct")
    assert zeroshot.denoise(np.ma.masked_greater(noisy_square(), 200), prior="dct").image.shape == (24, 24)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"preview": 5}, TypeError, "preview must be the path of a file, got 5"),
        ({"checkpoint": 5}, TypeError, "checkpoint must be the path of a file, got 5"),
        ({"progress": "no"}, TypeError, "progress must be True or False, got 'no'"),
        ({"resume": "no"}, TypeError, "resume must be True or False, got 'no'"),
        ({"peak": 30}, ValueError, "peak=… goes with data_term='poisson'"),
        ({"sigma": "auto"}, TypeError, "or None, which has it estimated, got 'auto'"),
        ({"verbose": True}, ValueError, "there is no argument 'verbose': write progress=…"),
    ],
)
def test_what_is_no_value_of_an_argument_is_answered_by_its_name(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        zeroshot.denoise(noisy_square(), prior="dct", **arguments)


def test_a_warning_is_at_the_line_of_the_caller_however_it_is_called():
    for call in (zeroshot.denoise, lambda image, **how: zeroshot.solve(image, "denoise", **how)):
        with pytest.warns(UserWarning, match="value_range") as caught:
            call(noisy_square().astype(np.float32), prior="dct")
        assert {Path(warning.filename).name for warning in caught} == {Path(__file__).name}
