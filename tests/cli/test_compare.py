"""The command that compares methods."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.pictures import sample
from zeroshot import compare as compare_package
from zeroshot.cli.arguments import Parser
from zeroshot.cli.compare import add_parser
from zeroshot.compare import Cell, Table
from zeroshot.spelling import for_command_line
from zeroshot.tasks import tasks

RUN = """
import sys
from zeroshot.cli.arguments import Parser
from zeroshot.cli.compare import add_parser
parser = Parser(prog="zeroshot")
add_parser(parser.add_subparsers())
options = parser.parse_args(sys.argv[1:])
sys.exit(options.run(options))
"""


def call(*arguments: object) -> int:
    parser = Parser(prog="zeroshot")
    add_parser(parser.add_subparsers(dest="command", required=True))
    options = parser.parse_args(["compare", *map(str, arguments)])
    return options.run(options)


def table(*cells: Cell) -> Table:
    images = tuple(dict.fromkeys(cell.image for cell in cells))
    methods = tuple(dict.fromkeys(cell.method for cell in cells))
    return Table("sr", "sr", {}, images, methods, ("psnr",), cells, {}, {}, None, 0, {})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What compare() was asked for; it answers with the table under "answer", or raises it."""
    seen: dict[str, Any] = {"answer": table(Cell("a", "tv", "done", metrics={"psnr": 30.0}, seconds=1.0))}

    def compare(images: Any, task: str, methods: Any, **more: Any) -> Table:
        seen.update(more, images=images, task=task, methods=methods)
        if isinstance(seen["answer"], BaseException):
            raise seen["answer"]
        return seen["answer"]

    monkeypatch.setattr(compare_package, "compare", compare, raising=False)
    return seen


def test_words_become_values(asked: dict[str, Any], tmp_path: Path) -> None:
    code = call(
        "a.png", "b", "--task", "sr", "--scale", "4", "--kernel-sigma", "1.5", "--sigma", "25", "--methods",
        "dip[channels=64,iterations=500],tv", "--methods", "label=onnx:m.onnx", "--metrics", "psnr_y_border4,ssim",
        "--seconds", "60", "--threads", "2", "--memory", "4", "--report", tmp_path / "out",
    )  # fmt: skip
    assert code == 0
    assert asked["images"] == [Path("a.png"), Path("b")]
    assert asked["methods"] == ["dip[channels=64,iterations=500]", "tv", "label=onnx:m.onnx"]
    assert asked["metrics"] == ["psnr_y_border4", "ssim"]
    assert asked["options"] == {"scale": 4, "kernel_sigma": 1.5, "sigma": 25 / 255}
    assert isinstance(asked["options"]["scale"], int)
    assert (asked["seconds"], asked["threads"], asked["memory"], asked["seed"]) == (60, 2, 4, 0)
    assert (asked["given"], asked["existing"], asked["failed"]) == ("truth", "continue", "keep")


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["--damaged"], "given", "damaged"),
        (["--truth", "good"], "given", "damaged"),
        (["--truth", "good"], "truths", Path("good")),
        (["--overwrite"], "existing", "overwrite"),
        (["--retry-failed"], "failed", "retry"),
        (["--hints", "0.02"], "options", {"hints": 0.02}),
        (["--missing", "0.5", "--mask", "alpha"], "options", {"missing": 0.5, "mask": "alpha"}),
        (["--salt-pepper", "0.1", "--data-term", "l1"], "options", {"salt_pepper": 0.1, "data_term": "l1"}),
    ],
)
def test_flags(words: list[str], name: str, value: Any, asked: dict[str, Any]) -> None:
    call("a.png", "--task", "inpaint", "--methods", "tv", "--report", "out", *words)
    assert asked[name] == value


@pytest.mark.parametrize(
    "words",
    [
        ["--sigma", "300"], ["--sigma", "loud"], ["--seconds", "0"], ["--threads", "0"], ["--timeout", "-1"],
        ["--memory", "inf"], ["--seed", "-1"], ["--missing", "0"], ["--hints", "none.png"], ["--task", "varnish"],
    ],
)  # fmt: skip
def test_words_that_are_no_values(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        call("a.png", "--task", "sr", "--methods", "tv", "--report", "out", *words)
    assert caught.value.code == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert words[0] in message
    assert words[1] in message


def test_every_option_of_every_damage_can_be_typed() -> None:
    parser = Parser(prog="zeroshot")
    add_parser(commands := parser.add_subparsers())
    flags = commands.choices["compare"].format_everything()
    for task in tasks().values():
        for option in task.noise_and_damage:
            assert option.flag in flags


@pytest.mark.parametrize(
    ("status", "code"),
    [("done", 0), ("unsupported", 0), ("failed", 1), ("crashed", 1), ("memory", 1), ("timeout", 1)],
)
def test_the_exit_code_says_whether_a_run_failed(
    status: Any, code: int, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    asked["answer"] = table(
        Cell("a", "tv", "done", metrics={"psnr": 30.0}, seconds=1.0), Cell("a", "x", status)
    )
    assert call("a.png", "--task", "sr", "--methods", "tv,x", "--report", "out") == code
    printed = capsys.readouterr()
    assert "30.00" in printed.out
    assert f"{Path('out') / 'report.html'}: the report" in printed.out
    assert (printed.err == "zeroshot: 1 of 2 runs failed: x · a\n") == (code == 1)


def test_quiet_is_quiet(asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert call("a.png", "--task", "sr", "--methods", "tv", "--report", "out", "--quiet") == 0
    assert capsys.readouterr().out == ""
    assert asked["progress"] is None


def test_an_interruption_says_how_to_go_on(asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    asked["answer"] = KeyboardInterrupt()
    assert call("a.png", "--task", "sr", "--methods", "tv", "--report", "out") == 130
    assert "out holds what is finished, the same command goes on" in capsys.readouterr().err
    assert call("a.png", "--task", "sr", "--methods", "tv", "--report", "out", "--overwrite") == 130
    assert "without --overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--task denoise --methods tv", "--sigma above 0, --peak or --salt-pepper"),
        ("--task sr --methods tv", "needs --scale"),
        ("--task sr --scale 2.5 --methods tv", "scale must be a whole number from 2 to 16"),
        ("--task sr --scale 4 --methods tw", "there is no method 'tw'"),
        ("--task sr --scale 4 --methods onnx:none.onnx", "none.onnx"),
        ("--task sr --scale 4 --methods tv --metrics beauty", "there is no metric 'beauty'"),
        ("--task sr --scale 4 --methods tv --damaged --metrics psnr", "compares with a truth"),
        ("--task sr --scale 4 --methods tv --metrics beauty", "here also consistency"),
        (
            "--task inpaint --methods tv --missing 0.5 --scale 2",
            "no option --scale; it has: --missing, --mask",
        ),
        ("--task denoise --sigma 5 --methods tv --scale 2", "--peak, --salt-pepper, --data-term$"),
    ],
)
def test_errors_are_one_line_in_the_words_of_the_command_line(words: str, said: str, tmp_path: Path) -> None:
    Image.new("L", (16, 16)).save(tmp_path / "a.png")
    with pytest.raises((ValueError, OSError, ImportError)) as caught:
        call(tmp_path / "a.png", *words.split(), "--report", tmp_path / "out")
    assert re.search(said, for_command_line(caught.value))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_comparison_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(sample("astronaut")[60:124, 170:234]).save(tmp_path / "face.png")
    words = [tmp_path / "face.png", "--task", "sr", "--scale", "4", "--report", tmp_path / "out"]
    assert call(*words, "--methods", "bicubic,tv[iterations=100]") == 0
    assert call(*words, "--methods", "dip[iterations=30,channels=8]", "--timeout", "300") == 0
    lines = capsys.readouterr().out.splitlines()
    means = {line.split()[0]: line.split()[1] for line in lines if line.endswith("1/1")}
    assert float(means["tv[iterations=100]"].strip("*")) > float(means["bicubic"].strip("*"))
    assert len(means) == 3
    page = (tmp_path / "out" / "report.html").read_text()
    for name in ("bicubic", "tv[iterations=100]", "dip[iterations=30,channels=8]", "face"):
        assert name in page
    rows = (tmp_path / "out" / "results.csv").read_text().splitlines()
    assert len(rows) == 4


@pytest.mark.slow
def test_control_c_ends_the_method_and_keeps_what_is_finished(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16)).astype(np.uint8)).save(
        tmp_path / "a.png"
    )
    script = tmp_path / "slow.py"
    script.write_text(
        "import os, time\n"
        "class Slow:\n"
        "    def restore(self, image, case):\n"
        f"        open({str(tmp_path / 'started')!r}, 'w').write(str(os.getpid()))\n"
        "        time.sleep(600)\n"
    )
    (tmp_path / "command.py").write_text(RUN)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "command.py"), "compare", str(tmp_path / "a.png"), "--task", "denoise",
         "--sigma", "25", "--methods", f"none,python:{script}:Slow", "--report", str(tmp_path / "out")],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    started = tmp_path / "started"
    deadline = time.monotonic() + 300
    while not (started.exists() and started.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "the same command goes on from here" in errors
    assert "Traceback" not in errors
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)
    assert (tmp_path / "out" / "report.html").is_file()
    assert len([*(tmp_path / "out" / "cells").rglob("*.json")]) == 1
