"""How long the operators take: forward and adjoint, in milliseconds, on one core.

    python -m benchmarks.operators [--size 1024] [--repeats 7] [--device cpu]

Each row is the median over the repetitions, for one colour image. The column "fwd+bwd" is what one
evaluation of a data term and its gradient costs; the target for bicubic ×4 at 1024 × 1024 is 50 ms.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from zeroshot.operators import Blur, Downsample, Grayscale, Identity, Mask, Mosaic, Operator, Stack

from .arguments import parser
from .timing import median_milliseconds


def cases(size: int) -> list[Operator]:
    generator = torch.Generator().manual_seed(0)
    known = torch.rand((size, size), generator=generator) < 0.5
    weights = torch.rand((25, 25), generator=generator)
    return [
        Identity(),
        Mask(known),
        Grayscale(),
        Mosaic("RGGB"),
        Mosaic("xtrans"),
        Downsample(4),
        Downsample(2),
        Downsample(4, "lanczos3"),
        Downsample(4, "gaussian", sigma=1.6),
        Downsample(4, weights),
        Blur.gaussian(1.6),
        Blur.gaussian(6.0),
        Blur.motion(15, 30),
        Blur.disk(5),
        Blur(weights, "valid"),
        Mosaic("RGGB") @ Downsample(2),
        Stack([Grayscale(), Mask(known)]),
    ]


def gradient(operator: Operator, x: torch.Tensor, y: torch.Tensor) -> None:
    torch.autograd.grad(operator(x), x, y)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--size", type=int, default=1024, help="sides of the image, a multiple of 4")
    options.add_argument("--repeats", type=int, default=7)
    options.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    arguments = options.parse_args()
    if arguments.size < 32 or arguments.size % 4 or arguments.repeats < 1:
        options.error("size must be a multiple of 4 of at least 32, and repeats at least 1")
    torch.set_num_threads(1)
    size, repeats, device = arguments.size, arguments.repeats, arguments.device
    x = torch.rand((1, 3, size, size), generator=torch.Generator().manual_seed(1)).to(device)
    tracked = x.clone().requires_grad_()
    print(f"1 × 3 × {size} × {size}, float32, {device.type}, one core, torch {torch.__version__}\n")
    print(f"{'operator':<46}{'forward':>9}{'adjoint':>9}{'fwd+bwd':>9}{'initial':>9}   ms")
    for operator in cases(size):
        operator = operator.to(device)
        y = operator(x)
        actions: list[Callable[[], object]] = [
            partial(operator, x),
            partial(operator.adjoint, y),
            partial(gradient, operator, tracked, y),
            partial(operator.initial, y),
        ]
        columns = "".join(f"{median_milliseconds(action, repeats, warm_up=2):9.1f}" for action in actions)
        print(f"{operator.describe():<46}{columns}")


if __name__ == "__main__":
    main()
