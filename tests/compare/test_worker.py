"""Processes of methods: what a method does to its own process costs one image and nothing else."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from zeroshot.compare import compare
from zeroshot.compare import comparison as comparison_module
from zeroshot.compare.attempt import AttemptResult, Job
from zeroshot.compare.compared_methods import compared_methods
from zeroshot.compare.process import WorkerProcess
from zeroshot.compare.store_images import as_picture
from zeroshot.compare.worker import Setup

#: What the method does is told by the brightness of the image.
NORMAL, RAISES, KILLED, SLEEPS, GREEDY, EXITS, CRASHES = range(7)
SOURCE = """
import ctypes, os, signal, subprocess, sys, time
import numpy as np
import torch

class Moody:
    name = "moody"

    def __init__(self, loading="well"):
        if loading == "badly":
            raise RuntimeError("no weights")
        self.loading = loading

    def prepare(self):
        if self.loading == "never":
            os.kill(os.getpid(), signal.SIGKILL)

    def restore(self, image, case):
        print("a word on stdout", flush=True)
        mood = round(float(image.mean()) * 100)
        assert sys.stdin.read() == ""
        if mood == 1:
            raise ValueError("a bad\\nmood")
        if mood == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        if mood == 3:
            child = subprocess.Popen(["sleep", "600"])
            with open(os.path.join(os.path.dirname(__file__), "child"), "w") as file:
                file.write(str(child.pid))
            time.sleep(600)
        if mood == 4:
            return np.ones(2**33)
        if mood == 5:
            os._exit(3)
        if mood == 6:
            ctypes.string_at(0)
        case.note("pid", os.getpid())
        case.note("threads", torch.get_num_threads())
        return image
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    file = tmp_path / "moody.py"
    file.write_text(SOURCE)
    return file


@pytest.fixture
def worker(script: Path, tmp_path: Path) -> Iterator[WorkerProcess]:
    setup = Setup(f"python:{script}:Moody", 1, 2**30)
    process = WorkerProcess(setup, tmp_path / "logs" / "moody.txt")
    yield process
    process.close()


def job(mood: int) -> Job:
    return Job(as_picture(torch.full((1, 1, 8, 8), mood / 100)), "denoise", {"sigma": 0.1})


def check_normal(result: AttemptResult) -> int:
    assert result.status == "done"
    assert result.image is not None
    assert np.array_equal(result.image, np.zeros((8, 8), np.float32))
    assert result.seconds is not None
    assert result.seconds < 200
    assert result.memory_mib is not None
    assert 50 < result.memory_mib < 2000
    assert result.notes["threads"] == 1
    return result.notes["pid"]


def test_one_process_for_all_images_and_another_after_a_kill(worker: WorkerProcess, tmp_path: Path) -> None:
    # Starting Python and torch takes longer than that, and is no part of the restoration.
    first = check_normal(worker.attempt(job(NORMAL), 1.0))
    assert check_normal(worker.attempt(job(NORMAL), None)) == first != os.getpid()
    killed = worker.attempt(job(KILLED), None)
    assert killed.status == "crashed"
    assert "SIGKILL" in killed.reason
    assert check_normal(worker.attempt(job(NORMAL), 60.0)) != first
    greedy = worker.attempt(job(GREEDY), None)
    assert greedy.status == "memory"
    assert "Memory" in greedy.reason
    assert "a word on stdout" in (tmp_path / "logs" / "moody.txt").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mood", "status", "reason"),
    [
        (RAISES, "failed", "ValueError: a bad mood"),
        (EXITS, "crashed", "its process ended with exit code 3"),
        (CRASHES, "crashed", "its process died of SIGSEGV"),
    ],
)
def test_every_end_has_its_reason(mood: int, status: str, reason: str, worker: WorkerProcess) -> None:
    result = worker.attempt(job(mood), None)
    assert (result.status, result.reason) == (status, reason)
    check_normal(worker.attempt(job(NORMAL), None))


@pytest.mark.slow
def test_a_sleeper_is_ended_with_what_it_started(worker: WorkerProcess, tmp_path: Path) -> None:
    check_normal(worker.attempt(job(NORMAL), None))
    result = worker.attempt(job(SLEEPS), 1.0)  # it would sleep for 600 s
    assert (result.status, result.reason) == ("timeout", "ended after 1 s without a result")
    child = Path(f"/proc/{(tmp_path / 'child').read_text()}/stat")
    assert not child.exists() or child.read_text().split()[2] == "Z"
    check_normal(worker.attempt(job(NORMAL), None))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loading", "status", "reason"),
    [
        ("badly", "failed", "could not be loaded: "),
        ("never", "crashed", "its process died while the method was loaded"),
    ],
)
def test_what_cannot_be_loaded_is_tried_once(
    loading: str,
    status: str,
    reason: str,
    script: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setup = Setup(f"python:{script}:Moody[loading={loading}]", None, None)
    process = WorkerProcess(setup, tmp_path / "log.txt")
    result = process.attempt(job(NORMAL), None)
    assert result.status == status
    assert reason in result.reason
    monkeypatch.setattr(multiprocessing, "get_context", None)  # no second process is started
    assert process.attempt(job(NORMAL), None) == result


@pytest.mark.slow
def test_an_object_that_can_be_pickled_has_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_methods.py").write_text(
        "import os\n"
        "class Own:\n"
        "    name = 'own'\n"
        "    def supports(self, case): return None\n"
        "    def restore(self, image, case):\n"
        "        case.note('pid', os.getpid())\n"
        "        return image\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(comparison_module, "write_report", lambda table, folder: None)
    import own_methods  # type: ignore[import-not-found]

    picture = np.full((16, 16), 99, np.uint8)
    table = compare(
        {"a": picture}, "denoise", [own_methods.Own()], options={"sigma": 0.1}, report=tmp_path / "out"
    )
    assert table.cells[0].status == "done"
    assert table.cells[0].notes["pid"] != os.getpid()


@pytest.mark.slow
@pytest.mark.parametrize("guard", ["if __name__ == '__main__':", "if True:"])
def test_a_method_of_the_script_itself(guard: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os\n"
        "import numpy as np\n"
        "from zeroshot.compare import compare\n"
        "class Own:\n"
        "    name = 'own'\n"
        "    def supports(self, case): return None\n"
        "    def restore(self, image, case):\n"
        "        case.note('pid', os.getpid())\n"
        "        return image\n"
        f"{guard}\n"
        "    picture = np.full((16, 16), 99, np.uint8)\n"
        f"    folder = {str(tmp_path / 'out')!r}\n"
        "    options = {'sigma': 0.1}\n"
        "    table = compare({'a': picture}, 'denoise', [Own()], options=options, report=folder)\n"
        "    print(table.cells[0].status, table.cells[0].notes['pid'] == os.getpid())\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=300, check=True
    )
    if "__main__" in guard:
        assert done.stdout.split() == ["done", "False"]
    else:
        assert done.stdout.split() == ["done", "True"]
        assert "if __name__ == '__main__'" in done.stderr


@pytest.mark.slow
def test_a_script_without_its_method_is_not_run_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np\n"
        "from zeroshot.compare import compare\n"
        "print('run')\n"
        "picture = np.full((16, 16), 99, np.uint8)\n"
        f"folder = {str(tmp_path / 'out')!r}\n"
        "table = compare({'a': picture}, 'denoise', 'first,tv[iterations=2]', options={'sigma': 0.1}, report=folder)\n"
        "print(*[cell.status for cell in table.cells])\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stdout.split() == ["run", "done", "done"]
    assert done.stderr == ""


@pytest.mark.slow
def test_an_idle_worker_ends_with_the_one_who_feeds_it(script: Path, tmp_path: Path) -> None:
    feeder = tmp_path / "feeder.py"
    feeder.write_text(
        "import time\n"
        "from pathlib import Path\n"
        "import torch\n"
        "from zeroshot.compare.attempt import Job\n"
        "from zeroshot.compare.process import WorkerProcess\n"
        "from zeroshot.compare.store_images import as_picture\n"
        "from zeroshot.compare.worker import Setup\n"
        f"worker = WorkerProcess(Setup('python:{script}:Moody', 1, None), Path({str(tmp_path / 'log')!r}))\n"
        "job = Job(as_picture(torch.zeros(1, 1, 8, 8)), 'denoise', {'sigma': 0.1})\n"
        "print(worker.attempt(job, None).notes['pid'], flush=True)\n"
        "time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, str(feeder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    worker = Path(f"/proc/{int(process.stdout.readline())}/stat")
    assert worker.exists()
    process.kill()
    process.wait()
    deadline = time.monotonic() + 300
    while worker.exists() and worker.read_text().split()[2] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_the_environment_is_as_before(worker: WorkerProcess) -> None:
    before = dict(os.environ)
    check_normal(worker.attempt(job(NORMAL), None))
    assert dict(os.environ) == before


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 always looks in the current folder first")
def test_files_in_the_current_folder_are_no_modules_of_the_worker(
    worker: WorkerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "queue.py").write_text("raise SystemExit('the wrong module')")
    monkeypatch.chdir(tmp_path)
    check_normal(worker.attempt(job(NORMAL), None))


def test_what_an_object_was_told_is_part_of_what_it_is() -> None:
    class Own:
        name = "own"

        def __init__(self, strength: float, net: object = None) -> None:
            self.strength, self.net = strength, net

        def supports(self, case: object) -> None: ...
        def restore(self, image: np.ndarray, task: object) -> np.ndarray:
            return image

    def identity(method: Own) -> str:
        return compared_methods([method])[0].identity

    assert identity(Own(1)) == identity(Own(1))
    assert identity(Own(1)) != identity(Own(2))
    assert identity(Own(1, object())) == identity(Own(1, object()))
