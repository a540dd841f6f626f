"""The list of benchmarks, and a run of them that is cut and goes on."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]

#: A benchmark of two cells, each a file; it is cut at the second one the first time. Tables that keep cells are in
#: test_benchmark_tables.py; this one needs no PyTorch.
TINY = """
import sys
from pathlib import Path

folder = Path(__file__).parent
for image in "ab":
    cell = folder / image
    if not cell.exists():
        with open(folder / "measured.txt", "a") as file:
            file.write(image)
        if image == "b" and not (folder / "second").exists():
            (folder / "second").touch()
            sys.exit(3)
        cell.write_text("30.00")
    print(image, cell.read_text())
"""


@pytest.fixture
def every(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT)
    return importlib.import_module("benchmarks.every")


def test_each_benchmark_exists_and_knows_its_arguments(every: ModuleType) -> None:
    """Each is a module, and its source names every option that it is given."""
    shared = (ROOT / "benchmarks/arguments.py").read_text()
    for name, one in every.BENCHMARKS.items():
        path = ROOT / one.module.replace(".", "/")
        file = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
        source = file.read_text()
        assert 'if __name__ == "__main__":' in source, name
        for word in f"{one.arguments} {one.brief}".split():
            if word.startswith("--"):
                assert f'"{word}"' in source + shared, (name, word)


def test_every_table_of_published_figures_is_in_the_list(every: ModuleType) -> None:
    listed = {one.module for one in every.BENCHMARKS.values()}
    tables = (ROOT / "benchmarks/tables").glob("*.py")
    runnable = [file for file in tables if '__name__ == "__main__"' in file.read_text()]
    assert runnable
    assert {f"benchmarks.tables.{file.stem}" for file in runnable} <= listed
    published = [
        file.stem for file in (ROOT / "benchmarks").glob("*.py")
        if "from .published import" in file.read_text() and '__name__ == "__main__"' in file.read_text()
    ]  # fmt: skip
    assert {f"benchmarks.{stem}" for stem in published} <= listed


def test_a_run_that_was_cut_goes_on_and_one_that_ended_is_not_run_again(
    every: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny_table.py").write_text(TINY)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    tiny = every.Benchmark("tiny_table", "", "", "a table of two cells")
    monkeypatch.setattr(every, "BENCHMARKS", {"tiny": tiny})
    assert every.show_all(["tiny"], folder=tmp_path) == ["tiny"]
    assert "exit code 3" in capfd.readouterr().err
    assert every.show_all(["tiny"], folder=tmp_path) == []
    shown = capfd.readouterr().out
    assert "30.00" in shown
    assert (tmp_path / "measured.txt").read_text() == "abb"  # "a" was on file
    assert every.show_all(["tiny"], folder=tmp_path) == []
    assert capfd.readouterr().out == shown
    assert (tmp_path / "measured.txt").read_text() == "abb"


def test_the_list_is_printed_without_running_anything(
    every: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["every", "--list"])
    every.main()
    assert "python -m benchmarks.tables.sr_set5" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["every", "nothing"])
    with pytest.raises(SystemExit):
        every.main()
    assert "there is no benchmark 'nothing'" in capsys.readouterr().err


def test_the_comparison_with_another_version_minds_the_options(
    every: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    speed = importlib.import_module("benchmarks.speed")
    called: list[tuple[list[str], int]] = []
    monkeypatch.setattr(speed, "compare_versions", lambda _, cells, repeats: called.append((cells, repeats)))
    monkeypatch.setattr(sys, "argv", ["speed", "tv", "--before", "python", "--repeats", "3"])
    speed.main()
    assert called == [(["denoise:tv", "sr:tv"], 3)]
    monkeypatch.setattr(sys, "argv", ["speed", "--before", "python", "--weights", "0.3"])
    with pytest.raises(SystemExit):
        speed.main()
    assert "--weights does not go with --before" in capsys.readouterr().err
