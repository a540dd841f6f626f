"""How well kernels of downsampling explain a spectrum."""

import numpy as np
import pytest

from zeroshot.kernels.power_law import EXPONENT, Spectrum, Waves, periodogram
from zeroshot.operators import kernels


def test_the_periodogram_of_white_noise_is_its_variance():
    plane = np.random.default_rng(0).normal(0.5, 0.1, (130, 130))
    power, averaged = periodogram(plane)
    assert power.shape == (64, 33)
    assert averaged == 36
    assert power[8:-8, 8:].mean() == pytest.approx(0.01, rel=0.05)


def test_more_periodograms_scatter_less():
    power, averaged = periodogram(np.random.default_rng(0).normal(0.5, 0.1, (64, 64)))
    assert averaged == 4
    inner = power[8:-8, 8:-8]
    # Four independent exponentially distributed numbers.
    assert inner.std() / inner.mean() == pytest.approx(0.5, rel=0.15)


def test_small_and_oblong_windows_have_their_own_waves():
    power, _ = periodogram(np.random.default_rng(0).normal(size=(30, 80)))
    waves = Waves.of(30, 64, 3)
    assert power.shape == waves.kept.shape
    assert waves.across.shape[1] == waves.kept.sum()
    # The wave itself is among those that are folded onto it.
    assert (np.abs(waves.across[waves.own]) <= np.pi + 1e-9).all()
    assert waves.inside[waves.own].all()


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("true", [0, 1, 2, 3])
def test_the_kernel_that_was_explains_a_spectrum_best(scale, true):
    waves = Waves.of(48, 48, scale)
    covariances = np.stack([0.1 * np.eye(2), 0.3 * np.eye(2), np.diag([0.2, 0.5])])
    transfers = np.concatenate([waves.log_bicubic(scale), waves.log_gaussians(covariances)])
    lens = 0.1 / scale**2 * (waves.across**2 + waves.down**2)
    scene = waves.inside * np.exp(-EXPONENT * waves.log_radius + transfers[true] - lens)
    # The logarithm of a mean of four lies below that of its expectation.
    power = scene.sum(axis=0) * np.exp(-0.13)
    spectrum = Spectrum(waves, power, 4, noise=1e-7)
    misfits, exponents = spectrum.misfits(transfers, scale)
    assert misfits.argmin() == true
    assert misfits[true] < 1
    assert exponents[true] == pytest.approx(EXPONENT, abs=0.05)


def test_bicubic_halves_the_amplitude_at_the_limit_of_the_small_picture():
    waves = Waves.of(32, 32, 4)
    taps = kernels.bicubic(4)
    place = (np.arange(len(taps)) - (len(taps) - 1) / 2) / 4
    log_transfer = waves.log_bicubic(4)[0, waves.own]
    at_limit = np.isclose(waves.across[waves.own], np.pi) & (waves.down[waves.own] == 0)
    assert np.exp(log_transfer[at_limit] / 2) == pytest.approx([abs(np.cos(np.pi * place) @ taps)])
    assert 0.4 < np.exp(log_transfer[at_limit] / 2)[0] < 0.6
