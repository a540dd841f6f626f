"""What is installed: the version, and the priors by name, through the entry-point group ``zeroshot.priors``.

Another package adds a prior by declaring one line::

    [project.entry-points."zeroshot.priors"]
    mine = "my_package:MyPrior"

Names, summaries and settings are told without PyTorch: :func:`prior_table` and :func:`prior_outline` read
them in the source.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import enum
import functools
import importlib
import itertools
import os
import sys
import types
from collections.abc import Mapping
from importlib.abc import InspectLoader
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from typing import TYPE_CHECKING, Any, ClassVar

from zeroshot import synonyms

if TYPE_CHECKING:  # a name is looked up without PyTorch
    from zeroshot.prior import Prior

_GROUP = "zeroshot.priors"

try:
    __version__ = version("zeroshot-restore")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "unknown"


def _declared() -> Mapping[str, EntryPoint]:
    """The declared priors, looked for again only where what is on the path has changed."""
    return _declared_on(tuple((folder, _changed_at(folder)) for folder in sys.path))


@functools.lru_cache(maxsize=1)
def _declared_on(path: tuple[tuple[str, int | None], ...]) -> Mapping[str, EntryPoint]:
    # Each look reads the metadata of every package that is installed, which takes longer than a small image.
    return {entry.name: entry for entry in entry_points(group=_GROUP)}


def _changed_at(folder: str) -> int | None:
    """When something was last installed in a folder or archive of the path; None where there is none."""
    try:
        return os.stat(folder or ".").st_mtime_ns
    except OSError:
        return None


def _entry(name: str) -> EntryPoint:
    declared = _declared()
    others = _synonyms(declared)
    found = synonyms.canonical(name, declared, others)
    if found is None:
        raise ValueError(synonyms.unknown_name("prior", name, declared, others))
    return declared[found]


def _synonyms(declared: Mapping[str, EntryPoint]) -> dict[str, tuple[str, ...]]:
    """What else the priors are called: also by the names of their classes."""
    return {name: (entry.attr, *synonyms.PRIORS.get(name, ())) for name, entry in declared.items()}


def is_prior(name: str) -> bool:
    """Whether a prior of this name, or of another name for the same thing, is installed."""
    declared = _declared()
    return synonyms.canonical(name, declared, _synonyms(declared)) is not None


def prior_names() -> list[str]:
    """The names of all installed priors, sorted."""
    return sorted(_declared())


class PriorTable(dict[str, str]):
    """The priors by name, each with what it is in one line; prints as a readable list."""

    def __str__(self) -> str:
        return "\n".join(f"{name}: {summary}" for name, summary in self.items())

    __repr__ = __str__


def prior_table() -> PriorTable:
    """The table of installed priors, sorted, without importing them where the source tells."""
    return PriorTable({name: _summary(entry) for name, entry in sorted(_declared().items())})


def prior_named(name: str) -> str:
    """The registered name of a prior that may be called by another name for the same thing.

    Raises
    ------
    ValueError
        Where no prior of that name is installed; the message lists those that are.
    """
    return _entry(name).name


def prior_class(name: str) -> type[Prior]:
    """The class of the prior of this name, or of another name for the same thing (:mod:`zeroshot.synonyms`).

    Raises
    ------
    ValueError
        Where no prior of that name is installed; the message lists those that are.
    """
    return _entry(name).load()


def class_names() -> list[str]:
    """The names of the classes of all installed priors."""
    return [entry.attr for entry in _declared().values()]


def class_named(class_name: str) -> type[Prior] | None:
    """The prior class called `class_name` among the installed ones, or None."""
    for entry in _declared().values():
        if entry.attr == class_name:
            return entry.load()
    return None


# --- outlines ----------------------------------------------------------------------------------------------


def prior_outline(name: str) -> type[Any]:
    """What the class of the prior of this name says of itself, without importing it.

    Returns
    -------
    type
        A class with the name, docstring, `summary`, dataclass fields and bases of the prior's, and without its
        methods, except that `settings_help` asks the prior's class. It is that class itself where its module
        is loaded already, or where the source does not tell.

    Raises
    ------
    ValueError
        Where no prior of that name is installed; the message lists those that are.
    """
    return _outline(_entry(name))


def setting_names(name: str) -> list[str]:
    """The names of the settings of the prior of this name, without its import; ValueError where there is none."""
    return [field.name for field in dataclasses.fields(prior_outline(name))]


def settings_of_priors() -> dict[str, str]:
    """The settings of all priors, each with the name of one that has it: the deep image prior if it does."""
    names = ("dip", *prior_names())
    return {setting: name for name in reversed(names) for setting in setting_names(name)}


def _summary(entry: EntryPoint) -> str:
    if entry.module not in sys.modules:
        with contextlib.suppress(Exception):  # as for the outline, of which this is the smallest part
            return _source(entry.module).assigned(entry.attr, "summary")
    return _outline(entry).summary


def _outline(entry: EntryPoint) -> type[Any]:
    if entry.module not in sys.modules:
        # Other people's finders and expressions may raise anything: the import then tells what is wrong.
        with contextlib.suppress(Exception):
            outline = _source(entry.module).value(entry.attr, _Classes.OUTLINED)
            if (
                isinstance(outline, type)
                and hasattr(outline, "__dataclass_fields__")
                and hasattr(outline, "summary")
            ):
                return outline
    return entry.load()


class _Classes(enum.Enum):
    """What becomes of a name that is a class of the source."""

    OUTLINED = enum.auto()
    REFUSED = enum.auto()  # in an expression, which would want its methods


class _UnreadableError(Exception):
    """The source alone does not tell."""


class _Source:
    """A module by its source: what the names at its top level stand for, as far as that can be read."""

    def __init__(self, module: str) -> None:
        self.module = module
        self._bindings = _bindings(ast.parse(_text(module)))
        self._outlines: dict[str, type] = {}

    def value(self, name: str, classes: _Classes) -> Any:
        """What `name` stands for in this module."""
        bound = self._bindings.get(name)
        if isinstance(bound, ast.ClassDef) and classes is _Classes.OUTLINED:
            if name not in self._outlines:
                self._outlines[name] = self._outlined(bound)
            return self._outlines[name]
        if isinstance(bound, ast.expr):
            return self._evaluated(bound, classes)
        if isinstance(bound, _Imported):
            if bound.module.partition(".")[0] not in sys.stdlib_module_names:
                return _source(bound.module).value(bound.name, classes)
            module = importlib.import_module(bound.module)
            return getattr(module, bound.name) if bound.name else module
        raise _UnreadableError(f"{self.module}.{name}")

    def assigned(self, name: str, attribute: str) -> Any:
        """What the body of the class `name` itself assigns to `attribute`."""
        bound = self._bindings.get(name)
        if isinstance(bound, ast.ClassDef):
            for one, _, value in itertools.chain.from_iterable(map(_assigned, bound.body)):
                if one == attribute and value is not None:
                    return self._evaluated(value)
        raise _UnreadableError(f"{self.module}.{name}.{attribute}")

    def _evaluated(self, expression: ast.expr, classes: _Classes = _Classes.REFUSED) -> Any:
        if isinstance(expression, ast.Constant):
            return expression.value
        used = {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}
        names = {name: self.value(name, classes) for name in used & self._bindings.keys()}
        # It belongs to an installed package, whose import would evaluate it as well.
        return eval(compile(ast.Expression(expression), self.module, "eval"), names)

    def _outlined(self, node: ast.ClassDef) -> type:
        if node.keywords:
            raise _UnreadableError(f"{self.module}.{node.name}")
        bases = tuple(self._evaluated(base, _Classes.OUTLINED) for base in node.bases)
        body = self._body(node)
        outline = types.new_class(node.name, bases, exec_body=lambda namespace: namespace.update(body))
        for decorator in reversed(node.decorator_list):
            outline = self._evaluated(decorator)(outline)
        return outline

    def _body(self, node: ast.ClassDef) -> dict[str, Any]:
        annotations: dict[str, Any] = {}
        body: dict[str, Any] = {"__module__": self.module, "__annotations__": annotations}
        body["__doc__"] = ast.get_docstring(node, clean=False)
        for statement in node.body:
            if isinstance(statement, ast.FunctionDef) and statement.name == "settings_help":
                body["settings_help"] = classmethod(_settings_help)
            for name, annotation, value in _assigned(statement):
                is_field = annotation is not None and _is_field(annotation)
                if annotation is not None:
                    annotations[name] = Any if is_field else ClassVar
                if value is not None and (is_field or name == "summary"):
                    body[name] = self._evaluated(value)
        return body


_source = functools.cache(_Source)


@dataclasses.dataclass(frozen=True)
class _Imported:
    """What an import binds: a name of a module, or the module where the name is empty."""

    module: str
    name: str = ""


def _text(module: str) -> str:
    """The source of a module, found without importing the packages that it lies in."""
    parts = module.split(".")
    path, loader = None, None
    for count in range(1, len(parts) + 1):
        name = ".".join(parts[:count])
        found = (finder.find_spec(name, path) for finder in sys.meta_path if hasattr(finder, "find_spec"))
        spec = next((spec for spec in found if spec is not None), None)
        if spec is None:
            raise _UnreadableError(module)
        path, loader = spec.submodule_search_locations, spec.loader
    text = loader.get_source(module) if isinstance(loader, InspectLoader) else None
    if text is None:
        raise _UnreadableError(module)
    return text


def _bindings(tree: ast.Module) -> dict[str, ast.ClassDef | ast.expr | _Imported | None]:
    """What each name is bound to at the top level of a module; None where only running it would tell."""
    found: dict[str, ast.ClassDef | ast.expr | _Imported | None] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                name = alias.asname or alias.name.partition(".")[0]
                found[name] = _Imported(alias.name if alias.asname else name)
        elif isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                absolute = statement.module is not None and statement.level == 0
                found[alias.asname or alias.name] = (
                    _Imported(str(statement.module), alias.name) if absolute else None
                )
        elif isinstance(statement, ast.ClassDef):
            found[statement.name] = statement
        elif isinstance(statement, ast.FunctionDef):
            found[statement.name] = None
        else:
            found |= {name: value for name, _, value in _assigned(statement)}
    return found


def _assigned(statement: ast.stmt) -> list[tuple[str, ast.expr | None, ast.expr | None]]:
    """(name, annotation, value) of each name that a statement assigns to."""
    targets: list[ast.expr]
    annotation: ast.expr | None = None
    if isinstance(statement, ast.AnnAssign):
        targets, annotation = [statement.target], statement.annotation
    elif isinstance(statement, ast.Assign):
        targets = statement.targets
    else:
        return []
    return [(one.id, annotation, statement.value) for one in targets if isinstance(one, ast.Name)]


def _is_field(annotation: ast.expr) -> bool:
    """Whether a dataclass makes a field of what is annotated so."""
    kind = ast.unparse(annotation).strip("'\"").partition("[")[0].rpartition(".")[2]
    if kind in ("InitVar", "KW_ONLY"):
        raise _UnreadableError(kind)
    return kind != "ClassVar"


def _settings_help(outline: type) -> str:
    """What the class says itself of its settings."""
    return getattr(importlib.import_module(outline.__module__), outline.__name__).settings_help()
