"""What a shell is offered."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import run

pytest.importorskip("argcomplete", reason="completion needs the extra completion")


def offered(line: str, folder: Path) -> list[str]:
    """What the program answers when a shell asks it to complete the line."""
    answer = folder / "answer"
    asked = {
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
    }
    program = "import sys; sys.argv[0] = 'zeroshot'; from zeroshot.cli.main import main; main(); "
    heavy = "print(sorted({'torch', 'numpy'} & set(sys.modules)), file=sys.stderr)"
    # argcomplete leaves the process at once: what was loaded is told on the way out of the answer.
    watched = f"import os, sys; leave = os._exit; os._exit = lambda code: ({heavy}, leave(code)); {program}"
    done = subprocess.run(
        [sys.executable, "-c", watched],
        env=os.environ | asked,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.splitlines()[-1:] == ["[]"], done.stderr
    return [word.strip() for word in answer.read_text().split("\n") if word.strip()]


def test_commands_options_priors_settings_tasks_and_files(tmp_path: Path) -> None:
    (tmp_path / "photo.png").touch()
    assert offered("zeroshot den", tmp_path) == ["denoise"]
    assert {"wavelet", "wiener", "wnnm"} <= set(offered("zeroshot denoise --prior w", tmp_path))
    assert offered("zeroshot denoise --prior dip --set chan", tmp_path) == ["channels="]
    assert offered("zeroshot denoise --set prof", tmp_path) == ["profile="]
    assert offered("zeroshot degrade --task sh", tmp_path) == ["sharpen"]
    assert offered("zeroshot priors uns", tmp_path) == ["unsupervised_wiener"]
    assert "--prior" in offered("zeroshot denoise --pr", tmp_path)
    assert "photo.png" in offered("zeroshot denoise ph", tmp_path)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_each_shell_has_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(["completion", shell], capsys)
    assert (code, err) == (0, "")
    assert "zeroshot" in out
    assert "_ARGCOMPLETE" in out


def test_bash_understands_its_script(capsys: pytest.CaptureFixture[str]) -> None:
    script = run(["completion", "bash"], capsys)[1]
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


def test_without_argcomplete_the_extra_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "argcomplete", None)
    code, _, err = run(["completion", "bash"], capsys)
    assert code == 2
    assert 'pip install "zeroshot-restore[completion]"' in err
