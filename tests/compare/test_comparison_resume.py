"""A comparison goes on where it ended: what is finished is not run again, what changed is noticed."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zeroshot.compare import Cell, Table, compare
from zeroshot.compare import comparison as comparison_module
from zeroshot.compare.compared_methods import compared_methods
from zeroshot.compare.method import Case
from zeroshot.compare.store import Store

pytestmark = pytest.mark.filterwarnings("ignore:.*cannot be sent to a process of its own")


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[Table]:
    written: list[Table] = []
    monkeypatch.setattr(comparison_module, "write_report", lambda table, folder: written.append(table))
    return written


@pytest.fixture
def pictures() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {name: random.integers(0, 256, (16, 20)).astype(np.uint8) for name in ("one", "two", "three")}


def counting(name: str, calls: list[str], until: int = 1000, error: type[BaseException] = ValueError) -> Any:
    """A method that counts its calls, and raises at call number `until`."""

    class Local:
        def __init__(self) -> None:
            self.name = name

        def supports(self, case: Case) -> str | None:
            return None

        def restore(self, image: np.ndarray, task: Case) -> np.ndarray:
            calls.append(name)
            if len(calls) == until:
                raise error("as asked")
            return image

    return Local()


def run(images: Any, folder: Path, *methods: Any, **more: Any) -> Table:
    more = {"options": {"sigma": 25 / 255}, "metrics": ["psnr", "consistency"], **more}
    return compare(images, "denoise", methods, report=folder, **more)


def timeless(table: Table) -> list[Cell]:
    """The cells without what differs from run to run."""
    return [replace(cell, seconds=None, memory_mib=None) for cell in table.cells]


def test_an_interrupted_run_goes_on_and_ends_like_an_uninterrupted_one(
    pictures: dict, tmp_path: Path, pages: list[Table]
) -> None:
    whole = run(pictures, tmp_path / "whole", counting("a", []), counting("b", []))
    calls: list[str] = []
    interrupted = [counting("a", calls), counting("b", calls, 5, KeyboardInterrupt)]
    with pytest.raises(KeyboardInterrupt):
        run(pictures, tmp_path / "out", *interrupted)
    assert len(pages[-1].cells) == 4
    assert calls == ["a", "a", "a", "b", "b"]
    lines: list[str] = []
    table = run(pictures, tmp_path / "out", *interrupted, progress=lines.append)
    assert calls == ["a", "a", "a", "b", "b", "b", "b"]
    assert lines[0].endswith("3 images × 2 methods, 4 of 6 runs are finished already")
    assert [line.split("]")[0] for line in lines[1:]] == ["[5/6", "[6/6"]
    assert timeless(table) == timeless(whole)
    again = run(pictures, tmp_path / "out", *interrupted)
    assert len(calls) == 7
    assert again.cells == table.cells


def test_methods_and_images_are_added_and_only_they_are_run(
    pictures: dict, tmp_path: Path, pages: list[Table]
) -> None:
    calls: list[str] = []
    one, two, _ = pictures.items()
    run([one], tmp_path / "out", counting("a", calls))
    run([one], tmp_path / "out", counting("b", calls))
    assert calls == ["a", "b"]
    table = run([one, two], tmp_path / "out", counting("a", calls))
    assert calls == ["a", "b", "a"]
    assert table.images == ("one", "two")
    assert table.methods == ("a", "b")
    assert [(cell.method, cell.image) for cell in table.cells] == [("a", "one"), ("a", "two"), ("b", "one")]
    assert table.mean("b", "psnr") is None


#: What a later run is given instead, and what is said of it.
CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"options": {"sigma": 20 / 255}}, "sigma 25/255, this one has 20/255"),
    ({"seconds": 3.0}, "seconds not set, this one has 3"),
    ({"seed": 1}, "seed 0, this one has 1"),
    ({"threads": 999}, r"threads \d+, this one has 999"),
    ({"metrics": ["psnr"]}, "metrics psnr, consistency, this one has psnr"),
    ({"given": "damaged", "metrics": ["consistency"]}, "given truth, this one has damaged"),
    ({"images": {"one": np.zeros((16, 20), np.uint8)}}, "image 'one' is not the one"),
]


def test_what_changed_is_named_and_nothing_is_run(pictures: dict, tmp_path: Path, pages: list[Table]) -> None:
    calls: list[str] = []
    run(pictures, tmp_path / "out", counting("a", calls))
    before = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "out").rglob("*.*"))
    for change, said in CHANGES:
        given = {"images": pictures, **change}
        with pytest.raises(ValueError, match=said) as caught:
            run(given.pop("images"), tmp_path / "out", counting("a", calls), **given)
        assert "\n" not in str(caught.value)
        assert len(calls) == 3
        after = [(path, path.stat().st_mtime_ns) for path, _ in before if path.name != ".lock"]
        assert after == [pair for pair in before if pair[0].name != ".lock"]


def test_overwriting_starts_anew(pictures: dict, tmp_path: Path, pages: list[Table]) -> None:
    calls: list[str] = []
    run(pictures, tmp_path / "out", counting("a", calls), counting("b", calls))
    table = run(pictures, tmp_path / "out", counting("a", calls), seed=1, existing="overwrite")
    assert calls == ["a"] * 3 + ["b"] * 3 + ["a"] * 3
    assert table.methods == ("a",)


def test_failures_are_run_again_only_when_asked(pictures: dict, tmp_path: Path, pages: list[Table]) -> None:
    calls: list[str] = []
    method = counting("a", calls, until=2)
    assert [c.status for c in run(pictures, tmp_path / "out", method).cells] == ["done", "failed", "done"]
    assert [c.status for c in run(pictures, tmp_path / "out", method).cells] == ["done", "failed", "done"]
    assert len(calls) == 3
    table = run(pictures, tmp_path / "out", method, failed="retry")
    assert [cell.status for cell in table.cells] == ["done"] * 3
    assert len(calls) == 4


def test_a_result_whose_image_was_removed_is_made_again(
    pictures: dict, tmp_path: Path, pages: list[Table]
) -> None:
    calls: list[str] = []
    run(pictures, tmp_path / "out", counting("a", calls))
    (tmp_path / "out" / "restored" / "a" / "two.png").unlink()
    run(pictures, tmp_path / "out", counting("a", calls))
    assert len(calls) == 4
    assert (tmp_path / "out" / "restored" / "a" / "two.png").is_file()


def test_the_timeout_may_change(pictures: dict, tmp_path: Path, pages: list[Table]) -> None:
    calls: list[str] = []
    run(pictures, tmp_path / "out", counting("a", calls), timeout=5.0)
    run(pictures, tmp_path / "out", counting("a", calls), timeout=6.0, memory=2.0)
    assert len(calls) == 3


def test_a_method_whose_file_or_settings_changed_is_another_one(
    pictures: dict, tmp_path: Path, pages: list[Table]
) -> None:
    # What separates the parts of a text may stand in the name of a file.
    file = tmp_path / "a=1, [2]" / "own.py"
    file.parent.mkdir()
    file.write_text(
        "class Own:\n    name = 'own'\n    def restore(self, image, case):\n        return image\n"
    )
    (before,) = compared_methods([f"python:{file}:Own"])
    file.write_text(file.read_text().replace("return image", "return image / 2"))
    (after,) = compared_methods([f"python:{file}:Own"])
    assert before.name == after.name == "own"
    assert before.identity != after.identity
    one, two = compared_methods(["fast=tv[iterations=5]", "slow=tv[iterations=50]"])
    assert one.identity != two.identity.replace("slow", "fast")


def test_weights_beside_an_onnx_file_are_part_of_what_it_is(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "m.onnx").write_bytes(b"the graph")
    (tmp_path / "m.onnx.data").write_bytes(b"the weights")
    (before,) = compared_methods([f"onnx:{tmp_path / 'm.onnx'}"])
    (tmp_path / "m.onnx.data").write_bytes(b"other weights")
    (after,) = compared_methods([f"onnx:{tmp_path / 'm.onnx'}"])
    assert before.identity != after.identity
    assert f"onnxruntime {version('onnxruntime')}" in after.identity


def test_an_object_whose_class_was_rewritten_is_another_method(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)

    def identity(result: str) -> str:
        (tmp_path / "rewritten.py").write_text(
            "class Own:\n    name = 'own'\n    def supports(self, case): return None\n"
            f"    def restore(self, image, case): return {result}\n"
        )
        monkeypatch.delitem(sys.modules, "rewritten", raising=False)
        importlib.invalidate_caches()
        return compared_methods([importlib.import_module("rewritten").Own()])[0].identity

    before = identity("image")
    assert before == identity("image")
    assert before != identity("image / 2")


@pytest.mark.slow
def test_a_killed_command_goes_on_and_leaves_no_process_behind(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for index, name in enumerate(("one", "two", "three")):
        pixels = np.random.default_rng(index).integers(0, 256, (16, 20)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / f"{name}.png")
    script = tmp_path / "own.py"
    script.write_text(
        "import os, subprocess\n"
        "class Own:\n"
        "    name = 'own'\n"
        "    def restore(self, image, case):\n"
        f"        with open({str(tmp_path / 'calls')!r}, 'a') as file:\n"
        "            print(os.getpid(), file=file)\n"
        f"        if not os.path.exists({str(tmp_path / 'go')!r}) and len(open(file.name).readlines()) == 2:\n"
        "            child = subprocess.Popen(['sleep', '600'])\n"
        f"            open({str(tmp_path / 'child')!r}, 'w').write(str(child.pid))\n"
        "            child.wait()\n"
        "        return image\n"
    )
    arguments = [str(tmp_path / "in"), "--task", "denoise", "--sigma", "25", "--methods",
                 f"first,python:{script}:Own", "--metrics", "psnr"]  # fmt: skip
    (tmp_path / "command.py").write_text(
        "import argparse, sys\n"
        "from zeroshot.cli.compare import add_parser\n"
        "parser = argparse.ArgumentParser()\n"
        "add_parser(parser.add_subparsers())\n"
        "options = parser.parse_args(sys.argv[1:])\n"
        "sys.exit(options.run(options))\n"
    )
    command = [sys.executable, str(tmp_path / "command.py"), "compare", *arguments, "--report"]
    out = tmp_path / "out"
    process = subprocess.Popen([*command, str(out)], stdout=subprocess.DEVNULL)
    calls = tmp_path / "calls"
    child = tmp_path / "child"
    wait_for(lambda: child.exists() and child.read_text() != "")
    process.send_signal(signal.SIGKILL)
    process.wait()
    worker = int(calls.read_text().splitlines()[0])
    wait_for(lambda: not is_alive(worker) and not is_alive(int(child.read_text())))
    finished = {path: path.stat().st_mtime_ns for path in (out / "cells").rglob("*.json")}
    assert len(finished) == 4
    (tmp_path / "go").touch()
    subprocess.run([*command, str(out)], check=True, stdout=subprocess.DEVNULL)
    assert len(calls.read_text().splitlines()) == 4
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    subprocess.run([*command, str(tmp_path / "whole")], check=True, stdout=subprocess.DEVNULL)
    assert (out / "report.html").is_file()
    for name in ("one", "two", "three"):
        for method in ("first", "own"):
            ours, theirs = (Store(f).cell(name, method) for f in (out, tmp_path / "whole"))
            assert ours is not None
            assert theirs is not None
            assert ours.metrics == theirs.metrics
            assert ours.status == "done"


def wait_for(condition: Any, seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")
