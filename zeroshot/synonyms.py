"""Other names of tasks, priors and options: what users type for them, in one place.

A name is taken in any spelling that can mean nothing else: upper or lower case, with "-", "_", a blank or nothing
between its words, British or American, and under the field's other terms for the same thing. What is misspelt,
or may mean several things, is answered with a suggestion and never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from zeroshot.words import likeliest, unknown

#: Task → what else it is called.
TASKS: Mapping[str, tuple[str, ...]] = {
    "denoise": (
        *("denoising", "noise_removal", "remove_noise", "noise_reduction", "despeckle", "impulses", "impulse_noise"),
        *("salt_and_pepper", "salt_pepper", "hot_pixels", "dead_pixels", "remove_hot_pixels"),
    ),
    "destripe": ("destriping", "remove_stripes", "stripes", "banding", "row_noise", "column_noise"),
    "inpaint": ("inpainting", "fill_holes", "hole_filling"),
    "sr": (
        *("super_resolution", "super_resolve", "single_image_super_resolution", "sisr"),
        *("upscale", "upscaling", "upsample", "upsampling", "enlarge"),
    ),
    "colorize": (
        *("colourize", "colorise", "colourise", "colorization", "colourization", "colorisation"),
        "colourisation",
    ),
    "demosaic": ("demosaicing", "demosaicking", "demosaick", "debayer", "debayering"),
    "deblur": ("deblurring", "deconvolve", "deconvolution"),
    "sharpen": ("sharpening", "capture_sharpening", "unsharp_mask"),
    "jpeg": ("jpg", "decompress", "decompression", "deblock", "deblocking", "jpeg_artifact_removal"),
    "restore": ("restoration",),
}  # fmt: skip

#: Prior → what else it is called, beside the name of its class.
PRIORS: Mapping[str, tuple[str, ...]] = {
    "bilateral": ("bilateral_filter",),
    "bm3d": ("cbm3d", "block_matching_3d"),
    "coherence": ("coherence_enhancing_diffusion",),
    "dct": ("sliding_dct", "overlapping_dct"),
    "idr": ("data_refinement", "noisy_as_clean"),
    "latent": ("latent_decoder",),
    "nlm": ("nl_means", "non_local_means"),
    "nltv": ("nonlocal_tv", "non_local_total_variation"),
    "pixel2pixel": ("p2p", "pixel_to_pixel", "pixel_refilling", "pixel_bank"),
    "red": ("regularization_by_denoising",),
    "richardson_lucy": ("rl", "lucy_richardson"),
    "tgv": ("total_generalised_variation",),
    "tv": ("rof",),
    "unsupervised_wiener": ("wiener_hunt", "blind_wiener"),
    "wavelet": ("wavelets",),
    "wiener": ("wiener_filter", "wiener_deconvolution"),
    "zsn2n": ("n2n", "noise2noise"),
}

#: Option of a task or of a run → what others call it. These are answered, not taken: an option that several
#: names set could be given twice.
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "sigma": ("noise", "noise_level", "noise_std", "std", "sigma_psd"),
    "scale": ("factor", "scale_factor", "upscale", "zoom"),
    "kernel": ("psf", "blur"),
    "pattern": ("bayer", "cfa", "bayer_pattern"),
    "mask": ("holes",),
    "outliers": ("impulses", "salt_and_pepper", "hot_pixels"),
    "stripes": ("destripe", "banding"),
    "hints": ("scribbles", "strokes"),
    "progress": ("verbose", "show_progress", "quiet"),
    "prior": ("method", "model", "algorithm"),
    "settings": ("set", "setting", "parameters", "params"),
    "seconds": ("time", "timeout", "budget", "max_time", "time_budget"),
    "overwrite": ("force", "replace"),
    "device": ("gpu", "cuda", "cpu"),
    "output": ("out",),
    "value_range": ("range", "data_range"),
}

#: Blur kernel → what else it is called; answered as well.
KERNELS: Mapping[str, tuple[str, ...]] = {
    "gaussian": ("gauss", "gaussian_blur", "normal"),
    "motion": ("motion_blur", "line", "linear"),
    "disk": ("disc", "defocus", "out_of_focus", "pillbox"),
}


def canonical(name: object, known: Iterable[str], synonyms: Mapping[str, tuple[str, ...]]) -> str | None:
    """The one of `known` that `name` means, or None.

    Parameters
    ----------
    name : object
        As it was given; what is no string means nothing.
    known : iterable of str
        The names that there are; one that is given exactly is never taken for another.
    synonyms : mapping
        Known name → what else it is called.
    """
    names = list(known)
    if name in names:
        return str(name)
    if not isinstance(name, str):
        return None
    meant = {_spelling(other): one for one in names for other in (*synonyms.get(one, ()), one)}
    return meant.get(_spelling(name))


def unknown_name(
    what: str, name: object, known: Iterable[str], synonyms: Mapping[str, tuple[str, ...]]
) -> str:
    """The message for a name that means nothing: the likeliest of those that are meant, then all."""
    names = list(known)
    meant = {other: one for one in names for other in (*synonyms.get(one, ()), one)}
    near = likeliest(str(name), meant)
    return unknown(what, str(name), names, None if near is None else meant[near])


def _spelling(name: str) -> str:
    """The letters and digits of a name, without what divides its words."""
    return re.sub(r"[\s_-]+", "", name).casefold()
