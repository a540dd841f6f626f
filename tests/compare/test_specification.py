"""Methods as text: what is read, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from zeroshot import prior_names
from zeroshot.compare import specification
from zeroshot.compare.method import Method
from zeroshot.compare.specification import method_from, parse, split

ADAPTER = """
class Copy:
    def __init__(self, gain=1.0, path=None):
        self.gain, self.path = gain, path

    def restore(self, image, task):
        return self.gain * image
"""


@pytest.mark.parametrize("name", prior_names())
def test_every_prior_is_a_method_under_its_own_name(name):
    method = method_from(name)
    assert method.name == name
    assert isinstance(method, Method)


@pytest.mark.parametrize("name", ["nearest", "bilinear", "bicubic", "lanczos", "none", "first"])
def test_every_baseline_is_a_method_under_its_own_name(name):
    method = method_from(name)
    assert method.name == name
    assert isinstance(method, Method)


def test_settings_are_read_as_python_writes_them():
    wanted = parse("dip[channels=64, learning_rate=1e-3, recipe=fast, sizes=(1, 2), other=None, x=[1,2]]")
    assert (wanted.kind, wanted.target) == ("prior", "dip")
    assert wanted.options == {
        "channels": 64,
        "learning_rate": 1e-3,
        "recipe": "fast",
        "sizes": (1, 2),
        "other": None,
        "x": [1, 2],
    }


def test_a_label_renames_whatever_follows(tmp_path):
    file = tmp_path / "adapter.py"
    file.write_text(ADAPTER)
    assert method_from("quick one=tv[iterations=50]").name == "quick one"
    assert method_from("cubic=bicubic").name == "cubic"
    assert method_from(f"mine=python:{file}:Copy").name == "mine"
    assert method_from("tv[iterations=50,label=quick]").name == "quick"


def test_two_of_one_prior_have_different_names():
    assert method_from("tv[iterations=50]").name != method_from("tv[iterations=60]").name


def test_commas_in_brackets_and_quotes_part_nothing():
    text = "dip[channels=64,sizes=(1,2)], bicubic,x=python:a.py:B[word='a,b'],"
    assert split(text) == ["dip[channels=64,sizes=(1,2)]", "bicubic", "x=python:a.py:B[word='a,b']"]


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ('"a, b.pb"', "a, b.pb"),
        ("'it, \"too\".pb'", 'it, "too".pb'),
        ('"a, b.py":Mine', "a, b.py:Mine"),
        ("it's.pb", "it's.pb"),
    ],
)
def test_a_file_name_with_commas_stands_in_quotes(text, target):
    first, second = split(f"m=opencv:{text}[scale=2],tv") if "s.pb" not in text else (f"opencv:{text}", "tv")
    assert parse(first).target == target
    assert second == "tv"


def test_a_file_may_have_equals_signs_and_brackets_in_its_name():
    wanted = parse("onnx:/models/a=b[1].onnx")
    assert (wanted.label, wanted.kind, wanted.target) == (None, "onnx", "/models/a=b[1].onnx")
    assert parse("python:C:\\mine.py:Net[a=1]").target == "C:\\mine.py:Net"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dipp", "did you mean 'dip'"),
        ("", "names no method"),
        ("fast=", "names no method"),
        ("tv[foo=1]", "no setting 'foo'"),
        ("tv[iterations=1,iterations=2]", "iterations twice"),
        ("tv[3]", "KEY=VALUE"),
        ("tv[iterations=3", "brackets"),
        ("tv]", "without a '\\['"),
        ("tv[a=1]b", "brackets that do not end it"),
        ("bicubic[a=1]", "has no options"),
        ("model.onnx", "how it is run: onnx:"),
        ("onx:model.onnx", "did you mean 'onnx'"),
        ("onnx:", "names no file"),
        ("tv[label=3]", "label must be a text"),
    ],
)
def test_what_is_not_right_is_said_in_one_line(text, said):
    with pytest.raises(ValueError, match=said) as error:
        method_from(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["onnx", "opencv", "torchscript", "spandrel"])
def test_a_missing_file_is_named(kind, tmp_path):
    file = tmp_path / "FSRCNN_x4.pb"
    with pytest.raises(FileNotFoundError, match=r"there is no file .*FSRCNN_x4\.pb"):
        method_from(f"{kind}:{file}")


@pytest.mark.parametrize(
    ("kind", "package", "extra"),
    [("onnx", "onnxruntime", "onnx"), ("opencv", "cv2", "opencv"), ("spandrel", "spandrel", "spandrel")],
)
def test_a_missing_library_names_its_extra(kind, package, extra, tmp_path, monkeypatch):
    import sys

    file = tmp_path / "FSRCNN_x4.pb"
    file.write_bytes(b"weights")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf'pip install "zeroshot-restore\[{extra}\]"'):
        method_from(f"{kind}:{file}")


def test_nothing_is_loaded_by_a_check(tmp_path: Path):
    file = tmp_path / "broken.pt"
    file.write_bytes(b"these are no weights")
    method_from(f"torchscript:{file}[channels=grey]")
    with pytest.raises(ValueError, match=r"broken\.pt is no TorchScript"):
        method_from(f"torchscript:{file}").prepare()


def test_the_examples_in_the_documentation_hold():
    import doctest

    assert doctest.testmod(specification).failed == 0
