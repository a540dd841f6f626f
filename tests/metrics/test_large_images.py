"""Every own measure works on 12 megapixels in colour within 4 GiB."""

from __future__ import annotations

import subprocess
import sys

import pytest

MEASURE = """
import resource, torch
from zeroshot.metrics import metric
generator = torch.Generator().manual_seed(0)
reference = torch.nn.functional.interpolate(torch.rand(1, 3, 375, 500, generator=generator), scale_factor=8)
image = (reference + 0.05 * torch.randn(reference.shape, generator=generator)).clamp_(0, 1)
for name in ("psnr_8bit", "psnr_y_border4", "ssim", "ssim_y_border4", "ms_ssim", "gmsd", "niqe"):
    metric(name).compute(image, reference)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in kibibytes on Linux only")
def test_12_megapixels_fit_in_4_gib() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 4
