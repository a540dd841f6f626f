"""Messages that name arguments, in the words of Python and of the command line."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from zeroshot import images
from zeroshot.files import write_atomically
from zeroshot.operators import Blur, Downsample
from zeroshot.spelling import (
    Argument,
    OptionError,
    OptionTypeError,
    Text,
    Wording,
    flag,
    for_command_line,
    prefixed,
)
from zeroshot.tasks import make_problem


def raised(call, *arguments, **options) -> Exception:
    with pytest.raises((ValueError, TypeError, OSError)) as caught:
        call(*arguments, **options)
    return caught.value


def test_an_argument_is_spelled_in_both_ways() -> None:
    alone, asked, given = (
        Argument("kernel_sigma"),
        Argument("kernel_sigma", ...),
        Argument("kernel", "gaussian"),
    )
    assert [str(one) for one in (alone, asked, given)] == [
        "kernel_sigma",
        "kernel_sigma=…",
        "kernel='gaussian'",
    ]
    typed = [one.for_command_line() for one in (alone, asked, given)]
    assert typed == ["--kernel-sigma", "--kernel-sigma", "--kernel gaussian"]
    assert flag("salt_pepper") == "--salt-pepper"


def test_an_error_names_its_argument_and_survives_another_process() -> None:
    error = OptionError(
        "a ", Wording("Python", "command"), " with ", Argument("scale", 4), Text(" and ", "{}")
    )
    for one in (error, pickle.loads(pickle.dumps(error))):
        assert str(one) == "a Python with scale=4 and {}"
        assert for_command_line(one) == "a command with --scale 4 and {}"
        assert one.argument == "scale"
    assert for_command_line(ValueError("two\nlines")) == "two lines"


def test_a_prefix_keeps_the_kind_of_an_error() -> None:
    for kind, expected in ((OptionError, ValueError), (OptionTypeError, TypeError)):
        error = prefixed("a.png: ", kind(Argument("sigma"), " must be"))
        assert isinstance(error, expected)
        assert (str(error), for_command_line(error)) == ("a.png: sigma must be", "a.png: --sigma must be")
    assert str(prefixed("a: ", ValueError("b"))) == "a: b"


def test_the_engine_says_the_same_in_both_ways(tmp_path: Path) -> None:
    photo = images.load(np.full((16, 16, 3), 0.5))
    (tmp_path / "a.png").write_bytes(b"")
    for error, python, command_line in [
        (raised(images.load, np.ones((8, 8)), value_range=(2, 1)), "value_range must be", "--range must be"),
        (
            raised(make_problem, "inpaint", photo, {"mask": "alpha"}),
            "mask='alpha' needs an image",
            "--mask alpha needs an image",
        ),
        (
            raised(make_problem, "sr", photo, {"scale": 2, "kernel": "gaussian"}),
            "kernel='gaussian' needs kernel_sigma=…: its",
            "--kernel gaussian needs --kernel-sigma: its",
        ),
        (
            raised(make_problem, "denoise", photo, {"data_term": "magic"}),
            "data_term must be 'gaussian', 'poisson', 'l1', 'huber' or a DataTerm, got 'magic'",
            "--data-term must be 'gaussian', 'poisson', 'l1' or 'huber', got 'magic'",
        ),
        (
            raised(write_atomically, tmp_path / "a.png", b"", overwrite=False),
            "a.png: exists already; choose another name or pass overwrite=True",
            "a.png: exists already; choose another name or use --overwrite",
        ),
        (
            raised(Blur.gaussian(9).output_shape, (1, 1, 8, 8)),
            "take boundary='replicate'",
            "take --boundary replicate",
        ),
        (raised(Downsample, 2, "cubic"), "or an array of weights", "or the name of a file"),
    ]:
        assert python in str(error)
        assert command_line in for_command_line(error)


def test_what_is_no_argument_is_left_alone() -> None:
    missing = raised(images.load, "/data/value_range.png")
    assert for_command_line(missing) == str(missing)
    assert str(missing).startswith("/data/value_range.png: ")
