"""How a result shows itself: as HTML with a slider between before and after, as PNG, and as a plot.

What a notebook is given is complete in itself: the pictures are in the page, made smaller where they would take
much room, and nothing is fetched. Colours are those of the notebook, light or dark.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

#: About how many bytes the pictures of one result may take in a page.
_BUDGET = 300_000
#: The longest side that a page or a cell shows.
_LONGEST = 960
#: What is smaller is shown larger, its pixels as squares.
_SMALL = 320
#: Of a batch, so many are shown.
_MOST = 4

_STYLE = """
<style>
.zeroshot { color: inherit; background: transparent; font-size: 13px; }
.zeroshot figure { margin: 0 0 8px; display: inline-block; max-width: 100%; }
.zeroshot .pictures { position: relative; max-width: 100%; overflow: hidden; outline: 1px solid rgba(127,127,127,.4); }
.zeroshot img { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; max-width: none; }
.zeroshot img.before { clip-path: inset(0 calc(100% - var(--at)) 0 0); }
.zeroshot .edge { position: absolute; top: 0; bottom: 0; left: var(--at); width: 2px; margin-left: -1px;
  background: #fff; box-shadow: 0 0 2px #000; }
.zeroshot input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: ew-resize; }
.zeroshot .names { display: flex; justify-content: space-between; opacity: .7; }
.zeroshot p { margin: 2px 0; }
</style>
"""


def png(colours: torch.Tensor, alpha: torch.Tensor | None = None) -> bytes:
    """One image (1, C, H, W) in [0, 1] as a PNG file, made smaller where it would take much room."""
    image = image_of(colours, alpha)
    while len(data := _encoded(image, "PNG")) > 2 * _BUDGET and max(image.size) > 16:
        image = _shrunk(image, min(_LONGEST, int(0.8 * max(image.size))))
    return data


def slider(before: torch.Tensor, after: torch.Tensor, lines: Sequence[str], title: str = "") -> str:
    """Two batches (N, C, H, W) in [0, 1] as HTML, each pair with a slider, and lines of text below.

    Parameters
    ----------
    before, after : torch.Tensor
        Of one number of images; sizes and channels may differ.
    lines : sequence of str
        Plain text.
    title : str
        What a reader of screens is told of the slider.
    """
    count = after.shape[0]
    shown = min(count, _MOST)
    figures = [
        _figure(before[index : index + 1], after[index : index + 1], _BUDGET // (2 * shown), title)
        for index in range(shown)
    ]
    more = [f"and {count - shown} more images"] if count > shown else []
    text = "".join(f"<p>{html.escape(line)}</p>" for line in (*more, *lines))
    return f'{_STYLE}<div class="zeroshot">{"".join(figures)}{text}</div>'


def _figure(before: torch.Tensor, after: torch.Tensor, budget: int, title: str) -> str:
    restored = image_of(after)
    width, height = _shrunk(restored, _LONGEST).size
    enlarged = max(1, _SMALL // max(width, height))
    crisp = "pixelated" if enlarged > 1 else "auto"
    pictures = "".join(
        f'<img class="{name}" alt="{name}" src="{_address(image, budget)}" style="image-rendering: {crisp}">'
        for name, image in (("after", restored), ("before", image_of(before)))
    )
    # Where scripts are not trusted the slider rests in the middle.
    moved = "this.parentNode.style.setProperty('--at', this.value + '%')"
    return (
        f'<figure><div class="pictures" style="--at: 50%; width: {width * enlarged}px; '
        f'aspect-ratio: {width} / {height}">{pictures}<div class="edge"></div>'
        f'<input type="range" min="0" max="100" value="50" step="any" aria-label="{html.escape(title)}" '
        f'oninput="{moved}"></div>'
        '<div class="names"><span>before</span><span>after</span></div></figure>'
    )


def _address(image: Image.Image, budget: int) -> str:
    """The image as the address of itself, in at most `budget` bytes: without loss where it fits, else smaller."""
    image = _shrunk(image, _LONGEST)
    kind, data = "png", _encoded(image, "PNG")
    while len(data) > budget and max(image.size) > 16:
        kind, data = "webp", _encoded(image, "WEBP")
        image = _shrunk(image, int(0.8 * max(image.size)))
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def image_of(colours: torch.Tensor, alpha: torch.Tensor | None = None) -> Image.Image:
    """One image (1, C, H, W) in [0, 1] in 8 bits."""
    samples = colours if alpha is None else torch.cat([colours.cpu(), alpha.cpu()], dim=1)
    pixels: np.ndarray = (
        samples[0].detach().cpu().clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
    )
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def _shrunk(image: Image.Image, longest: int) -> Image.Image:
    """The image with its longest side no longer than that."""
    scale = longest / max(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _encoded(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **({"quality": 90} if kind == "WEBP" else {}))
    return buffer.getvalue()
