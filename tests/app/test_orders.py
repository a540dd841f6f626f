"""What is filled in on the page, and what that is in Python and on the command line."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

import zeroshot
from zeroshot.app.orders import advanced_fields, order_of, prior_tables, setting_table, task_tables
from zeroshot.app.wording import RefusedError, in_words
from zeroshot.cli.parser import parse_arguments
from zeroshot.cli.task_options import task_values
from zeroshot.spelling import Argument, OptionError

FORMS: list[dict[str, Any]] = [
    {"task": "denoise"},
    {"task": "denoise", "prior": "tv", "options": {"sigma": "25", "strength": "1.2", "outliers": "none"}},
    {"task": "denoise", "prior": "best", "seconds": "60", "options": {"sigma": "auto"}},
    {"task": "destripe", "options": {"direction": "rows", "sigma": "0"}},
    {"task": "inpaint", "options": {"mask": "#ff00ff"}, "seed": "7"},
    {"task": "inpaint", "options": {"mask": "alpha", "invert_mask": "false"}, "prior": "fast"},
    {"task": "sr", "options": {"scale": "4", "kernel": "gaussian", "kernel_sigma": "1.6"}},
    {"task": "colorize", "options": {"luma": "bt709"}},
    {"task": "demosaic", "options": {"pattern": "BGGR"}},
    {"task": "deblur", "options": {"kernel": "motion=15, angle=30"}, "settings": {"iterations": "40"}},
    {"task": "sharpen", "options": {"radius": "1.5"}},
    {"task": "jpeg", "options": {"quality": "30", "subsampling": "4:2:0"}},
    {"task": "restore", "options": {"operator": "mosaic(RGGB) @ downsample(2)"}, "prior": "tv"},
    {"task": "denoise", "tile": "64", "samples": "3", "value_range": "-100,900", "prior": "dip"},
    {"task": "denoise", "tile": "none", "samples": "", "value_range": "0,4095"},
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form["task"])
def test_the_command_means_what_was_filled_in(form: dict[str, Any]) -> None:
    order = order_of(form, {})
    words = shlex.split(order.as_command("my photo.png"))
    assert words[0] == "zeroshot"
    options = parse_arguments(words[1:])
    assert task_values(options) == order.options
    assert options.command == order.task
    assert [str(path) for path in options.inputs] == ["my photo.png"]
    assert dict(options.settings) == order.settings
    assert (options.prior, options.seconds, options.seed) == (order.prior, order.seconds, order.seed)
    assert (options.tile, options.samples, options.value_range) == (
        *(order.tile, order.samples, order.value_range),
    )


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form["task"])
def test_the_python_means_what_was_filled_in(form: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    order, called = order_of(form, {}), []

    class Saved:
        def save(self, path: str) -> None:
            called.append(path)

    def restored(image: str, **arguments: Any) -> Saved:
        called.append((image, arguments))
        return Saved()

    monkeypatch.setitem(vars(zeroshot), order.task, restored)
    exec(order.as_python("my photo.png"), {})
    (image, arguments), output = called
    wanted = dict(order.options)
    wanted |= {} if order.prior is None else {"prior": order.prior}
    wanted |= {"settings": order.settings} if order.settings else {}
    wanted |= {} if order.seconds is None else {"seconds": order.seconds}
    wanted |= {"seed": order.seed} if order.seed else {}
    wanted |= {} if order.tile == "auto" else {"tile": order.tile}
    wanted |= {} if order.samples == 1 else {"samples": order.samples}
    wanted |= {} if order.value_range is None else {"value_range": order.value_range}
    assert image == "my photo.png"
    assert arguments == pytest.approx(wanted) if "sigma" in wanted else arguments == wanted
    assert output == order.output("my photo.png")


def test_every_option_of_every_task_has_its_field() -> None:
    tables = {table["name"]: table for table in task_tables()}
    assert [*tables] == [*zeroshot.tasks()]
    for name, task in zeroshot.tasks().items():
        fields = tables[name]["fields"]
        assert [field["name"] for field in fields] == [option.name for option in task.options]
        assert all(field["text"] and "--" not in field["text"] for field in fields)
        # A choice is made among its words, its default among them.
        for field in fields:
            assert field["widget"] != "choice" or field["default"] in ("", *field["words"])


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder that weights may lie in, empty."""
    pooch = pytest.importorskip("pooch", reason="needs the extra generators")
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache")
    monkeypatch.setenv("ZEROSHOT_WEIGHTS", str(tmp_path))
    return tmp_path


def test_priors_that_need_weights_say_so_where_none_are_installed(shelf: Path) -> None:
    lacks = {row["name"]: row["lacks"] for row in prior_tables()}
    assert not any(lacks[name] for name in ("tv", "bm3d", "dip", "auto"))
    for name in ("pulse", "inversion", "mgan", "latent"):
        assert "none are installed: 'zeroshot weights list' lists them" in lacks[name]
        with pytest.raises(RefusedError, match=f"prior '{name}' needs weights, and none are installed"):
            order_of({"task": "sr", "options": {"scale": "4"}, "prior": name}, {})


def test_priors_that_need_weights_are_given_the_installed_ones(shelf: Path) -> None:
    for file in ("metfaces.pkl", "ffhq.pkl", "ffhq.pkl.sha256"):
        (shelf / file).write_bytes(b"")
    assert not any(row["lacks"] for row in prior_tables())
    names = ["stylegan2-ada-ffhq-1024", "stylegan2-ada-metfaces-1024"]
    (row,) = (row for row in setting_table("pulse") if row["name"] == "weights")
    assert (row["words"], row["default"]) == (names, names[0])
    form = {"task": "sr", "options": {"scale": "4"}, "prior": "pulse"}
    order = order_of(form, {})
    assert order.settings == {"weights": names[0]}
    assert f"--set weights={names[0]}" in order.as_command("a.png")
    assert order_of({**form, "settings": {"weights": names[1]}}, {}).settings["weights"] == names[1]
    # Nothing is downloaded, no file is read that was not installed, and no code is run.
    for word in ("stylegan2-ffhq-256", "mine.pkl", "python:mine.py:made"):
        for setting in ("weights", "mapping"):
            with pytest.raises(RefusedError, match="there is no installed weights"):
                order_of({**form, "settings": {setting: word}}, {})


def test_settings_of_a_prior_are_told_with_what_they_mean() -> None:
    rows = {row["name"]: row for row in setting_table("tv")}
    assert rows["iterations"]["default"] == "2000"
    assert "duality gap" in rows["tolerance"]["text"]


@pytest.mark.parametrize(
    ("name", "word", "said"),
    [
        ("tile", "8", "tile must be 'auto', 'none' or a whole number of at least 32"),
        ("samples", "0", "samples must be a whole number from 1 to 1000"),
        ("value_range", "9", "value range must be two numbers LOW,HIGH"),
    ],
)
def test_an_advanced_field_that_does_not_fit_is_refused_at_its_place(name: str, word: str, said: str) -> None:
    with pytest.raises(RefusedError, match=said) as caught:
        order_of({"task": "denoise", name: word}, {})
    assert caught.value.field == name
    assert name in [row["name"] for row in advanced_fields()]


def test_what_was_painted_stands_where_no_words_do() -> None:
    layers = {"mask": "photo.mask.png", "hints": "photo.hints.png"}
    assert order_of({"task": "inpaint"}, layers).options == {"mask": "photo.mask.png"}
    assert order_of({"task": "inpaint", "options": {"mask": "alpha"}}, layers).options == {"mask": "alpha"}
    assert order_of({"task": "colorize"}, layers).options == {"hints": "photo.hints.png"}


def test_the_shells_of_windows_are_given_double_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    form = {"task": "deblur", "options": {"kernel": "motion=15, angle=30"}, "settings": {"iterations": "40"}}
    assert order_of(form, {}).as_command("my photo.png") == (
        'zeroshot deblur "my photo.png" --kernel "motion=15, angle=30" --set iterations=40'
    )


def test_settings_go_with_a_prior_that_is_named() -> None:
    with pytest.raises(RefusedError, match="chosen by its name") as caught:
        order_of({"task": "denoise", "prior": "fast", "settings": {"iterations": "3"}}, {})
    assert caught.value.field == "prior"


def test_messages_name_fields_and_hide_what_is_obeyed() -> None:
    error = OptionError(
        Argument("kernel_sigma", ...), " goes with ", Argument("kernel", "gaussian"), "\n\x1b[2J"
    )
    assert in_words(error) == "kernel sigma goes with kernel gaussian \\u001b[2J"
