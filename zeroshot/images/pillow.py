"""PIL images to arrays and back."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from zeroshot.images.decoding import check_single, check_size
from zeroshot.images.errors import ImageError
from zeroshot.images.exif import ORIENTATION, descriptive_exif, edit_exif, exif_number, is_sound
from zeroshot.images.metadata import Metadata, clean_xmp, png_text

Reading = tuple[np.ndarray, Metadata, int, list[str]]  # pixels, metadata, orientation, remarks for the user
# Our own text, and EXIF and XMP in disguise, which are kept as what they are.
OWN_PNG_KEYWORDS = (b"zeroshot", b"Raw profile type", b"XML:com.adobe.xmp")


def open_with_pillow(data: bytes, kind: str) -> Image.Image:
    """The image of a file that Pillow reads, its header checked, its pixels not yet decoded.

    Parameters
    ----------
    data : bytes
        The file.
    kind : str
        The one format that it may be in.
    """
    image = Image.open(io.BytesIO(data), formats=(kind,))
    check_size(*image.size)
    if image.format != "MPO":  # a JPEG with a preview or a second view behind it: the first is the picture
        check_single(getattr(image, "n_frames", 1), "frames of an animation")
    return image


def pixels_of(image: Image.Image) -> tuple[np.ndarray, list[str]]:
    """A decoded PIL image as an H×W or H×W×C array, and what the user should know of the conversion."""
    mode, key = image.mode, image.info.get("transparency")
    if mode in ("P", "PA"):
        return np.asarray(image.convert("RGBA" if mode == "PA" or key is not None else "RGB")), []
    if mode == "CMYK":
        return np.asarray(cmyk_to_rgb(image, image.info.get("icc_profile"))), [
            "CMYK was converted to RGB; the result is RGB"
        ]
    if mode in ("RGBX", "YCbCr", "HSV"):
        return np.asarray(image.convert("RGB")), []
    if mode in ("La", "RGBa"):
        return np.asarray(image.convert(mode.upper())), []
    if mode == "1":
        return with_transparent_colour(np.asarray(image).astype(np.uint8) * np.uint8(255), key), []
    if mode in ("L", "LA", "RGB", "RGBA", "F"):
        return with_transparent_colour(np.asarray(image), key), []
    if mode == "I" or mode.startswith("I;16"):
        pixels = np.asarray(image)
        if pixels.min() < 0 or pixels.max() > 65535:
            raise ImageError(
                f"integers of 32 bits from {pixels.min()} to {pixels.max()} do not fit into 16 bits; "
                "convert the image to mode 'F' with values in [0, 1]"
            )
        return with_transparent_colour(pixels.astype(np.uint16), key), []
    raise ImageError(
        f"PIL mode {mode!r} is not accepted; convert to one of 1, L, LA, P, RGB, RGBA, CMYK, I;16, F"
    )


def with_transparent_colour(pixels: np.ndarray, key: Any) -> np.ndarray:
    """Alpha 0 where a pixel has the one colour that the file declares transparent."""
    if key is None or isinstance(key, bytes) or (pixels.ndim == 3 and pixels.shape[2] in (2, 4)):
        return pixels
    colours = pixels if pixels.ndim == 3 else pixels[..., None]
    opaque = (colours != np.asarray(key)).any(axis=2, keepdims=True)
    alpha = opaque.astype(pixels.dtype) * np.iinfo(pixels.dtype).max
    return np.concatenate([colours, alpha.astype(pixels.dtype)], axis=2)


def cmyk_to_rgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB through the profile, where there is one that works, else by the plain formula."""
    if profile:
        try:
            converted = ImageCms.profileToProfile(
                image, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a broken profile: the plain formula below
    return image.convert("RGB")


def metadata_of(image: Image.Image) -> tuple[Metadata, int]:
    """Metadata and EXIF orientation (1 to 8) of a PIL image."""
    raw = image.info.get("exif")
    block = raw.removeprefix(b"Exif\0\0") if isinstance(raw, bytes) else None
    orientation, exif = None, None
    if block is None or is_sound(block):
        tags = image.getexif()
        orientation = tags.get(ORIENTATION)
        exif = block or descriptive_exif(tags)
    text = getattr(image, "text", {})
    kept = [key for key in text if not key.encode().startswith(OWN_PNG_KEYWORDS)]
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    metadata = Metadata(
        icc=image.info.get("icc_profile") or None,
        exif=edit_exif(exif, {ORIENTATION: 1}) if exif else None,
        xmp=clean_xmp(xmp.encode() if isinstance(xmp, str) else xmp),
        dpi=valid_dpi(image.info.get("dpi")),
        png_chunks=tuple(png_text(key, str(text[key])) for key in kept),
        lossy=image.format in ("JPEG", "MPO"),
    )
    if orientation is None and exif:
        orientation = exif_number(exif, ORIENTATION)
    return metadata, int(orientation) if orientation is not None and orientation in range(1, 9) else 1


def valid_dpi(dpi: Any) -> tuple[float, float] | None:
    """A resolution as two finite positive numbers, or None."""
    try:
        horizontal, vertical = (float(v) for v in dpi)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (horizontal, vertical) if 0 < horizontal < 1e6 and 0 < vertical < 1e6 else None


def turn_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """The picture as it should be looked at, from how it was stored (EXIF tag 0x0112)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def save_with_pillow(pixels: np.ndarray, kind: str, **options: Any) -> bytes:
    """The bytes of a file that Pillow writes, leaving out the options that are None."""
    buffer = io.BytesIO()
    chosen = {name: value for name, value in options.items() if value is not None}
    Image.fromarray(pixels).save(buffer, kind, **chosen)
    return buffer.getvalue()


def colour_channels(pixels: np.ndarray) -> int:
    """1 for grey (with or without alpha), 3 for RGB (with or without alpha)."""
    return 1 if pixels.ndim == 2 or pixels.shape[2] <= 2 else 3
