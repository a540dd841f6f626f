"""Images on a cluster: the files of one process, and a worker that dies costs no image."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.cli.commands import run
from tests.cli.moody_work import MoodyWork
from zeroshot.cli import cluster as command_cluster
from zeroshot.cli.answers import NotPreparedError
from zeroshot.cli.batch import over_images
from zeroshot.cli.cluster import Cluster

distributed = pytest.importorskip("distributed", reason="clusters need the extra cluster")
from distributed.utils import get_mp_context  # noqa: E402

# Sockets and loops of Dask's are closed after the test, when they are collected.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A scheduler with two workers, which the tests of this file share."""
    import dask

    settings = {
        # A worker that dies three times with an image has died of it; once is enough for a test.
        "distributed.scheduler.allowed-failures": 1,
        # Workers, and those that come for the ones that died, are forks of a process that has loaded all of it.
        "distributed.worker.multiprocessing-method": "forkserver",
    }
    with dask.config.set(settings):
        get_mp_context().set_forkserver_preload(
            ["distributed", "torch", "zeroshot.cli.cluster", "zeroshot.solve"]
        )
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as workers:
            yield workers


@pytest.fixture
def address(cluster: Any) -> str:
    """That of the scheduler, when others have come for the workers that a test before has killed."""
    end = time.monotonic() + 120
    while len(cluster.scheduler.workers) < 2:
        assert time.monotonic() < end, "no worker has come for one that died"
        time.sleep(0.02)
    return cluster.scheduler_address


def over(address: str, folder: Path, names: list[str]) -> int:
    work = MoodyWork(folder)
    with Cluster(work, address, 2) as cluster:
        return over_images([(Path(name), name) for name in names], work, processes=cluster)


def test_every_image_is_done_by_the_workers_and_its_lines_stay_together(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"good-{number}" for number in range(8)]
    assert over(address, tmp_path, names) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert os.getpid() not in {int(path.read_text().split()[0]) for path in tmp_path.iterdir()}
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert sorted(lines[::2]) == [f"{name}: first line" for name in names]
    assert lines[1::2] == [line.replace("first", "second") for line in lines[::2]]
    assert captured.err == "zeroshot: how goods are gone about\n"


def test_an_image_whose_worker_dies_is_gone_on_with_by_another(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert over(address, tmp_path, ["mortal-0", "good-1", "good-2"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good-1", "good-2", "mortal-0"]
    assert "mortal-0: gone on with" in capsys.readouterr().out


def test_an_image_that_workers_die_of_is_one_that_failed(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert over(address, tmp_path, ["good-0", "killed-1", "refused-2"]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["good-0"]
    error = capsys.readouterr().err
    assert "zeroshot: error: killed-1: several workers have died of it\n" in error
    assert "zeroshot: error: refused-2: a bad mood\n" in error
    assert error.endswith("2 of 3 images failed: killed-1, refused-2\n")


def test_what_cannot_be_prepared_is_told_before_any_image(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(NotPreparedError) as caught, Cluster(MoodyWork(tmp_path, "badly"), address, 2):
        raise AssertionError
    assert caught.value.code == 2
    assert capsys.readouterr().err == "zeroshot: error: no such prior\n"


def test_workers_of_another_version_and_without_the_files_are_refused(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_cluster, "__version__", "0.0.1")
    with pytest.raises(NotPreparedError), Cluster(MoodyWork(tmp_path), address, 2):
        raise AssertionError
    error = capsys.readouterr().err
    assert "and here is 0.0.1: install the same everywhere" in error
    monkeypatch.setattr(command_cluster.os, "getcwd", lambda: "/nowhere/at/all")
    with pytest.raises(NotPreparedError), Cluster(MoodyWork(tmp_path), address, 2):
        raise AssertionError
    assert "a worker does not see /nowhere/at/all" in capsys.readouterr().err


def test_mistakes_are_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "b.png"):
        Image.linear_gradient("L").resize((32, 32)).save(tmp_path / name)
    monkeypatch.setattr(command_cluster, "_SECONDS_TO_CONNECT", 1)
    words = ["denoise", tmp_path, "-o", tmp_path / "done", "--prior", "tv", "--scheduler"]
    code, _, err = run([*words, "tcp://127.0.0.1:9"], capsys)
    assert (code, err.count("\n")) == (2, 1)
    assert "no Dask scheduler answers at tcp://127.0.0.1:9: start one with 'dask scheduler'" in err
    code, _, err = run(["denoise", tmp_path / "a.png", "--scheduler", "local"], capsys)
    assert (code, "--scheduler goes with several images" in err) == (2, True)
    monkeypatch.setitem(sys.modules, "distributed", None)
    code, _, err = run([*words, "local"], capsys)
    assert code == 2
    assert 'pip install "zeroshot-restore[cluster]"' in err


def test_workers_here_keep_the_memory_that_they_will_ask_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    import dask

    told: list[dict[str, int]] = []

    @contextmanager
    def local(**_: Any) -> Iterator[None]:
        told.append(dict(dask.config.get("distributed.nanny.pre-spawn-environ")))
        yield

    before = dict(dask.config.get("distributed.nanny.pre-spawn-environ"))
    monkeypatch.setattr(distributed, "LocalCluster", local)
    with command_cluster._local(distributed, 2):
        pass
    assert told[0]["MALLOC_TRIM_THRESHOLD_"] > before["MALLOC_TRIM_THRESHOLD_"]
    assert set(before) <= set(told[0])
    assert dask.config.get("distributed.nanny.pre-spawn-environ") == before


def noisy_folder(folder: Path, count: int, side: int) -> Path:
    folder.mkdir()
    draw = np.random.default_rng(0)
    for number in range(count):
        pixels = draw.normal(128, 20, (side, side)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def test_the_bytes_are_those_of_one_thread_here(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = noisy_folder(tmp_path / "in", 4, 48)
    options = ["--prior", "tv", "--sigma", "20"]
    for name, how in (("here", ["--threads", "1"]), ("there", ["--scheduler", address])):
        code, _, err = run(["denoise", folder, "-o", tmp_path / name, *options, *how], capsys)
        assert code == 0, err
    for path in (tmp_path / "here").iterdir():
        assert np.array_equal(
            np.asarray(Image.open(path)), np.asarray(Image.open(tmp_path / "there" / path.name))
        )


@pytest.mark.slow
def test_a_worker_killed_in_the_midst_of_an_image_costs_no_image_and_no_byte(tmp_path: Path) -> None:
    folder = noisy_folder(tmp_path / "in", 3, 64)
    zeroshot = [sys.executable, "-m", "zeroshot", "denoise", str(folder), "--sigma", "20", "--prior", "dip"]
    zeroshot += ["--set", "iterations=600", "--checkpoint-seconds", "0"]
    done, expected = tmp_path / "done", tmp_path / "expected"
    subprocess.run([*zeroshot, "-o", str(expected), "--threads", "1", "--quiet"], check=True)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as workers:
        pids = {worker.pid for worker in workers.workers.values()}
        command = subprocess.Popen(
            [*zeroshot, "-o", str(done), "--scheduler", workers.scheduler_address],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

        def kill_one() -> None:
            while command.poll() is None and not list(done.glob("*.checkpoint")):
                time.sleep(0.05)
            os.kill(min(pids), signal.SIGKILL)

        killer = threading.Thread(target=kill_one)
        killer.start()
        _, err = command.communicate(timeout=900)
        killer.join()
    assert command.returncode == 0, err
    assert sorted(path.name for path in done.iterdir()) == ["0.png", "1.png", "2.png"]
    for path in expected.iterdir():
        assert np.array_equal(np.asarray(Image.open(path)), np.asarray(Image.open(done / path.name)))
