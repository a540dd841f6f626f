"""Tiles: the image of the whole run, without seams, in the memory and the time of its parts."""

from __future__ import annotations

import functools
import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import zeroshot
from tests.doubles import Clock, drifting, interrupt_at
from zeroshot import watch
from zeroshot.estimate import Estimate
from zeroshot.prior import Run
from zeroshot.stopping import MaxIterations
from zeroshot.tiling import planning

_NETWORK: dict[str, Any] = {
    "channels": 4,
    "scales": 2,
    "skip_channels": 2,
    "input_depth": 4,
    "iterations": 4,
    "precision": "float32",
    "guide": "none",
}


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).random((80, 100, 3)).astype(np.float32)


def _noisy(photograph: torch.Tensor, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, sigma, photograph.shape).astype(np.float32)
    return (photograph.numpy() + noise)[0].transpose(1, 2, 0)


def test_what_is_done_pixel_by_pixel_is_the_same_in_tiles(image: np.ndarray) -> None:
    whole = zeroshot.solve(image, "denoise", drifting(), sigma=0.1)
    tiled = zeroshot.solve(image, "denoise", drifting(), sigma=0.1, tile=48)
    assert np.abs(tiled.image - whole.image).max() < 1e-6
    assert tiled.iterations == 6 * 10
    assert [row["iterations"] for row in tiled.findings["tiles"]] == [10] * 6
    assert "6 of 6 tiles (6 × reached the limit of 10 iterations)" in tiled.stopped_by


def test_no_seam_is_left(photograph: torch.Tensor) -> None:
    noisy = _noisy(photograph, 0.1)
    options: dict[str, Any] = {"sigma": 0.1, "settings": {"tolerance": 1e-5}}
    whole = zeroshot.solve(noisy, "denoise", "tv", **options).image
    tiled = zeroshot.solve(noisy, "denoise", "tv", tile=64, overlap=24, **options)
    difference = np.abs(tiled.image - whole).mean(axis=2)
    columns, rows = np.abs(np.diff(tiled.image, axis=1)), np.abs(np.diff(tiled.image, axis=0))
    # Tiles end at 64 and begin at 32: what is blended lies between, and its middle is at 48.
    assert {row["top"] for row in tiled.findings["tiles"]} == {0, 32}
    near = np.zeros(96, bool)
    near[36:60] = True
    zone = near[:, None] | near[None, :]
    texture = np.abs(np.diff(whole, axis=1))[:, near[1:]].mean() / np.abs(np.diff(whole, axis=1)).mean()
    assert columns[:, near[1:]].mean() / columns.mean() < 1.1 * texture
    texture = np.abs(np.diff(whole, axis=0))[near[1:]].mean() / np.abs(np.diff(whole, axis=0)).mean()
    assert rows[near[1:]].mean() / rows.mean() < 1.1 * texture
    assert difference[zone].mean() < 1.5 * difference[~zone].mean() + 1e-3


@pytest.mark.slow
def test_no_seam_is_left_by_networks(photograph: torch.Tensor) -> None:
    known = np.random.default_rng(0).random((96, 96)) < 0.5
    truth = photograph[0].permute(1, 2, 0).numpy()
    job: dict[str, Any] = {
        "mask": known,
        "settings": _NETWORK | {"channels": 8, "scales": 3, "iterations": 120, "averaging": 0.9},
    }
    whole = zeroshot.solve(truth * known[..., None], "inpaint", "dip", **job).image
    tiled = zeroshot.solve(truth * known[..., None], "inpaint", "dip", tile=64, overlap=24, **job).image
    near = np.zeros(96, bool)
    near[36:60] = True
    zone = near[:, None] | near[None, :]

    def excess(image: np.ndarray) -> float:
        error = np.square(image - truth).mean(axis=2)
        return float(np.sqrt(error[zone].mean() / error[~zone].mean()))

    assert excess(tiled) < 1.15 * excess(whole)
    assert np.square(tiled - truth).mean() < 1.3 * np.square(whole - truth).mean()


@pytest.mark.parametrize(
    ("task", "options"),
    [
        ("sr", {"scale": 2}),
        ("deblur", {"kernel": "gaussian=1", "sigma": 0.02, "boundary": "valid"}),
        ("restore", {"operator": "mosaic(RGGB) @ downsample(2)", "sigma": 0.01}),
        ("demosaic", {"pattern": "GBRG"}),
        ("inpaint", {"mask": np.random.default_rng(0).random((80, 80)) < 0.5}),
        ("denoise", {"sigma": 0.05, "data_term": "huber"}),
    ],
)
def test_a_damage_that_has_a_position_is_undone_in_tiles(
    photograph: torch.Tensor, task: str, options: dict[str, Any]
) -> None:
    one_channel = task == "demosaic" or "operator" in options
    given = photograph[:, :1] if one_channel else photograph
    settings = {"iterations": 60, "tolerance": 1e-6}
    if one_channel:  # or it is tried which weight of colours fits a mosaic best, in each tile
        settings["chroma"] = 2.0
    side = 44 if task in ("sr", "restore") else 80
    small = given[..., :side, :side]
    whole = zeroshot.solve(small, task, "tv", settings=settings, tile=None, **options).image
    tiled = zeroshot.solve(small, task, "tv", settings=settings, tile=64, **options).image
    assert tiled.shape == whole.shape
    difference = (tiled - whole).square().mean(dim=(0, 1)).sqrt()
    middle = difference.shape[0] // 2
    border = difference[middle - 8 : middle + 8]
    assert float(difference.mean()) < 0.03
    assert float(border.mean()) < 1.5 * float(difference.mean()) + 1e-3


def test_the_same_seed_gives_the_same_bytes(image: np.ndarray) -> None:
    def restored(seed: int) -> bytes:
        result = zeroshot.solve(image, "denoise", "dip", settings=_NETWORK, sigma=0.1, tile=64, seed=seed)
        return result.image.tobytes()

    assert restored(0) == restored(0) != restored(1)


@pytest.mark.parametrize("at", [2, 4, 5])
def test_an_interrupted_run_resumes_to_the_same_bytes(image: np.ndarray, tmp_path: Path, at: int) -> None:
    job: dict[str, Any] = {"settings": _NETWORK | {"stopping": "held_out"}, "sigma": 0.1, "tile": 64}
    whole = zeroshot.solve(image, "denoise", "dip", **job)
    checkpoint = tmp_path / "run.checkpoint"
    part = zeroshot.solve(image, "denoise", "dip", checkpoint=checkpoint, callbacks=[interrupt_at(at)], **job)
    assert part.interrupted
    assert part.image.shape == image.shape
    rest = zeroshot.solve(image, "denoise", "dip", checkpoint=checkpoint, resume=True, **job)
    assert rest.image.tobytes() == whole.image.tobytes()
    assert np.array_equal(rest.history["loss"], whole.history["loss"])
    assert rest.findings == whole.findings


def test_a_tile_that_diverges_is_set_back_and_leaves_the_others_alone() -> None:
    bright = np.full((48, 90, 3), 0.2, np.float32)
    bright[:, 50:] = 0.9
    spoilt = zeroshot.solve(
        bright,
        "denoise",
        drifting(spoil_at=3, spoilt_above=0.6, harmless_rate=0.05),
        sigma=0.1,
        tile=48,
        overlap=6 * 2,
    )
    good = zeroshot.solve(bright, "denoise", drifting(), sigma=0.1, tile=48, overlap=6 * 2)
    assert np.isfinite(spoilt.image).all()
    assert np.array_equal(spoilt.image[:, :30], good.image[:, :30])
    # A tenth of the step size leaves it nearer to where it was.
    assert spoilt.image[:, 80:].min() > good.image[:, 80:].max()


def test_each_tile_gets_its_share_of_the_time(image: np.ndarray, clock: Clock) -> None:
    began = clock.now
    result = zeroshot.solve(
        image, "denoise", drifting(iterations=10**9), sigma=0.1, tile=48, seconds=1.5, seed=1
    )
    assert clock.now - began < 2
    rows = result.findings["tiles"]
    assert len(rows) >= 5
    assert all("share of the time" in row["stopped_by"] for row in rows[:5])


def test_a_tile_without_measurements_keeps_the_first_estimate() -> None:
    image = np.random.default_rng(0).random((48, 120, 3)).astype(np.float32)
    known = np.ones((48, 120), bool)
    known[:, 50:] = False
    result = zeroshot.solve(image, "inpaint", drifting(), mask=known, tile=48, overlap=12)
    assert "1 without measured pixels keep the first estimate" in result.stopped_by
    assert np.isfinite(result.image).all()


def test_auto_makes_tiles_only_of_what_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(0).random((200, 260, 3)).astype(np.float32)
    monkeypatch.setattr(planning, "LARGEST", 200 * 260 * 1000)

    def tiles(**options: Any) -> Any:
        result = zeroshot.solve(image, "denoise", drifting(iterations=1, **options), sigma=0.1)
        return result.provenance.get("tiles")

    assert tiles() is None
    assert tiles(bytes_per_pixel=1000) is None
    assert tiles(bytes_per_pixel=1100)["tile"] == 192
    assert tiles(bytes_per_pixel=1600)["tile"] == 128
    prior = drifting(iterations=1, bytes_per_pixel=600, noise=0.1)
    assert zeroshot.solve(image, "denoise", prior, sigma=0.1, samples=2).provenance["tiles"]


def test_a_stopping_rule_of_the_caller_is_asked_for_every_tile(image: np.ndarray) -> None:
    result = zeroshot.solve(image, "denoise", drifting(), sigma=0.1, tile=64, stopping=MaxIterations(3))
    assert {row["iterations"] for row in result.findings["tiles"]} == {3}


def test_watchers_see_the_whole_image_and_the_tile(
    image: np.ndarray,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "tqdm", functools.partial(watch.tqdm, mininterval=0, miniters=1))
    seen: list[tuple[tuple[int, ...], str]] = []
    preview = tmp_path / "preview.png"
    zeroshot.solve(
        image,
        "denoise",
        drifting(),
        sigma=0.1,
        tile=64,
        preview=preview,
        progress=True,
        callbacks=[lambda estimate, run: seen.append((tuple(estimate.image.shape), run.stage()))],
    )
    assert {shape for shape, _ in seen} == {(1, 3, 80, 100)}
    assert {"tile 1/4", "tile 4/4"} <= {stage for _, stage in seen}
    assert preview.exists()
    assert "tile 4/4" in capsys.readouterr().err


@pytest.mark.parametrize("prior", ["drifting", "dip"])
def test_a_tile_is_forgotten_before_the_next_begins(image: np.ndarray, prior: str) -> None:
    runs: list[weakref.ref[Run]] = []

    def look(estimate: Estimate, run: Any) -> None:
        if run._parts and all(known() is not run._parts[0].loop.run for known in runs):
            runs.append(weakref.ref(run._parts[0].loop.run))
        assert sum(known() is not None for known in runs) <= 1

    job: dict[str, Any] = {"settings": _NETWORK} if prior == "dip" else {}
    # With the first optimiser of a process PyTorch loads its compiler, which keeps the frames of who asked for it.
    torch.optim.SGD([torch.zeros(1, requires_grad=True)])
    gc.disable()
    try:
        chosen = "dip" if prior == "dip" else drifting()
        zeroshot.solve(image, "denoise", chosen, sigma=0.1, tile=48, callbacks=[look], **job)
    finally:
        gc.enable()
    assert len(runs) == 6


def test_a_run_on_one_tile_is_the_plain_run(image: np.ndarray) -> None:
    plain = zeroshot.solve(image, "denoise", drifting(noise=0.1), sigma=0.1)
    tiled = zeroshot.solve(image, "denoise", drifting(noise=0.1), sigma=0.1, tile=100)
    assert tiled.image.tobytes() == plain.image.tobytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tile": 8}, "tile must be a whole number of at least 32, 'auto' or None, got 8"),
        ({"tile": "large"}, "tile must be a whole number of at least 32, 'auto' or None, got 'large'"),
        ({"tile": 64, "overlap": -1}, "overlap must be a whole number of at least 0 or 'auto', got -1"),
        ({"tile": 64, "overlap": 4}, "overlap must be at least 8 pixels here"),
        ({"tile": 64, "overlap": 64}, "do not advance"),
    ],
)
def test_bad_tiles_are_refused(image: np.ndarray, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        zeroshot.solve(image, "denoise", drifting(), sigma=0.1, **options)
    assert "\n" not in str(caught.value)


def test_a_blur_that_joins_opposite_edges_is_undone_in_tiles(photograph: torch.Tensor) -> None:
    truth = photograph[..., :80, :72]
    blur = zeroshot.operators.Blur.motion(9, 30, boundary="circular")
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    blurred = blur(truth) + 0.005 * noise

    def rim(operator: zeroshot.operators.Blur) -> float:
        settings = {"iterations": 60}
        tiles = {"tile": 64, "overlap": 24}
        result = zeroshot.solve(
            blurred, "restore", "tv", operator=operator, sigma=0.005, settings=settings, **tiles
        )
        assert result.image.shape == truth.shape
        error = (result.image - truth).square()
        return float(torch.cat([error[..., :4, :].flatten(), error[..., -4:, :].flatten()]).mean())

    # Only who knows what lies beyond the edges undoes the blur there.
    assert rim(blur) < 0.6 * rim(blur.with_boundary("replicate"))


def test_an_operator_that_cannot_be_cut_is_refused(image: np.ndarray) -> None:
    operator = zeroshot.operators.parse("identity @ blur(gaussian=1, boundary=circular)")
    with pytest.raises(ValueError, match=r"cannot be cut into tiles: blur\(gaussian=1, .*opposite edges"):
        zeroshot.solve(image, "restore", drifting(), operator=operator, sigma=0.1, tile=64)
