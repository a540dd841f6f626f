"""spandrel's models as methods: with a stand-in for the library, and with the real one where it is installed."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch.nn import functional

from zeroshot.compare.method import Case
from zeroshot.compare.methods.arrays import to_array, to_tensor
from zeroshot.compare.specification import method_from
from zeroshot.images import load
from zeroshot.metrics import psnr_y


class Descriptor:
    """A model as spandrel hands it out, as far as the adapter looks at it."""

    def __init__(self, purpose: str, scale: int, channels: int) -> None:
        self.purpose, self.scale, self.input_channels = purpose, scale, channels
        self.masks: list[torch.Tensor] = []

    def to(self, device: torch.device) -> Descriptor:
        return self

    def eval(self) -> Descriptor:
        return self

    def __call__(self, image: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        assert image.shape[1] == self.input_channels
        if mask is not None:
            self.masks.append(mask)
            return image * (1 - mask) + 0.5 * mask
        if image.shape[-1] > 100:
            raise RuntimeError("CUDA out of memory.\nTried to allocate")
        return functional.interpolate(image, scale_factor=self.scale, mode="nearest")


@pytest.fixture
def spandrel(monkeypatch) -> ModuleType:
    """A stand-in for the library; the content of the file says which model it is."""
    module = ModuleType("spandrel")

    class ModelLoader:
        def __init__(self, device: torch.device) -> None:
            self.device = device

        def load_from_file(self, path: Path) -> Descriptor:
            content = Path(path).read_text()
            if content == "unknown":
                raise LookupError("no architecture\nfits these weights")
            purpose, scale, channels = content.split()
            return Descriptor(purpose, int(scale), int(channels))

    module.ModelLoader = ModelLoader  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "spandrel", module)
    return module


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).random((20, 26, 3), dtype=np.float32)


def case_of(task: str, image: np.ndarray, **options) -> Case:
    return Case.of(image, task, options)


def written(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("is_grey", [True, False])
def test_channels_and_scale_come_from_the_model(channels, is_grey, tmp_path, image, spandrel):
    given = image[..., 0] if is_grey else image
    method = method_from(f"spandrel:{written(tmp_path / 'x2.pth', f'SR 2 {channels}')}")
    method.prepare()
    case = case_of("sr", given, scale=2)
    assert method.supports(case) is None
    np.testing.assert_allclose(method.restore(given, case), given.repeat(2, 0).repeat(2, 1), atol=1e-6)
    assert "enlarges 2 times, 3 times is wanted" in str(method.supports(case_of("sr", given, scale=3)))
    assert "enlarges 2 times, 1 times is wanted" in str(method.supports(case_of("denoise", given, sigma=0.1)))


def test_a_model_for_inpainting_gets_the_holes(tmp_path, image, spandrel):
    method = method_from(f"spandrel:{written(tmp_path / 'fill.pth', 'Inpainting 1 3')}")
    method.prepare()
    known = np.random.default_rng(1).random((20, 26)) < 0.5
    case = case_of("inpaint", image, mask=known)
    assert method.supports(case) is None
    restored = method.restore(image * known[..., None], case)
    np.testing.assert_allclose(restored, np.where(known[..., None], image, 0.5), atol=1e-6)
    torch.testing.assert_close(
        method._network.descriptor.masks[0], torch.from_numpy(~known).float()[None, None]
    )
    assert "with a mask only" in str(method.supports(case_of("denoise", image, sigma=0.1)))


def test_what_is_no_model_is_said_in_one_line(tmp_path, spandrel):
    path = written(tmp_path / "mine.pth", "unknown")
    method_from(f"spandrel:{path}")
    with pytest.raises(
        ValueError, match=r"mine\.pth is no model that spandrel recognises: no architecture"
    ) as error:
        method_from(f"spandrel:{path}").prepare()
    assert "\n" not in str(error.value)


def test_a_model_that_fails_says_on_what(tmp_path, spandrel):
    method = method_from(f"spandrel:{written(tmp_path / 'x1.pth', 'Restoration 1 3')}")
    wide = np.zeros((8, 120, 3), np.float32)
    with pytest.raises(
        RuntimeError, match=r"x1\.pth failed on an input of 1 × 3 × 8 × 120: CUDA out of memory"
    ):
        method.restore(wide, case_of("denoise", wide, sigma=0.1))
    tiled = method_from(f"spandrel:{tmp_path / 'x1.pth'}[tile=64]")
    assert tiled.restore(wide, case_of("denoise", wide, sigma=0.1)).shape == wide.shape


def test_a_library_that_lacks_what_it_imports_names_it(tmp_path, monkeypatch):
    (tmp_path / "library").mkdir()
    (tmp_path / "library/spandrel.py").write_text("import a_library_that_is_missing")
    monkeypatch.delitem(sys.modules, "spandrel", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path / "library"))
    path = written(tmp_path / "mine.pth", "SR 2 3")
    with pytest.raises(ImportError, match=r"a_library_that_is_missing.*zeroshot-restore\[spandrel\]"):
        method_from(f"spandrel:{path}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "figure"), [("realesr_general_x4v3.pth", 26.64), ("lsdir_compact_c3_x4.pth", 29.60)]
)
def test_the_real_library_has_the_measured_figures(file, figure, shared):
    pytest.importorskip("spandrel", reason="extra spandrel", exc_type=ImportError)
    method = method_from(f"spandrel:{shared / 'weights/sr' / file}")
    values = []
    for truth in sorted((shared / "data/set5/hr_x4").glob("*.png")):
        small = to_array(load(truth.parents[1] / "lr_x4" / truth.name).colours)
        restored = to_tensor(method.restore(small, case_of("sr", small, scale=4)))
        values.append(psnr_y(restored, load(truth).colours, 4, quantise="8-bit"))
    assert np.mean(values) == pytest.approx(figure, abs=0.02)
