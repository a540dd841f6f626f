"""The contract: division at every layer, latents, noise, truncation, wrapping."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from zeroshot.generators import Features, Generator


def latent_of(generator: Generator, count: int = 2) -> torch.Tensor:
    z = torch.randn(count, generator.z_dim, generator=torch.Generator().manual_seed(4))
    label = torch.eye(generator.label_dim)[:count] if generator.label_dim else None
    return generator.mapping(z, label)


def test_head_and_tail_make_the_synthesis_at_every_layer(any_generator):
    latent = latent_of(any_generator)
    whole = any_generator.synthesis(latent)
    assert whole.shape == (2, any_generator.channels, any_generator.resolution, any_generator.resolution)
    for layer in range(any_generator.num_layers + 1):
        features = any_generator.head(latent, layer)
        divided = any_generator.tail(features, layer, latent)
        assert torch.equal(divided, whole), f"divided at layer {layer}"


def test_images_of_a_batch_do_not_influence_each_other(any_generator):
    latent = latent_of(any_generator)
    together = any_generator.synthesis(latent)
    alone = torch.cat([any_generator.synthesis(latent[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(together, alone, atol=2e-4, rtol=1e-4)


def test_gradients_reach_the_latent_and_every_noise_map(any_generator):
    latent = latent_of(any_generator, 1).clone().requires_grad_()
    noise = [drawn(*shape).requires_grad_() for shape in any_generator.noise_shapes]
    # Alias-free and styled layers are normalised, so that a plain sum may have no slope.
    any_generator.synthesis(latent, noise).square().sum().backward()
    assert latent.grad is not None
    assert latent.grad.abs().max() > 0
    for one in noise:
        assert one.grad is not None
        assert one.grad.abs().max() > 0


def test_noise_modes(any_generator):
    latent = latent_of(any_generator, 1)
    stored = any_generator.synthesis(latent)
    same = any_generator.synthesis(latent, list(any_generator.stored_noise()))
    assert torch.equal(stored, same)
    without = any_generator.synthesis(latent, "none")
    zeros = any_generator.synthesis(latent, [torch.zeros(shape) for shape in any_generator.noise_shapes])
    torch.testing.assert_close(without, zeros)
    if any_generator.noise_shapes:
        assert not torch.equal(stored, without)
        assert not torch.equal(any_generator.synthesis(latent, "random"), stored)
    with pytest.raises(ValueError, match="noise must be"):
        any_generator.synthesis(latent, "loud")
    with pytest.raises(ValueError, match="noise must be maps of the shapes"):
        any_generator.synthesis(latent, [torch.zeros(1, 1, 3, 3)])


def test_truncation_moves_towards_the_mean_and_only_the_layers_asked_for(make_generator):
    generator = make_generator("skip")
    z = drawn(2, generator.z_dim)
    mean = generator.mapping_network.w_avg
    w = generator.mapping(z)
    half = generator.mapping(z, truncation=0.5, truncation_layers=2)
    torch.testing.assert_close(half[:, :2], (w[:, :2] + mean) / 2)
    assert torch.equal(half[:, 2:], w[:, 2:])
    torch.testing.assert_close(generator.mapping(z, truncation=0.0)[0, 0], mean)


def test_one_w_for_all_layers_is_w_plus_with_equal_rows(make_generator):
    generator = make_generator("translation")
    w_plus = latent_of(generator)
    torch.testing.assert_close(generator.synthesis(w_plus[:, 0]), generator.synthesis(w_plus))


def test_wrong_latents_and_layers_are_told_what_would_be_right(make_generator):
    generator = make_generator("skip")
    with pytest.raises(ValueError, match=r"\(N, 10\) or \(N, 6, 10\), got \(1, 5, 10\)"):
        generator.synthesis(torch.zeros(1, 5, 10))
    with pytest.raises(ValueError, match="from 0 to 5"):
        generator.head(torch.zeros(1, 10), 6)
    with pytest.raises(ValueError, match="needs latent=…"):
        generator.tail(Features(torch.zeros(1, 24, 4, 4)), 0)
    with pytest.raises(ValueError, match=r"labels of shape \(1, 3\), got None"):
        make_generator("residual_with_classes").mapping(torch.zeros(1, 12))
    with pytest.raises(ValueError, match="nothing to truncate"):
        make_generator("progressive").mapping(torch.zeros(1, 12), truncation=0.5)


def test_labels_change_the_image(make_generator):
    generator = make_generator("residual_with_classes")
    z = drawn(1, generator.z_dim).expand(2, -1)
    images = generator(z, torch.eye(3)[:2])
    assert (images[0] - images[1]).abs().max() > 1e-3


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


class Pair(nn.Module):
    """A network that is no chain of children."""

    def __init__(self) -> None:
        super().__init__()
        self.grow = nn.ConvTranspose2d(5, 4, 8)
        self.paint = nn.Conv2d(4, 3, 1)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.paint(self.grow(z).tanh()).sigmoid()


def test_any_module_can_be_wrapped_and_divided():
    module = Pair().eval()
    stages = (lambda z: module.grow(z).tanh(), lambda x: module.paint(x).sigmoid())
    z = drawn(3, 5)
    for generator in (
        Generator.wrap(module, (5, 1, 1), output_range=(0, 1)),
        Generator.wrap(module, (5, 1, 1), stages, output_range=(0, 1)),
        Generator.wrap(
            nn.Sequential(module.grow, nn.Tanh(), module.paint, nn.Sigmoid()), (5, 1, 1), None, (0, 1)
        ),
    ):
        assert (generator.z_dim, generator.resolution, generator.channels) == (5, 8, 3)
        torch.testing.assert_close(generator(z), module(z[:, :, None, None]))
        for layer in range(generator.num_layers + 1):
            torch.testing.assert_close(generator.tail(generator.head(z, layer), layer), generator(z))
    assert generator.num_layers == 4


def test_the_output_range_becomes_zero_to_one():
    module = nn.Sequential(nn.Linear(4, 4), nn.Unflatten(1, (1, 2, 2)))
    z = drawn(2, 4)
    generator = Generator.wrap(module, (4,), output_range=(-3.0, 5.0))
    torch.testing.assert_close(generator(z), (module(z) + 3) / 8)
    with pytest.raises(ValueError, match="black below white"):
        Generator.wrap(module, (4,), output_range=(1, 0))
    with pytest.raises(ValueError, match="must return images"):
        Generator.wrap(nn.Linear(4, 4), (4,))


def test_images_need_not_be_square():
    generator = Generator.wrap(nn.Sequential(nn.Linear(4, 6), nn.Unflatten(1, (1, 2, 3))), (4,))
    assert (generator.image_size, generator.resolution) == ((2, 3), 3)


def test_a_wrapped_module_keeps_its_statistics():
    module = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Unflatten(1, (1, 2, 2))).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    generator = Generator.wrap(module, (4,))
    generator(drawn(5, 4))
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_copies_have_weights_of_their_own_or_are_refused():
    module = Pair()
    whole = Generator.wrap(module, (5, 1, 1))
    chain = Generator.wrap(nn.Sequential(module.grow, nn.Tanh(), module.paint), (5, 1, 1))
    z = drawn(2, 5)
    for generator in (whole, chain):
        assert generator.is_copyable
        copied = copy.deepcopy(generator)
        assert torch.equal(copied(z), generator(z))
        # Stages and module are the same network in the copy too.
        assert len(list(copied.parameters())) == len(list(generator.parameters()))
        before = generator(z)
        for parameter in copied.parameters():
            parameter.data.zero_()
        assert copied(z).std() == 0
        assert torch.equal(generator(z), before)
    closures = Generator.wrap(module, (5, 1, 1), [lambda z: module.grow(z), lambda x: module.paint(x)])
    assert not closures.is_copyable
    with pytest.raises(TypeError, match="give modules as stages"):
        copy.deepcopy(closures)


def test_the_distribution_of_the_latent_is_kept():
    module = nn.Sequential(nn.Linear(4, 4), nn.Unflatten(1, (1, 2, 2)))
    assert Generator.wrap(module, (4,)).latent_distribution == "normal"
    assert Generator.wrap(module, (4,), latent_distribution="uniform").latent_distribution == "uniform"
    with pytest.raises(ValueError, match="must be 'normal' or 'uniform'"):
        Generator.wrap(module, (4,), latent_distribution="cauchy")


def test_designed_filters_pass_low_and_stop_high_frequencies(make_generator):
    for name in ("translation", "rotation"):
        for layer in make_generator(name).layers:
            for kernel in (layer.up_filter, layer.down_filter):
                if kernel is None:
                    continue
                assert abs(kernel.sum().item() - 1) < 1e-5
                assert torch.allclose(kernel, kernel.flip(tuple(range(kernel.ndim))), atol=1e-6)
                response = torch.fft.fftn(kernel, [64] * kernel.ndim).abs()
                assert response[(32,) * kernel.ndim] < 0.05
