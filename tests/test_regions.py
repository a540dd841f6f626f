"""Planes in parts: every pixel once, no seams, the same by one process or several, and on from where it was cut."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.cli.commands import run
from zeroshot import regions as engine
from zeroshot.cli import regions as command
from zeroshot.images import decoding
from zeroshot.images.stack import ArrayStack
from zeroshot.regions import Windows

zarr = pytest.importorskip("zarr", reason="Zarr stores need the extra zarr")


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SIDE", 64)
    monkeypatch.setattr(engine, "MARGIN", 16)
    monkeypatch.setattr(engine, "LARGEST_PLANE", 80 * 80)


def store(path: Path, shape: tuple[int, ...] = (150, 200)) -> np.ndarray:
    """A bare array of counts with noise, under waves; the waves."""
    rows, columns = np.mgrid[: shape[-2], : shape[-1]]
    truth = np.broadcast_to(2000 + 800 * np.sin(rows / 9) * np.sin(columns / 13), shape)
    noisy = np.random.default_rng(0).normal(truth, 100).clip(0, 4095).astype(np.uint16)
    array = zarr.create_array(store=str(path), shape=shape, dtype=np.uint16, chunks=(*shape[:-2], 64, 64))
    array[...] = noisy
    return np.asarray(truth)


def test_parts_fill_planes_without_overlap_and_are_of_one_size() -> None:
    values = np.arange(2 * 150 * 200).reshape(2, 150, 200)
    windows = Windows(ArrayStack(values, "ZYX"))
    assert windows.axes == "ZWYX"
    filled = np.full_like(values, -1)
    for index in windows.indices():
        part = windows.plane(index)
        assert part.shape == windows.plane_shape == (96, 96)
        region = windows.region(index)
        place = (*region.index, slice(region.top, region.bottom), slice(region.left, region.right))
        assert (filled[place] == -1).all()
        filled[place] = windows.inner(index, part)
    assert np.array_equal(filled, values)


def test_a_plane_smaller_than_a_part_is_one() -> None:
    values = np.arange(30 * 40).reshape(40, 30).T
    windows = Windows(ArrayStack(values, "YX"))
    assert (windows.count, windows.plane_shape) == (1, (30, 40))
    assert np.array_equal(windows.inner((0,), windows.plane((0,))), values)


def test_a_store_is_restored_without_seams_and_with_its_axes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = tmp_path / "big.zarr", tmp_path / "out.zarr"
    truth = store(source)
    code, out, err = run(["denoise", source, "-o", output, "--prior", "bm3d"], capsys)
    assert code == 0, err
    assert "150 × 200 (YX) in 12 parts" in out
    restored, noisy = (zarr.open_array(str(path), mode="r")[...] for path in (output, source))
    assert restored.dtype == np.uint16
    assert np.square(restored - truth).mean() < 0.1 * np.square(noisy - truth).mean()
    # Across the lines where parts meet it is as even as elsewhere.
    error = restored.astype(float) - truth
    jumps = np.abs(np.diff(error, axis=1)).mean(axis=0)
    assert jumps[[63, 127, 191]].mean() < 1.5 * np.median(jumps)
    assert not list(tmp_path.glob(".*"))
    assert not list(output.glob(".zeroshot*"))
    told = zarr.open_array(str(output), mode="r").attrs["zeroshot"]
    assert (told["task"], told["prior"], told["regions"]) == ("denoise", "bm3d", 12)


def test_several_processes_and_a_run_that_was_cut_give_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "big.zarr"
    store(source, (2, 70, 130))
    whole, cut = tmp_path / "whole.zarr", tmp_path / "cut.zarr"
    words = ["denoise", source, "--axes", "CYX", "--prior", "tv", "--quiet", "--set", "iterations=30"]
    assert run([*words, "-o", whole], capsys)[0] == 0
    restore = engine.Regions.restore

    def fails_at_times(self: engine.Regions, index: tuple[int, ...]) -> None:
        if index == (1, 2):
            raise OSError("the disk is full")
        restore(self, index)

    monkeypatch.setattr(engine.Regions, "restore", fails_at_times)
    code, _, err = run([*words, "-o", cut], capsys)
    assert code == 1
    assert "1 of 12 images failed" in err
    assert "plane 1, rows 0 to 63, columns 128 to 129" in err
    assert not cut.exists()
    code, _, err = run([*words, "-o", cut], capsys)
    assert (code, "holds an unfinished run: add --resume" in err) == (2, True)
    done = []
    monkeypatch.setattr(
        engine.Regions, "restore", lambda self, index: (done.append(index), restore(self, index))[0]
    )
    assert "its settings is" in run([*words, "-o", cut, "--resume", "--set", "iterations=9"], capsys)[2]
    assert run([*words, "-o", cut, "--resume"], capsys)[0] == 0
    assert done == [(1, 2)]
    first, second = (zarr.open_array(str(path), mode="r")[...] for path in (whole, cut))
    assert np.array_equal(first, second)


def test_planes_are_larger_than_any_picture_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(decoding, "MAX_PIXELS", 100 * 100)
    source, output = tmp_path / "big.zarr", tmp_path / "out.zarr"
    store(source)
    words = ["denoise", source, "-o", output, "--prior", "domain_transform", "--quiet"]
    assert run(words, capsys) == (0, "", "")
    assert zarr.open_array(str(output)).shape == (150, 200)


def test_what_does_not_go_by_parts_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "big.zarr"
    store(source)
    for words, said in (
        (["sr", source, "--scale", "2"], "restored one by one by denoise and deblur, not by sr"),
        (["deblur", source], "parts of a plane need kernel=…"),
        (["deblur", source, "--kernel", "gaussian=1"], "parts of a plane need sigma=…"),
        (["deblur", source, "--kernel", "gaussian=9", "--sigma", "1"], "a kernel of 73 is too large"),
        (["denoise", source, "--seconds", "3"], "--seconds goes with what is held at once"),
        (["denoise", source, "-o", tmp_path / "a.tif"], "give an output .zarr"),
        (["denoise", source, "-o", source], "never overwritten"),
    ):
        code, _, err = run([*words, *([] if "-o" in words else ["-o", tmp_path / "o.zarr"])], capsys)
        assert (code, err.count("\n")) == (2, 1), err
        assert said in err
    assert command.goes_by_regions.__doc__
    assert sorted(path.name for path in tmp_path.iterdir()) == ["big.zarr"]


@pytest.mark.slow
def test_a_plane_of_400_megapixels_on_two_workers_of_2_gibibytes_one_of_which_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed", reason="clusters need the extra cluster")
    monkeypatch.undo()  # parts of their true size
    side, source, output = 20_000, tmp_path / "big.zarr", tmp_path / "out.zarr"
    array = zarr.create_array(store=str(source), shape=(side, side), dtype=np.uint16, chunks=(512, 512))
    draw = np.random.default_rng(0)
    for top in range(0, side, 2000):
        array[top : top + 2000] = draw.normal(2000, 100, (2000, side)).astype(np.uint16)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, memory_limit="2GiB", dashboard_address=None, silence_logs=50
    ) as workers:
        first = min(worker.pid for worker in workers.workers.values())
        words = ["denoise", str(source), "-o", str(output), "--prior", "domain_transform", "--quiet"]
        command = subprocess.Popen(
            [sys.executable, "-m", "zeroshot", *words, "--scheduler", workers.scheduler_address],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        done = engine.partial_of(output) / ".zeroshot-done"
        while command.poll() is None and len(list(done.glob("*"))) < 20:
            time.sleep(0.2)
        os.kill(first, signal.SIGKILL)
        _, err = command.communicate(timeout=3000)
    assert command.returncode == 0, err
    restored = zarr.open_array(str(output), mode="r")
    assert restored.shape == (side, side)
    for top, left in ((0, 0), (9990, 10230), (19000, 19000)):
        part = restored[top : top + 500, left : left + 500].astype(float)
        assert abs(part.mean() - 2000) < 2
        assert part.std() < 50


def test_a_store_that_holds_the_input_is_not_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    group = zarr.open_group(str(tmp_path / "image.zarr"), mode="w")
    group.create_array("0", shape=(40, 50), dtype=np.uint16, chunks=(40, 50))[...] = 7
    words = ["denoise", tmp_path / "image.zarr" / "0", "-o", tmp_path / "image.zarr", "--overwrite"]
    code, _, err = run(words, capsys)
    assert (code, err.count("\n")) == (2, 1)
    assert "never overwritten" in err
    assert (zarr.open_group(str(tmp_path / "image.zarr"), mode="r")["0"][...] == 7).all()


def test_parts_that_are_all_done_only_need_their_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = tmp_path / "big.zarr", tmp_path / "out.zarr"
    store(source)
    finish = engine.Regions.finish

    def fails(self: engine.Regions, *, overwrite: bool) -> None:
        raise OSError("the name is taken")

    monkeypatch.setattr(engine.Regions, "finish", fails)
    words = ["denoise", source, "-o", output, "--prior", "dct", "--sigma", "10"]
    assert run(words, capsys)[0] == 2
    assert "its channels is" in run([*words, "--resume", "--range", "0,70000"], capsys)[2]
    monkeypatch.setattr(engine.Regions, "finish", finish)
    assert run([*words, "--resume", "--jobs", "2"], capsys)[0] == 0
    assert zarr.open_array(str(output), mode="r").shape == (150, 200)
