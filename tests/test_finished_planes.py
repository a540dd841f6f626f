"""Stacks that were cut: the planes that were done are kept, and the file is in the end that of a run that was not."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from tests.cli.commands import run
from tests.doubles import killed_after
from zeroshot.files import PARTIALS
from zeroshot.finished_planes import FinishedPlanes
from zeroshot.loop import Loop
from zeroshot.planes import Outcome, Plane
from zeroshot.stacks import restore_stack

TV = ["--prior", "tv", "--set", "iterations=30", "--sigma", "12"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "stack.tif"
    counts = np.random.default_rng(0).integers(300, 900, (4, 24, 32), dtype=np.uint16)
    tifffile.imwrite(path, counts, photometric="minisblack", metadata=None)
    return path


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the planes that are begun."""
    counted: list[int] = []
    complete = Loop.complete

    def counting(self: Loop) -> None:
        counted.append(len(counted))
        complete(self)

    monkeypatch.setattr(Loop, "complete", counting)
    return counted


def pressed_at(monkeypatch: pytest.MonkeyPatch, number: int) -> Callable[[], None]:
    """Press Ctrl-C at the plane of this number; a function that leaves the planes alone again."""
    complete, count = Loop.complete, iter(range(100))

    def pressing(self: Loop) -> None:
        if next(count) == number:
            os.kill(os.getpid(), signal.SIGINT)
        complete(self)

    monkeypatch.setattr(Loop, "complete", pressing)
    return lambda: monkeypatch.setattr(Loop, "complete", complete)


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
def test_a_run_that_ctrl_c_has_cut_goes_on_to_the_bytes_of_one_that_was_not(
    source: Path,
    begun: list[int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    suffix: str,
) -> None:
    if suffix == ".zarr":
        pytest.importorskip("zarr", reason="Zarr stores need the extra zarr")
    whole, cut = (source.with_name(name + suffix) for name in ("whole", "cut"))
    assert run(["denoise", source, "-o", whole, *TV], capsys)[0] == 0
    leave = pressed_at(monkeypatch, 2)
    code, _, err = run(["denoise", source, "-o", cut, *TV], capsys)
    assert code == 130
    assert "has the planes that were done, and the others as they were: --resume continues" in err
    checkpoint = cut.with_name(cut.name + ".checkpoint")
    assert cut.exists()
    assert checkpoint.exists()
    leave()
    code, _, err = run(["denoise", source, "-o", cut, *TV], capsys)
    assert (code, "holds an unfinished run: add --resume" in err) == (2, True)
    begun.clear()
    assert run(["denoise", source, "-o", cut, *TV, "--resume"], capsys)[0] == 0
    assert len(begun) == 2
    assert not checkpoint.exists()
    if suffix == ".zarr":
        parts = [path.relative_to(whole) for path in sorted(whole.rglob("*")) if path.is_file()]
        assert parts
        for part in parts:
            expected = (whole / part).read_bytes().replace(b"whole", b"cut")
            assert (cut / part).read_bytes() == expected
    else:
        assert cut.read_bytes() == whole.read_bytes()
    begun.clear()
    assert "is finished already" in run(["denoise", source, "-o", cut, *TV, "--resume"], capsys)[1]
    assert not begun


def test_ctrl_c_at_the_first_plane_is_no_finished_file(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], begun: list[int]
) -> None:
    output = source.with_name("out.tif")
    leave = pressed_at(monkeypatch, 0)
    assert run(["denoise", source, "-o", output, *TV], capsys)[0] == 130
    leave()
    begun.clear()
    assert run(["denoise", source, "-o", output, *TV, "--resume"], capsys)[0] == 0
    assert len(begun) == 4


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_in_a_folder_the_stack_that_was_cut_is_gone_on_with(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], jobs: int
) -> None:
    folder, out, whole = (source.parent / name for name in ("in", "out", "whole"))
    folder.mkdir()
    for name in ("a.tif", "b.tif"):
        (folder / name).write_bytes(source.read_bytes())
    words = ["denoise", folder, *TV, "--quiet"]
    assert run([*words, "-o", whole], capsys)[0] == 0
    leave = pressed_at(monkeypatch, 6)  # the third of b
    assert run([*words, "-o", out], capsys)[0] == 130
    leave()
    assert {path.name for path in out.iterdir()} == {"a.tif", "b.tif", "b.tif.checkpoint"}
    assert (out / "b.tif").read_bytes() != (whole / "b.tif").read_bytes()
    assert run([*words, "-o", out, "--resume", "--jobs", jobs], capsys)[0] == 0
    for name in ("a.tif", "b.tif"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    assert len(list(out.iterdir())) == 2


def test_a_run_that_dies_leaves_its_planes_and_no_output(
    source: Path, monkeypatch: pytest.MonkeyPatch, begun: list[int]
) -> None:
    whole, cut, kept = (source.with_name(name) for name in ("whole.tif", "cut.tif", "kept"))
    told: dict[str, Any] = {"settings": {"iterations": 30}, "sigma": 12, "progress": False}
    restore_stack(source, "denoise", whole, "tv", **told)
    leave = killed_after(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        restore_stack(source, "denoise", cut, "tv", checkpoint=kept, **told)
    leave()
    assert not cut.exists()
    assert not list(source.parent.glob(PARTIALS))
    with kept.open("r+b") as file:  # the last record has not all reached the disk
        file.truncate(kept.stat().st_size - 10)
    begun.clear()
    written = restore_stack(source, "denoise", cut, "tv", checkpoint=kept, resume=True, **told)
    assert (len(begun), written.iterations) == (2, 120)
    assert cut.read_bytes() == whole.read_bytes()
    assert not kept.exists()


def test_another_run_is_not_gone_on_with(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = source.with_name("out.tif")
    leave = pressed_at(monkeypatch, 1)
    assert run(["denoise", source, "-o", output, *TV], capsys)[0] == 130
    leave()
    before = output.read_bytes(), output.with_name("out.tif.checkpoint").read_bytes()
    for words, said in (
        (["--sigma", "13"], "its options.sigma is"),
        (["--set", "iterations=31"], "its settings.iterations is 30, here it is 31"),
        (["--seed", "1"], "its seed is 0, here it is 1"),
        (["--prior", "huber_tv"], "its prior is tv, here it is huber_tv"),
        (["--range", "0,1000"], "its stack.channels is"),
    ):
        code, _, err = run(["denoise", source, "-o", output, *TV, *words, "--resume"], capsys)
        assert (code, err.count("\n")) == (2, 1), err
        assert "belongs to another run" in err
        assert said in err
    assert before == (output.read_bytes(), output.with_name("out.tif.checkpoint").read_bytes())


def test_what_is_no_file_of_planes_is_refused_and_left_alone(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = source.with_name("out.tif")
    foreign = output.with_name("out.tif.checkpoint")
    for content in (b"", b"notes of mine", b"zeroshot planes 1\n", b"zeroshot planes 1\n" + b"\xff" * 40):
        foreign.write_bytes(content)
        code, _, err = run(["denoise", source, "-o", output, *TV, "--resume"], capsys)
        assert (code, err.count("\n")) == (2, 1), err
        assert f"checkpoint {foreign}" in err
        assert "--overwrite instead of --resume starts anew" in err
        assert foreign.read_bytes() == content
    assert run(["denoise", source, "-o", output, *TV, "--overwrite"], capsys)[0] == 0
    assert not foreign.exists()


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int32", "float16", "float64"])
def test_planes_of_any_type_come_back_and_damage_ends_them(tmp_path: Path, dtype: str) -> None:
    values = np.random.default_rng(1).normal(0, 90, (3, 4, 5)).astype(dtype)
    indices = [(0, 0), (0, 1), (0, 2)]
    outcome = Outcome(3, 0.25, "the end", None, {"task": "denoise", "sigma": 0.1})
    path = tmp_path / "kept"
    with FinishedPlanes(path, {"seed": 0}, resume=False) as finished:
        for index, pixels in zip(indices, values, strict=True):
            finished.add(Plane(index, pixels, outcome))
    with FinishedPlanes(path, {"seed": 0}, resume=True) as finished:
        planes = list(finished.kept(iter(indices)))
    assert [plane.index for plane in planes] == indices
    assert all(plane.restoration == outcome for plane in planes)
    np.testing.assert_array_equal(np.stack([plane.pixels for plane in planes]), values)
    assert planes[0].pixels.dtype == dtype
    content = bytearray(path.read_bytes())
    place = content.rindex(values[2].tobytes())
    content[place] ^= 1
    path.write_bytes(content)
    with FinishedPlanes(path, {"seed": 0}, resume=True) as finished:
        assert len(list(finished.kept(iter(indices)))) == 2
        finished.add(planes[2])
    with FinishedPlanes(path, {"seed": 0}, resume=True) as finished:
        assert len(list(finished.kept(iter(indices)))) == 3


@pytest.mark.parametrize("axes", ["TZYX", "ZTYX"])
def test_volumes_that_were_cut_go_on_to_the_bytes_of_those_that_were_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, axes: str
) -> None:
    source, whole, cut, kept = (tmp_path / name for name in ("source.tif", "whole.tif", "cut.tif", "kept"))
    counts = np.random.default_rng(0).integers(300, 900, (3, 3, 24, 32), dtype=np.uint16)
    tifffile.imwrite(source, counts, photometric="minisblack", ome=True, metadata={"axes": axes})
    volumes: dict[str, Any] = {"volume": "Z", "sigma": 30}
    restore_stack(source, "denoise", whole, "tv", **volumes)
    leave = killed_after(monkeypatch, 5)
    with pytest.raises(KeyboardInterrupt):
        restore_stack(source, "denoise", cut, "tv", checkpoint=kept, **volumes)
    leave()
    with pytest.raises(ValueError, match="belongs to another run: its volume"):
        restore_stack(source, "denoise", cut, "tv", sigma=30, checkpoint=kept, resume=True)
    restore_stack(source, "denoise", cut, "tv", checkpoint=kept, resume=True, **volumes)
    assert not kept.exists()
    assert cut.read_bytes() == whole.read_bytes()


def test_planes_whose_turn_never_came_are_not_kept(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, hurried, unhurried, whole = (source.with_name(name) for name in ("kept", "1.tif", "2.tif", "3.tif"))
    told: dict[str, Any] = {"sigma": 30, "settings": {"iterations": 30}}
    with monkeypatch.context() as patched:
        patched.setattr(FinishedPlanes, "remove", lambda self: None)  # killed before it was complete
        restore_stack(source, "denoise", hurried, "tv", checkpoint=kept, seconds=1e-6, **told)
    restore_stack(source, "denoise", unhurried, "tv", checkpoint=kept, resume=True, **told)
    restore_stack(source, "denoise", whole, "tv", **told)
    assert np.array_equal(tifffile.imread(unhurried), tifffile.imread(whole))
