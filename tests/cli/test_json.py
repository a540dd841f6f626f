"""--json: what commands report, for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import zeroshot
from tests.cli.commands import run
from zeroshot.standings import stored


def reported(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> Any:
    code, out, _ = run([*arguments, "--json"], capsys)
    assert code == 0
    return json.loads(out)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    Image.linear_gradient("L").resize((32, 32)).save(path)
    return path


def test_tasks_with_their_options(capsys: pytest.CaptureFixture[str]) -> None:
    found = {task["name"]: task for task in reported(["tasks"], capsys)}
    assert list(found) == list(zeroshot.tasks())
    scale = next(option for option in found["sr"]["options"] if option["name"] == "scale")
    assert (scale["flag"], scale["required"]) == ("--scale", True)


def test_priors_with_their_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert [prior["name"] for prior in reported(["priors"], capsys)] == zeroshot.prior_names()
    channels = {one["name"]: one for one in reported(["priors", "dip"], capsys)["settings"]}["channels"]
    assert channels["default"].isdigit()
    assert channels["meaning"]


def test_what_was_measured_of_a_task(capsys: pytest.CaptureFixture[str]) -> None:
    rows = reported(["priors", "--task", "denoise"], capsys)
    assert len(rows) == len(stored()["denoise"])
    methods = {one["name"]: one for one in rows[0]["methods"]}
    assert methods["bm3d"]["is_prior"]
    assert methods["bm3d"]["psnr"] == pytest.approx(
        next(iter(stored()["denoise"].values())).figures["bm3d"].psnr
    )


def test_weights_that_are_known(capsys: pytest.CaptureFixture[str]) -> None:
    found = reported(["weights", "list"], capsys)
    assert found
    assert all({"licence", "source"} <= set(entry) for entry in found.values())


def test_a_run_in_one_line_for_each_output(picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = picture.with_name("b.png")
    other.write_bytes(picture.read_bytes())
    options = ["--prior", "tv", "--sigma", "10", "--json"]
    code, out, _ = run(["denoise", picture, other, "-o", picture.parent / "done", *options], capsys)
    assert code == 0
    lines = [json.loads(line) for line in out.splitlines()]
    assert [Path(line["output"]).name for line in lines] == ["a.png", "b.png"]
    assert [line["input"] for line in lines] == [str(picture), str(other)]
    first = lines[0]
    assert (first["task"], first["prior"], round(first["sigma"] * 255)) == ("denoise", "tv", 10)
    assert first["iterations"] > 0
    assert first["stopped_by"]


def test_how_images_were_made(picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--prior", "tv", "--sigma", "10", "--quiet"]
    for name in ("one.png", "two.png"):
        assert run(["denoise", picture, "-o", picture.with_name(name), *options], capsys)[0] == 0
    made = [picture.with_name(name) for name in ("one.png", "two.png")]
    assert reported(["info", made[0]], capsys)["prior"] == "tv"
    assert [one["file"] for one in reported(["info", *made], capsys)] == [str(path) for path in made]
    code, out, err = run(["info", *made, picture, "--json"], capsys)
    assert code == 1
    assert len(json.loads(out)) == 2
    assert "was not written by zeroshot" in err
