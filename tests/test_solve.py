"""The loop: stopping, interruption, divergence, checkpoints, seeds, callbacks, kinds of input."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

import zeroshot
from zeroshot.prior import Estimate, Prior, Run
from zeroshot.stopping import MaxIterations


class CountingRun(Run):
    """Moves the first estimate towards grey by a fixed share per step, with seeded jitter."""

    def __init__(self, prior: CountingPrior, problem: Any, generator: torch.Generator) -> None:
        self.prior, self.generator = prior, generator
        self.image = problem.initial().clone()
        self.iteration = 0
        self.rate = prior.rate
        self.device = problem.y.device
        self.spoilt = 0

    def step(self) -> Estimate:
        self.iteration += 1
        jitter = torch.rand(self.image.shape, generator=self.generator) * 1e-3
        self.image = torch.lerp(self.image, torch.full_like(self.image, 0.5), self.rate) + jitter
        loss = float(self.image.var())
        if self.iteration == self.prior.spoil_at and self.rate > self.prior.harmless_rate:
            self.spoilt += 1
            self.image = self.image * float("nan")
            loss = float("nan")
        return Estimate(self.image, loss, self.iteration)

    def shrink_step(self, factor: float) -> None:
        self.rate *= factor

    def state_dict(self) -> dict[str, Any]:
        return {
            "image": self.image.clone(),
            "iteration": self.iteration,
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.image, self.iteration = state["image"].clone(), state["iteration"]
        self.generator.set_state(state["generator"])


@dataclass(frozen=True)
class CountingPrior(Prior):
    name: ClassVar[str] = "counting"
    summary: ClassVar[str] = "for tests"
    rate: float = 0.01
    iterations: int = 120
    spoil_at: int = -1
    harmless_rate: float = 0.0

    @classmethod
    def for_problem(cls, problem: Any, **settings: Any) -> CountingPrior:
        return cls(**settings)

    def supports(self, problem: Any) -> str | None:
        return "it is refused" if self.rate == 0 else None

    def start(self, problem: Any, generator: torch.Generator) -> CountingRun:
        return CountingRun(self, problem, generator)

    def default_stopping(self, problem: Any) -> zeroshot.StoppingRule:
        return MaxIterations(self.iterations)


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).random((12, 10, 3)).astype(np.float32)


def test_the_default_rule_ends_the_run_and_is_named(image: np.ndarray) -> None:
    result = zeroshot.solve(image, "denoise", CountingPrior(), sigma=0.1)
    assert result.iterations == 120
    assert "120 iterations" in result.stopped_by
    assert len(result.history) == 120


def test_the_image_comes_back_as_it_was_given(image: np.ndarray) -> None:
    for given in (image, (image * 255).astype(np.uint8), (image[..., 0] * 65535).astype(np.uint16)):
        result = zeroshot.solve(given, "denoise", CountingPrior(iterations=2), sigma=0.1)
        assert isinstance(result.image, np.ndarray)
        assert result.image.shape == given.shape
        assert result.image.dtype == given.dtype
        assert np.array_equal(np.asarray(result), result.image)


def test_each_image_of_a_batch_is_restored_as_if_alone(image: np.ndarray) -> None:
    batch = torch.from_numpy(np.stack([image, 1 - image])).permute(0, 3, 1, 2)
    result = zeroshot.solve(batch, "denoise", CountingPrior(iterations=5), sigma=0.1)
    assert result.image.shape == batch.shape
    assert len(result.parts) == 2
    assert result.iterations == 10
    for index in range(2):
        alone = zeroshot.solve(batch[index], "denoise", CountingPrior(iterations=5), sigma=0.1)
        assert torch.equal(alone.image, result.image[index])


def test_a_batch_may_have_one_mask_per_image(image: np.ndarray) -> None:
    batch = torch.from_numpy(np.stack([image, 1 - image])).permute(0, 3, 1, 2)
    masks = torch.rand((2, 1, 12, 10), generator=torch.Generator().manual_seed(0)) < 0.7
    result = zeroshot.solve(batch, "inpaint", CountingPrior(iterations=1), mask=masks.float())
    for index in range(2):
        alone = zeroshot.solve(
            batch[index], "inpaint", CountingPrior(iterations=1), mask=masks[index].float()
        )
        assert torch.equal(alone.image, result.image[index])


def test_the_same_seed_gives_the_same_bytes_and_global_state_is_untouched(image: np.ndarray) -> None:
    before = torch.random.get_rng_state()
    first = zeroshot.solve(image, "denoise", CountingPrior(), sigma=0.1, seed=3)
    second = zeroshot.solve(image, "denoise", CountingPrior(), sigma=0.1, seed=3)
    other = zeroshot.solve(image, "denoise", CountingPrior(), sigma=0.1, seed=4)
    assert first.image.tobytes() == second.image.tobytes()
    assert first.image.tobytes() != other.image.tobytes()
    assert torch.equal(before, torch.random.get_rng_state())


def test_callbacks_see_every_estimate(image: np.ndarray) -> None:
    seen: list[int] = []
    zeroshot.solve(
        image,
        "denoise",
        CountingPrior(iterations=7),
        sigma=0.1,
        callbacks=[lambda estimate, run: seen.append(estimate.iteration)],
    )
    assert seen == list(range(1, 8))


def test_a_budget_ends_the_run(image: np.ndarray) -> None:
    result = zeroshot.solve(image, "denoise", CountingPrior(iterations=10**9), sigma=0.1, seconds=0.2)
    assert "budget" in result.stopped_by


def test_ctrl_c_returns_the_best_estimate_so_far(image: np.ndarray) -> None:
    def press(estimate: Estimate, run: Run) -> None:
        if estimate.iteration == 30:
            os.kill(os.getpid(), signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    result = zeroshot.solve(image, "denoise", CountingPrior(), sigma=0.1, callbacks=[press])
    assert result.stopped_by == "interrupted"
    assert 30 <= result.iterations <= 31
    assert np.isfinite(result.image).all()
    assert signal.getsignal(signal.SIGINT) is handler


def test_divergence_goes_back_once_with_a_smaller_step(image: np.ndarray) -> None:
    prior = CountingPrior(spoil_at=77, harmless_rate=0.005)
    result = zeroshot.solve(image, "denoise", prior, sigma=0.1)
    assert "120 iterations" in result.stopped_by
    assert np.isfinite(result.image).all()
    assert np.isfinite(result.history["loss"]).all()


def test_divergence_twice_ends_the_run_with_a_good_image(image: np.ndarray) -> None:
    result = zeroshot.solve(image, "denoise", CountingPrior(spoil_at=77), sigma=0.1)
    assert "not finite" in result.stopped_by
    assert np.isfinite(result.image).all()


def test_an_interrupted_run_resumes_to_the_same_bytes(image: np.ndarray, tmp_path: Any) -> None:
    def press(estimate: Estimate, run: Run) -> None:
        if estimate.iteration == 41:
            os.kill(os.getpid(), signal.SIGINT)

    checkpoint = tmp_path / "run.checkpoint"
    whole = zeroshot.solve(image, "denoise", CountingPrior(), sigma=0.1)
    part = zeroshot.solve(
        image, "denoise", CountingPrior(), sigma=0.1, checkpoint=checkpoint, callbacks=[press]
    )
    assert part.stopped_by == "interrupted"
    assert checkpoint.exists()
    rest = zeroshot.solve(image, "denoise", CountingPrior(), sigma=0.1, checkpoint=checkpoint, resume=True)
    assert rest.image.tobytes() == whole.image.tobytes()
    assert np.array_equal(rest.history["loss"], whole.history["loss"])
    assert not checkpoint.exists()


def test_a_checkpoint_of_another_run_is_refused(image: np.ndarray, tmp_path: Any) -> None:
    checkpoint = tmp_path / "run.checkpoint"

    def press(estimate: Estimate, run: Run) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    zeroshot.solve(image, "denoise", CountingPrior(), sigma=0.1, checkpoint=checkpoint, callbacks=[press])
    with pytest.raises(ValueError, match="its seed is 0, here it is 1"):
        zeroshot.solve(
            image, "denoise", CountingPrior(), sigma=0.1, checkpoint=checkpoint, resume=True, seed=1
        )


def test_a_file_that_is_no_checkpoint_is_refused(image: np.ndarray, tmp_path: Any) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    checkpoint.write_bytes(b"something else")
    with pytest.raises(ValueError, match="not a checkpoint"):
        zeroshot.solve(image, "denoise", CountingPrior(), sigma=0.1, checkpoint=checkpoint, resume=True)


def test_previews_are_written_and_counted(image: np.ndarray, tmp_path: Any) -> None:
    preview = tmp_path / "preview.png"
    result = zeroshot.solve(
        image, "denoise", CountingPrior(), sigma=0.1, preview=preview, preview_seconds=1e-6
    )
    assert preview.exists()
    assert len(result.history.previews) == 120


def test_the_provenance_says_how_the_image_was_made(image: np.ndarray, tmp_path: Any) -> None:
    result = zeroshot.solve(image, "denoise", CountingPrior(rate=0.02), sigma=0.1, seed=5)
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
        ({"task": "denoise", "prior": "dip", "settings": {"network": "vgg"}}, "network must be one of"),
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


def test_a_prior_that_refuses_says_why(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="cannot do this: it is refused"):
        zeroshot.solve(image, "denoise", CountingPrior(rate=0.0), sigma=0.1)


def test_pixels_that_are_not_numbers_are_refused(image: np.ndarray) -> None:
    image[3, 4, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        zeroshot.solve(image, "denoise", CountingPrior(), sigma=0.1)


def test_the_table_of_tasks_lists_every_option() -> None:
    text = str(zeroshot.tasks())
    for task in zeroshot.tasks().values():
        assert task.name in text
        for option in task.options:
            assert option.name in text


def test_prior_classes_are_found_on_the_package() -> None:
    assert zeroshot.DeepImagePrior.name == "dip"
    assert zeroshot.TotalVariation.name == "tv"
    with pytest.raises(AttributeError):
        _ = zeroshot.NoSuchPrior
