"""Channels of a stack denoised together: where that is better, where not, in what order, and what is refused."""

import contextlib
import json
import os
import re
import signal
import warnings

import numpy as np
import pytest
import tifffile
import torch

import zeroshot
from tests.cli.commands import run as run_command
from tests.doubles import killed_after
from zeroshot.images.stack import ArrayStack
from zeroshot.joint_channels import JointChannels, _places, _sampled, check_channels, joint_channels
from zeroshot.joint_planes import in_turn
from zeroshot.loop import Loop
from zeroshot.patches.channel_axes import (
    ChannelAxes,
    axes_of,
    detail_of,
    expected_errors,
    has_independent_noise,
    principal_axes,
)
from zeroshot.plane_order import in_order
from zeroshot.planes import restored_planes
from zeroshot.request import Request
from zeroshot.stacks import restore_stack
from zeroshot.survey import surveyed
from zeroshot.tiling.planning import Tiling
from zeroshot.watch import Watch

SIZE = 64
#: Looking for impulses and stripes takes longer than small planes do.
TOLD = {"prior": "dct", "outliers": "none", "stripes": "none", "progress": False}


def texture(seed, size=SIZE):
    """Edges and fine detail, between 0 and 1."""
    chance = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    plane = np.zeros((size, size))
    for _ in range(25):
        top, left, side = *chance.integers(-4, size, 2), chance.integers(4, 16)
        plane[max(top, 0) : top + side, max(left, 0) : left + side] = chance.uniform(0, 1)
    return 0.8 * plane + 0.2 * (np.sin(x * chance.uniform(1, 2)) * np.sin(y * chance.uniform(1, 2)) > 0)


def noisy(clean, levels, seed=0):
    levels = np.reshape(levels, (*np.shape(levels), 1, 1))
    return (clean + levels * np.random.default_rng(seed).normal(0, 1, clean.shape)).astype(np.float32)


def errors(found, clean):
    return np.sqrt(np.square(np.asarray(found, float) - clean).mean(axis=(-2, -1)))


def related(seed=0, count=1):
    """Three channels of each plane that share their detail, at 100, 40 and 10 times the scale; (count, 3, H, W)."""
    parts = [(texture(seed + 10 * one), texture(seed + 10 * one + 1)) for one in range(count)]
    mixed = [np.stack([a + 0.1 * b, 0.9 * a - 0.1 * b, 1.1 * a]) for a, b in parts]
    return np.stack(mixed) * np.array([100, 40, 10])[:, None, None]


LEVELS = (20, 10, 3)
#: What is told need not be estimated, but is one level for all channels.
EVEN, KNOWN = (10, 10, 10), {**TOLD, "sigma": 10}


def alike(count):
    """As :func:`related`, at one scale."""
    return related(count=count) / np.array([1, 0.5, 0.2])[:, None, None]


def test_channels_that_share_their_detail_gain_each():
    clean = related()[0]
    seen = noisy(clean, LEVELS)
    found = {
        how: zeroshot.denoise(seen, axes="CYX", channels=how, **TOLD) for how in ("separate", "auto", "joint")
    }
    assert (errors(found["auto"], clean) < 0.9 * errors(found["separate"], clean)).all()
    np.testing.assert_array_equal(found["auto"].image, found["joint"].image)
    told = found["auto"].provenance["stack"]["joint"]
    assert told["together"] == [0, 1, 2]
    axes = np.array(told["axes"])
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-7)
    assert min(told["expected_gain"]) > 0.3
    assert found["separate"].provenance["stack"]["joint"] == {"together": [], "reason": "that was asked for"}


def test_what_is_expected_is_near_to_what_is_gained():
    """By the very shrinkage that the expectation is of."""
    clean = torch.from_numpy(related(count=4)).permute(1, 0, 2, 3).reshape(3, -1, SIZE)
    levels = torch.tensor(LEVELS)[:, None, None]
    seen = clean / levels + torch.randn(
        clean.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    detail, truth = detail_of(seen), detail_of(clean / levels)
    expected = expected_errors(detail)
    thresholds = torch.arange(0, 5.5, 0.5).view(-1, 1, 1, 1)
    shrunk = detail.sign() * (detail.abs() - thresholds).clamp(min=0)
    actual = (1 + (shrunk - truth).square().mean(dim=-1).amin(dim=0).sum(dim=1)) / 64
    torch.testing.assert_close(expected, actual, rtol=0.1, atol=0)


@pytest.mark.parametrize(
    "clean",
    [
        np.stack([texture(1), texture(2), texture(3)]) * 100,
        np.stack([texture(1), np.zeros((SIZE, SIZE)), texture(3)]) * 100,
        np.zeros((4, SIZE, SIZE)),
    ],
    ids=["different pictures", "one empty", "noise alone"],
)
def test_channels_that_have_nothing_in_common_stay_apart(clean):
    seen = noisy(clean, [10.0] * len(clean))
    apart, auto = (
        zeroshot.denoise(seen, sigma=10, axes="CYX", channels=how, **TOLD) for how in ("separate", "auto")
    )
    np.testing.assert_array_equal(apart.image, auto.image)
    assert auto.provenance["stack"]["joint"]["together"] == []


def test_a_channel_of_its_own_is_left_out_and_the_others_are_together():
    clean = np.concatenate([related()[0, :2], 100 * texture(5)[None], related()[0, 2:]])
    seen = noisy(clean, (20, 10, 15, 3))
    apart, auto = (zeroshot.denoise(seen, axes="CYX", channels=how, **TOLD) for how in ("separate", "auto"))
    assert auto.provenance["stack"]["joint"]["together"] == [0, 1, 3]
    np.testing.assert_array_equal(auto.image[2], apart.image[2])
    assert (errors(auto, clean)[[0, 1, 3]] < 0.95 * errors(apart, clean)[[0, 1, 3]]).all()


def test_axes_are_those_of_the_mixture_whatever_the_noise():
    turn = torch.linalg.qr(
        torch.randn(3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    )[0]
    sources = (
        torch.stack([torch.from_numpy(texture(one)) for one in (1, 2, 3)])
        * torch.tensor([9.0, 3, 1])[:, None, None]
    )
    mixed = torch.einsum("ck,khw->chw", turn, sources)
    seen = mixed + torch.randn(mixed.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    axes = principal_axes(detail_of(seen))
    assert ((axes @ turn).diagonal().abs() > 0.97).all()
    torch.testing.assert_close(axes, principal_axes(detail_of(seen)), rtol=0, atol=0)
    assert axes_of(detail_of(seen[:, :24, :24])) is None  # too few blocks to tell


def test_photons_are_made_even_first_and_gains_do_not_matter():
    light = 10 + texture(1, 128) * np.array([30, 12, 60])[:, None, None]
    gains = np.array([1, 50, 7])[:, None, None]
    counts = (np.random.default_rng(0).poisson(light) * gains).astype(np.uint16)
    apart, auto = (zeroshot.denoise(counts, axes="CYX", channels=how, **TOLD) for how in ("separate", "auto"))
    together = auto.provenance["stack"]["joint"]["together"]
    assert {0, 1} <= set(together)  # the third has the most photons, and may be left out
    assert auto.image.dtype == np.uint16
    assert (errors(auto, light * gains)[together] < 0.95 * errors(apart, light * gains)[together]).all()
    means = (one.mean(axis=(1, 2))[together] for one in (auto.image, counts))
    np.testing.assert_allclose(*means, rtol=0.03)


def test_noise_that_channels_share_is_known_by_its_levels_along_the_axes():
    chance = torch.Generator().manual_seed(3)
    clean = torch.from_numpy(np.concatenate(list(related(count=3)), axis=1) / np.reshape(LEVELS, (3, 1, 1)))
    own, shared = (
        torch.randn((count, *clean.shape[1:]), generator=chance, dtype=torch.float64) for count in (3, 1)
    )
    assert axes_of(detail_of(clean + own)).together == (0, 1, 2)
    assert axes_of(detail_of(clean + 0.5**0.5 * (own + shared))) is None
    weak = detail_of(0.7 * own)  # noise that is told too strong is as independent
    assert has_independent_noise(weak, ChannelAxes((0, 1, 2), principal_axes(weak), (1.0, 1.0, 1.0)))


def test_what_is_left_of_stripes_is_denoised_together():
    clean = related()[0]
    seen = noisy(clean, LEVELS)
    striped = seen + np.array([60, 20, 5])[:, None, None] * np.random.default_rng(5).normal(
        0, 1, (3, 1, SIZE)
    )
    told = {"axes": "CYX", "prior": "dct", "outliers": "none", "progress": False}
    apart, auto = (
        zeroshot.destripe(striped, "columns", channels=how, **told) for how in ("separate", "auto")
    )
    assert auto.provenance["stack"]["joint"]["together"] == [0, 1, 2]
    assert (errors(auto, clean) < 0.95 * errors(apart, clean)).all()


def test_strength_and_grain_mean_what_they_mean_alone():
    clean = related()[0]
    seen = noisy(clean, LEVELS)
    plain = zeroshot.denoise(seen, axes="CYX", **TOLD)
    half = zeroshot.denoise(seen, axes="CYX", grain=0.5, **TOLD)
    np.testing.assert_allclose(half.image, (plain.image + seen) / 2, atol=2e-3 * seen.max())
    weak = zeroshot.denoise(seen, axes="CYX", strength=0.05, **TOLD)
    assert (errors(weak, seen) < 0.2 * errors(plain, seen)).all()
    axes = (one.provenance["stack"]["joint"]["axes"] for one in (weak, plain))
    np.testing.assert_allclose(*axes, atol=1e-6)


def test_planes_with_unknown_pixels_and_empty_ones_go_by_themselves():
    clean = alike(3)
    seen = noisy(clean, EVEN)
    seen[1, 0, 10:14, 20:30] = np.nan
    seen[2, 1] = np.nan
    with pytest.warns(
        UserWarning, match="5 planes with unknown values or other noise were denoised by themselves"
    ):
        auto = zeroshot.denoise(seen, axes="ZCYX", channels="auto", **KNOWN)
    apart = zeroshot.denoise(seen, axes="ZCYX", channels="separate", **KNOWN)
    assert auto.provenance["stack"]["joint"]["together"] == [0, 1, 2]
    np.testing.assert_array_equal(auto.image[1:], apart.image[1:])
    assert (errors(auto.image[0], clean[0]) < 0.95 * errors(apart.image[0], clean[0])).all()


def test_the_order_of_the_axes_changes_nothing():
    clean = alike(2)
    seen = noisy(clean, EVEN)
    innermost = zeroshot.denoise(seen, axes="ZCYX", **KNOWN)
    outermost = zeroshot.denoise(np.moveaxis(seen, 1, 0), axes="CZYX", **KNOWN)
    assert (innermost.axes, outermost.axes) == ("ZCYX", "CZYX")
    np.testing.assert_array_equal(np.moveaxis(outermost.image, 0, 1), innermost.image)


@pytest.mark.parametrize(("axes", "done"), [("ZCYX", 4), ("CZYX", 4)])
def test_from_file_to_file_it_is_the_same_and_a_run_that_was_cut_goes_on(tmp_path, monkeypatch, axes, done):
    source, whole, cut, kept = (
        tmp_path / name for name in ("in.ome.tif", "whole.ome.tif", "cut.ome.tif", "kept")
    )
    seen = noisy(alike(2), EVEN)
    seen = seen if axes == "ZCYX" else np.moveaxis(seen, 1, 0)
    tifffile.imwrite(source, seen, photometric="minisblack", ome=True, metadata={"axes": axes})
    written = restore_stack(source, "denoise", whole, **KNOWN)
    assert written.axes == axes
    assert "channels 0 to 2 together (expected to gain" in written.channels_in_words
    held = zeroshot.denoise(seen, axes=axes, **KNOWN)
    np.testing.assert_array_equal(tifffile.imread(whole), held.image)
    assert zeroshot.images.read_provenance(whole)["stack"] == held.provenance["stack"]
    leave = killed_after(monkeypatch, done)
    with pytest.raises(KeyboardInterrupt):
        restore_stack(source, "denoise", cut, checkpoint=kept, **KNOWN)
    leave()
    assert {path.name for path in tmp_path.iterdir()} == {"in.ome.tif", "whole.ome.tif", "kept"}
    with pytest.raises(ValueError, match=r"belongs to another run: its stack\.joint"):
        restore_stack(source, "denoise", cut, channels="separate", checkpoint=kept, resume=True, **KNOWN)
    restore_stack(source, "denoise", cut, checkpoint=kept, resume=True, **KNOWN)
    assert cut.read_bytes() == whole.read_bytes()


def test_a_run_that_was_cut_within_its_last_place_goes_on_under_a_deadline(tmp_path, monkeypatch):
    source, cut, kept = (tmp_path / name for name in ("in.ome.tif", "cut.ome.tif", "kept"))
    tifffile.imwrite(
        source, noisy(alike(1)[0], EVEN), photometric="minisblack", ome=True, metadata={"axes": "CYX"}
    )
    leave = killed_after(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        restore_stack(source, "denoise", cut, checkpoint=kept, seconds=60, **KNOWN)
    leave()
    written = restore_stack(source, "denoise", cut, checkpoint=kept, resume=True, seconds=60, **KNOWN)
    assert "together" in written.channels_in_words
    assert not kept.exists()


@pytest.mark.parametrize("side", [1, 7])
def test_channels_too_small_to_compare_stay_apart(side):
    seen = noisy(alike(1)[0], EVEN)[:, :side]
    result = zeroshot.denoise(seen, axes="CYX", **KNOWN)
    assert result.image.shape == seen.shape
    assert result.provenance["stack"]["joint"]["together"] == []


def test_many_channels_are_looked_at_on_many_blocks():
    count = 120
    clean = np.repeat(texture(0)[None], count, axis=0)
    stack = ArrayStack(noisy(np.tile(clean, (1, 3, 3)), [0.1] * count), "CYX")
    options = {"sigma": 0.1, "outliers": "none", "stripes": "none"}
    survey = surveyed(stack, "denoise", options, (0.0, 1.0))
    shown, detail = _sampled(stack, options, survey, "denoise")
    assert len(shown) == count
    assert detail.shape[2] >= 4 * count
    assert detail.untyped_storage().nbytes() == 8 * detail.numel()


def test_of_many_channels_less_of_each_is_looked_at(monkeypatch):
    """Finding their noise takes longer than the comparison; what few blocks are taken of is not all looked at."""
    looked = {}
    for count in (4, 60):
        stack = ArrayStack(np.zeros((count, 400, 400), np.float32), "CYX")
        looked[count] = sum((rows.stop - rows.start) ** 2 for _, rows, _ in _places(stack))
    assert looked[60] < looked[4] / 2
    stack = ArrayStack(noisy(alike(1)[0], EVEN), "CYX")
    survey = surveyed(stack, "denoise", {"sigma": 10}, None)
    shown = []

    class Bar(contextlib.nullcontext):
        def __init__(self, *, total, disable, **_how):
            self.total, self.disable = total, disable
            super().__init__(self)
            shown.append(self)

        def update(self):
            self.total -= 1

    monkeypatch.setattr("zeroshot.joint_channels.tqdm", Bar)
    for hidden in (False, True):
        _sampled(stack, {"sigma": 10}, survey, "denoise", hidden=hidden)
    assert [(one.total, one.disable) for one in shown] == [(0, False), (0, True)]


def _sharing_noise():
    chance = np.random.default_rng(5)
    own, shared = chance.normal(0, 1, (3, 3 * SIZE, SIZE)), chance.normal(0, 1, (1, 3 * SIZE, SIZE))
    clean = np.concatenate(list(alike(3)), axis=1)
    return (clean + 10 * 0.5**0.5 * (own + shared)).astype(np.float32)


@pytest.mark.parametrize(
    ("seen", "told", "reason"),
    [
        (
            lambda: noisy(alike(1)[0], EVEN)[:, :9],
            {"sigma": 10},
            "planes are too small .*: 8 blocks of 8 × 8 pixels",
        ),
        (
            lambda: noisy(np.stack([100 * texture(seed) for seed in range(3)]), EVEN),
            {"sigma": 10},
            "no two of them are expected to gain|is expected to gain is .* dB, less than 0.3 dB",
        ),
        (_sharing_noise, {"sigma": 10}, "their noise is not independent"),
        (
            lambda: alike(1)[0].astype(np.float32),
            {"sigma": 0.0},
            "fewer than two of them have noise of a known level",
        ),
        (lambda: np.zeros((257, 4, 4), np.float32), {"sigma": 0.1}, "at most 256 channels, not 257"),
    ],
)
def test_the_provenance_tells_why_channels_stay_apart(seen, told, reason):
    stack = ArrayStack(seen(), "CYX")
    options = {"outliers": "none", "stripes": "none", **told}
    request = Request(
        "denoise", "dct", None, None, None, 0, torch.device("cpu"), Watch(progress=False), Tiling()
    )
    apart = check_channels(stack, "auto", request, options, volumes=False)
    found = joint_channels(stack, "auto", apart, request, options, surveyed(stack, "denoise", options, None))
    assert found.described()["together"] == []
    assert re.search(reason, found.described()["reason"])


def test_a_joint_plane_tells_the_iterations_of_all_axes():
    stack = ArrayStack(noisy(alike(1)[0], EVEN), "CYX")
    options = {"outliers": "none", "stripes": "none", "sigma": 10}
    request = Request(
        "denoise", "tv", None, None, None, 0, torch.device("cpu"), Watch(progress=False), Tiling()
    )
    survey = surveyed(stack, "denoise", options, None)
    joint = joint_channels(stack, "joint", None, request, options, survey)
    told = [
        one.restoration.provenance
        for one in restored_planes(stack, request, options, survey, hidden=True, joint=joint)
    ]
    of_axes = told[0]["iterations_of_axes"]
    assert len(set(of_axes)) > 1
    assert [one["iterations"] for one in told] == of_axes
    assert all(one["iterations_of_axes"] == of_axes for one in told)
    whole = zeroshot.denoise(stack.array, axes="CYX", channels="joint", **{**KNOWN, "prior": "tv"})
    assert whole.iterations == whole.provenance["iterations"] == sum(of_axes)
    assert "iterations_of_axes" not in whole.provenance


def test_who_asks_for_joint_channels_is_told_of_a_loss():
    unlike = noisy(np.stack([100 * texture(seed) for seed in range(3)]), EVEN)
    one_unlike = np.concatenate([noisy(alike(1)[0], EVEN), unlike[2:]])
    for seen, words in (
        (
            unlike,
            r"expected to lose \d\.\d dB, in channel \d to lose .*; channels='auto' would keep them apart",
        ),
        (one_unlike, r"in channel 3 to lose .* dB; channels='auto' would leave channel 3 out"),
        (
            _sharing_noise(),
            "noise is not independent, so that they may lose; channels='auto' would keep them apart",
        ),
        (noisy(alike(1)[0], EVEN), r"expected to gain \d\.\d dB; channels='separate' keeps them apart"),
    ):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            zeroshot.denoise(seen, axes="CYX", channels="joint", **KNOWN)
        (remark,) = [str(one.message) for one in told if "denoised together" in str(one.message)]
        assert re.search(words, remark), remark


def test_the_command_line_says_what_was_done(tmp_path, capsys):
    path = tmp_path / "in.ome.tif"
    tifffile.imwrite(
        path, noisy(related()[0], LEVELS), photometric="minisblack", ome=True, metadata={"axes": "CYX"}
    )
    words = ["--prior", "dct", "--outliers", "none", "--overwrite"]
    code, out, err = run_command(["denoise", path, "-o", tmp_path / "out.tif", *words], capsys)
    assert code == 0
    assert "channels 0 to 2 together (expected to gain" in out
    assert "channels 0 to 2 are denoised together" in err
    assert "--channels separate keeps them apart" in err
    code, out, err = run_command(
        ["denoise", path, "-o", tmp_path / "out.tif", *words, "--channels", "separate", "--json"], capsys
    )
    assert json.loads(out)["channels"] == "each channel by itself"
    assert "together" not in err


def test_ctrl_c_leaves_the_axes_that_are_not_done_as_they_were(monkeypatch):
    clean = alike(2)
    seen = noisy(clean, EVEN)
    complete, count = Loop.complete, iter(range(100))

    def pressing(self):
        if next(count) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return complete(self)

    monkeypatch.setattr(Loop, "complete", pressing)
    result = zeroshot.denoise(seen, axes="ZCYX", **KNOWN)
    assert result.interrupted
    before, after = errors(seen, clean), errors(result.image, clean)
    # The first axis has most of what the channels show, and was done.
    assert after[1].mean() < 0.9 * before[1].mean()
    axes = np.array(result.provenance["stack"]["joint"]["axes"])
    changed = np.abs(np.einsum("kc,chw->khw", axes, result.image[1] - seen[1])).mean(axis=(1, 2))
    assert changed[0] > 1
    assert changed[2] < 0.1 * changed[0]


@pytest.mark.parametrize(
    ("shape", "told", "reason"),
    [
        ((2, 9, 9), {"channels": 3}, "channels must be one of 'auto', 'joint', 'separate', got 3"),
        ((1, 9, 9), {}, "goes with a stack of several channels, an axis C, not with CYX"),
        ((2, 2, 9, 9), {"volume": "Z", "axes": "CZYX"}, "is done plane by plane: leave out volume=…"),
        ((2, 9, 9), {"data_term": "l1"}, "goes with data_term='gaussian' and 'poisson'"),
        ((2, 9, 9), {"sigma": np.ones((9, 9))}, "takes noise of one level in each channel"),
        ((2, 9, 9), {"callbacks": [print]}, "leave out callbacks=…"),
        ((2, 9, 9, 3), {"axes": "CYXS"}, r"goes with channels of grey planes, not of colours \(CYXS\)"),
        ((2, 9, 9), {}, "too few pixels of two channels are known, and noisy"),
    ],
)  # fmt: skip
def test_what_cannot_be_joint_is_one_line(shape, told, reason):
    values = np.random.default_rng(0).normal(0.5, 0.1, shape)
    with pytest.raises(ValueError, match=reason) as raised:
        zeroshot.denoise(
            values, **{"axes": "CYX", "channels": "joint", "prior": "tv", "progress": False, **told}
        )
    assert "\n" not in str(raised.value)


def test_other_tasks_and_single_pictures_are_as_they_were():
    stack = noisy(related()[0], LEVELS)
    with pytest.raises(ValueError, match="goes with the tasks 'denoise' and 'destripe', not 'sr'"):
        zeroshot.sr(stack, 2, axes="CYX", prior="tv", channels="joint")
    with pytest.raises(ValueError, match="goes with a stack"):
        zeroshot.denoise(texture(0), prior="tv", channels="joint")
    auto = zeroshot.sr(stack, 2, axes="CYX", prior="tv", settings={"iterations": 2}, progress=False)
    assert auto.provenance["stack"]["joint"]["together"] == []


def test_planes_wait_for_their_turn_in_a_file(tmp_path):
    stack = ArrayStack(np.arange(2 * 3 * 4 * 5, dtype=np.int16).reshape(2, 3, 2, 2, 5), "TCZYX")
    joint = JointChannels(ChannelAxes((0, 1, 2), torch.eye(3, dtype=torch.float64), (1.0, 1.0, 1.0)))
    turns = list(in_turn(stack, joint))
    assert sorted(turns) == list(stack.indices())
    assert turns[:4] == [(0, 0, 0), (0, 1, 0), (0, 2, 0), (0, 0, 1)]
    arriving = ((index, stack.plane(index)) for index in turns)
    written = list(in_order(arriving, stack.indices(), tmp_path))
    np.testing.assert_array_equal(np.stack(written), stack.array.reshape(-1, 2, 5))
    assert not list(tmp_path.iterdir())


def test_a_channel_without_noise_or_values_is_not_asked_for():
    seen = noisy(related()[0], LEVELS)
    whole = np.concatenate(
        [seen[:1], np.full((1, SIZE, SIZE), np.nan, np.float32), seen[1:], np.ones((1, SIZE, SIZE))]
    )
    stack = ArrayStack(whole.astype(np.float32), "CYX")
    survey = zeroshot.survey.surveyed(stack, "denoise", {}, None)
    assert _sampled(stack, {}, survey, "denoise")[0] == [0, 2, 3]
    found = zeroshot.denoise(whole.astype(np.float32), axes="CYX", **TOLD)
    assert found.provenance["stack"]["joint"]["together"] == [0, 2, 3]
    assert np.isnan(found.image[1]).all()
    np.testing.assert_allclose(found.image[4], 1, atol=1e-6)
