"""The store of a comparison with its images: those to look at, and the exact measurements that methods get.

::

    truth/ damaged/ restored/METHOD/    the images as PNG
    measurements/IMAGE.npz              the exact damaged image, of which damaged/ is what can be looked at
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from zeroshot import images
from zeroshot.compare.store import ComparisonError, Store, slug
from zeroshot.files import write_atomically
from zeroshot.images.picture import GivenForm, Picture

_OPTION = "option."


class ImageStore(Store):
    """A store whose cells have images."""

    FOLDERS = (*Store.FOLDERS, "truth", "damaged", "restored", "measurements", "plots")
    FILES = ("results.csv", "means.csv", "report.html")

    # --- images ---

    def save_restored(self, image: str, method: str, values: torch.Tensor) -> str:
        """Write a restored image (1, C, H, W), clipped, in 8 bits; its file relative to the folder."""
        return self._save_png(f"restored/{slug(method)}/{slug(image)}.png", values)

    def save_shown(self, image: str, damaged: torch.Tensor, truth: torch.Tensor | None) -> None:
        """Write what the report shows of an image beside the restored ones."""
        self._save_png(self._shown("damaged", image), damaged)
        if truth is not None:
            self._save_png(self._shown("truth", image), truth)

    def shown(self, kind: Literal["truth", "damaged"]) -> dict[str, str]:
        """Image name → file of the truth or of the damaged image, where there is one."""
        files = {image: self._shown(kind, image) for image in self.images}
        return {image: file for image, file in files.items() if (self.folder / file).is_file()}

    def _shown(self, kind: str, image: str) -> str:
        return f"{kind}/{slug(image)}.png"

    def _save_png(self, file: str, values: torch.Tensor) -> str:
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = as_picture(values)
        pixels = picture.pixels(torch.uint8, "full")
        images.save(images.load(pixels), path, overwrite=True)
        return file

    # --- exact measurements ---

    def has_measurement(self, image: str) -> bool:
        """Whether the damaged image is there with all that belongs to it."""
        return self._measurement_file(image).is_file()

    def save_measurement(
        self, image: str, measurement: torch.Tensor, truth: torch.Tensor | None, options: Mapping[str, Any]
    ) -> None:
        """Write the exact damaged image, its truth, and the options that are arrays (masks, hints)."""
        arrays = {"measurement": measurement.numpy()}
        if truth is not None:
            arrays["truth"] = truth.numpy()
        arrays |= {
            _OPTION + name: value.numpy()
            for name, value in options.items()
            if isinstance(value, torch.Tensor)
        }
        path = self._measurement_file(image)
        path.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        write_atomically(path, buffer.getvalue())

    def load_measurement(self, image: str) -> tuple[torch.Tensor, torch.Tensor | None, dict[str, Any]]:
        """Measurement, truth and the options that are arrays, as they were written.

        Raises
        ------
        ComparisonError
            Where the file cannot be read.
        """
        path = self._measurement_file(image)
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: torch.from_numpy(file[name]) for name in file.files}
            measurement = arrays["measurement"]
        except Exception as error:  # numpy raises anything at all on bytes that are not its own
            raise ComparisonError(
                f"{path} cannot be read: {error}; remove it to have it made again"
            ) from None
        options = {n.removeprefix(_OPTION): value for n, value in arrays.items() if n.startswith(_OPTION)}
        return measurement, arrays.get("truth"), options

    def _measurement_file(self, image: str) -> Path:
        return self.folder / "measurements" / f"{slug(image)}.npz"


def as_picture(values: torch.Tensor) -> Picture:
    """A tensor (1, C, H, W) as a picture; values outside [0, 1], which strong noise causes, are kept."""
    form = GivenForm(kind="torch", dtype=torch.float32, layout="NCHW", value_range=(0.0, 1.0))
    return Picture(values.detach().float().contiguous(), None, form)
