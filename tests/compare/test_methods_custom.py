"""Methods from a user's file: what is filled in, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zeroshot.compare.method import Case, Method
from zeroshot.compare.specification import method_from

ADAPTERS = '''
from __future__ import annotations

from dataclasses import dataclass

from neighbour import TWO


class Copy:
    """The least that a method can be."""

    def restore(self, image, task):
        return image


@dataclass
class Scaled:
    gain: float
    prepared: bool = False
    name = "scaled"

    def prepare(self):
        self.prepared = True

    def supports(self, case):
        return None if case.task == "denoise" else "noise only"

    def restore(self, image, task):
        return self.gain * TWO * image


class Nothing:
    def __init__(self):
        self.name = 3

    def restore(self, image, task):
        return image


class Picky(Copy):
    def __init__(self, kind):
        self.kind = {"known": 1}[kind]


class Idle:
    pass
'''


@pytest.fixture
def file(tmp_path) -> Path:
    (tmp_path / "neighbour.py").write_text("TWO = 2")
    path = tmp_path / "adapters.py"
    path.write_text(ADAPTERS)
    return path


@pytest.fixture
def case() -> Case:
    return Case.of(np.zeros((8, 8), np.float32), "denoise", {"sigma": 0.1})


def test_what_a_class_leaves_out_is_filled_in(file, case):
    method = method_from(f"python:{file}:Copy")
    assert isinstance(method, Method)
    assert method.name == "Copy"
    assert method.supports(case) is None
    method.prepare()
    image = np.ones((8, 8), np.float32)
    np.testing.assert_array_equal(method.restore(image, case), image)


def test_what_a_class_has_is_used(file, case):
    method = method_from(f"python:{file}:Scaled[gain=1.5]")
    assert method.name == "scaled"
    method.prepare()
    assert method.restorer.prepared
    assert method.supports(Case.of(np.zeros((8, 8), np.float32), "sr", {"scale": 2})) == "noise only"
    np.testing.assert_array_equal(method.restore(np.ones((8, 8)), case), np.full((8, 8), 3.0))
    assert method_from(f"mine=python:{file}:Scaled[gain=1]").name == "mine"


def test_a_file_is_run_once(file):
    first, second = (method_from(f"python:{file}:Copy").restorer for _ in range(2))
    assert type(first) is type(second)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("Coppy", "did you mean 'Copy'.*there are: Copy, Nothing, Picky, Scaled"),
        ("Scaled", "missing a required argument: 'gain'; it takes gain, prepared"),
        ("Scaled[gain=1,gian=2]", "unexpected keyword argument 'gian'; it takes gain, prepared"),
        ("Copy[a=1]", "it takes nothing"),
        ("Idle", "has no restore"),
        ("Picky[kind=other]", "cannot be built: KeyError: 'other'"),
        ("Nothing", "must be a text, got 3"),
    ],
)
def test_what_is_not_right_is_said_in_one_line(target, said, file):
    with pytest.raises(ValueError, match=said) as error:
        method_from(f"python:{file}:{target}")
    assert "\n" not in str(error.value)


def test_a_file_without_a_class_is_refused(file):
    with pytest.raises(ValueError, match=r"FILE\.py:CLASS"):
        method_from(f"python:{file}")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*none\.py"):
        method_from(f"python:{tmp_path}/none.py:Copy")


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        ("x = (", ValueError, "cannot be run: SyntaxError"),
        ("1 / 0", ValueError, "cannot be run: ZeroDivisionError"),
        ("raise SystemExit(0)", ValueError, "cannot be run: SystemExit: 0"),
        ("def Copy(): raise SystemExit(0)", ValueError, "cannot be built: SystemExit: 0"),
        ("import a_library_that_is_missing", ImportError, "a_library_that_is_missing"),
    ],
)
def test_a_file_that_cannot_be_run_is_said(content, kind, said, tmp_path):
    (tmp_path / "broken.py").write_text(content)
    for _ in range(2):
        with pytest.raises(kind, match=said):
            method_from(f"python:{tmp_path}/broken.py:Copy")
