"""Faces cut out of photographs, aligned as in FFHQ, and put back: from five landmarks, without a detector.

Generators of faces are trained on faces that are cropped, upright and of one size. The crop is an oriented square
around the eyes and the mouth; to put a restored face back, it is warped into its place and its border blended.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

Point = tuple[float, float]
_SAMPLES_AT_ONCE = 4_000_000
#: The largest side of a face, in pixels: eight times what generators of faces make.
LARGEST_SIDE = 8192
#: A face may be larger than the photograph, where part of it lies outside, by this factor.
_LARGEST_SHARE = 4
_LARGEST_FILE = 1 << 20
_NAMES = ("left eye", "right eye", "nose", "left mouth corner", "right mouth corner")


@dataclass(frozen=True)
class FaceAlignment:
    """The oriented square of a face in a photograph.

    With e the vector from eye to eye, m that from between the eyes to between the mouth corners, its half side
    is the vector x along e + the turned m, of length max(2 ‖e‖, 1.8 ‖m‖), and its centre lies 0.1 m below the
    eyes.

    Attributes
    ----------
    centre : tuple of float
        (x, y) in pixels; (0, 0) is the upper left corner of the upper left pixel.
    side : tuple of float
        The vector from the centre to the middle of the right side, in pixels.

    References
    ----------
    T. Karras, S. Laine, T. Aila: A style-based generator architecture for generative adversarial networks,
    CVPR 2019, appendix A; T. Karras et al.: Progressive growing of GANs, ICLR 2018, appendix C.
    """

    centre: Point
    side: Point

    @classmethod
    def from_landmarks(cls, landmarks: Any) -> FaceAlignment:
        """The square of five points: eyes, nose, mouth corners, as they appear from left to right.

        Parameters
        ----------
        landmarks : sequence of five (x, y), or a mapping with the names of the points
            In pixels.

        Raises
        ------
        ValueError
            Where they are not five points, or no face has them in these places.
        """
        points = _points(landmarks)
        left, right, _, mouth_left, mouth_right = points
        eyes = _middle(left, right)
        across = (right[0] - left[0], right[1] - left[1])
        mouth = _middle(mouth_left, mouth_right)
        down = (mouth[0] - eyes[0], mouth[1] - eyes[1])
        # Turned by a quarter, the way down to the mouth points along the eyes.
        direction = (across[0] + down[1], across[1] - down[0])
        length = math.hypot(*direction)
        if math.hypot(*across) < 1 or math.hypot(*down) < 1 or length < 1:
            raise ValueError("the landmarks lie in one place; give eyes, nose and mouth corners in pixels")
        if across[0] * down[1] - across[1] * down[0] <= 0:
            raise ValueError(
                "the landmarks are mirrored: give left eye, right eye, nose, left and right mouth corner as "
                "they appear in the picture"
            )
        half = max(2.0 * math.hypot(*across), 1.8 * math.hypot(*down))
        centre = (eyes[0] + 0.1 * down[0], eyes[1] + 0.1 * down[1])
        return cls(centre, (direction[0] / length * half, direction[1] / length * half))

    @property
    def half(self) -> float:
        """Half the side of the square, in pixels of the photograph."""
        return math.hypot(*self.side)

    def crop(self, photograph: torch.Tensor, size: int) -> torch.Tensor:
        """The face, upright, (N, C, size, size); beyond the photograph it is mirrored.

        Parameters
        ----------
        photograph : torch.Tensor
            (N, C, H, W).
        size : int
            Side of the result; where the face is larger, the photograph is smoothed first.
        """
        if not 1 <= size <= LARGEST_SIDE:
            raise ValueError(f"size must be a whole number from 1 to {LARGEST_SIDE}, got {size}")
        self._require_fit(photograph)
        # Several samples in every pixel are averaged over its area.
        samples = max(1, math.ceil(2 * self.half / size))
        fine = size * samples
        steps = (torch.arange(fine, dtype=torch.float32, device=photograph.device) + 0.5) / fine * 2 - 1
        # Strips of whole pixels keep memory small for a large face.
        rows = max(1, _SAMPLES_AT_ONCE // (fine * samples)) * samples
        strips = []
        for strip in steps.split(rows):
            v, u = torch.meshgrid(strip, steps, indexing="ij")
            x = self.centre[0] + u * self.side[0] - v * self.side[1]
            y = self.centre[1] + u * self.side[1] + v * self.side[0]
            strips.append(functional.avg_pool2d(_sampled(photograph, x, y), samples))
        return torch.cat(strips, dim=-2)

    def _require_fit(self, photograph: torch.Tensor) -> None:
        height, width = photograph.shape[-2:]
        if self.half > _LARGEST_SHARE * max(height, width):
            raise ValueError(
                f"the landmarks lie too far apart for the photograph, which is {width} × {height}"
            )

    def paste(self, photograph: torch.Tensor, face: torch.Tensor, border: float = 0.1) -> torch.Tensor:
        """The photograph with the face in its place.

        Parameters
        ----------
        photograph : torch.Tensor
            (N, C, H, W); what the square does not cover stays as it is.
        face : torch.Tensor
            (N, C, S, S), aligned.
        border : float
            The share of the half side over which the face fades into the photograph.
        """
        if not 0 <= border <= 1:
            raise ValueError(f"border must be a share from 0 to 1, got {border}")
        if face.shape[-1] != face.shape[-2]:
            raise ValueError(f"an aligned face is square, got {face.shape[-1]} × {face.shape[-2]}")
        self._require_fit(photograph)
        height, width = photograph.shape[-2:]
        down = torch.arange(height, dtype=torch.float32, device=photograph.device) + 0.5
        along = torch.arange(width, dtype=torch.float32, device=photograph.device) + 0.5
        y, x = torch.meshgrid(down - self.centre[1], along - self.centre[0], indexing="ij")
        area = self.half**2
        u = (x * self.side[0] + y * self.side[1]) / area
        v = (y * self.side[0] - x * self.side[1]) / area
        size = face.shape[-1]
        shrink = 2 * self.half / size
        if shrink < 1:
            # A face larger than its place is brought to about its size before it is sampled.
            target = max(1, round(size * shrink))
            face = functional.interpolate(face, size=(target, target), mode="bicubic", antialias=True)
            size = target
        warped = _sampled(face, (u + 1) / 2 * size, (v + 1) / 2 * size)
        outside = torch.maximum(u.abs(), v.abs())
        fading = ((1 - outside) / border).clamp(0, 1) if border else (outside < 1).to(face.dtype)
        weight = fading * fading * (3 - 2 * fading)
        return photograph + weight * (warped - photograph)


def _middle(one: Point, other: Point) -> Point:
    return (one[0] + other[0]) / 2, (one[1] + other[1]) / 2


def _points(landmarks: Any) -> list[Point]:
    if isinstance(landmarks, dict):
        missing = [name for name in _NAMES if name not in landmarks]
        if missing:
            raise ValueError(f"landmarks need {', '.join(_NAMES)}; missing: {', '.join(missing)}")
        landmarks = [landmarks[name] for name in _NAMES]
    try:
        points = [(float(x), float(y)) for x, y in landmarks]
    except (TypeError, ValueError):
        raise ValueError("landmarks must be five pairs of numbers, x and y in pixels") from None
    if len(points) != 5 or not all(math.isfinite(value) for point in points for value in point):
        raise ValueError(f"landmarks must be five points ({', '.join(_NAMES)}), got {len(points)}")
    return points


def read_landmarks(text: str) -> FaceAlignment:
    """Landmarks as text, "x,y x,y x,y x,y x,y", or in a JSON file: five pairs, or pairs by name.

    Raises
    ------
    ValueError
        Where the text is neither, or the points make no face.
    """
    path = Path(text)
    if path.suffix == ".json":
        if not path.is_file():
            raise FileNotFoundError(f"there is no file of landmarks {path}")
        if path.stat().st_size > _LARGEST_FILE:
            raise ValueError(f"{path} is too large for five landmarks")
        try:
            content = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path} is no JSON: {str(error) or 'it is nested too deeply'}") from None
        return FaceAlignment.from_landmarks(content)
    numbers = text.replace(",", " ").split()
    try:
        values = [float(number) for number in numbers]
    except ValueError:
        raise ValueError(f"landmarks must be five pairs x,y or a .json file, got {text!r}") from None
    if len(values) != 10:
        raise ValueError(f"landmarks must be five pairs x,y (ten numbers), got {len(values)} numbers")
    return FaceAlignment.from_landmarks(list(zip(values[::2], values[1::2], strict=True)))


def _sampled(image: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The image at places in pixels, bicubic, mirrored beyond its edges."""
    height, width = image.shape[-2:]
    grid = torch.stack([x / width * 2 - 1, y / height * 2 - 1], dim=-1)
    grid = grid[None].expand(len(image), -1, -1, -1)
    return functional.grid_sample(image, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
