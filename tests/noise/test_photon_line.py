"""The law of a sensor from the planes of a mosaic."""

import pytest
import torch

from zeroshot.noise.photon_line import photon_line_of


def planes(gain, readout, seed=0):
    """A ramp of light with a little texture, and the noise of a sensor."""
    generator = torch.Generator().manual_seed(seed)
    ramp = torch.linspace(0.02, 0.8, 192).expand(4, 1, 192, 192)
    scene = ramp + 0.02 * torch.sin(torch.arange(192.0) / 5)[:, None]
    photons = torch.poisson((scene / gain).clamp(min=0), generator=generator) * gain
    return photons + readout * torch.randn(scene.shape, generator=generator)


@pytest.mark.parametrize(("gain", "readout"), [(0.01, 0.004), (0.002, 0.02), (0.0005, 0.003)])
def test_gain_and_readout_noise_are_found(gain, readout):
    found = photon_line_of(planes(gain, readout))
    assert found[0] == pytest.approx(gain, rel=0.1)
    if readout**2 > 0.05 * gain:
        assert found[1] == pytest.approx(readout, rel=0.15)


def test_what_is_saturated_is_left_out():
    noisy = planes(0.01, 0.004).mul(1.6).clamp(max=1)
    assert photon_line_of(noisy)[0] == pytest.approx(0.016, rel=0.15)


def test_a_plane_that_is_too_small_or_has_even_noise_tells_nothing():
    assert photon_line_of(torch.rand(4, 1, 20, 20)) is None
    even = torch.linspace(0, 1, 128).expand(1, 1, 128, 128) + 0.1 * torch.randn(
        1, 1, 128, 128, generator=torch.Generator().manual_seed(1)
    )
    found = photon_line_of(even, white=9.0)
    assert found is None or found[0] < 0.003
