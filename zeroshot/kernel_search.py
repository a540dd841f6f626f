"""find_kernel(): a picture in, the kernel that blurred it or made it small out."""

from __future__ import annotations

from typing import Any

from zeroshot import images
from zeroshot.kernels import KernelEstimate
from zeroshot.tasks import deblur, super_resolution, task_named
from zeroshot.tasks.found_kernel import require_kernel_of
from zeroshot.tasks.ranging import on_working_range
from zeroshot.tasks.task import Task


def find_kernel(
    image: Any,
    task: str = "deblur",
    *,
    scale: int | None = None,
    kind: str | None = None,
    sigma: float | None = None,
    value_range: tuple[float, float] | None = None,
) -> KernelEstimate:
    """Find the kernel by which a picture was blurred, or made small, from the picture itself.

    What ``kernel="auto"`` does in :func:`zeroshot.deblur` and :func:`zeroshot.sr`, without the restoration.

    Parameters
    ----------
    image : path, PIL image, numpy array or torch tensor
        One picture, as for :func:`zeroshot.solve`.
    task : {"deblur", "sr"}
        Which kernel it is: that of a blur, or that by which the picture was made small.
    scale : int, optional
        For "sr", which needs it: how many times larger the large picture is.
    kind : {"motion", "lens"}, optional
        For "deblur": a motion along a line or the blur of a lens, where that is known.
    sigma : float, optional
        For "sr": the noise level; estimated where not given.
    value_range : tuple of float, optional
        The values of black and white, as for :func:`zeroshot.solve`.

    Returns
    -------
    KernelEstimate
        Its `kernel` is what the option of that name takes; `save` writes it, `kind`, `confidence` and `evidence` tell
        what is known of it. Of kind "none" where there is no blur, or where a small picture tells of none but bicubic.

    Raises
    ------
    ValueError, TypeError, OSError
        In one line, where something about the input does not fit.

    Examples
    --------
    >>> import zeroshot
    >>> from scipy.ndimage import gaussian_filter
    >>> from skimage.data import camera
    >>> zeroshot.find_kernel(gaussian_filter(camera()[100:260, 100:260], 2), kind="lens").kind
    'gaussian'
    """
    entry = kernel_task(task, scale, kind)
    picture = picture_with_kernel(image, entry, {"sigma": sigma}, value_range)
    if entry.name == "deblur":
        return deblur.kernel_of(picture, kind)
    assert scale is not None
    return super_resolution.kernel_of(picture, int(scale), sigma)


def kernel_task(task: str, scale: Any, kind: str | None) -> Task:
    """The task of this name, which a kernel is to be found for.

    Raises
    ------
    ValueError, TypeError
        In one line, where it has none, or the other arguments do not go with it.
    """
    entry = task_named(task)
    require_kernel_of(entry.name, scale, kind)
    return entry


def picture_with_kernel(
    image: Any, task: Task, options: dict[str, Any], value_range: tuple[float, float] | None
) -> images.Picture:
    """The one picture that a kernel is to be found in, on the range that its task works on.

    Raises
    ------
    ValueError, TypeError, OSError
        In one line, where it cannot be read, or is a batch.
    """
    picture = on_working_range(images.load(image, value_range=value_range), task, options)
    count = picture.colours.shape[0]
    if count != 1:
        raise ValueError(f"a kernel is found in one picture at a time, got a batch of {count}")
    return picture
