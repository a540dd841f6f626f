"""Small generators of every architecture, with random weights that leave no term out."""

from __future__ import annotations

import torch

from zeroshot.generators import Generator, ProgressiveGAN, StyleGAN, StyleGAN2, StyleGAN3, TinyDecoder

WIDTHS = [24, 16, 8]


def progressive() -> Generator:
    return ProgressiveGAN(16, 12, WIDTHS)


def style() -> Generator:
    return StyleGAN(16, 12, 10, WIDTHS, [14, 10])


def style_with_classes() -> Generator:
    return StyleGAN(16, 12, 10, WIDTHS, [14, 10], label_dim=3)


def style_fused() -> Generator:
    return StyleGAN(128, 8, 8, [8, 8, 8, 8, 4, 4], [8])


def skip() -> Generator:
    return StyleGAN2(16, 12, 10, WIDTHS, [14, 10])


def residual_with_classes() -> Generator:
    return StyleGAN2(16, 12, 10, WIDTHS, [14, 10], label_dim=3, synthesis_architecture="resnet")


def plain_clamped() -> Generator:
    return StyleGAN2(16, 12, 10, WIDTHS, [10], synthesis_architecture="orig", clamp=2.0)


def grey() -> Generator:
    return StyleGAN2(8, 12, 10, [12, 8], [10], channels=1)


def translation() -> Generator:
    return StyleGAN3.designed(16, "T", 12, 10, num_layers=5, channel_base=256, channel_max=12)


def rotation() -> Generator:
    return StyleGAN3.designed(16, "R", 12, 10, num_layers=5, channel_base=256, channel_max=12)


MAKERS = {
    make.__name__: make
    for make in (
        progressive,
        style,
        style_with_classes,
        style_fused,
        skip,
        residual_with_classes,
        plain_clamped,
        grey,
        translation,
        rotation,
    )
}


def build(name: str) -> Generator:
    """A generator whose every weight, noise strength and mean is random."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = MAKERS[name]()
        for name, parameter in generator.named_parameters():
            if parameter.ndim < 2:
                parameter.data += 0.5 * torch.randn_like(parameter)
            elif name == "input.affine.weight":
                parameter.data.normal_()
        for key, buffer in generator.named_buffers():
            if key.endswith("w_avg"):
                torch.nn.init.normal_(buffer)
    return generator.eval().requires_grad_(False)


def tiny_decoder() -> TinyDecoder:
    """The decoder of an autoencoder, with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return TinyDecoder(4, 12, "pooled").eval().requires_grad_(False)
