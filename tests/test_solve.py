"""The loop: stopping, interruption, divergence, checkpoints, seeds, callbacks, kinds of input."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import zeroshot
from tests.doubles import DriftingPrior, interrupt_at
from tests.pictures import seeded, uniform
from zeroshot import images
from zeroshot.estimate import Estimate
from zeroshot.loop import INTERRUPTED, Listener, Loop
from zeroshot.metrics import psnr
from zeroshot.prior import Run
from zeroshot.stopping import MaxIterations


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).random((12, 10, 3)).astype(np.float32)


def test_the_default_rule_ends_the_run_and_is_named(image: np.ndarray) -> None:
    result = zeroshot.solve(image, "denoise", DriftingPrior(), sigma=0.1)
    assert result.iterations == 120
    assert "120 iterations" in result.stopped_by
    assert len(result.history) == 120


def test_the_image_comes_back_as_it_was_given(image: np.ndarray) -> None:
    for given in (image, (image * 255).astype(np.uint8), (image[..., 0] * 65535).astype(np.uint16)):
        result = zeroshot.solve(given, "denoise", DriftingPrior(iterations=2), sigma=0.1)
        assert isinstance(result.image, np.ndarray)
        assert result.image.shape == given.shape
        assert result.image.dtype == given.dtype
        assert np.array_equal(np.asarray(result), result.image)


def test_each_image_of_a_batch_is_restored_as_if_alone(image: np.ndarray) -> None:
    batch = torch.from_numpy(np.stack([image, 1 - image])).permute(0, 3, 1, 2)
    result = zeroshot.solve(batch, "denoise", DriftingPrior(iterations=5), sigma=0.1)
    assert result.image.shape == batch.shape
    assert len(result.parts) == 2
    assert result.iterations == 10
    for index in range(2):
        alone = zeroshot.solve(batch[index], "denoise", DriftingPrior(iterations=5), sigma=0.1)
        assert torch.equal(alone.image, result.image[index])


def test_a_batch_may_have_one_mask_per_image(image: np.ndarray) -> None:
    batch = torch.from_numpy(np.stack([image, 1 - image])).permute(0, 3, 1, 2)
    masks = uniform(2, 1, 12, 10) < 0.7
    result = zeroshot.solve(batch, "inpaint", DriftingPrior(iterations=1), mask=masks.float())
    for index in range(2):
        alone = zeroshot.solve(
            batch[index], "inpaint", DriftingPrior(iterations=1), mask=masks[index].float()
        )
        assert torch.equal(alone.image, result.image[index])


def test_the_noise_of_each_image_of_a_batch_is_estimated_on_its_own() -> None:
    flat = np.full((1, 48, 48), 0.5, np.float32)
    noise = np.random.default_rng(0).standard_normal((2, 1, 48, 48)).astype(np.float32)
    batch = torch.from_numpy(np.stack([flat + 0.02 * noise[0], flat + 0.1 * noise[1]]))
    result = zeroshot.solve(batch, "denoise", DriftingPrior(iterations=1))
    assert result.parts[0].sigma == pytest.approx(0.02, rel=0.2)
    assert result.parts[1].sigma == pytest.approx(0.1, rel=0.2)


def test_ctrl_c_ends_a_whole_batch(image: np.ndarray) -> None:
    batch = torch.from_numpy(np.stack([image, 1 - image, image])).permute(0, 3, 1, 2)
    result = zeroshot.solve(batch, "denoise", DriftingPrior(), sigma=0.1, callbacks=[interrupt_at(1)])
    assert [part.iterations for part in result.parts] == [1, 0, 0]
    assert result.image.shape == batch.shape
    assert torch.equal(result.image[2], batch[2])


def test_a_batch_of_greys_may_share_its_hints(image: np.ndarray) -> None:
    grey = torch.from_numpy(image[..., :1]).permute(2, 0, 1)[None].repeat(2, 1, 1, 1)
    hints = np.dstack([image, np.ones_like(image[..., 0])])
    result = zeroshot.solve(grey, "colorize", DriftingPrior(iterations=1), hints=hints)
    assert result.image.shape == (2, 3, 12, 10)


def test_the_same_seed_gives_the_same_bytes_and_global_state_is_untouched(image: np.ndarray) -> None:
    before = torch.random.get_rng_state()
    first = zeroshot.solve(image, "denoise", DriftingPrior(), sigma=0.1, seed=3)
    second = zeroshot.solve(image, "denoise", DriftingPrior(), sigma=0.1, seed=3)
    other = zeroshot.solve(image, "denoise", DriftingPrior(), sigma=0.1, seed=4)
    assert first.image.tobytes() == second.image.tobytes()
    assert first.image.tobytes() != other.image.tobytes()
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_listener_among_the_callbacks_may_end_the_run(image: np.ndarray, tmp_path: Path) -> None:
    class Ending(Listener):
        def stepped(self, loop: Loop, estimate: Estimate) -> None:
            if estimate.iteration == 7:
                loop.end(INTERRUPTED)

    saved = tmp_path / "run"
    how = {"sigma": 0.1, "checkpoint": saved}
    result = zeroshot.solve(image, "denoise", DriftingPrior(), callbacks=[Ending()], **how)
    assert (result.iterations, result.interrupted) == (7, True)
    # As after Ctrl-C there is a checkpoint to go on from.
    whole = zeroshot.solve(image, "denoise", DriftingPrior(), sigma=0.1)
    continued = zeroshot.solve(image, "denoise", DriftingPrior(), resume=True, **how)
    assert continued.iterations == whole.iterations > 7
    assert np.array_equal(continued.image, whole.image)


def test_callbacks_see_every_estimate(image: np.ndarray) -> None:
    seen: list[int] = []
    zeroshot.solve(
        image,
        "denoise",
        DriftingPrior(iterations=7),
        sigma=0.1,
        callbacks=[lambda estimate, run: seen.append(estimate.iteration)],
    )
    assert seen == list(range(1, 8))


def test_a_budget_ends_the_run(image: np.ndarray) -> None:
    result = zeroshot.solve(image, "denoise", DriftingPrior(iterations=10**9), sigma=0.1, seconds=0.2)
    assert "budget" in result.stopped_by


def test_ctrl_c_returns_the_best_estimate_so_far(image: np.ndarray) -> None:
    handler = signal.getsignal(signal.SIGINT)
    result = zeroshot.solve(image, "denoise", DriftingPrior(), sigma=0.1, callbacks=[interrupt_at(30)])
    assert result.stopped_by == "interrupted"
    assert 30 <= result.iterations <= 31
    assert np.isfinite(result.image).all()
    assert signal.getsignal(signal.SIGINT) is handler


def test_divergence_goes_back_once_with_a_smaller_step(image: np.ndarray) -> None:
    prior = DriftingPrior(spoil_at=77, harmless_rate=0.005)
    result = zeroshot.solve(image, "denoise", prior, sigma=0.1)
    assert "120 iterations" in result.stopped_by
    assert np.isfinite(result.image).all()
    assert np.isfinite(result.history["loss"]).all()
    assert result.history["iteration"].tolist() == list(range(1, 121))


def test_an_interrupted_run_resumes_to_the_same_bytes(image: np.ndarray, tmp_path: Any) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    whole = zeroshot.solve(image, "denoise", DriftingPrior(), sigma=0.1)
    part = zeroshot.solve(
        image, "denoise", DriftingPrior(), sigma=0.1, checkpoint=checkpoint, callbacks=[interrupt_at(41)]
    )
    assert part.stopped_by == "interrupted"
    assert checkpoint.exists()
    rest = zeroshot.solve(image, "denoise", DriftingPrior(), sigma=0.1, checkpoint=checkpoint, resume=True)
    assert rest.image.tobytes() == whole.image.tobytes()
    assert np.array_equal(rest.history["loss"], whole.history["loss"])
    assert not checkpoint.exists()


def test_a_checkpoint_of_another_run_is_refused(image: np.ndarray, tmp_path: Any) -> None:
    checkpoint = tmp_path / "run.checkpoint"

    zeroshot.solve(
        image, "denoise", DriftingPrior(), sigma=0.1, checkpoint=checkpoint, callbacks=[interrupt_at(1)]
    )
    with pytest.raises(ValueError, match="its seed is 0, here it is 1"):
        zeroshot.solve(
            image, "denoise", DriftingPrior(), sigma=0.1, checkpoint=checkpoint, resume=True, seed=1
        )


def test_a_file_that_is_no_checkpoint_is_refused(image: np.ndarray, tmp_path: Any) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    checkpoint.write_bytes(b"something else")
    with pytest.raises(ValueError, match="not a checkpoint"):
        zeroshot.solve(image, "denoise", DriftingPrior(), sigma=0.1, checkpoint=checkpoint, resume=True)


def test_a_foreign_file_is_not_taken_for_a_checkpoint_and_deleted(image: np.ndarray, tmp_path: Any) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    with pytest.raises(ValueError, match="not to be overwritten"):
        zeroshot.solve(image, "denoise", DriftingPrior(), sigma=0.1, checkpoint=precious)
    assert precious.read_text() == "mine"


def test_a_checkpoint_that_cannot_be_written_does_not_end_the_run(image: np.ndarray, tmp_path: Any) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    def remove(estimate: Estimate, run: Run) -> None:
        if estimate.iteration == 1:
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()

    with pytest.warns(UserWarning, match="checkpoint could not be written"):
        result = zeroshot.solve(
            image,
            "denoise",
            DriftingPrior(),
            sigma=0.1,
            checkpoint=folder / "run.checkpoint",
            checkpoint_seconds=0,
            callbacks=[remove],
        )
    assert "120 iterations" in result.stopped_by


def test_the_checkpoint_is_kept_for_a_caller_who_asks(image: np.ndarray, tmp_path: Any) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    zeroshot.solve(
        image,
        "denoise",
        DriftingPrior(),
        sigma=0.1,
        checkpoint=checkpoint,
        checkpoint_seconds=0,
        keep_checkpoint=True,
    )
    assert checkpoint.exists()


def test_the_operator_of_the_caller_stays_where_it_is() -> None:
    operator = zeroshot.operators.Blur.gaussian(1.0)
    problem = zeroshot.Problem(torch.zeros(1, 1, 16, 16), operator)
    problem.to("meta")
    assert operator.kernel.device.type == "cpu"


@pytest.mark.parametrize("size", [(2, 3), (8, 8), (1, 40)])
def test_some_pixels_are_held_out_and_some_are_left(size: tuple[int, int]) -> None:
    for number in range(10):
        problem = zeroshot.Problem(torch.rand(2, 3, *size), zeroshot.operators.Identity())
        held = problem.hold_out(0.03, seeded(number)).held_out
        assert held is not None
        per_image = held[:, 0].sum(dim=(1, 2))
        assert (per_image >= 1).all()
        assert (per_image < size[0] * size[1]).all()
        assert torch.equal(held[:, 0], held[:, 2])


def test_only_measured_pixels_are_held_out() -> None:
    known = (uniform(1, 1, 20, 20) < 0.2).float()
    problem = zeroshot.Problem(
        torch.rand(1, 3, 20, 20) * known, zeroshot.operators.Mask(known), measured=known
    )
    held = problem.hold_out(0.3, seeded(1)).held_out
    assert held is not None
    assert held[:, 0].sum() == round(0.3 * float(known.sum()))
    assert not (held * (1 - known)).any()


def test_masks_of_many_kinds_mean_the_same(image: np.ndarray) -> None:
    known = np.random.default_rng(1).random(image.shape[:2]) < 0.5
    results = [
        zeroshot.solve(image, "inpaint", DriftingPrior(iterations=1), mask=mask).image
        for mask in (
            known,
            known.astype(np.uint8),
            known.astype(np.int64),
            known.astype(np.uint8) * 255,
            known.astype(np.float32)[..., None],
            torch.from_numpy(known),
            Image.fromarray(known.astype(np.uint8) * 255),
        )
    ]
    assert all(np.array_equal(results[0], other) for other in results[1:])


def test_a_colour_marks_the_hole(image: np.ndarray) -> None:
    image[2:5, 3:6] = (1.0, 0.0, 1.0)
    known = np.ones(image.shape[:2], bool)
    known[2:5, 3:6] = False
    by_colour = zeroshot.solve(image, "inpaint", DriftingPrior(iterations=1), mask="#ff00ff").image
    by_mask = zeroshot.solve(image, "inpaint", DriftingPrior(iterations=1), mask=known).image
    assert np.array_equal(by_colour, by_mask)


def test_equal_options_are_described_equally_and_others_are_not(image: np.ndarray) -> None:
    known = Image.fromarray((image[..., 0] > 0.3).astype(np.uint8) * 255)
    other = Image.fromarray((image[..., 0] > 0.4).astype(np.uint8) * 255)
    told = [
        zeroshot.solve(image, "inpaint", DriftingPrior(iterations=1), mask=mask).provenance["options"]
        for mask in (known, known.copy(), other)
    ]
    assert told[0] == told[1]
    assert told[0] != told[2]


def test_previews_are_written_and_counted(image: np.ndarray, tmp_path: Any) -> None:
    preview, iterates = tmp_path / "preview.png", []
    result = zeroshot.solve(
        image,
        "denoise",
        DriftingPrior(),
        sigma=0.1,
        preview=preview,
        preview_seconds=1e-6,
        callbacks=[lambda estimate, run: iterates.append(estimate.image.clone())],
    )
    steps = result.history.previews
    assert steps
    assert steps == sorted(set(steps))
    written = zeroshot.images.load(preview).colours
    assert torch.allclose(written, iterates[steps[-1]].clamp(0, 1), atol=1 / 255)


def test_a_preview_that_takes_long_to_write_holds_nothing_up(
    image: np.ndarray, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    save = zeroshot.images.save

    def slow(picture: Any, path: Any, **options: Any) -> None:
        if threading.current_thread() is not threading.main_thread():
            assert over.wait(60), "the run waits for its preview"
        save(picture, path, **options)

    def watched(estimate: Any, run: Any) -> None:
        if estimate.iteration == 120:
            over.set()

    monkeypatch.setattr("zeroshot.watch.images.save", slow)
    result = zeroshot.solve(
        image,
        "denoise",
        DriftingPrior(),
        sigma=0.1,
        preview=tmp_path / "preview.png",
        preview_seconds=1e-6,
        callbacks=[watched],
    )
    # What was due meanwhile is left out; the one that was begun is there when the run has ended.
    assert result.history.previews == [0]


def test_the_first_estimate_is_previewed_before_the_run_has_begun(image: np.ndarray, tmp_path: Any) -> None:
    preview, seen = tmp_path / "preview.png", []

    class SlowToBegin(DriftingPrior):
        def start(self, problem: Any, generator: torch.Generator) -> Any:
            seen.append(zeroshot.images.load(preview).colours)
            return super().start(problem, generator)

    zeroshot.solve(image, "denoise", SlowToBegin(), sigma=0.1, preview=preview)
    assert torch.allclose(seen[0], zeroshot.images.load(image).colours, atol=1 / 255)


def test_the_provenance_says_how_the_image_was_made(image: np.ndarray, tmp_path: Any) -> None:
    result = zeroshot.solve(image, "denoise", DriftingPrior(rate=0.02), sigma=0.1, seed=5)
    result.save(tmp_path / "out.tiff")
    read = zeroshot.images.read_provenance(tmp_path / "out.tiff")
    assert read == result.provenance
    assert read["settings"]["rate"] == 0.02
    assert read["seed"] == 5
    assert read["task"] == "denoise"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "denose"}, "did you mean 'denoise'"),
        ({"task": "denoise", "prior": "dpi"}, "did you mean 'dip'"),
        ({"task": "denoise", "sigma": 25}, "sigma=25/255"),
        ({"task": "denoise", "sigma": -0.1}, "at least 0"),
        ({"task": "denoise", "sigma": "auto"}, "number"),
        ({"task": "denoise", "scale": 4}, "has no option 'scale'"),
        ({"task": "sr"}, "needs scale="),
        ({"task": "sr", "scale": 0}, "from 2 to 16, got 0"),
        ({"task": "sr", "scale": 1.5}, "from 2 to 16, got 1.5"),
        ({"task": "sr", "scale": float("inf")}, "from 2 to 16, got inf"),
        ({"task": "sr", "scale": "4"}, "from 2 to 16, got '4'"),
        ({"task": "restore", "operator": zeroshot.operators.Mask(np.ones((5, 5)))}, "5 × 5"),
        ({"task": "denoise", "stopping": "soon"}, "stopping must be a StoppingRule"),
        ({"task": "denoise", "stopping": MaxIterations}, "stopping must be a StoppingRule"),
        ({"task": "denoise", "callbacks": print}, "callbacks must be a list"),
        ({"task": "denoise", "seconds": "5"}, "seconds must be a positive number"),
        ({"task": "denoise", "settings": ["a"]}, "settings must be a dict"),
        ({"task": "denoise", "stopping": zeroshot.Discrepancy(), "sigma": 0.0}, "noise level"),
        ({"task": "sr", "scale": 2, "kernel": "bicubik"}, "bicubic"),
        ({"task": "inpaint"}, "needs mask="),
        ({"task": "inpaint", "mask": np.ones((5, 5))}, "12 × 10"),
        ({"task": "inpaint", "mask": np.zeros((12, 10))}, "no pixel"),
        ({"task": "inpaint", "mask": "alpha"}, "alpha channel"),
        ({"task": "inpaint", "mask": "#123456"}, "no pixel has the colour"),
        ({"task": "demosaic"}, "one channel"),
        ({"task": "deblur", "kernel": np.ones((4, 4))}, "odd"),
        ({"task": "deblur", "kernel": np.zeros((3, 3))}, "sum"),
        ({"task": "restore", "operator": "blurr(disk=2)"}, "blurr"),
        ({"task": "denoise", "data_term": "poisson"}, "needs peak"),
        ({"task": "denoise", "data_term": "cauchy"}, "data_term must be"),
        ({"task": "denoise", "device": "abacus"}, "no device 'abacus'"),
        ({"task": "denoise", "seconds": 0}, "seconds must be a positive"),
        ({"task": "denoise", "seed": -1}, "seed must be"),
        ({"task": "denoise", "resume": True}, "needs checkpoint"),
        ({"task": "denoise", "prior": "dip", "settings": {"chanels": 3}}, "no setting 'chanels'"),
        ({"task": "denoise", "prior": "dip", "settings": {"network": "vgg"}}, "network must be 'skip'"),
        ({"task": "denoise", "prior": "dip", "settings": {"recipe": "slow"}}, "no recipe 'slow'"),
    ],
)
def test_bad_input_is_one_line_that_says_what_would_be_right(
    image: np.ndarray, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        zeroshot.solve(image, **arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pixels_that_are_not_numbers_are_refused(image: np.ndarray) -> None:
    image[3, 4, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        zeroshot.solve(image, "denoise", DriftingPrior(), sigma=0.1)


def test_prior_classes_are_found_on_the_package() -> None:
    assert zeroshot.DeepImagePrior.name == "dip"
    assert zeroshot.TotalVariation.name == "tv"
    with pytest.raises(AttributeError):
        _ = zeroshot.NoSuchPrior


def test_hints_are_spread_in_the_first_estimate(photograph):
    from zeroshot.operators import Grayscale
    from zeroshot.tasks import make_problem

    drawn = zeroshot.noise.random_mask(tuple(photograph.shape), 0.97, seeded())
    grey = Grayscale()(photograph)
    hints = torch.cat([photograph * drawn, drawn], dim=1)
    problem, _, _ = make_problem("colorize", images.load(grey), {"hints": hints})
    first = problem.operator.initial(problem.y)
    torch.testing.assert_close(Grayscale()(first), grey, atol=1e-5, rtol=0)
    assert psnr(first, photograph) > psnr(grey.expand(-1, 3, -1, -1), photograph) + 6
