"""Degradation: the damage is the task's own, it is the same for the same seed, and the record says how."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from zeroshot.images import load
from zeroshot.operators import Downsample, parse
from zeroshot.tasks import make_problem, tasks
from zeroshot.tasks.degrade import check, cropped_for, degrade

#: Every task with options that make its damage, and noise.
DAMAGES = [
    ("denoise", {"sigma": 0.1}),
    ("destripe", {"stripes": 0.05, "sigma": 0.02}),
    ("inpaint", {"missing": 0.4, "sigma": 0.02}),
    ("sr", {"scale": 3, "sigma": 0.02}),
    ("sr", {"scale": 4, "kernel": "gaussian", "kernel_sigma": 1.6}),
    ("colorize", {"luma": "bt709", "hints": 0.05, "sigma": 0.02}),
    ("demosaic", {"pattern": "GRBG", "sigma": 0.02}),
    ("deblur", {"kernel": "motion=7, angle=30", "boundary": "valid", "sigma": 0.02}),
    ("sharpen", {"radius": 1.0, "sigma": 0.02}),
    ("restore", {"operator": "mosaic(RGGB) @ downsample(2)", "sigma": 0.02}),
    ("jpeg", {"quality": 30}),
]
NOISES = [{"sigma": 0.1}, {"peak": 30.0}, {"salt_pepper": 0.1}]


def test_every_task_can_be_damaged() -> None:
    assert {task for task, _ in DAMAGES} == set(tasks())


@pytest.mark.parametrize(("task", "options"), [pair for pair in DAMAGES if pair[0] != "jpeg"])
def test_the_task_finds_its_own_operator_and_noise(photograph, task, options) -> None:
    result = degrade(photograph, task, **options)
    problem, _, _ = make_problem(task, load(result.measurement), result.options)
    assert tuple(problem.reference_shape) == tuple(result.truth.shape)
    # A rounding to 8 bits leaves up to half a level, at a deviation of 0.29 levels.
    expected = options.get("sigma", 0.29 / 255)
    if "hints" in result.options:
        rows = problem.operator(result.truth) - problem.y
        residual = float(rows[:, :1].square().mean().sqrt())
        assert float(rows[:, 1:].abs().max()) < 1e-6
    else:
        residual = problem.residual(result.truth)
    # Not all of the stripes is found in a small picture.
    assert residual == pytest.approx(expected, rel=0.6 if task == "destripe" else 0.1)
    assert problem.sigma == options.get("sigma", 0.0)


@pytest.mark.parametrize(("task", "options"), DAMAGES)
def test_the_seed_alone_decides(photograph, task, options) -> None:
    first, same, other = (degrade(photograph, task, seed=seed, **options) for seed in (3, 3, 4))
    assert torch.equal(first.measurement, same.measurement)
    assert first.provenance == same.provenance
    is_random = bool({"sigma", "missing", "hints"} & set(options))
    assert torch.equal(first.measurement, other.measurement) != is_random


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize(("task", "options"), [("denoise", {}), ("demosaic", {}), ("sr", {"scale": 2})])
def test_noise_is_of_the_kind_that_was_asked_for(photograph, task, options, noise) -> None:
    result = degrade(photograph, task, seed=1, **options, **noise)
    clean = result.operator(result.truth)
    difference = result.measurement - clean
    if "sigma" in noise:
        assert float(difference.std()) == pytest.approx(0.1, rel=0.05)
        assert result.options["sigma"] == 0.1
    elif "peak" in noise:
        photons = result.measurement * 30
        assert torch.allclose(photons, photons.round(), atol=1e-4)
        assert float((difference.square() / clean.clamp(min=0.02)).mean() * 30) == pytest.approx(1, rel=0.1)
        assert (result.options["data_term"], result.options["peak"]) == ("poisson", 30.0)
    else:
        hit = (difference != 0).any(dim=1).float().mean()
        assert float(hit) == pytest.approx(0.1, abs=0.03)
        # Denoising finds impulses by itself.
        assert result.options.get("data_term") == (None if task == "denoise" else "l1")
    make_problem(task, load(result.measurement), result.options)


def test_missing_pixels_hold_nothing_and_are_as_many_as_asked_for(photograph) -> None:
    result = degrade(photograph, "inpaint", missing=0.3, sigma=0.1)
    mask = result.options["mask"]
    assert float(mask.mean()) == pytest.approx(0.7, abs=1e-4)
    assert not (result.measurement * (1 - mask)).any()


def test_a_mask_may_be_given_as_a_file_or_be_the_alpha_channel(photograph, tmp_path) -> None:
    kept = (np.arange(96)[:, None] + np.arange(96)) % 3 > 0
    from PIL import Image

    Image.fromarray(kept.astype(np.uint8) * 255).save(tmp_path / "mask.png")
    by_file = degrade(photograph, "inpaint", mask=tmp_path / "mask.png")
    with_alpha = torch.cat([photograph, torch.from_numpy(kept)[None, None].float()], dim=1)
    by_alpha = degrade(with_alpha, "inpaint", mask="alpha")
    assert torch.equal(by_file.measurement, by_alpha.measurement)
    assert torch.equal(by_file.options["mask"][0, 0].bool(), torch.from_numpy(kept))


def test_rounding_is_that_of_the_tables(photograph) -> None:
    def is_rounded(result) -> bool:
        levels = result.measurement * 255
        return bool(((levels - levels.round()).abs() < 1e-3).all() and (levels >= 0).all())

    assert is_rounded(degrade(photograph, "sr", scale=4))
    assert not is_rounded(degrade(photograph, "sr", scale=4, sigma=0.01))
    assert not is_rounded(degrade(photograph, "sr", scale=4, quantise="none"))
    assert not is_rounded(degrade(photograph, "denoise", sigma=0.1))
    assert is_rounded(degrade(photograph, "denoise", sigma=0.1, quantise="8-bit"))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_small_images_are_the_published_ones_value_by_value(shared: Path, scale: int) -> None:
    for path in sorted((shared / "data" / "set5" / f"hr_x{scale}").glob("*.png")):
        published = load(shared / "data" / "set5" / f"lr_x{scale}" / path.name).colours
        made = degrade(path, "sr", scale=scale).measurement
        assert torch.equal((made * 255).round(), (published * 255).round()), path.name


def test_the_truth_is_cropped_as_far_as_the_operator_needs_it(photograph) -> None:
    odd = photograph[..., :95, :94]
    assert tuple(degrade(odd, "sr", scale=4).truth.shape[-2:]) == (92, 92)
    assert tuple(degrade(odd, "denoise", sigma=0.1).truth.shape[-2:]) == (95, 94)
    joint = degrade(odd, "restore", operator="downsample(2) @ downsample(3)")
    assert tuple(joint.truth.shape[-2:]) == (90, 90)
    assert torch.equal(joint.truth, odd[..., :90, :90])


def test_an_operator_that_no_crop_suits_says_so(photograph) -> None:
    with pytest.raises(ValueError, match="multiples of 16"):
        cropped_for(Downsample(16), photograph[..., :12, :12])
    with pytest.raises(ValueError, match="channel"):
        degrade(photograph[:, :1], "restore", operator="mosaic(RGGB)")


def test_the_record_names_what_was_done_and_is_json(photograph) -> None:
    result = degrade(photograph, "inpaint", missing=0.5, seed=7)
    record = json.loads(json.dumps(result.provenance))
    assert (record["degraded_for"], record["seed"], record["damage"]) == ("inpaint", 7, {"missing": 0.5})
    assert record["input_sha256"] == load(photograph).sha256()
    assert "sha256" in record["options"]["mask"]


def test_the_input_is_left_as_it_was(photograph) -> None:
    before = photograph.clone()
    for task, options in DAMAGES:
        degrade(photograph, task, **options).measurement.zero_()
    assert torch.equal(photograph, before)


def test_arrays_files_and_pictures_give_the_same(photograph, tmp_path) -> None:
    from PIL import Image

    pixels = (photograph[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    results = [
        degrade(source, "denoise", sigma=0.1).measurement
        for source in (pixels, tmp_path / "image.png", str(tmp_path / "image.png"), load(pixels))
    ]
    assert all(torch.equal(result, results[0]) for result in results)


def test_hints_tell_the_true_colours(photograph) -> None:
    hints = degrade(photograph, "colorize", hints=0.1).options["hints"]
    shown = hints[:, 3:]
    assert float(shown.mean()) == pytest.approx(0.1, abs=1e-3)
    assert torch.equal(hints[:, :3] * shown, photograph * shown)
    pictures = {option.name for task in tasks().values() for option in task.options if option.type.is_picture}
    assert pictures == {"mask", "hints"}


def test_an_operator_may_be_an_object(photograph) -> None:
    text = "mosaic(RGGB) @ downsample(2)"
    by_text, by_object = (degrade(photograph, "restore", operator=chosen) for chosen in (text, parse(text)))
    assert torch.equal(by_text.measurement, by_object.measurement)


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("denoize", {"sigma": 0.1}, "did you mean"),
        ("denoise", {}, "needs one noise"),
        ("denoise", {"sigma": 0.0}, "needs one noise"),
        ("denoise", {"sigma": 25}, r"\[0, 1\]"),
        ("denoise", {"sigma": 0.1, "peak": 30}, "sigma and peak are different kinds"),
        ("denoise", {"peak": -1}, "positive number of photons"),
        ("denoise", {"salt_pepper": 1.5}, "between 0 and 1"),
        ("denoise", {"scale": 4, "sigma": 0.1}, "has no option 'scale'"),
        ("inpaint", {}, "needs missing"),
        ("inpaint", {"missing": 0.5, "mask": "alpha"}, "do not go together"),
        ("inpaint", {"missing": 50}, "between 0 and 1"),
        ("sr", {}, "needs scale"),
        ("sr", {"scale": 2.5}, "whole number from 2 to 16"),
        ("sr", {"scale": 4, "quantise": "16-bit"}, "'8-bit' or 'none'"),
        ("sr", {"scale": 4, "seed": -1}, "seed must be"),
        ("deblur", {}, "needs kernel"),
        ("restore", {}, "needs operator"),
        ("colorize", {"hints": 2}, "between 0 and 1"),
    ],
)
def test_bad_input_is_refused_before_the_image_is_looked_at(task, options, message) -> None:
    with pytest.raises(ValueError, match=message):
        check(task, **options)
    with pytest.raises(ValueError, match=message):
        degrade("no such file.png", task, **options)


def test_bad_images_are_refused(photograph) -> None:
    with pytest.raises(ValueError, match="one image at a time"):
        degrade(photograph.expand(2, -1, -1, -1), "denoise", sigma=0.1)
    with pytest.raises(ValueError, match="needs a colour image"):
        degrade(photograph[:, :1], "demosaic")
    with pytest.raises(ValueError, match=r"96 × 96"):
        degrade(photograph, "inpaint", mask=np.ones((5, 5), bool))
