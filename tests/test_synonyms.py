"""Other names of tasks, priors and options: taken where they can mean nothing else, answered otherwise."""

from __future__ import annotations

import pytest

import zeroshot
from zeroshot import synonyms
from zeroshot.compare.specification import method_from
from zeroshot.registry import class_names, prior_class, prior_named
from zeroshot.tasks import task_named


@pytest.mark.parametrize(
    ("name", "task"),
    [
        *[(name, "sr") for name in ("super-resolution", "Super Resolution", "superresolution", "UPSCALE")],
        *[(name, "colorize") for name in ("colourise", "Colourize", "colorisation", "colourization")],
        *[
            ("denoising", "denoise"),
            ("noise-removal", "denoise"),
            ("inpainting", "inpaint"),
            ("debayer", "demosaic"),
        ],
        *[("Deblurring", "deblur"), ("deconvolution", "deblur"), ("DEMOSAICKING", "demosaic"), ("SR", "sr")],
    ],
)
def test_a_task_is_known_by_its_other_names(name: str, task: str) -> None:
    assert task_named(name).name == task


@pytest.mark.parametrize(
    ("name", "prior"),
    [
        *[(name, "tv") for name in ("TV", "total_variation", "total-variation", "TotalVariation", "rof")],
        *[
            ("Dip", "dip"),
            ("deep image prior", "dip"),
            ("BM3D", "bm3d"),
            ("CBM3D", "bm3d"),
            ("nl-means", "nlm"),
        ],
        *[("k-svd", "ksvd"), ("plug-and-play", "pnp"), ("regularization_by_denoising", "red")],
    ],
)
def test_a_prior_is_known_by_its_other_names(name: str, prior: str) -> None:
    assert prior_named(name) == prior


def test_every_prior_is_known_by_its_class() -> None:
    for name in class_names():
        assert prior_class(name).__name__ == name


@pytest.mark.parametrize(
    ("name", "meant"),
    [("denoize", "denoise"), ("supreresolution", "sr"), ("upscal", "sr"), ("inpiant", "inpaint")],
)
def test_a_misspelt_task_is_answered_and_not_guessed(name: str, meant: str) -> None:
    with pytest.raises(
        ValueError, match=rf"no task '{name}' \(did you mean '{meant}'\?\); there are: colorize"
    ):
        task_named(name)


@pytest.mark.parametrize("name", ["", "polish", None, 5, "sr sr"])
def test_what_means_nothing_is_refused(name: object) -> None:
    with pytest.raises(ValueError, match="there is no task"):
        task_named(name)  # type: ignore[arg-type]


def test_no_name_means_two_things() -> None:
    for table, known in (
        (synonyms.TASKS, list(zeroshot.tasks())),
        (synonyms.PRIORS, zeroshot.prior_names()),
        (synonyms.OPTIONS, list(synonyms.OPTIONS)),
        (synonyms.KERNELS, list(synonyms.KERNELS)),
    ):
        assert set(table) <= set(known)
        every = [other for others in table.values() for other in others] + known
        plain = [name.replace("_", "") for name in every]
        assert len(set(plain)) == len(plain), sorted(name for name in plain if plain.count(name) > 1)


def test_what_is_there_is_never_taken_for_another() -> None:
    assert synonyms.canonical("TV", ["TV", "tv"], {}) == "TV"
    assert synonyms.canonical("tv", ["TV", "tv"], {}) == "tv"


def test_a_comparison_knows_them_too() -> None:
    assert method_from("TV").name == "TV"
    assert method_from("total_variation[weight=0.1]").settings == {"weight": 0.1}  # type: ignore[attr-defined]
