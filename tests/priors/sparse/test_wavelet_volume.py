"""Wavelets over three axes: a Parseval frame, noise of the level that is said, and what comes of volumes."""

import pytest
import torch

from zeroshot.priors.sparse.wavelet.shrinkage import Wavelet
from zeroshot.priors.sparse.wavelet.transforms import Filters
from zeroshot.priors.sparse.wavelet.volume import VolumeTransform, spread_shifts


def random(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("is_decimated", [True, False])
@pytest.mark.parametrize("levels", [(2, 2, 2), (0, 2, 2), (1, 2, 3)])
def test_nothing_shrunk_gives_the_volume_back_and_the_bands_hold_its_energy(is_decimated, levels):
    transform = VolumeTransform(Filters.named("db2"), levels, is_decimated)
    x = random(1, 1, 8, 8, 16)
    energies = []

    def keep(band, level, gain):
        energies.append(float(band.square().sum()))
        return band

    torch.testing.assert_close(transform.shrink(x, keep), x)
    low = transform.shrink(x, lambda band, level, gain: torch.zeros_like(band))
    # The low-pass part is W_lᵀ W_l x, so that ⟨x, it⟩ is the energy of its band.
    assert sum(energies) + float((low * x).sum()) == pytest.approx(float(x.square().sum()))


@pytest.mark.parametrize("is_decimated", [True, False])
def test_white_noise_has_the_gain_of_its_band(is_decimated):
    transform = VolumeTransform(Filters.named("haar"), (2, 3, 3), is_decimated)

    def measure(band, level, gain):
        assert float(band.square().mean().sqrt()) == pytest.approx(gain, rel=0.15)
        return band

    transform.shrink(random(1, 1, 32, 64, 64), measure)


@pytest.mark.parametrize("transform", ["undecimated", "cycle_spun", "orthogonal"])
@pytest.mark.parametrize("shape", [(1, 6, 20, 24), (1, 2, 9, 7), (3, 5, 12, 12), (1, 1, 16, 16)])
def test_volumes_of_every_size_keep_their_constant(transform, shape):
    denoiser = Wavelet(transform=transform, shifts=2).volume_denoiser()
    constant = torch.full(shape, 0.4)
    torch.testing.assert_close(denoiser(constant, 0.1), constant, atol=1e-5, rtol=0)


def test_noise_is_taken_from_all_three_directions():
    x = torch.zeros(1, 12, 32, 32)
    x[..., 10:22, 8:24] = 0.6
    noise = 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(3))
    volume = Wavelet().volume_denoiser()(x + noise, 0.1)
    planes = Wavelet().denoise((x + noise).transpose(0, 1), 0.1).transpose(0, 1)
    assert float((volume - x).square().mean()) < 0.6 * float((planes - x).square().mean())


def test_shifts_are_different_and_within_their_periods():
    shifts = spread_shifts(16, [4, 16, 16])
    assert len(set(shifts)) == 16
    assert all(0 <= one < period for shift in shifts for one, period in zip(shift, (4, 16, 16), strict=True))
    assert len(spread_shifts(100, [1, 2, 2])) == 4
