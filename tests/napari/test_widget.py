"""The panel in a viewer that no screen shows."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
pytest.importorskip("napari", reason="the plugin needs the extra napari, and Qt")

from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication

from tests.pictures import sample
from zeroshot.napari.widget import Restore

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture
def viewer() -> Iterator[Any]:
    application = QApplication.instance() or QApplication([])
    yield ViewerModel()  # all of a viewer but its window, which needs OpenGL
    application.processEvents()


@pytest.fixture
def noisy() -> np.ndarray:
    truth = sample("camera")[100:196, 200:296].astype(np.float64)
    return np.random.default_rng(0).normal(truth, 20).clip(0, 255).astype(np.uint8)


def await_(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Let the window live until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        QApplication.processEvents()
        time.sleep(0.01)


def finished(panel: Restore) -> bool:
    return panel._thread is None


def shown(panel: Restore) -> set[str]:
    fields = ("holes", "scale", "finds_blur", "psf", "blur", "sigma")
    return {name for name in fields if not getattr(panel, name).native.isHidden()}


def test_the_manifest_names_what_there_is() -> None:
    from npe2 import PluginManifest

    manifest = PluginManifest.from_distribution("zeroshot-restore")
    (widget,) = manifest.contributions.widgets or []
    (command,) = manifest.contributions.commands or []
    assert widget.command == command.id
    assert command.python_name == f"{Restore.__module__}:{Restore.__name__}"


def test_a_layer_is_denoised_beside_its_source(viewer: Any, noisy: np.ndarray) -> None:
    layer = viewer.add_image(noisy, name="cells", scale=(0.5, 0.5), translate=(10, 20), colormap="magma")
    panel = Restore(viewer)
    panel.show()
    panel.prior.value = "tv"
    panel.run.clicked.emit(True)
    assert not panel.run.enabled
    assert panel.stop.enabled
    await_(lambda: finished(panel))
    result = viewer.layers["cells [denoised]"]
    assert (result.data.shape, result.data.dtype) == (noisy.shape, np.uint8)
    assert np.allclose(result.scale, layer.scale)
    assert np.allclose(result.translate, layer.translate)
    assert (result.colormap.name, result.metadata["zeroshot"]["prior"]) == ("magma", "tv")
    assert "sigma" in panel.status.value
    assert panel.run.enabled


def test_fields_go_with_the_task(viewer: Any) -> None:
    panel = Restore(viewer)
    panel.show()
    assert shown(panel) == set()
    panel.finds_noise.value = False
    assert shown(panel) == {"sigma"}
    panel.finds_noise.value = True
    panel.task.value = "Fill holes"
    assert shown(panel) == {"holes"}
    panel.task.value = "Super-resolve"
    assert shown(panel) == {"scale"}
    panel.task.value = "Deconvolve"
    assert shown(panel) == {"finds_blur"}
    panel.finds_blur.value = False
    assert shown(panel) == {"finds_blur", "psf", "blur"}


def test_labels_are_holes_and_those_of_a_plane_hold_for_all(viewer: Any, noisy: np.ndarray) -> None:
    viewer.add_image(np.stack([noisy, noisy]), name="stack")
    labels = np.zeros(noisy.shape, int)
    labels[40:44, 50:54] = 3
    viewer.add_labels(labels)
    panel = Restore(viewer)
    panel.show()
    panel.task.value, panel.prior.value = "Fill holes", "tv"
    panel.run.clicked.emit(True)
    await_(lambda: finished(panel))
    filled = viewer.layers["stack [inpainted]"].data
    assert filled.shape == (2, 96, 96)
    kept = labels == 0
    assert np.abs(filled[:, kept].astype(int) - np.stack([noisy, noisy])[:, kept]).mean() < 30


def test_a_preview_lies_over_what_is_in_view(viewer: Any) -> None:
    big = np.random.default_rng(0).normal(100, 10, (3, 300, 400)).clip(0, 255).astype(np.uint8)
    viewer.add_image(big, name="big", scale=(2, 1, 1))
    viewer.dims.set_point(0, 2.0)
    viewer.camera.center = (0, 150, 300)
    panel = Restore(viewer)
    panel.show()
    panel.prior.value = "tv"
    for _ in range(2):  # the second one takes the place of the first
        panel.preview.clicked.emit(True)
        await_(lambda: finished(panel))
    (result,) = [layer for layer in viewer.layers if "preview" in layer.name]
    assert result.data.shape == (1, 256, 256)
    assert np.allclose(result.translate, (2, 22, 144))
    assert viewer.layers["big"].data is big


def test_a_large_image_is_enlarged_over_its_source(viewer: Any, noisy: np.ndarray) -> None:
    viewer.add_image(noisy[:32, :32], name="small", scale=(3, 3))
    panel = Restore(viewer)
    panel.show()
    panel.task.value, panel.scale.value, panel.prior.value = "Super-resolve", 2, "tv"
    panel.run.clicked.emit(True)
    await_(lambda: finished(panel))
    result = viewer.layers["small [upscaled]"]
    assert result.data.shape == (64, 64)
    assert np.allclose(result.scale, 1.5)
    assert np.allclose(result.extent.world, viewer.layers["small"].extent.world, atol=0.76)
    assert np.allclose(result.translate, -0.75)


def test_stop_keeps_the_best_so_far(viewer: Any, noisy: np.ndarray) -> None:
    viewer.add_image(noisy, name="cells")
    panel = Restore(viewer)
    panel.show()
    panel.prior.value = "dip"
    panel.run.clicked.emit(True)
    await_(lambda: "iteration" in panel.status.value)
    panel.stop.clicked.emit(True)
    await_(lambda: finished(panel))
    assert viewer.layers["cells [denoised]"].data.shape == noisy.shape
    assert "interrupted" in panel.status.value


def test_mistakes_are_told_in_the_panel(viewer: Any, noisy: np.ndarray) -> None:
    panel = Restore(viewer)
    panel.show()
    panel.run.clicked.emit(True)
    assert "add one to the viewer first" in panel.status.value
    viewer.add_image(noisy)
    panel.task.value = "Fill holes"
    panel.run.clicked.emit(True)
    assert "paint what is to be filled" in panel.status.value
    panel.task.value, panel.finds_noise.value, panel.sigma.value = "Denoise", False, 300
    panel.run.clicked.emit(True)
    assert "between 0 and 255" in panel.status.value
    panel.finds_noise.value, panel.prior.value = True, "richardson_lucy"
    panel.run.clicked.emit(True)
    await_(lambda: finished(panel))
    assert "richardson_lucy" in panel.status.value
    assert len(viewer.layers) == 1
