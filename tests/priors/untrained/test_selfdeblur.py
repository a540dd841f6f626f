"""SelfDeblur: two networks that begin at a kernel, and the picture that they are good for."""

import numpy as np
import pytest
import scipy.signal
import skimage.data
import torch

import zeroshot
from zeroshot.colour import full_range_luma
from zeroshot.images import load
from zeroshot.kernels.kernel_fit import impulse, trimmed
from zeroshot.operators import Blur, Downsample
from zeroshot.priors.untrained import selfdeblur_run
from zeroshot.priors.untrained.networks import KernelNetwork
from zeroshot.priors.untrained.selfdeblur_run import convolved, corrected
from zeroshot.problem import Problem
from zeroshot.registry import prior_class

QUICK = {"channels": (6, 6), "hidden": 20, "iterations": 6, "warm_up": 2}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def scene(side: int = 56) -> torch.Tensor:
    image = load(skimage.data.camera()).colours[..., 60:316, 100:356]
    return torch.nn.functional.interpolate(image, size=side, mode="bicubic", antialias=True).clamp(0, 1)


def line() -> torch.Tensor:
    kernel = torch.zeros(9, 9)
    kernel[torch.arange(1, 8), torch.arange(1, 8)] = 1 / 7
    return kernel


def test_the_network_of_the_kernel_begins_where_it_is_told_and_stays_a_kernel():
    network = KernelNetwork(9, hidden=30)
    network.initialise(line(), 1e-6, seeded())
    torch.testing.assert_close(network().detach(), line(), rtol=0, atol=1e-5)
    with torch.no_grad():
        network.last_weight.normal_(generator=seeded(1))
    kernel = network().detach()
    assert float(kernel.min()) >= 0
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-5)
    assert not torch.allclose(kernel, line(), atol=1e-2)


def test_the_convolution_is_that_of_scipy():
    x, kernel = torch.rand(20, 17, generator=seeded()), torch.rand(5, 5, generator=seeded(1))
    expected = scipy.signal.convolve2d(x.numpy(), kernel.numpy(), mode="valid")
    np.testing.assert_allclose(convolved(x, kernel).numpy(), expected, atol=1e-5)


def test_a_kernel_that_is_too_narrow_grows_towards_the_true_one():
    """The image being known, so that one step is as good as any."""
    truth, x = line(), scene()[0, 0]
    y = convolved(x, truth)
    network = KernelNetwork(9, hidden=100)
    network.initialise((impulse(9) + truth) / 2, 1e-3, seeded())
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    before = float((network() - truth).detach().norm())
    for _ in range(100):
        optimiser.zero_grad()
        (convolved(x, network()) - y).square().mean().backward()
        optimiser.step()
    assert float((network() - truth).detach().norm()) < before / 4


def blurred_picture() -> np.ndarray:
    y = Blur(line(), "valid")(scene())
    y = y + 2 / 255 * torch.randn(y.shape, generator=seeded())
    return (255 * y.clamp(0, 1))[0, 0].round().byte().numpy()


def solve(**options):
    settings = {**QUICK, **options.pop("settings", {})}
    return zeroshot.solve(
        blurred_picture(), "deblur", "selfdeblur", kernel=line(), settings=settings, progress=False, **options
    )


def test_the_kernel_that_was_used_is_in_the_provenance(monkeypatch):
    fitted = {}

    def sparsity(plane, known, kernel, margin):
        fitted[len(fitted)] = kernel
        return float(len(fitted) == 1)  # the second, new one is the better one

    monkeypatch.setattr(selfdeblur_run, "restored_sparsity", sparsity)
    result = solve()
    told = result.provenance["kernel"]
    assert result.provenance["findings"]["kernel_fitted"] is True
    assert "kernel" not in result.provenance["findings"]
    weights = np.array(told["weights"])
    assert weights.sum() == pytest.approx(1, abs=1e-3)
    assert weights.shape[0] == weights.shape[1]
    assert weights.shape[0] % 2 == 1
    assert "that of the networks" in result.stopped_by
    assert result.image.shape == blurred_picture().shape
    assert result.arrays["kernel"].shape == weights.shape


def begun(**settings):
    problem = Problem(load(blurred_picture()).colours, Blur(line(), "valid"))
    prior = prior_class("selfdeblur").for_problem(problem, **{**QUICK, **settings})
    return prior.start(problem, seeded())


def test_the_result_is_the_mean_of_what_the_other_prior_and_the_network_make(monkeypatch):
    """The kernel of the networks has drifted by a pixel, which moves the network's image against the other one."""
    run = begun()
    restored = torch.full_like(run.image, 0.4)
    monkeypatch.setattr(selfdeblur_run, "guide_in_time", lambda kind, *_: (restored, kind))
    monkeypatch.setattr(selfdeblur_run, "corrected", lambda x, *_: x)
    run.average = run.start.roll((1, 0), (0, 1))
    run.drawn, run.steps_drawn = torch.zeros_like(run.drawn), 20
    middle = run.drawn.shape[0] // 2, run.drawn.shape[1] // 2
    run.drawn[middle[0] - 1, middle[1]] = 1  # under the kernel that is moved down, the point lies one above
    run._finish()
    expected = torch.full_like(run.image, 0.2)
    expected[..., run.image.shape[-2] // 2, run.image.shape[-1] // 2] = 0.7
    torch.testing.assert_close(run.image, expected)
    assert run.findings()["kernel_fitted"] is True
    assert run.remark().endswith("with the kernel of the networks, averaged with their image")


def test_what_the_network_left_out_is_corrected_where_the_measurement_tells_it():
    truth = scene()[0, 0]
    y = convolved(truth, line())
    known = torch.ones_like(y)
    soft = Blur.gaussian(1.0, boundary="reflect")(truth[None, None])[0, 0]
    better = corrected(soft, line(), y, known)

    def error(x):
        return float((x - truth)[4:-4, 4:-4].square().mean())

    assert error(better) < 0.6 * error(soft)
    # What is not known is not looked at.
    y[20:24, 20:24], known[20:24, 20:24] = 0, 0
    assert error(corrected(soft, line(), y, known)) < 0.6 * error(soft)


def test_noise_is_not_put_into_the_image():
    """A residual that is all noise would, at the least weight, come back as noise of half its level."""
    truth = scene(96)[0, 0]
    y = convolved(truth, line())
    noise = 0.1 * torch.randn(y.shape, generator=seeded())
    changed = corrected(truth, line(), y + noise, torch.ones_like(y)) - truth
    assert float(changed.std()) < 0.015
    assert torch.equal(corrected(truth, line(), y, torch.ones_like(y)), truth)


@pytest.mark.parametrize(("steps", "part"), [(19, 255), (20, 32)])
def test_an_image_of_few_steps_or_of_a_part_does_not_count(monkeypatch, steps, part):
    run = begun(part=part)
    restored = torch.full_like(run.image, 0.4)
    monkeypatch.setattr(selfdeblur_run, "guide_in_time", lambda kind, *_: (restored, kind))
    run.steps_drawn = steps
    monkeypatch.setattr(selfdeblur_run, "restored_sparsity", lambda *_: 1.0)
    middle = len(run.start) // 2
    run.average = 0.7 * run.start
    run.average[middle, middle] += 0.3
    run._finish()
    assert torch.equal(run.image, restored)
    assert run.remark().endswith("with the mean of the first kernel and that of the networks")
    torch.testing.assert_close(run.found["kernel"], trimmed((run.start + run.average) / 2), rtol=0, atol=1e-6)


@pytest.mark.parametrize("steps", [0, 20])
def test_a_kernel_off_the_middle_leaves_the_picture_where_it_was(monkeypatch, steps):
    """Centred kernels would move the picture by two pixels against the one of the kernel that was told."""
    told = torch.zeros(9, 9)
    told[5:8, 6] = 1 / 3
    problem = Problem(Blur(told, "reflect")(scene()), Blur(told, "reflect"))
    kernels = []

    def restoring(kind, posed, *_):
        kernels.append(posed.operator.kernel)
        return posed.y, kind

    monkeypatch.setattr(selfdeblur_run, "guide_in_time", restoring)
    monkeypatch.setattr(selfdeblur_run, "restored_sparsity", lambda *_: 1.0)
    run = prior_class("selfdeblur").for_problem(problem, **QUICK).start(problem, seeded())
    run.average, run.steps_drawn = run.start.roll((-1, 0), (0, 1)), steps
    run._finish()
    torch.testing.assert_close(kernels[1:], [run.start])  # after that of the beginning
    torch.testing.assert_close(run.found["kernel"], told[1:-1, 1:-1])


def test_without_a_step_of_the_kernel_the_first_one_stands():
    result = solve(settings={"iterations": 2})
    assert result.provenance["findings"]["kernel_fitted"] is False
    assert "no steps or time were left" in result.stopped_by


def test_colours_are_those_of_the_other_prior():
    run = begun()
    run.drawn = torch.full_like(run.drawn, 0.6)
    height, width = run.image.shape[-2:]
    reds = torch.tensor([0.5, 0.2, 0.2])[None, :, None, None].expand(1, 3, height, width)
    laid = run._laid_over(reds, run.drawn)
    torch.testing.assert_close(laid - laid[:, :1], reds - reds[:, :1])
    luma = full_range_luma(reds)
    torch.testing.assert_close(full_range_luma(laid), (luma + 0.6) / 2)


def test_what_is_drawn_is_the_mean_of_the_last_steps():
    run = begun(iterations=40, warm_up=10)
    drawn = []
    run.network.register_forward_hook(lambda _, __, x: drawn.append(run.frame.crop(x).detach()[0, 0]))
    for _ in range(40):
        run._fit()
        run.iteration += 1
    assert run.steps_drawn == 12
    torch.testing.assert_close(run.drawn, torch.stack(drawn[-12:]).mean(dim=0), rtol=0, atol=1e-5)


def test_a_worse_kernel_is_not_kept(monkeypatch):
    scores = iter([1.0, 2.0])
    monkeypatch.setattr(selfdeblur_run, "restored_sparsity", lambda *_: next(scores))
    result = solve()
    assert result.provenance["findings"]["kernel_fitted"] is False
    assert "first kernel" in result.stopped_by
    plain = zeroshot.solve(
        blurred_picture(),
        "deblur",
        "tv",
        kernel=line(),
        progress=False,
    )
    difference = np.asarray(result.image, float) - np.asarray(plain.image, float)
    assert np.abs(difference).max() <= 1


def test_it_ends_where_the_kernel_has_settled(monkeypatch):
    assert solve(settings={"iterations": 4}).iterations == 4
    monkeypatch.setattr(selfdeblur_run, "restored_sparsity", lambda *_: 1.0)
    still = begun(iterations=110, warm_up=0, noise=0.0, kernel_learning_rate=1e-9, settled=1e-3)
    monkeypatch.setattr(selfdeblur_run, "guide_in_time", lambda kind, *_: (still.image, kind))
    while not still.finished:
        still.step()
    assert still.iteration == 100  # the first comparison with an image of 20 steps, from 77 on
    assert still.found["drawn"] is True


def test_what_it_cannot_do_it_says():
    prior = prior_class("selfdeblur")
    small = Problem(torch.rand(1, 1, 16, 16), Downsample(2))
    assert "fits one blur kernel" in prior().supports(small)
    two = Problem(torch.rand(2, 1, 32, 32), Blur.gaussian(1.0))
    assert "one by one" in prior().supports(two)
    tiny = Problem(torch.rand(1, 1, 12, 32), Blur.gaussian(1.0))
    assert "too small" in prior().supports(tiny)
    with pytest.raises(ValueError, match="channels must be"):
        prior(channels=(4, 0))
