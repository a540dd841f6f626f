"""Write ``zeroshot/task_functions.pyi``, what editors and type checkers see of the functions of the tasks.

    python -m tests.write_stubs       (make stubs)

It is made from the table of tasks and the signature of `solve`; a test compares it with what it should be.
"""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import zeroshot
from zeroshot.tasks import Option, Task, tasks
from zeroshot.tasks.noise import DataTermChoice
from zeroshot.tasks.options import Choice, GreyLevels, Positive, PositiveOrAuto, Scale, Share

STUB = Path(zeroshot.__file__).with_name("task_functions.pyi")
SOLVE = Path(zeroshot.__file__).with_name("solve.py")
#: Type of an option → what Python is given; any other kind is for its user to say.
ANNOTATIONS = {
    DataTermChoice: "str | DataTerm",
    Choice: "str",
    GreyLevels: "float",
    PositiveOrAuto: "float | str",
    Positive: "float",
    Scale: "int",
    Share: "float",
    bool: "bool",
}
HEAD = '''\
"""The functions of the tasks. Written by ``make stubs`` from the tables; do not edit."""

'''


def stub() -> str:
    """The text of the stub, as ruff formats it."""
    tree = ast.parse(SOLVE.read_text(encoding="utf-8"))
    solve = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "solve")
    imports = [ast.unparse(node) for node in tree.body if isinstance(node, ast.ImportFrom)]
    functions = [_function(task, solve.args) for task in tasks().values()]
    used = "\n".join(functions)
    lines = [
        line for line in imports if any(name in used for name in line.partition(" import ")[2].split(", "))
    ]
    text = "\n".join(
        [HEAD, "import torch", "from zeroshot.data_terms import DataTerm", *lines, "", *functions]
    )
    return _formatted(text)


def _function(task: Task, arguments: ast.arguments) -> str:
    first, *others = [_own(option) for option in task.options]
    common = [
        f"{one.arg}: {ast.unparse(one.annotation)} = {ast.unparse(default)}"
        for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if one.annotation is not None and default is not None
    ]
    everything = ["image: Any", first, "*", *others, f"prior: str | Prior = {task.prior!r}", *common]
    return f"def {task.name}({', '.join(everything)}) -> Restoration: ..."


def _own(option: Option) -> str:
    kinds = [ANNOTATIONS[kind] for kind in inspect.getmro(type(option.type)) if kind in ANNOTATIONS]
    annotation = kinds[0] if kinds else "Any"
    if option.required:
        return f"{option.name}: {annotation}"
    if isinstance(option.default, bool):
        annotation = "bool"
    none = " | None" if option.default is None and annotation != "Any" else ""
    return f"{option.name}: {annotation}{none} = {option.default!r}"


def _formatted(text: str) -> str:
    ruff = [sys.executable, "-m", "ruff"]
    name = ["--stdin-filename", str(STUB)]
    for words in (["check", "--fix", "--quiet", "--select", "I,F", *name, "-"], ["format", *name, "-"]):
        text = subprocess.run(
            [*ruff, *words], input=text, capture_output=True, text=True, check=True, encoding="utf-8"
        ).stdout
    return text


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
