"""Names and layers that the browser brings."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.app.client import png
from zeroshot.app import uploads
from zeroshot.app.uploads import painted, received, safe_name
from zeroshot.app.wording import RefusedError
from zeroshot.tasks import task_named

HOLES = {option.name: option.type for option in task_named("inpaint").options}["mask"]
COLOURS = {option.name: option.type for option in task_named("colorize").options}["hints"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("photo.png", "photo.png"),
        ("C:\\pictures\\photo.png", "photo.png"),
        ("../../etc/passwd", "passwd"),
        ("/absolute/photo.JPG", "photo.JPG"),
        ("..", "picture.png"),
        ("", "picture.png"),
        (".png", "png"),
        ("-o.png", "o.png"),
        ("a\x00b\u202egnp.exe.png", "abgnp.exe.png"),
        ('a<b>:"c|?*.png', "abc.png"),
        ("Größe Ω.tif", "Größe Ω.tif"),
        ("x" * 300 + ".png", "x" * 80 + ".png"),
    ],
)
def test_a_name_is_only_a_name(given: str, kept: str) -> None:
    assert safe_name(given) == kept


def test_a_painting_comes_to_the_size_of_the_picture_with_hard_edges() -> None:
    small = np.full((10, 10), 255, np.uint8)
    small[2:4, 2:6] = 0
    small[4] = 127
    mask = np.asarray(Image.open(io.BytesIO(painted(png(small), HOLES, (20, 20)))))
    assert mask.shape == (20, 20)
    assert np.array_equal(mask == 0, np.kron(small < 128, np.ones((2, 2), bool)))
    strokes = np.zeros((10, 10, 4), np.uint8)
    strokes[5, :5] = (10, 20, 30, 200)
    strokes[5, 5:] = (10, 20, 30, 90)
    hints = np.asarray(Image.open(io.BytesIO(painted(png(strokes), COLOURS, (10, 10)))))
    assert hints[5, 0].tolist() == [10, 20, 30, 255]
    assert not hints[5, 5:, 3].any()


def test_what_is_no_painting_is_refused() -> None:
    with pytest.raises(RefusedError, match="did not arrive as a picture"):
        painted(b"\x89PNG but no more", HOLES, (10, 10))


def test_too_many_bytes_are_not_taken_whatever_was_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MOST_BYTES", 10)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"12345"

    with pytest.raises(RefusedError, match="larger than") as caught:
        asyncio.run(received(chunks(), tmp_path / "file"))
    assert caught.value.status == 413
