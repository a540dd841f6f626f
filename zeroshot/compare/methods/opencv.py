"""Super-resolution networks in TensorFlow graphs, run by OpenCV's dnn_superres (extra ``opencv``)."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zeroshot.checks import require_choice, require_whole
from zeroshot.compare.method import Case
from zeroshot.compare.methods.learned import existing_file, first_line, missing
from zeroshot.provenance import described

MODELS = ("edsr", "espcn", "fsrcnn", "lapsrn")
_NAME = re.compile(r"(?P<model>[a-z]+).*?x(?P<scale>\d+)$")


class OpenCVMethod:
    """``x = f(y)`` with the networks of OpenCV's dnn_superres: luma by the network, chroma by bicubic.

    OpenCV hands such networks 8-bit images and gives 8-bit images back.

    Parameters
    ----------
    file : str or Path
        A TensorFlow graph (.pb), such as FSRCNN_x4.pb.
    label : str, optional
        How tables call it; by default the name of the file without its ending.
    model : str, optional
        "edsr", "espcn", "fsrcnn" or "lapsrn"; by default from the name of the file.
    scale : int, optional
        How many times it enlarges; by default from the name of the file.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ImportError
        Where OpenCV with its contributed modules is missing; the message names the extra.
    ValueError
        Where model or scale can neither be told from the name of the file nor are given.
    """

    def __init__(
        self,
        file: str | Path,
        label: str | None = None,
        *,
        model: str | None = None,
        scale: int | None = None,
        **unknown: Any,
    ) -> None:
        self.path = existing_file(file)
        if unknown:
            raise ValueError(f"{self.path.name} has no option {next(iter(unknown))!r}; it has: model, scale")
        self.name = label or self.path.stem
        self.model, self.scale = _model_and_scale(self.path, model, scale)
        _library()
        self._network: Any = None
        self._weights = ""

    def prepare(self) -> None:
        """Load the weights, where they are not loaded yet.

        Raises
        ------
        ValueError
            Where OpenCV cannot read the file.
        """
        if self._network is not None:
            return
        library = _library()
        library.setNumThreads(torch.get_num_threads())
        network = library.dnn_superres.DnnSuperResImpl_create()
        try:
            with _silence(library):
                network.readModel(str(self.path))
        except library.error as error:
            raise ValueError(
                f"{self.path.name} is no TensorFlow graph that OpenCV can read: {first_line(error)}"
            ) from error
        network.setModel(self.model, self.scale)
        self._weights = described(self.path).removeprefix(f"{self.path.parent}/")
        self._network = network

    def supports(self, case: Case) -> str | None:
        """None for super-resolution by the network's own scale."""
        if case.task != "sr":
            return "OpenCV's networks enlarge; they go with the task 'sr' only"
        if case.options["scale"] != self.scale:
            return f"{self.path.name} enlarges {self.scale} times, {case.options['scale']} times is wanted"
        return None

    def restore(self, image: np.ndarray, task: Case) -> np.ndarray:
        self.prepare()
        task.note("weights", self._weights)
        small = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
        # OpenCV keeps blue first, and its networks accept three channels as well as one.
        given = np.ascontiguousarray(small[..., ::-1]) if small.ndim == 3 else small
        library = _library()
        try:
            large = self._network.upsample(given)
        except library.error as error:
            raise RuntimeError(
                f"{self.path.name} ({self.model}, {self.scale} times) failed on an image of "
                f"{' × '.join(map(str, image.shape))}: {first_line(error)}"
            ) from error
        large = large[..., ::-1] if large.ndim == 3 else large
        if large.shape[:2] != tuple(task.problem.framed_shape[-2:]):
            raise ValueError(
                f"{self.path.name} made {large.shape[0]} × {large.shape[1]} pixels of {image.shape[0]} × "
                f"{image.shape[1]}; is it trained for another scale than {self.scale}?"
            )
        return np.ascontiguousarray(large, dtype=np.float32) / 255


def _library() -> Any:
    try:
        library = importlib.import_module("cv2")
    except ImportError:
        raise missing("opencv-contrib-python-headless", "opencv") from None
    if not hasattr(library, "dnn_superres"):
        raise ImportError(
            f"this OpenCV ({library.__version__}) has no dnn_superres, a contributed module: "
            'pip uninstall opencv-python opencv-python-headless, then pip install "zeroshot-restore[opencv]"'
        )
    return library


def _model_and_scale(path: Path, model: str | None, scale: int | None) -> tuple[str, int]:
    """What the name of the file says, where the options do not: FSRCNN-small_x4.pb is fsrcnn and 4."""
    found = _NAME.match(path.stem.lower())
    named = found["model"] if found else None
    if model is None:
        if named not in MODELS:
            raise ValueError(
                f"{path.name} does not say which network it is; give model= one of {', '.join(MODELS)}"
            )
        model = named
    if scale is None:
        if found is None:
            raise ValueError(f"{path.name} does not say how many times it enlarges; give scale=")
        scale = int(found["scale"])
    require_choice({"model": model}, "model", MODELS)
    require_whole({"scale": scale}, "scale", least=2)
    return model, scale


@contextmanager
def _silence(library: Any) -> Iterator[None]:
    # Version 5 tries its new engine first, complains, and then reads these graphs with the classic one.
    logging = library.utils.logging
    before = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(before)
