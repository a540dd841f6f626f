"""Pictures that a small generator knows: real faces placed as those it was trained on, and its own, moved a little.

No public pictures of drawn faces or digits are at hand, so that these are made by the generator itself and then
leave what it can make: every picture is warped by a smooth field of 1 % of its side, and the colours of each
channel are stretched by 10 % and shifted by 0.03 (root mean squares), with fixed seeds.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from zeroshot.generators import Generator
from zeroshot.generators.alignment import FaceAlignment
from zeroshot.images import load

from .sets import SHARED

#: Left eye, right eye and middle of the mouth, as shares of the picture's width and height.
FACES = {
    "faces/face_01.png": ((0.333, 0.535), (0.561, 0.513), (0.48, 0.786)),
    "faces/face_02.png": ((0.364, 0.516), (0.676, 0.456), (0.556, 0.796)),
    "faces/face_03.png": ((0.569, 0.493), (0.748, 0.467), (0.666, 0.707)),
    "faces/face_04.png": ((0.42, 0.512), (0.67, 0.512), (0.55, 0.79)),
    "faces/face_05.png": ((0.413, 0.547), (0.63, 0.516), (0.512, 0.775)),
    "faces/face_06.png": ((0.332, 0.558), (0.511, 0.537), (0.469, 0.785)),
    "mgan/superresolution/02036.png": ((0.37, 0.475), (0.626, 0.475), (0.51, 0.741)),
    "mgan/superresolution/02057.png": ((0.419, 0.47), (0.629, 0.465), (0.493, 0.768)),
    "set5/hr_x4/baby.png": ((0.329, 0.4), (0.649, 0.4), (0.46, 0.692)),
    "set5/hr_x4/woman.png": ((0.341, 0.3), (0.625, 0.261), (0.539, 0.493)),
    "cbsd68/189080.png": ((0.33, 0.555), (0.635, 0.55), (0.487, 0.76)),
    "rni15/Singer.png": ((0.567, 0.312), (0.763, 0.306), (0.676, 0.44)),
    "dip/inpainting/kate.png": ((0.448, 0.287), (0.563, 0.287), (0.509, 0.4)),
    "dip/restoration/kate.png": ((0.484, 0.325), (0.583, 0.325), (0.535, 0.426)),
    "colour9/lena.png": ((0.525, 0.52), (0.645, 0.52), (0.588, 0.682)),
    # The photograph of Eileen Collins that comes with scikit-image.
    "astronaut": ((0.396, 0.196), (0.483, 0.203), (0.436, 0.285)),
}
#: In the generator's mean face: the distance of the eyes, which are in the middle, and of the mouth below them.
_EYES, _MOUTH = 0.4, 0.43
_WARP, _STRETCH, _SHIFT = 0.01, 0.1, 0.03


def real_face(name: str, side: int = 32) -> torch.Tensor:
    """A face of `FACES`, upright and of the size that the generator's mean face has, (1, 3, side, side)."""
    if name == "astronaut":
        from skimage.data import astronaut

        photograph = load(astronaut()).colours
    else:
        photograph = load(SHARED / name).colours[:, :3]
    height, width = photograph.shape[-2:]
    left, right, mouth = ((x * width, y * height) for x, y in FACES[name])
    centre = ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2)
    apart = math.dist(left, right)
    half = (apart / _EYES + math.dist(centre, mouth) / _MOUTH) / 4
    along = (half * (right[0] - left[0]) / apart, half * (right[1] - left[1]) / apart)
    return FaceAlignment(centre, along).crop(photograph, side).clamp(0, 1)


def own_pictures(network: Generator, count: int, seed: int = 100) -> list[torch.Tensor]:
    """Pictures that the generator makes of random latents, warped and recoloured a little; each (1, C, H, W)."""
    draw = torch.Generator().manual_seed(seed)
    z = torch.randn(count, network.z_dim, generator=draw)
    if network.latent_distribution == "uniform":
        z = 2 * torch.special.ndtr(z) - 1
    with torch.no_grad():
        pictures = network.synthesis(network.mapping(z), "none")
    field = _WARP * 2 * torch.randn(count, 2, 4, 4, generator=draw)
    size = pictures.shape[-2:]
    field = functional.interpolate(field, size=tuple(size), mode="bicubic", align_corners=True)
    places = functional.affine_grid(
        torch.eye(2, 3).expand(count, 2, 3), list(pictures.shape), align_corners=False
    )
    places = places + field.permute(0, 2, 3, 1)
    pictures = functional.grid_sample(
        pictures, places, mode="bicubic", padding_mode="reflection", align_corners=False
    )
    stretch, shift = torch.randn(2, count, pictures.shape[1], 1, 1, generator=draw)
    pictures = 0.5 + (1 + _STRETCH * stretch) * (pictures - 0.5) + _SHIFT * shift
    return list(pictures.clamp(0, 1).split(1))
