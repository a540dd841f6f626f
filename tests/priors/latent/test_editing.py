"""Editing: its algebra, its files, and what does not fit."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
import torch

import zeroshot
from tests.pictures import seeded, uniform
from zeroshot.generators import StyleGAN
from zeroshot.priors.latent.editing import InvertedImage, load_direction
from zeroshot.priors.latent.inversion import Inversion


@pytest.fixture
def pair(tame):
    draw = seeded()
    return [InvertedImage(torch.randn(1, tame.num_latents, 10, generator=draw)) for _ in range(2)]


def test_moves_are_undone_by_their_opposite(tame, pair):
    direction = torch.randn(10)
    there = pair[0].moved(direction, 2.0)
    torch.testing.assert_close(there.latent, pair[0].latent + 2 * direction)
    torch.testing.assert_close(
        there.moved(direction, -2.0).image(tame), pair[0].image(tame), atol=1e-4, rtol=1e-3
    )
    layered = torch.zeros(tame.num_latents, 10)
    layered[3] = 1
    moved = pair[0].moved(layered, 0.5)
    assert torch.equal(moved.latent[:, 2], pair[0].latent[:, 2])
    torch.testing.assert_close(moved.latent[:, 3], pair[0].latent[:, 3] + 0.5)


def test_the_way_between_begins_and_ends_at_the_images(tame, pair):
    for share, wanted in ((0.0, pair[0]), (1.0, pair[1])):
        torch.testing.assert_close(pair[0].between(pair[1], share).image(tame), wanted.image(tame))
    half = pair[0].between(pair[1], 0.5)
    torch.testing.assert_close(half.latent, (pair[0].latent + pair[1].latent) / 2)


def test_mixing_takes_the_styles_of_a_range_of_layers(tame, pair):
    mixed = pair[0].mixed(pair[1], 1, 2)
    assert torch.equal(mixed.latent[:, 1:3], pair[1].latent[:, 1:3])
    assert torch.equal(mixed.latent[:, 3:], pair[0].latent[:, 3:])
    last = tame.num_latents - 1
    torch.testing.assert_close(pair[0].mixed(pair[1], 0, last).image(tame), pair[1].image(tame))
    with pytest.raises(ValueError, match=f"within 0 to {last}, got 2 to 9"):
        pair[0].mixed(pair[1], 2, 9)
    plain = InvertedImage(torch.zeros(1, 12))
    with pytest.raises(ValueError, match="one latent"):
        plain.mixed(plain, 0, 0)


@pytest.mark.parametrize("tuning", [0, 3])
@pytest.mark.parametrize("noise", ["stored", "none", "optimised"])
def test_an_inversion_is_saved_and_comes_back_as_the_image_it_was(tame, tmp_path, noise, tuning):
    image = uniform(1, 3, 16, 16, seed=1)
    prior = Inversion(weights=tame, iterations=5, noise=noise, tuning_iterations=tuning)
    # The image is made again on the CPU, and a GPU rounds otherwise.
    result = zeroshot.solve(image, "denoise", prior, sigma=0.0, device="cpu")
    path = tmp_path / "face.npz"
    result.save_arrays(path)
    with pytest.raises(FileExistsError, match="pass overwrite=True"):
        result.save_arrays(path)
    loaded = InvertedImage.load(path)
    assert len(loaded.noise) == (0 if noise == "stored" else len(tame.noise_shapes))
    assert bool(loaded.tuned) == bool(tuning)
    # The weights are those after the last step, the image that before it.
    assert (loaded.image(tame) - result.image).abs().mean() < (0.02 if tuning else 1e-5)
    if tuning:
        untuned = InvertedImage(loaded.latent, loaded.noise).image(tame)
        assert (untuned - result.image).abs().mean() > (loaded.image(tame) - result.image).abs().mean()
        with pytest.raises(ValueError, match="those of another generator"):
            loaded.image(make_other())
    with pytest.raises(ValueError, match="holds 1 solution"):
        InvertedImage.load(path, sample=1)


def make_other():
    return StyleGAN(16, 12, 10, [8, 8, 8], [10])


def test_files_that_do_not_fit_say_so(tmp_path, pair):
    with pytest.raises(FileNotFoundError, match="no file of a latent"):
        InvertedImage.load(tmp_path / "none.npz")
    np.savez(tmp_path / "other.npz", weights=np.zeros(3))
    with pytest.raises(ValueError, match=r"other\.npz holds no latent; it holds: weights"):
        InvertedImage.load(tmp_path / "other.npz")
    (tmp_path / "text.npz").write_text("latent")
    with pytest.raises(ValueError, match=r"no \.npz file of arrays"):
        InvertedImage.load(tmp_path / "text.npz")
    np.save(tmp_path / "smile.npy", np.ones((1, 10)))
    assert pair[0].moved(load_direction(tmp_path / "smile.npy"), 1).latent.shape == pair[0].latent.shape
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"the direction file holds Python objects, not numbers: "):
        load_direction(tmp_path / "objects.npy")
    with pytest.raises(ValueError, match=r"shape \(10,\) or \(6, 10\), got \(9,\)"):
        pair[0].moved(torch.ones(9), 1)
    with pytest.raises(ValueError, match="different generators"):
        pair[0].between(InvertedImage(torch.zeros(1, 12)), 0.5)


@pytest.mark.parametrize(
    "head",
    [
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (\n",
        b"{'descr': '|O', 'fortran_order': False, 'shape': (2,), }\n",
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (10000000000000,), }\n",
        b"((((((((((\n",
    ],
)
def test_arrays_with_broken_heads_are_refused_in_one_line(tmp_path, head):
    broken = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + bytes(80)
    (tmp_path / "smile.npy").write_bytes(broken)
    with pytest.raises(
        ValueError,
        match=r"^the direction file (is no \.npy file|holds Python objects|is truncated).*smile\.npy$",
    ):
        load_direction(tmp_path / "smile.npy")
    with zipfile.ZipFile(tmp_path / "me.npz", "w") as archive:
        archive.writestr("latent.npy", broken)
    with pytest.raises(ValueError, match=r"^me\.npz is no \.npz file of arrays$"):
        InvertedImage.load(tmp_path / "me.npz")


def test_an_archive_that_unpacks_to_many_times_its_size_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("latent.npy", bytes(1 << 26))
    with pytest.raises(ValueError, match=r"^bomb\.npz is no \.npz file of arrays$"):
        InvertedImage.load(tmp_path / "bomb.npz")


def test_names_out_of_a_file_do_not_move_the_terminal(tmp_path):
    np.savez(tmp_path / "odd.npz", **{"\x1b[31mred": np.zeros(3), "w" * 900: np.zeros(1)})
    with pytest.raises(ValueError, match="holds no latent") as caught:
        InvertedImage.load(tmp_path / "odd.npz")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400
    np.savez(tmp_path / "flat.npz", latent=np.zeros(3))
    with pytest.raises(ValueError, match="holds no latents, one a row, but 1 axes"):
        InvertedImage.load(tmp_path / "flat.npz")
