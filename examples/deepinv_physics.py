"""Restore what the operators of another library measured: the bridge to deepinv and to your own classes.

Any object serves as `operator=` that has `A(x)` and `A_adjoint(y)` on (N, C, H, W) tensors, as the physics of
deepinv have. Here a camera turned about its upper edge during the exposure: the lower a row, the more it is
smeared, which no convolution describes. On film the same light goes through a tone curve, which is not linear:
such a class has `A` alone, PyTorch differentiates it, and priors that need no adjoint restore the picture.

With deepinv installed, give its own objects, such as ``deepinv.physics.Blur(filter)``: `A` is the physics without
its noise model, whose level is told as `sigma`.
"""

import torch
from skimage.data import camera

import zeroshot
from zeroshot.images import load
from zeroshot.metrics import psnr
from zeroshot.noise import add_gaussian

NOISE = 2 / 255


class TurningCamera:
    """Row i becomes the mean over a window of the row, from one pixel at the top to `longest` at the bottom."""

    #: Says that `A` is linear and `A_adjoint` its adjoint. Without it both are tried on images of noise.
    linear = True

    def __init__(self, height: int, width: int, longest: float) -> None:
        length = torch.linspace(1, longest, height)[:, None, None]
        column = torch.arange(width)
        # The part of each pixel that the window covers, (H, W, W).
        reach = (length / 2 + 0.5 - (column[:, None] - column).abs()).clamp(0, 1)
        self.rows = reach / reach.sum(dim=2, keepdim=True)

    def A(self, x: torch.Tensor) -> torch.Tensor:
        """The smeared image."""
        return torch.einsum("hvw,nchw->nchv", self.rows, x)

    def A_adjoint(self, y: torch.Tensor) -> torch.Tensor:
        """Every measured pixel given back to those that it is a mean of."""
        return torch.einsum("hvw,nchv->nchw", self.rows, y)


class OnFilm:
    """The light that a linear physics measures, through the tone curve 1.25 E / (E + 0.25)."""

    def __init__(self, physics: TurningCamera) -> None:
        self.physics = physics

    def A(self, x: torch.Tensor) -> torch.Tensor:
        """The density of the film; light is never negative."""
        light = self.physics.A(x).clamp(min=0)
        return 1.25 * light / (light + 0.25)


def main(output: str = "turning_camera.png", seconds: float = 60.0) -> None:
    sharp = load(camera()[60:188, 170:298]).colours
    turning = TurningCamera(*sharp.shape[-2:], longest=11)
    for physics, prior, path in ((turning, "tv", output), (OnFilm(turning), "dip", None)):
        measured = add_gaussian(physics.A(sharp), NOISE, torch.Generator().manual_seed(0))
        restored = zeroshot.solve(
            measured, task="restore", operator=physics, sigma=NOISE, prior=prior, seconds=seconds
        )
        if path is not None:
            restored.save_comparison(path)
        name = type(physics).__name__
        print(f"{name}: {psnr(measured, sharp):.1f} to {psnr(restored.image, sharp):.1f} dB by {prior}")


if __name__ == "__main__":
    main()
