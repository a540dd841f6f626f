"""Method cards: what the package knows of a prior, around the words that ``docs/priors/NAME.md`` has about it.

A card is a page of prose under a title. Above it go what the prior says of itself, one picture that it restored when
the page was made, and the tasks that it takes; below it the figures of the shared sets, its settings and its sources.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import card_pictures
from card_pictures import DAMAGES, truth
from made import DOCS, keep
from sphinx.application import Sphinx

import zeroshot
from zeroshot import images, synonyms
from zeroshot.registry import prior_class
from zeroshot.standings import BELOW_PEERS, Row, means, ranked, stored
from zeroshot.tasks import make_problem, tasks
from zeroshot.tasks.degrade import degrade

FOLDER = DOCS / "priors"
#: Folders of the tree of priors, in the order of the overview.
FAMILIES = {
    "filters": "Filters",
    "deconvolution": "Deconvolution by a formula",
    "total_variation": "Total variation",
    "sparse": "Sparse",
    "self_similarity": "Self-similarity",
    "low_rank": "Low rank",
    "plug_and_play": "Any denoiser",
    "untrained": "Networks that learn from the one picture",
    "latent": "Pretrained generators",
    "auto": "A choice among them",
}
_NEEDS_WEIGHTS = "weights="


class Setting(NamedTuple):
    """One hyper-parameter: its name, what it takes, its default and what it means."""

    name: str
    takes: str
    default: Any
    meaning: str


# --- what the package knows --------------------------------------------------------------------------------


def family_of(prior: str) -> str:
    """The folder that a prior lies in."""
    return prior_class(prior).__module__.split(".")[2]


def needs_weights(prior: str) -> bool:
    """Whether it is nothing without a file of weights."""
    reasons = refusals(prior).values()
    return all(_NEEDS_WEIGHTS in reason for reason in reasons) and len(refusals(prior)) == len(tasks())


@functools.cache
def _problems() -> dict[str, Any]:
    clean = truth()[:64, :64]
    made = {}
    for task in tasks():
        damaged = degrade(clean, task, **DAMAGES[task])
        made[task], _, _ = make_problem(task, images.load(damaged.measurement), dict(damaged.options))
    return made


@functools.cache
def refusals(prior: str) -> dict[str, str]:
    """Task → why the prior does not take it, in its own words; those that it takes are left out."""
    said = {}
    for task, problem in _problems().items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                reason = prior_class(prior).for_problem(problem).suited(problem).supports(problem)
        except (ValueError, TypeError) as error:
            reason = str(error)
        if reason is not None:
            said[task] = reason
    return said


def settings_of(prior: str) -> list[Setting]:
    """The hyper-parameters of a prior, with what the docstrings of its class and of those that it extends say."""
    cls = prior_class(prior)
    documented: dict[str, tuple[str, str]] = {}
    for one in reversed(cls.__mro__[:-1]):
        for name, takes, meaning in _parameters(inspect.getdoc(one) or ""):
            if not re.match(r"(See|As for) :class:", meaning):
                documented[name] = (takes, meaning)
    fields = [field for field in dataclasses.fields(cls) if field.init]
    return [
        Setting(one.name, documented[one.name][0], _default(one), documented[one.name][1]) for one in fields
    ]


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default_factory() if callable(field.default_factory) else field.default


def _parameters(docstring: str) -> Iterator[tuple[str, str, str]]:
    """Name, type and meaning of each entry under "Parameters"."""
    found = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[\w ]*\n-+\n|\Z)", docstring, re.MULTILINE | re.DOTALL)
    entries = re.split(r"^(?=\S)", found[1], flags=re.MULTILINE) if found else []
    for entry in entries:
        head, _, text = entry.partition("\n")
        names, _, takes = head.partition(" : ")
        for name in names.split(", "):
            yield name.strip(), takes.strip(), " ".join(text.split())


def sources_of(prior: str) -> str:
    """The papers that its class names."""
    docstring = inspect.getdoc(prior_class(prior)) or ""
    found = re.search(r"^References\n-+\n(.*)", docstring, re.MULTILINE | re.DOTALL)
    return " ".join(found[1].split()) if found else ""


def rows_of(prior: str) -> list[tuple[str, str, Row]]:
    """Task, name and row of each damage of the shared sets on which it was measured."""
    return [
        (task, name, row)
        for task, rows in stored().items()
        for name, row in rows.items()
        if prior in row.figures
    ]


# --- as Markdown -------------------------------------------------------------------------------------------


def markdown(text: str) -> str:
    """A text of a docstring: roles of reStructuredText become code, and what Markdown would take for marks is kept."""
    text = re.sub(r":(?:class|func|mod|meth):`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", text)
    text = text.replace("``", "`")
    code = re.split(r"(`[^`]*`)", text)
    return "".join(
        part if index % 2 else re.sub(r"([*_|\[\]<])", r"\\\1", part) for index, part in enumerate(code)
    )


def above(prior: str, picture: str) -> str:
    """What stands between the title of a card and its prose."""
    cls = prior_class(prior)
    summary = str(cls.summary)
    others = ", ".join(f"`{name}`" for name in synonyms.PRIORS.get(prior, ()))
    refused = refusals(prior)
    if needs_weights(prior):
        taken = "with `--weights FILE` or `weights=…`: see [pretrained generators](../generators.md)"
    else:
        taken = " ".join(f"`{task}`" for task in tasks() if task not in refused)
    where = f"{cls.__module__}.{cls.__name__}"
    lines = [
        f"*{markdown(summary[0].upper() + summary[1:])}.*",
        "",
        picture,
        "",
        "::::{container} facts",
        "| | |",
        "|---|---|",
        f"| on the command line | `--prior {prior}` |",
        f'| in Python | `prior="{prior}"`, or {{py:class}}`zeroshot.{cls.__name__}` |',
        *([f"| also called | {others} |"] if others else []),
        f"| takes | {taken} |",
        *_roles(prior),
        f"| source | `{where}` |",
        "::::",
        "",
    ]
    return "\n".join(lines)


def _roles(prior: str) -> list[str]:
    """Of which tasks it is the default, the quickest good one or the best."""
    named: dict[str, list[str]] = {"default": [], "`--fast`": [], "`--best`": []}
    for name, task in tasks().items():
        if task.prior == prior:
            named["default"].append(name)
        for role in ("fast", "best"):
            order = ranked(role, name)
            if order and order[0] == prior:
                named[f"`--{role}`"].append(name)
    told = [f"{role}: " + " ".join(f"`{task}`" for task in given) for role, given in named.items() if given]
    return [f"| chosen as | {'; '.join(told)} |"] if told else []


def below(prior: str) -> str:
    """What follows the prose of a card."""
    return "\n".join([*_figures(prior), *_settings(prior), *_sources(prior)])


def _figures(prior: str) -> list[str]:
    rows = rows_of(prior)
    lines = ["## Figures", ""]
    if not rows:
        return [
            *lines,
            "It is not in the table that defaults are chosen by; see [measured figures](../figures.md).",
            "",
        ]
    lines += [
        "Means over shared sets, measured by `python -m benchmarks.defaults`; seconds of one core for 256 × 256",
        "pixels.",
        "",
        "| damage | PSNR, dB | SSIM | seconds | the task's default | the best of other packages |",
        "|---|---|---|---|---|---|",
    ]
    reasons = []
    for task, name, row in rows:
        own, usual = row.figures[prior], tasks()[task].prior
        there = row.figures.get(usual)
        peer = max(row.peers, key=lambda method: row.figures[method].psnr)
        default = "this" if usual == prior else f"`{usual}` {there.psnr:.2f}" if there else "–"
        ssim = "–" if own.ssim is None else f"{own.ssim:.3f}"
        lines.append(
            f"| `{task}`: {row.what}; {row.set}, {row.images} pictures | {own.psnr:.2f} | {ssim} "
            f"| {_seconds(row.seconds(prior))} | {default} | {peer} {row.figures[peer].psnr:.2f} |"
        )
        if (name, prior) in BELOW_PEERS:
            reasons += ["", f"On “{row.what}” it is below the best of its kind: {BELOW_PEERS[name, prior]}."]
    return [*lines, *reasons, ""]


def _seconds(value: float) -> str:
    return "< 1" if value < 1 else f"{value:.0f}"


def _settings(prior: str) -> list[str]:
    lines = [
        "## Settings",
        "",
        f"As `--set NAME=VALUE` on the command line, `settings={{…}}` of a function, or arguments of "
        f"{{py:class}}`zeroshot.{prior_class(prior).__name__}`, where the letters are explained.",
        "",
    ]
    for setting in settings_of(prior):
        takes = f", {markdown(setting.takes)}" if setting.takes else ""
        lines += [f"`{setting.name}` = `{setting.default!r}`{takes}", f": {markdown(setting.meaning)}", ""]
    by_task = getattr(prior_class(prior), "TASK_DEFAULTS", {})
    if by_task:
        lines += ['By name, `prior="' + prior + '"`, some settings follow the task:', ""]
        for task, values in by_task.items():
            told = ", ".join(f"`{name}` = `{value!r}`" for name, value in values.items())
            lines.append(f"- `{task}`: {told}")
        lines.append("")
    return lines


def _sources(prior: str) -> list[str]:
    text = sources_of(prior)
    return ["## Source", "", markdown(text), ""] if text else []


# --- the pages ---------------------------------------------------------------------------------------------


def overview() -> str:
    """All cards by family, and what each prior takes."""
    lines = []
    for family, heading in FAMILIES.items():
        members = [prior for prior in zeroshot.prior_names() if family_of(prior) == family]
        lines += [f"## {heading}", "", ":::::{container} cards narrow"]
        for prior in members:
            summary = markdown(str(prior_class(prior).summary))
            picture = (
                ""
                if needs_weights(prior)
                else f"[![{prior}](/_made/priors/{prior}/after.png)]({prior}.md)\n\n"
            )
            lines += ["::::{container} card", f"{picture}[`{prior}`]({prior}.md)", "", summary, "::::", ""]
        lines += [":::::", ""]
    lines += ["## Which takes what", "", *_matrix(), ""]
    return "\n".join(lines)


def _matrix() -> list[str]:
    lines = ["| |" + "|".join(f" `{task}` " for task in tasks()) + "|", "|---|" + "---|" * len(tasks())]
    for prior in zeroshot.prior_names():
        if needs_weights(prior):
            continue
        marks = ["" if task in refusals(prior) else _figure(task, prior) for task in tasks()]
        lines.append(f"| [`{prior}`]({prior}.md) |" + "|".join(marks) + "|")
    return [
        "A figure is the mean PSNR in dB over the shared sets of a task, a dot a pair that works and is in no table.",
        "",
        *lines,
    ]


def _picture(prior: str) -> str:
    if needs_weights(prior):
        return ""
    source = Path(card_pictures.__file__).read_text("utf-8")
    folder = keep(f"priors/{prior}", source, lambda folder: card_pictures.make(prior, folder))
    caption = (folder / "caption.txt").read_text()
    head = f"```{{before-after}} before.png after.png\n:alt: A photograph restored by {prior}\n:width: 384"
    return f"{head}\n\n{caption}\n```\n"


def _figure(task: str, prior: str) -> str:
    table = means(task)
    return f"{table[prior].psnr:.1f}" if prior in table else "·"


def _complete(app: Sphinx, name: str, source: list[str]) -> None:
    folder, _, prior = name.rpartition("/")
    if folder != "priors":
        return
    if prior == "index":
        for one in zeroshot.prior_names():
            _picture(one)
        source[0] += "\n" + overview()
    else:
        title, _, prose = source[0].partition("\n")
        source[0] = f"{title}\n\n{above(prior, _picture(prior))}\n{prose}\n{below(prior)}"


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", _complete)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
