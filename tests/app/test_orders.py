"""What is filled in on the page, and what that is in Python and on the command line."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

import zeroshot
from zeroshot.app.orders import order_of, prior_tables, setting_table, task_tables
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


def test_priors_that_need_weights_are_not_offered() -> None:
    names = {row["name"] for row in prior_tables()}
    assert {"tv", "bm3d", "dip", "auto"} <= names
    assert not {"pulse", "inversion", "mgan", "latent"} & names
    rows = {row["name"]: row for row in setting_table("tv")}
    assert rows["iterations"]["default"] == "2000"
    assert "duality gap" in rows["tolerance"]["text"]


def test_what_was_painted_stands_where_no_words_do() -> None:
    layers = {"mask": "photo.mask.png", "hints": "photo.hints.png"}
    assert order_of({"task": "inpaint"}, layers).options == {"mask": "photo.mask.png"}
    assert order_of({"task": "inpaint", "options": {"mask": "alpha"}}, layers).options == {"mask": "alpha"}
    assert order_of({"task": "colorize"}, layers).options == {"hints": "photo.hints.png"}


def test_settings_go_with_a_prior_that_is_named() -> None:
    with pytest.raises(RefusedError, match="chosen by its name") as caught:
        order_of({"task": "denoise", "prior": "fast", "settings": {"iterations": "3"}}, {})
    assert caught.value.field == "prior"


def test_messages_name_fields_and_hide_what_is_obeyed() -> None:
    error = OptionError(
        Argument("kernel_sigma", ...), " goes with ", Argument("kernel", "gaussian"), "\n\x1b[2J"
    )
    assert in_words(error) == "kernel sigma goes with kernel gaussian \\u001b[2J"
