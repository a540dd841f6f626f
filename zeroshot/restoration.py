"""The result of a restoration: the image as it was given, and how it came about."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from zeroshot import images
from zeroshot.display import png, slider
from zeroshot.estimate import History
from zeroshot.files import write_atomically
from zeroshot.spelling import CHOOSE_ANOTHER, OutputExistsError
from zeroshot.words import counted, noise_level

#: Of a batch, so many runs are plotted.
_MOST_COLUMNS = 4


@dataclass(frozen=True, eq=False, repr=False)
class Restoration:
    """A restored image with its history and provenance.

    ``np.asarray(restoration)`` is the image as an array. A notebook shows it with a slider between before and
    after.

    Attributes
    ----------
    picture : Picture
        The restored image with everything that came with the input (alpha, EXIF, ICC profile).
    stopped_by : str
        Why the run ended, in one line.
    iterations : int
        How many iterations were made.
    seconds : float
        How long they took.
    history : History
        What was measured at every step.
    sigma : float or None
        The noise level that was given or estimated, on the [0, 1] scale; in the units of the image where its
        range was found (``picture.form.origin == "found"``).
    provenance : dict
        Version, task, prior, every hyper-parameter, seed, device and the input's sha256; it is embedded in
        every file that is saved.
    before : Picture
        The damaged picture as it was given.
    maps : dict of str to torch.Tensor
        Further images that the prior has made, (N, C, H, W) in [0, 1], by name.
    arrays : dict of str to torch.Tensor
        What else the prior found that is no image, such as the latent of a generator.
    parts : tuple of Restoration
        For a batch: the restoration of each image. Iterations and seconds are then sums.
    """

    picture: images.Picture
    stopped_by: str
    iterations: int
    seconds: float
    history: History
    sigma: float | None
    provenance: dict[str, Any]
    before: images.Picture
    maps: dict[str, torch.Tensor] = field(default_factory=dict)
    arrays: dict[str, torch.Tensor] = field(default_factory=dict)
    parts: tuple[Restoration, ...] = ()

    @property
    def image(self) -> Any:
        """The restored image, of the kind and dtype that the caller gave."""
        return self.picture.as_given()

    @property
    def interrupted(self) -> bool:
        """Whether the user stopped the run."""
        return self.stopped_by.startswith("interrupted")

    @property
    def findings(self) -> dict[str, Any]:
        """What the run chose or found out, such as the ranking of priors by ``prior="auto"``."""
        return self.provenance.get("findings", {})

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the image with its provenance.

        An existing file is kept unless `overwrite` is True; the file that the input was read from always is.
        """
        images.save(self.picture, path, overwrite=overwrite, provenance=self.provenance)

    def save_comparison(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the picture as it was given and the restored one side by side; of a batch, the first image.

        The former is enlarged to the size of the latter by repeating pixels, and grey is shown as colour
        where the other one is colour.
        """
        images.check_output(path, overwrite=overwrite, source=self.before.source)
        after = self.picture.colours[:1].cpu()
        before = functional.interpolate(self.before.colours[:1].cpu(), size=after.shape[-2:], mode="nearest")
        channels = max(before.shape[1], after.shape[1])
        left, right = (image.clamp(0, 1).expand(-1, channels, -1, -1) for image in (before, after))
        gap = torch.ones(1, channels, after.shape[-2], max(2, after.shape[-1] // 64))
        sheet = torch.cat([left, gap, right], dim=-1).mul(255).round().byte()
        images.save(images.load(sheet), path, overwrite=overwrite, provenance=self.provenance)

    def save_maps(self, folder: str | Path, *, overwrite: bool = False) -> list[Path]:
        """Write `maps` as NAME.png into an existing folder; the files written."""
        targets = {Path(folder) / f"{name}.png": image for name, image in self.maps.items()}
        for path in targets:
            images.check_output(path, overwrite=overwrite, source=self.before.source)
        for path, image in targets.items():
            shown = images.load(image[:1].clamp(0, 1).mul(255).round().byte())
            images.save(shown, path, overwrite=overwrite, provenance=self.provenance)
        return list(targets)

    def save_arrays(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write `arrays` into one .npz file.

        Raises
        ------
        ValueError
            Where the prior found none, or the name ends otherwise.
        FileExistsError
            Where the file exists and `overwrite` is False.
        """
        path = Path(path)
        if not self.arrays:
            raise ValueError(f"prior {self.provenance.get('prior')!r} has no arrays to save")
        if path.suffix != ".npz":
            raise ValueError(f"arrays are written as .npz, got {path.name}")
        if path.exists() and not overwrite:
            raise OutputExistsError(f"{path} exists", CHOOSE_ANOTHER)
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {name: array.float().numpy() for name, array in self.arrays.items()}
        np.savez(buffer, **arrays)
        write_atomically(path, buffer.getvalue())

    def save_trace(self, path: str | Path) -> None:
        """Write the provenance and the history as JSON."""
        images.check_not_input(path, self.before.source)
        trace = {"provenance": self.provenance, "history": self.history.to_dict()}
        write_atomically(path, json.dumps(trace, indent=1).encode())

    def plot(self) -> Any:
        """Loss, and whatever the stopping rule measured, over the iterations: a matplotlib figure.

        It shows itself in a notebook. Of a batch the first images have a column each.

        Raises
        ------
        ImportError
            Where matplotlib is missing; the message names the extra that brings it.
        """
        try:
            from zeroshot.plotting import plotted
        except ImportError as error:
            raise ImportError('plotting needs matplotlib: pip install "zeroshot-restore[plot]"') from error
        shown = self.parts[:_MOST_COLUMNS] or (self,)
        return plotted([one.history for one in shown], [one.stopped_by for one in shown])

    @property
    def noise_level(self) -> str:
        """`sigma` in grey levels of 255, on the [0, 1] scale and in the image's own values; "" where unknown."""
        if self.sigma is None:
            return ""
        form = self.before.form
        share = form.grey_levels(self.sigma * form.level_factor) / 255
        return noise_level(share, form.given_range or form.value_range)

    @property
    def noise_in_words(self) -> str:
        """What the noise was taken for: its level, and where that is not all, how it depends on intensity and place."""
        found = self.provenance.get("noise")
        if found:
            return str(found["in_words"])
        return f"sigma {self.noise_level}" if self.sigma else ""

    def _course(self) -> str:
        """What was done, how long it took, and the noise."""
        count = counted(self.iterations, "iteration")
        noise = f", {self.noise_in_words}" if self.noise_in_words else ""
        done = f"{self.provenance.get('task')} with {self.provenance.get('prior')}"
        return f"{done}, {count} in {self.seconds:.1f} s{noise}"

    def __repr__(self) -> str:
        shape = " × ".join(map(str, self.picture.colours.shape))
        return f"<Restoration of {shape}: {self._course()}, stopped by: {self.stopped_by}>"

    def _repr_html_(self) -> str:
        height, width = self.picture.colours.shape[-2:]
        lines = [f"{width} × {height}: {self._course()}", f"stopped by: {self.stopped_by}"]
        task = self.provenance.get("task")
        return slider(self.before.colours, self.picture.colours, lines, f"before and after {task}")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        image = self.image
        if isinstance(image, torch.Tensor):
            # NumPy has no bfloat16.
            image = (image.float() if image.dtype == torch.bfloat16 else image).cpu().numpy()
        array = np.asarray(image)
        return array if dtype is None else array.astype(dtype)

    def _repr_png_(self) -> bytes:
        alpha = self.picture.alpha
        return png(self.picture.colours[:1], None if alpha is None else alpha[:1])
