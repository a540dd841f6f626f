"""The command that separates frames into background and what moves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zeroshot.cli.arguments import Parser
from zeroshot.cli.background import PARTS, add_parser, run


def write_frames(folder: Path, count: int = 8, colour: bool = False, suffix: str = ".png") -> list[Path]:
    """A still scene that a white square crosses."""
    folder.mkdir(parents=True, exist_ok=True)
    scene = np.random.default_rng(0).integers(60, 160, (20, 24, 3) if colour else (20, 24)).astype(np.uint8)
    paths = []
    for t in range(count):
        frame = scene.copy()
        frame[5:9, 3 * t : 3 * t + 3] = 250
        paths.append(folder / f"frame{t:02}{suffix}")
        Image.fromarray(frame).save(paths[-1])
    return paths


def call(*arguments: object) -> int:
    parser = Parser(prog="zeroshot")
    add_parser(parser.add_subparsers(dest="command", required=True))
    return run(parser.parse_args(["background", *map(str, arguments)]))


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(int)


@pytest.mark.parametrize("colour", [False, True])
def test_the_square_is_found_and_taken_away(
    colour: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = write_frames(tmp_path / "in", colour=colour)
    out = tmp_path / "out"
    assert call(tmp_path / "in", "-o", out) == 0
    assert "8 frames in " in capsys.readouterr().out
    for t, path in enumerate(paths):
        frame, mask = pixels(path), pixels(out / "mask" / path.name)
        background, foreground = (
            pixels(out / "background" / path.name),
            pixels(out / "foreground" / path.name),
        )
        assert background.shape == foreground.shape == frame.shape
        assert set(np.unique(mask)) == {0, 255}
        assert (mask[5:9, 3 * t : 3 * t + 3] == 255).all()
        assert (mask == 255).sum() == 12
        other = mask == 0
        assert np.abs(background - frame)[other].max() <= 2
        assert np.abs(foreground - 128)[other].max() <= 2
        assert background[5:9, 3 * t : 3 * t + 3].max() < 180
    assert {path.name for path in out.iterdir()} == set(PARTS)


def test_frames_may_be_given_one_by_one_and_of_other_formats(tmp_path: Path) -> None:
    paths = write_frames(tmp_path / "in", 4, suffix=".bmp")
    assert call(*paths, "-o", tmp_path / "out", "--quiet") == 0
    assert sorted(path.name for path in (tmp_path / "out/mask").iterdir()) == [
        f"frame{t:02}.png" for t in range(4)
    ]


def test_quiet_prints_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_frames(tmp_path / "in", 3)
    call(tmp_path / "in", "-o", tmp_path / "out", "--quiet")
    assert capsys.readouterr() == ("", "")


def test_a_smaller_weight_moves_more(tmp_path: Path) -> None:
    write_frames(tmp_path / "in")
    energies = []
    for weight in (1.0, 10.0):
        out = tmp_path / f"out{weight}"
        call(tmp_path / "in", "-o", out, "--weight", weight, "--quiet")
        energies.append(np.abs(pixels(out / "foreground/frame03.png") - 128).sum())
    assert energies[0] > energies[1]


def test_nothing_is_overwritten_unless_asked(tmp_path: Path) -> None:
    write_frames(tmp_path / "in", 3)
    out = tmp_path / "out"
    (out / "mask").mkdir(parents=True)
    (out / "mask/frame01.png").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"mask/frame01\.png: exists already"):
        call(tmp_path / "in", "-o", out)
    assert (out / "mask/frame01.png").read_bytes() == b"mine"
    assert sorted(path.name for path in out.iterdir()) == ["mask"]
    assert call(tmp_path / "in", "-o", out, "--overwrite", "--quiet") == 0
    assert pixels(out / "mask/frame01.png").shape == (20, 24)


def test_an_input_is_never_an_output(tmp_path: Path) -> None:
    paths = write_frames(tmp_path / "background", 3)
    before = paths[0].read_bytes()
    with pytest.raises(ValueError, match="is an input, which is never overwritten"):
        call(tmp_path / "background", "-o", tmp_path, "--overwrite")
    assert paths[0].read_bytes() == before


def test_frames_of_another_size_or_kind_are_named(tmp_path: Path) -> None:
    paths = write_frames(tmp_path / "in", 3)
    Image.fromarray(np.zeros((20, 25), np.uint8)).save(paths[1])
    with pytest.raises(ValueError, match=r"frame01\.png is 20 × 25 grey and .*frame00\.png 20 × 24 grey"):
        call(tmp_path / "in", "-o", tmp_path / "out")
    write_frames(tmp_path / "in", 1, colour=True)
    with pytest.raises(ValueError, match=r"frame00\.png 20 × 24 in colour"):
        call(tmp_path / "in", "-o", tmp_path / "out")
    assert not (tmp_path / "out/mask").exists()


def test_wrong_calls_are_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = write_frames(tmp_path / "in", 2)
    with pytest.raises(ValueError, match="give at least two, got 1"):
        call(paths[0], "-o", tmp_path / "out")
    with pytest.raises(ValueError, match="the output is a folder, got"):
        call(tmp_path / "in", "-o", tmp_path / "out.png")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="must be a folder, but is a file"):
        call(tmp_path / "in", "-o", tmp_path / "file")
    (tmp_path / "other").mkdir()
    Image.open(paths[0]).save(tmp_path / "other" / "frame00.bmp")
    with pytest.raises(ValueError, match=r"two frames would be written to the same output: frame00\.png"):
        call(*paths, tmp_path / "other/frame00.bmp", "-o", tmp_path / "out")
    for weight in ("0", "0.05", "11", "nan", "much"):
        with pytest.raises(SystemExit):
            call(tmp_path / "in", "-o", tmp_path / "out", "--weight", weight)
        assert f"must be a number from 0.1 to 10, got '{weight}'" in capsys.readouterr().err


def test_noise_does_not_move(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    generator = np.random.default_rng(0)
    scene = generator.integers(60, 160, (32, 40)).astype(float)
    for t in range(8):
        frame = scene + generator.normal(0, 5, scene.shape)
        Image.fromarray(frame.round().astype(np.uint8)).save(folder / f"frame{t}.png")
    assert call(folder, "-o", tmp_path / "out") == 0
    assert "background of rank 1, 0.0 % of the pixels move" in capsys.readouterr().out
