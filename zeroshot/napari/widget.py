"""The panel in napari's window: a task for a layer, a preview of what is in view, run, and stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from magicgui.widgets import (
    CheckBox,
    ComboBox,
    Container,
    FloatSpinBox,
    Label,
    ProgressBar,
    PushButton,
)
from napari.layers import Image, Labels
from napari.viewer import Viewer
from qtpy.QtCore import QObject, Signal

from zeroshot.napari.orders import Order, Told, axes_of, restored, share_of_range
from zeroshot.registry import prior_names
from zeroshot.restoration import Restoration
from zeroshot.tasks import tasks

#: What the panel calls the tasks that go with layers.
_TASKS = {"Denoise": "denoise", "Deconvolve": "deblur", "Fill holes": "inpaint", "Super-resolve": "sr"}
_DEFAULT = "default"
#: The side of the part that a preview restores.
_PREVIEW_SIDE = 256
_WHOLE = 1000


class _Signals(QObject):
    """How a thread tells the window: Qt delivers these in the window's own thread."""

    told = Signal(object)
    done = Signal(object)
    failed = Signal(object)


class Restore(Container):
    """Restore a layer of a viewer.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Whose layers are offered, and to which results are added.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        self._viewer = napari_viewer
        self._signals = _Signals()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._finish: Callable[[np.ndarray, Restoration], None] | None = None
        number = FloatSpinBox
        self.layer = ComboBox(label="layer", choices=self._layers(Image), nullable=True)
        self.task = ComboBox(label="task", choices=list(_TASKS))
        self.holes = ComboBox(
            label="holes", choices=self._layers(Labels), nullable=True, tooltip="what is labelled is filled"
        )
        self.scale = ComboBox(label="scale", choices=[2, 3, 4])
        self.finds_blur = CheckBox(label="find the blur", value=True)
        self.psf = ComboBox(
            label="point spread",
            choices=self._layers(Image),
            nullable=True,
            tooltip="a small layer, the image of a point",
        )
        self.blur = number(label="blur σ, pixels", value=1.5, min=0.1, max=30, step=0.1)
        self.finds_noise = CheckBox(label="find the noise", value=True)
        self.sigma = number(
            label="noise σ", value=0, min=0, max=1e9, step=0.1, tooltip="in the values of the layer"
        )
        self.prior = ComboBox(label="prior", choices=[_DEFAULT, "fast", "best", *prior_names()])
        self.preview = PushButton(text="Preview what is in view")
        self.run = PushButton(text="Restore")
        self.stop = PushButton(text="Stop")
        self.progress = ProgressBar(min=0, max=_WHOLE, value=0, label="")
        self.status = Label(value="")
        super().__init__(
            widgets=[
                self.layer, self.task, self.holes, self.scale, self.finds_blur, self.psf, self.blur, self.finds_noise,
                self.sigma, self.prior, self.preview, self.run, self.stop, self.progress, self.status,
            ]
        )  # fmt: skip
        self.status.native.setWordWrap(True)
        for one in (self.task, self.finds_blur, self.finds_noise, self.psf):
            one.changed.connect(self._show_fields)
        self.preview.clicked.connect(self._preview)
        self.run.clicked.connect(self._restore)
        self.stop.clicked.connect(self._stopped.set)
        self._signals.told.connect(self._tell)
        self._signals.done.connect(self._done)
        self._signals.failed.connect(self._failed)
        for event in (napari_viewer.layers.events.inserted, napari_viewer.layers.events.removed):
            event.connect(self._offer_layers)
        self._offer_layers()
        self._show_fields()
        self._show_buttons()

    # --- what is shown ---

    def _layers(self, kind: type) -> Callable[[Any], list[Any]]:
        """Gives the layers of a kind that there are."""
        return lambda _field: [layer for layer in self._viewer.layers if isinstance(layer, kind)]

    def _offer_layers(self, *_changed: Any) -> None:
        """Offer the layers that there are now; the first where none was chosen and one is needed."""
        for field in (self.layer, self.holes, self.psf):
            field.reset_choices()
        for field in (self.layer, self.holes):
            there = [choice for choice in field.choices if choice is not None]
            if field.value is None and there:
                field.value = there[0]

    def _show_fields(self, *_changed: Any) -> None:
        """Show the fields that go with the task."""
        task = _TASKS[self.task.value]
        self.holes.visible = task == "inpaint"
        self.scale.visible = task == "sr"
        self.finds_blur.visible = task == "deblur"
        given = task == "deblur" and not self.finds_blur.value
        self.psf.visible = given
        self.blur.visible = given and self.psf.value is None
        self.sigma.visible = not self.finds_noise.value

    def _show_buttons(self) -> None:
        works = self._thread is not None
        self.preview.enabled = self.run.enabled = not works
        self.stop.enabled = works

    def _say(self, text: str) -> None:
        self.status.value = text

    # --- what is asked for ---

    def _order(self) -> Order:
        """What the fields say.

        Raises
        ------
        ValueError
            In one line, where they do not fit.
        """
        layer = self.layer.value
        if layer is None:
            raise ValueError("choose an image layer: add one to the viewer first")
        values = np.asarray(layer.data[0] if layer.multiscale else layer.data)
        axes = axes_of(values.shape, layer.rgb, self._viewer.dims.axis_labels)
        task = _TASKS[self.task.value]
        options: dict[str, Any] = {}
        if not self.finds_noise.value:
            options["sigma"] = share_of_range(self.sigma.value, values)
        if task == "inpaint":
            options["mask"] = self._known(values, axes)
        elif task == "sr":
            options["scale"] = self.scale.value
        elif task == "deblur" and not self.finds_blur.value:
            options["kernel"] = self._kernel()
        prior = None if self.prior.value == _DEFAULT else self.prior.value
        return Order(values, axes, task, prior, options)

    def _known(self, values: np.ndarray, axes: str) -> np.ndarray:
        """What is not labelled; labels of one plane hold for all."""
        if self.holes.value is None:
            raise ValueError("choose a labels layer: paint what is to be filled in one")
        labels = np.asarray(self.holes.value.data)
        shape = values.shape[: len(axes.replace("S", ""))]
        if labels.shape != shape[-labels.ndim :]:
            raise ValueError(f"the labels have the shape {labels.shape}, the image has {shape}")
        return np.ascontiguousarray(np.broadcast_to(labels == 0, shape))

    def _kernel(self) -> Any:
        if self.psf.value is None:
            return f"gaussian={self.blur.value:g}"
        kernel = np.asarray(self.psf.value.data, np.float64)
        if kernel.ndim != 2:
            raise ValueError(f"the point spread must be a layer of rows and columns, got {kernel.ndim} axes")
        return kernel

    # --- what is done ---

    def _restore(self) -> None:
        layer = self.layer.value

        def add(values: np.ndarray, restoration: Restoration) -> None:
            self._add(layer, values, restoration, tasks()[restoration.provenance["task"]].outcome)

        self._begin(self._order, add)

    def _preview(self) -> None:
        layer = self.layer.value
        place: list[int] = []

        def order() -> Order:
            whole = self._order()
            index, top, left, side = self._in_view(layer, whole)
            place[:] = [*index, top, left]
            return whole.cropped(index, top, left, side)

        def show(values: np.ndarray, restoration: Restoration) -> None:
            name = f"{layer.name} [preview]"
            if name in self._viewer.layers:
                self._viewer.layers.remove(name)
            self._add(layer, values, restoration, "preview", place)

        self._begin(order, show)

    def _in_view(self, layer: Any, order: Order) -> tuple[tuple[int, ...], int, int, int]:
        """The plane that is shown, and the upper left corner of the square about the middle of what is shown of it."""
        stacked = len(order.axes.replace("S", "")) - 2
        shape = order.values.shape[: stacked + 2]
        side = min(_PREVIEW_SIDE, *shape[-2:])
        point = list(self._viewer.dims.point)
        point[-2:] = self._viewer.camera.center[-2:]
        middle = layer.world_to_data(point)[-len(shape) :]
        index = tuple(
            int(np.clip(round(at), 0, length - 1))
            for at, length in zip(middle, shape[:stacked], strict=False)
        )
        top, left = (
            int(np.clip(round(at) - side // 2, 0, length - side))
            for at, length in zip(middle[stacked:], shape[stacked:], strict=True)
        )
        return index, top, left, side

    def _add(
        self,
        layer: Any,
        values: np.ndarray,
        restoration: Restoration,
        what: str,
        place: list[int] | None = None,
    ) -> None:
        """Add a result as a layer, where its source lies."""
        before = layer.data[0].shape if layer.multiscale else layer.data.shape
        spatial: int = layer.ndim
        scale, shift = np.array(layer.scale, float), np.zeros(spatial)
        # A part has the axes of a plane only: the others are put back, one long.
        ones = (1,) * (len(before) - values.ndim)
        values = values.reshape(ones + values.shape)
        if place is not None:
            shift[:] = place
        elif values.shape != before:
            factor = np.array(values.shape[:spatial]) / np.array(before[:spatial])
            # The corner of the first pixel stays where it was, and not its middle.
            scale, shift = scale / factor, 0.5 / factor - 0.5
        shape: tuple[int, ...] = values.shape
        rgb = layer.rgb or (len(shape) == spatial + 1 and shape[-1] == 3)
        shown = {} if rgb else {"colormap": layer.colormap, "contrast_limits": layer.contrast_limits}
        self._viewer.add_image(
            values,
            name=f"{layer.name} [{what}]",
            rgb=rgb,
            scale=scale,
            translate=np.array(layer.translate) + shift * np.array(layer.scale),
            metadata={"zeroshot": restoration.provenance},
            **shown,
        )

    def _begin(self, order: Callable[[], Order], finish: Callable[[np.ndarray, Restoration], None]) -> None:
        """Carry out an order in a thread of its own, unless the fields do not fit."""
        try:
            asked = order()
        except (ValueError, TypeError) as error:
            self._say(str(error))
            return
        self._stopped.clear()
        self._finish = finish
        self.progress.value = 0
        self._say("begins …")

        def work() -> None:
            try:
                self._signals.done.emit(restored(asked, self._signals.told.emit, self._stopped))
            except Exception as error:
                self._signals.failed.emit(error)

        self._thread = threading.Thread(target=work, name="zeroshot", daemon=True)
        self._show_buttons()
        self._thread.start()

    def _tell(self, told: Told) -> None:
        if told.share is not None:
            self.progress.value = round(_WHOLE * told.share)
        self._say(told.text)

    def _done(self, result: tuple[np.ndarray, Restoration]) -> None:
        values, restoration = result
        self._end()
        assert self._finish is not None
        self._finish(values, restoration)
        self.progress.value = _WHOLE
        noise = f"; {restoration.noise_in_words}" if restoration.noise_in_words else ""
        self._say(f"{restoration.seconds:.1f} s, {restoration.stopped_by}{noise}")

    def _failed(self, error: Exception) -> None:
        self._end()
        self.progress.value = 0
        self._say(" ".join(str(error).split()) or type(error).__name__)

    def _end(self) -> None:
        if self._thread is not None:
            self._thread.join()
        self._thread = None
        self._show_buttons()
