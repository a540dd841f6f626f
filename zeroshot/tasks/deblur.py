"""Deblurring: y = k ∗ x + n with a known kernel k."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeroshot import synonyms
from zeroshot.checks import is_number
from zeroshot.spelling import Argument, OptionError, Wording
from zeroshot.tasks.noise import NOISY
from zeroshot.tasks.options import Choice, Option, OptionType
from zeroshot.tasks.task import Damage, Options, Task
from zeroshot.words import likeliest

if TYPE_CHECKING:
    import torch

    from zeroshot.images import Picture
    from zeroshot.problem import Problem


@dataclass(frozen=True)
class BlurKernel(OptionType):
    """An array, a file, or one of a few shapes by name with its size."""

    def check(self, name: str, value: Any) -> None:
        is_text = isinstance(value, str) and not os.path.exists(value)
        if is_number(value) or (is_text and re.fullmatch(r"[0-9]*\.?[0-9]+", value.strip())):
            gaussian = Argument(name, f"gaussian={float(value):g}")
            wanted = f" must be a file or a shape with its size, got {value}; did you mean "
            raise OptionError(Argument(name), wanted, gaussian, "?")
        if is_text:
            self._check_shape(name, value)

    def parse(self, name: str, word: str) -> str:
        self.check(name, word)
        return word

    def _check_shape(self, name: str, text: str) -> None:
        shape, equals, size = text.partition("=")
        meant = synonyms.canonical(shape, synonyms.KERNELS, synonyms.KERNELS)
        # Without a size it is the name of a file, unless it is that of a shape.
        if (equals and shape.strip() == meant) or not (equals or meant):
            return
        meant = meant or likeliest(shape, synonyms.KERNELS)
        hint = () if meant is None else ("; did you mean ", Argument(name, f"{meant}={size or 3}"), "?")
        shapes = ", ".join(f"{one}=…" for one in synonyms.KERNELS)
        raise OptionError(Argument(name), f" must be a file or one of {shapes}, got {text!r}", *hint)


_KERNEL = Option(
    "kernel",
    BlurKernel(
        Wording(
            ": an array of odd size, a file (.npy or an image), or text such as 'gaussian=1.6', "
            "'motion=15, angle=30', 'disk=3'",
            ": a file (.npy or an image, of odd height and width), or text such as 'gaussian=1.6', "
            "'motion=15, angle=30', 'disk=3'",
        ),
        is_file=True,
    ),
    "the blur kernel",
)
_BOUNDARY = Option(
    "boundary",
    Choice(
        ": 'reflect', 'circular', 'replicate', or 'valid', where the good image is larger than the blurred one "
        "by the kernel",
        words=("reflect", "circular", "replicate", "valid"),
    ),
    "how the scene goes on beyond the image",
    "reflect",
    expert=True,
)


def _kernel(kernel: Any) -> torch.Tensor:
    """The blur kernel (height, width) that a user means: an array, a file, or text such as gaussian=1.6."""
    import numpy as np
    import torch

    from zeroshot.operators.expression import blur_kernel
    from zeroshot.operators.plane_files import kernel_file

    if isinstance(kernel, str) and not os.path.exists(kernel) and "=" in kernel:
        return blur_kernel(kernel)
    if isinstance(kernel, str | Path):
        return kernel_file(kernel).float()
    if isinstance(kernel, torch.Tensor):
        return kernel.detach().float()
    try:
        return torch.as_tensor(np.asarray(kernel, dtype=np.float32))
    except (TypeError, ValueError) as error:
        raise OptionError(
            Argument("kernel"), f" must be an array of numbers, got {type(kernel).__name__}"
        ) from error


def _pose(picture: Picture, options: Options) -> tuple[Problem, Picture]:
    from zeroshot.operators import Blur
    from zeroshot.tasks.posing import posed

    operator = Blur(_kernel(options["kernel"]), boundary=options["boundary"])
    return posed("deblur", picture, operator, options), picture


def _damage(picture: Picture, given: Options, generator: torch.Generator) -> Damage:
    from zeroshot.operators import Blur

    kernel, boundary = given["kernel"], given.get("boundary", _BOUNDARY.default)
    return Damage(Blur(_kernel(kernel), boundary=boundary), {"kernel": kernel, "boundary": boundary})


DEBLUR = Task(
    name="deblur",
    summary="undo a known blur",
    options=(_KERNEL, _BOUNDARY, *NOISY),
    pose=_pose,
    damage_options=(_KERNEL, _BOUNDARY),
    damage=_damage,
    suited=("pnp", "gsr", "wavelet", "tgv", "tv"),
    examples=(
        "zeroshot deblur shaky.jpg --kernel gaussian=1.6",
        "zeroshot deblur shaky.jpg -o sharp.jpg --kernel kernel.png --prior tv",
    ),
    outcome="deblurred",
)
