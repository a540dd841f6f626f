"""Masks through the task that takes them: their polarity, their shapes, what is said of them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.data import astronaut

import zeroshot
from zeroshot import images
from zeroshot.cli.main import main
from zeroshot.spelling import for_command_line
from zeroshot.tasks.degrade import degrade
from zeroshot.tasks.masks import looks_inverted, mask_of

PHOTOGRAPH = astronaut()[40:88, 180:244]
KNOWN = np.ones(PHOTOGRAPH.shape[:2], bool)
KNOWN[15:25, 20:40] = False
DAMAGED = np.where(KNOWN[..., None], PHOTOGRAPH, 255).astype(np.uint8)
PICTURE = images.load(DAMAGED)


def tensor_of(known):
    return torch.from_numpy(np.asarray(known, np.float32))[None, None]


def inpainted(image, mask, **options):
    """What a few iterations make of it: how a mask is taken is the same after all of them."""
    few = {"iterations": 40}
    return np.asarray(
        zeroshot.solve(image, "inpaint", "tv", mask=mask, settings=few, progress=False, **options)
    )


@pytest.mark.parametrize(
    "mask",
    [
        KNOWN[..., None],
        KNOWN[None],
        np.repeat(KNOWN[..., None], 3, axis=2),
        KNOWN[None, None],
        KNOWN.tolist(),
        KNOWN.astype(int).tolist(),
        Image.fromarray(KNOWN * np.uint8(255)),
        Image.fromarray(KNOWN),
        torch.from_numpy(KNOWN),
        torch.from_numpy(KNOWN)[None],
        torch.from_numpy(KNOWN).float()[None, None],
        torch.from_numpy(KNOWN).to(torch.bfloat16),
        np.dstack([np.full(KNOWN.shape, 255, np.uint8)] * 3 + [KNOWN * np.uint8(255)]),
    ],
    ids=range(13),
)
def test_a_mask_in_any_shape(mask):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, _ = mask_of(PICTURE, mask)
    assert torch.equal(found, tensor_of(KNOWN))


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (KNOWN[:-1], r"\(48 × 64\), white .* got 47 × 64"),
        (KNOWN.T, "got 64 × 48"),
        (np.zeros_like(KNOWN), "knows no pixel; it must be white .* give invert_mask=True"),
        ([[0, 1], [1]], "rows of one length"),
        (True, "a number"),
    ],
)
def test_a_mask_that_does_not_fit_is_told_why(mask, message):
    with pytest.raises(ValueError, match=message) as caught:
        mask_of(PICTURE, mask)
    assert "\n" not in str(caught.value)


def test_a_mask_the_other_way_round_is_found_and_turned():
    right = inpainted(DAMAGED, KNOWN)
    with pytest.warns(
        UserWarning, match="taken the other way round.* invert_mask=False takes it as it is"
    ) as told:
        np.testing.assert_array_equal(inpainted(DAMAGED, ~KNOWN), right)
    assert "--no-invert-mask" in for_command_line(told[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(inpainted(DAMAGED, ~KNOWN, invert_mask=True), right)
        np.testing.assert_array_equal(inpainted(DAMAGED, KNOWN, invert_mask=False), right)
    with pytest.warns(UserWarning, match="93% of the pixels are missing"):
        assert (inpainted(DAMAGED, ~KNOWN, invert_mask=False) == 255).all()


@pytest.mark.parametrize("missing", [0.3, 0.5, 0.8, 0.95])
def test_single_missing_pixels_the_other_way_round_are_found(missing):
    known = np.random.default_rng(0).random(KNOWN.shape) > missing
    for value in (0, 128, 255):
        picture = images.load(np.where(known[..., None], PHOTOGRAPH, value).astype(np.uint8))
        assert looks_inverted(tensor_of(~known), picture)
        assert not looks_inverted(tensor_of(known), picture)


def test_an_object_before_a_plain_backdrop_may_be_removed():
    backdrop = np.full_like(PHOTOGRAPH, 255)
    backdrop[8:40, 12:52] = PHOTOGRAPH[8:40, 12:52]
    known = np.ones(KNOWN.shape, bool)
    known[8:40, 12:52] = False
    assert not looks_inverted(tensor_of(known), images.load(backdrop))
    assert (inpainted(backdrop, known) == 255).all()


def test_a_plain_picture_with_a_plain_hole_is_not_turned():
    plain = np.full_like(PHOTOGRAPH, 90)
    plain[~KNOWN] = 0
    for known in (KNOWN, ~KNOWN):
        assert not looks_inverted(tensor_of(known), images.load(plain))


def test_where_most_is_missing_the_way_out_is_named():
    with pytest.warns(
        UserWarning, match=r"93% .* opposite of OpenCV and scikit-image; invert_mask=True"
    ) as told:
        inpainted(PHOTOGRAPH, ~KNOWN)
    assert "--invert-mask turns it round" in for_command_line(told[0].message)


def test_a_mask_without_a_hole_is_said_to_have_none():
    with pytest.warns(UserWarning, match="no hole: there is nothing to fill; it must be white"):
        np.testing.assert_array_equal(inpainted(PHOTOGRAPH, np.ones_like(KNOWN)), PHOTOGRAPH)


def test_the_command_line_turns_masks_round(tmp_path, capsys):
    Image.fromarray(DAMAGED).save(tmp_path / "d.png")
    Image.fromarray(~KNOWN * np.uint8(255)).save(tmp_path / "hole.png")
    Image.fromarray(KNOWN * np.uint8(255)).save(tmp_path / "known.png")
    given = {
        "a": ["known.png"],
        "b": ["hole.png", "--invert-mask"],
        "c": ["hole.png"],
    }
    for name, (mask, *more) in given.items():
        line = [
            "inpaint",
            str(tmp_path / "d.png"),
            "-o",
            str(tmp_path / f"{name}.png"),
            "--prior",
            "tv",
            "--mask",
        ]
        assert main([*line, str(tmp_path / mask), *more]) == 0
    assert "--no-invert-mask" in capsys.readouterr().err
    first, *others = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in given)
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_degrade_takes_masks_either_way_round():
    plain = degrade(PHOTOGRAPH, "inpaint", mask=KNOWN)
    turned = degrade(PHOTOGRAPH, "inpaint", mask=~KNOWN, invert_mask=True)
    assert torch.equal(plain.measurement, turned.measurement)
    assert set(turned.options) == set(plain.options)
    with pytest.raises(ValueError, match="invert_mask=… goes with mask=…"):
        degrade(PHOTOGRAPH, "inpaint", missing=0.5, invert_mask=True)


def test_the_mask_of_an_operator_is_remarked_on(tmp_path):
    Image.fromarray(~KNOWN * np.uint8(255)).save(tmp_path / "m.png")
    text = f'mask("{tmp_path / "m.png"}")'
    with pytest.warns(UserWarning, match="93% of the pixels are missing.*invert=true"):
        zeroshot.solve(DAMAGED, task="restore", prior="tv", operator=text, progress=False)


def test_hot_pixels_of_a_black_frame_do_not_turn_their_mask():
    random = np.random.default_rng(0)
    frame = np.zeros((64, 64), np.uint8)
    hot = random.random(frame.shape) < 0.01
    frame[hot] = random.integers(50, 256, int(hot.sum()))
    assert not looks_inverted(tensor_of(~hot), images.load(frame))
    assert (inpainted(frame, ~hot) == 0).all()
