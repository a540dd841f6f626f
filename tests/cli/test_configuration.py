"""zeroshot.toml: what is written there counts, what is typed counts more, and mistakes are told with their place."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.cli.commands import run
from zeroshot.cli.parser import parse_arguments


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which the commands are given, and no settings of the user's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ZEROSHOT_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    return tmp_path


def test_a_table_of_the_command_and_one_of_all_are_its_defaults(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("zeroshot.toml").write_text(
        "[all]\nthreads = 1\nseed = 3\n[denoise]\nprior = 'tv'\nsigma = 25.5\nseed = 4\n"
        "[denoise.set]\nweight = 0.5\n[sr]\nscale = 2\nfast = true\n[metrics]\njson = true\n"
    )
    options = parse_arguments(["denoise", "photo.png"])
    assert (options.threads, options.seed, options.prior) == (1, 4, "tv")
    assert options.sigma == pytest.approx(0.1)
    assert dict(options.settings) == {"weight": 0.5}
    told = "--threads 1 --seed 4 --prior tv --sigma 25.5 --set weight=0.5"
    assert capsys.readouterr().err == f"zeroshot: zeroshot.toml: {told}\n"
    # An option that the command needs may stand in the file.
    options = parse_arguments(["sr", "photo.png"])
    assert (options.scale, options.prior, options.settings) == (2, "fast", [])
    assert parse_arguments(["metrics", "a.png", "b.png"]).json


def test_what_is_typed_goes_before_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("zeroshot.toml").write_text(
        "[denoise]\nprior = 'tv'\nsigma = 10\n[denoise.set]\nweight = 0.5\niterations = 7\n"
        "[sharpen]\nfast = true\n"
    )
    words = ["denoise", "a.png", "--sigma", "51", "--set", "weight=0.25"]
    options = parse_arguments(words)
    assert options.sigma == pytest.approx(0.2)
    assert dict(options.settings) == {"weight": 0.25, "iterations": 7}
    assert "--sigma" not in capsys.readouterr().err
    assert parse_arguments(["denoise", "a.png", "--fast"]).prior == "fast"
    assert parse_arguments(["sharpen", "a.png", "--prior", "tv"]).prior == "tv"
    # A setting that is typed as an option is looked for in the prior of the file.
    code, _, err = run(["denoise", "a.png", "--weight", "2"], capsys)
    assert code == 2
    assert "is a setting of the prior: write --set weight=2" in err


def test_one_file_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = folder / "settings" / "zeroshot" / "zeroshot.toml"
    own.parent.mkdir(parents=True)
    own.write_text("[all]\nseed = 1\n")
    assert parse_arguments(["denoise", "a.png", "--quiet"]).seed == 1
    Path("zeroshot.toml").write_text("[all]\nthreads = 1\n")
    options = parse_arguments(["denoise", "a.png", "--quiet"])
    assert (options.seed, options.threads) == (0, 1)
    monkeypatch.setenv("ZEROSHOT_CONFIG", str(own))
    assert parse_arguments(["denoise", "a.png", "--quiet"]).seed == 1
    monkeypatch.setenv("ZEROSHOT_CONFIG", "")
    assert parse_arguments(["denoise", "a.png"]).seed == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[denoise", "zeroshot.toml is no TOML: "),
        ("seed = 1", "seed stands in no table; write [all] or [denoise] above it"),
        ("[denoize]\nsigma = 1", "there is no command 'denoize' (did you mean 'denoise'?)"),
        ("[denoise]\nsigmq = 1", "[denoise] there is no option 'sigmq' (did you mean 'sigma'?)"),
        ("[all]\nseeds = 1", "[all] there is no option 'seeds' (did you mean 'seed'?)"),
        ("[denoise]\noverwrite = true", "overwrite belongs to one run: give it on the command line"),
        ("[denoise]\nsigma = 300", "sigma must be 'auto' or a number of 8-bit grey levels"),
        ("[denoise]\nquiet = 1", "quiet must be true or false"),
        ("[denoise]\nseed = [1]", "seed must be a number or a word, got [1]"),
        ("[denoise]\nset = 3", "set "),
        ("[completion]\nshell = 'bash'", "there is no option 'shell'"),
    ],
)
def test_a_mistake_is_told_with_its_file(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    Path("zeroshot.toml").write_text(text)
    code, out, err = run(["denoise", "photo.png"], capsys)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "zeroshot.toml" in err
    assert said in err


def test_a_mark_at_the_beginning_is_left_out(folder: Path) -> None:
    """Editors on Windows write one before UTF-8."""
    Path("zeroshot.toml").write_text("[denoise]\nseed = 7\n", encoding="utf-8-sig")
    assert parse_arguments(["denoise", "photo.png"]).seed == 7


def test_a_file_that_is_named_and_missing_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZEROSHOT_CONFIG", "mine.toml")
    code, _, err = run(["denoise", "photo.png"], capsys)
    assert (code, "ZEROSHOT_CONFIG names mine.toml, and there is no such file" in err) == (2, True)
    # Help and listings need none.
    assert run(["tasks"], capsys)[0] == 2
    assert run(["--help"], capsys)[0] == 0


def test_a_run_is_made_with_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.linear_gradient("L").resize((32, 32)).save("a.png")
    Path("zeroshot.toml").write_text("[denoise]\nprior = 'tv'\nsigma = 10\nquiet = true\n")
    assert run(["denoise", "a.png"], capsys) == (0, "", "")
    code, out, _ = run(["info", "a.denoised.png"], capsys)
    assert code == 0
    assert '"prior": "tv"' in out
