"""The noise model: what it draws is what it says, at every intensity, frequency and axis of colour."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.pictures import seeded
from zeroshot.noise import NoiseModel
from zeroshot.noise.spectrum import smoothed_by
from zeroshot.patches.cosine import cosine_matrix
from zeroshot.priors.scales import halved

SMOOTHED = smoothed_by(torch.tensor([0.25, 0.5, 0.25]))
HUMP = NoiseModel(
    (0.0, 0.2, 0.5, 1.0), ((4e-4, 2e-3, 1e-3, 2e-4), (8e-4, 4e-3, 2e-3, 4e-4), (4e-4, 2e-3, 1e-3, 2e-4))
)


def coloured() -> NoiseModel:
    axes = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=seeded(3)))[0]
    return NoiseModel((0.0,), ((0.01,), (0.02,), (0.03,)), axes, torch.tensor([2.0, 0.7, 0.3]), SMOOTHED)


def ramp(channels: int = 1, rows: int = 1500) -> torch.Tensor:
    return torch.linspace(0, 1, 64).expand(1, channels, rows, 64).contiguous()


def test_white_noise_is_the_special_case() -> None:
    model = NoiseModel.white(0.1)
    assert model.is_white
    assert model.is_stationary
    assert model.sigma == pytest.approx(0.1)
    y = torch.rand(1, 3, 8, 8, generator=seeded(0))
    same, of_it = model.stabilise(y)
    assert same is y
    assert of_it is model
    assert model.rotated(torch.eye(3)) is model
    assert not coloured().is_white
    assert not HUMP.is_white
    assert not NoiseModel.photon(0.01).is_white


def test_blocks_have_the_variances_that_are_foretold() -> None:
    model = NoiseModel((0.0,), ((0.01,),), spectra=SMOOTHED)
    noise = model.sample(torch.zeros(1, 1, 768, 768), seeded(0))[0, 0].double()
    transform = cosine_matrix(8)
    blocks = noise.unfold(0, 8, 8).unfold(1, 8, 8).reshape(-1, 8, 8)
    found = (transform @ blocks @ transform.T).square().mean(dim=0).flatten()
    torch.testing.assert_close(found, model.block_variances(transform)[0], rtol=0.08, atol=0)
    assert float(model.block_variances(transform).mean()) == pytest.approx(0.01, rel=1e-3)


def test_half_the_size_has_the_lower_half_of_the_band() -> None:
    model = NoiseModel((0.0,), ((0.01,),), spectra=SMOOTHED)
    noise = model.sample(torch.zeros(1, 1, 512, 512), seeded(1))[0, 0].double()
    full = cosine_matrix(512)
    half = cosine_matrix(256).T @ (full @ noise @ full.T)[:256, :256] @ cosine_matrix(256) / 2
    assert float(half.var()) == pytest.approx(model.coarser().sigma ** 2, rel=0.02)
    assert NoiseModel.white(0.1).coarser().sigma == pytest.approx(0.05)


@pytest.mark.parametrize("side_by_side", ["rows", "columns"])
def test_half_the_size_has_offsets_of_half_the_variance(side_by_side: str) -> None:
    model = NoiseModel((0.0,), ((1e-12,),), **{side_by_side: 0.1})
    half = halved(model.sample(torch.zeros(1, 1, 512, 512), seeded(8)))
    along = -1 if side_by_side == "rows" else -2
    assert float(half.std(dim=along).max()) < 1e-4
    assert float(half.std()) == pytest.approx(getattr(model.coarser(), side_by_side), rel=0.1)
    assert getattr(replace(coloured(), rows=0.1, columns=0.1).coarser(), side_by_side) == pytest.approx(
        0.1 * math.sqrt(0.5)
    )


def test_a_rotation_keeps_the_variance_along_the_new_axes() -> None:
    model = coloured()
    noise = model.sample(torch.zeros(1, 3, 300, 300), seeded(2))
    axes = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=seeded(4)))[0]
    found = torch.einsum("kc,nchw->nkhw", axes.float(), noise).var(dim=(0, 2, 3))
    wanted = [row[0] for row in model.rotated(axes).variances]
    torch.testing.assert_close(found, torch.tensor(wanted), rtol=0.05, atol=0)
    assert model.rotated(axes).plane(1).sigma ** 2 == pytest.approx(wanted[1])


@pytest.mark.parametrize("model", [HUMP, NoiseModel.photon(1 / 30, 0.01), NoiseModel.photon(1 / 200)])
def test_stabilised_noise_is_the_same_at_all_intensities_and_comes_back_without_bias(
    model: NoiseModel,
) -> None:
    x = ramp(model.channels or 1)
    stable, stationary = model.stabilise(model.sample(x, seeded(5)))
    assert stationary.is_stationary
    inner = slice(6, 58)  # at black the Anscombe transform of few photons is not quite even
    for channel, row in enumerate(stationary.variances * (x.shape[1] // len(stationary.variances))):
        levels = stable[0, channel].std(dim=0)[inner]
        assert float((levels / math.sqrt(row[0]) - 1).abs().max()) < 0.15
    back = model.unstabilise(stable.mean(dim=2, keepdim=True))
    errors = (back - x[:, :, :1]).abs()[..., inner]
    assert float(errors.max()) < 4.5 * float(model.level(x).max()) / math.sqrt(x.shape[2])


def test_the_level_follows_the_channel_and_the_intensity() -> None:
    level = HUMP.level(torch.tensor([0.2, 0.35, 2.0]).expand(1, 3, 1, 3))
    wanted = torch.tensor([[2e-3, 1.5e-3, 2e-4], [4e-3, 3e-3, 4e-4], [2e-3, 1.5e-3, 2e-4]]).sqrt()
    torch.testing.assert_close(level[0, :, 0], wanted)


@pytest.mark.parametrize("model", [HUMP, coloured(), NoiseModel.photon(1 / 30, 0.1)])
def test_whitened_residuals_have_variance_one_at_every_intensity(model: NoiseModel) -> None:
    x = ramp(3, 512)
    noise = (model.sample(x, seeded(6)) - x).requires_grad_()
    white = model.whiten(noise, x)
    assert 0.75 < float(white.detach().std()) < 1.05  # what hardly any noise is in is not quite made up for
    white.square().sum().backward()
    assert noise.grad is not None
    assert bool(noise.grad.isfinite().all())


def test_a_wider_range_is_another_scale_of_the_same_noise() -> None:
    x = torch.rand(1, 3, 8, 8, generator=seeded(9))
    torch.testing.assert_close(HUMP.on_range(0.2, 0.5).level(0.2 + 0.5 * x), 0.5 * HUMP.level(x))


def test_strength_scales_the_standard_deviation() -> None:
    assert HUMP.scaled(2).sigma == pytest.approx(2 * HUMP.sigma)


@pytest.mark.parametrize("model", [NoiseModel.white(0.1), HUMP, coloured(), NoiseModel.photon(0.01, 0.02)])
def test_a_model_survives_json(model: NoiseModel) -> None:
    back = NoiseModel.from_dict(json.loads(model.to_json()))
    assert back.to_dict() == model.to_dict()
    assert back.sigma == pytest.approx(model.sigma, rel=1e-6)
    assert back.is_white == model.is_white


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "no noise model"),
        ({"kind": "palette"}, "no noise model"),
        ({**NoiseModel.white(0.1).to_dict(), "version": 9}, "version 9"),
        ({**NoiseModel.white(0.1).to_dict(), "variances": [[-1.0]]}, "at least 0"),
        (
            {**NoiseModel.white(0.1).to_dict(), "rows": None},
            "cannot be read: rows must be a number, got None",
        ),
        ({**NoiseModel.white(0.1).to_dict(), "variances": "x"}, "variances must be lists of numbers"),
        ({**NoiseModel.white(0.1).to_dict(), "powers": [[1.0]]}, "powers must be a list of numbers"),
        ({**NoiseModel.white(0.1).to_dict(), "spectra": 5}, "spectra must have a shape and rows"),
        (
            {**NoiseModel.white(0.1).to_dict(), "spectra": {"shape": [1, 2, 3], "rows": [[1.0]]}},
            "1 numbers, which are not of the shape",
        ),
        (
            {**NoiseModel.white(0.1).to_dict(), "spectra": {"shape": [1, 2.5, 2], "rows": [[1.0] * 5]}},
            "5 numbers, which are not of the shape",
        ),
        ({k: v for k, v in NoiseModel.white(0.1).to_dict().items() if k != "axes"}, "has no 'axes'"),
        ({**coloured().to_dict(), "axes": [[1.0, 1.0], [0.0, 1.0]]}, "orthonormal"),
    ],
)
def test_other_files_are_refused_in_one_line(values: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        NoiseModel.from_dict(values)
    assert "\n" not in str(error.value)


def test_a_model_of_other_channels_is_refused() -> None:
    with pytest.raises(ValueError, match="of 3 channels, but the image has 1"):
        HUMP.level(torch.zeros(1, 1, 4, 4))
