"""Devices without double precision, and the order in which `device="auto"` takes what there is."""

from __future__ import annotations

import pytest
import torch

import zeroshot
from zeroshot.precision import exact_sum, widened, widest
from zeroshot.solve import resolve_device


@pytest.mark.parametrize(
    ("cuda", "apple", "taken"),
    [(True, True, "cuda"), (False, True, "mps"), (True, False, "cuda"), (False, False, "cpu")],
)
def test_auto_takes_cuda_then_mps_then_the_cpu(
    cuda: bool, apple: bool, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: apple)
    assert resolve_device("auto").type == taken


def test_sums_have_the_digits_of_double_precision_where_there_is_such() -> None:
    assert widest(torch.device("cpu")) == widest(torch.device("cuda")) == torch.float64
    assert widest(torch.device("mps")) == torch.float32
    values = torch.full((10**6,), 0.1)
    assert exact_sum(values) == pytest.approx(1e6 * values[0].item(), rel=1e-12)
    assert widened(values).dtype == torch.float64


@pytest.mark.skipif(not torch.backends.mps.is_available(), reason="needs an Apple GPU")
@pytest.mark.parametrize("prior", ["tv", "tgv", "wavelet", "dct", "bm3d", "wnnm", "dip"])
def test_an_apple_gpu_gives_the_picture_of_the_cpu(prior: str) -> None:
    across = torch.linspace(0, 1, 48)
    clean = (0.25 + 0.5 * (across[:, None] + across > 1).float())[None, None].expand(1, 3, 48, 48)
    noisy = clean + 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    images = [
        torch.as_tensor(
            zeroshot.denoise(noisy, sigma=0.1, prior=prior, device=device, progress=False).image
        ).cpu()
        for device in ("mps", "cpu")
    ]
    errors = [float((image - clean).square().mean()) for image in images]
    assert max(errors) < 0.5 * float((noisy - clean).square().mean())
    if prior != "dip":
        assert float((images[0] - images[1]).square().mean()) < 1e-4
