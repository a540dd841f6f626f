"""The public face: what `import zeroshot` shows, what it loads, and what the light commands load."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
import textwrap
import types
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

import zeroshot
from zeroshot.registry import class_names

STUB = ast.parse(Path(zeroshot.__file__).with_suffix(".pyi").read_text())
HEAVY = {"torch", "numpy", "scipy"}


def python(code: str, *options: str) -> str:
    """What a fresh interpreter prints for this code."""
    done = subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(code)],
        capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- names -------------------------------------------------------------------------------------------------


def test_the_names_of_the_stub_are_those_of_the_package() -> None:
    imported = []
    for statement in STUB.body:
        if isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                own = importlib.import_module(f"zeroshot.{statement.module or alias.name}")
                assert getattr(zeroshot, alias.name) is (
                    getattr(own, alias.name) if statement.module else own
                )
            imported += [alias.name for alias in statement.names]
    imported += [
        ast.unparse(statement.target) for statement in STUB.body if isinstance(statement, ast.AnnAssign)
    ]
    (listed,) = (statement.value for statement in STUB.body if isinstance(statement, ast.Assign))
    assert sorted(imported) == sorted(ast.literal_eval(listed)) == sorted(zeroshot.__all__)


def test_every_prior_of_ours_is_in_the_stub() -> None:
    declared = entry_points(group="zeroshot.priors")
    ours = {entry.attr for entry in declared if entry.module.startswith("zeroshot.")}
    assert ours
    assert ours <= set(zeroshot.__all__)


PUBLIC_MODULES = {
    *("compare", "data_terms", "generators", "images", "metrics", "noise", "operators", "priors", "stopping"),
}


def test_dir_shows_the_face_and_no_modules_by_accident() -> None:
    shown = dir(zeroshot)
    assert set(shown) == {*zeroshot.__all__, *class_names()}
    assert {"solve", "tasks", "PlugAndPlay", "__version__", *zeroshot.tasks()} <= set(shown)
    modules = {name for name in shown if isinstance(getattr(zeroshot, name), types.ModuleType)}
    assert modules == PUBLIC_MODULES
    for name in (*modules, *zeroshot.tasks(), "solve", "tasks", "priors"):
        assert f":`{name}`" in str(zeroshot.__doc__), name


def test_another_name_of_a_task_is_told_where_it_is() -> None:
    with pytest.raises(AttributeError, match=r"'upscale'; that task is zeroshot\.sr"):
        _ = zeroshot.upscale  # type: ignore[attr-defined]


def test_a_misspelt_name_is_an_error_that_python_can_mend() -> None:
    with pytest.raises(AttributeError, match="module 'zeroshot' has no attribute 'sovle'") as caught:
        _ = zeroshot.sovle  # type: ignore[attr-defined]
    assert (caught.value.name, caught.value.obj) == ("sovle", zeroshot)
    done = subprocess.run(
        [sys.executable, "-c", "import zeroshot; zeroshot.sovle"], capture_output=True, text=True, check=False
    )
    assert "Did you mean: 'solve'?" in done.stderr
    with pytest.raises(ImportError):
        exec("from zeroshot import NoSuchPrior")


#: What loads no PyTorch stands first.
IMPORTS = [
    """
import sys, zeroshot
assert list(zeroshot.priors()) == zeroshot.prior_names()
assert str(zeroshot.priors()).splitlines()[-1].startswith("zsn2n: ")
from zeroshot import images
assert zeroshot.images is images and "torch" not in sys.modules
import zeroshot.priors.denoising as denoising
assert zeroshot.priors.denoising is denoising and zeroshot.priors()
""",
    "import zeroshot; assert zeroshot.stopping.Plateau is zeroshot.Plateau",
    "import zeroshot; assert callable(zeroshot.compare.compare) and callable(zeroshot.metrics.psnr)",
    "import zeroshot, zeroshot.tasks, zeroshot.solve",
    "import zeroshot.tasks, zeroshot.solve, zeroshot",
    "import zeroshot; zeroshot.tasks; zeroshot.solve; import zeroshot.tasks, zeroshot.solve",
    "from zeroshot.tasks import Task; from zeroshot.solve import resolve_device; import zeroshot",
    "from zeroshot import tasks, solve; import zeroshot",
    "from zeroshot import *; import zeroshot",
]


def test_the_face_is_the_same_whatever_was_imported() -> None:
    """In one process, which forgets the package before each piece of code."""
    python(f"""
    import sys
    for code in {IMPORTS}:
        for module in [one for one in sys.modules if one.partition(".")[0] == "zeroshot"]:
            del sys.modules[module]
        exec(code)
        assert "deblur" in zeroshot.tasks(), code
        assert zeroshot.solve is sys.modules["zeroshot.solve"].solve, code
    """)


# --- what is loaded ----------------------------------------------------------------------------------------


def test_light_modules_load_nothing_heavy() -> None:
    modules = [
        "zeroshot",
        "zeroshot.checks",
        "zeroshot.cli.main",
        "zeroshot.cli.values",
        "zeroshot.files",
        "zeroshot.images.files",
        "zeroshot.memory",
        "zeroshot.registry",
        "zeroshot.synonyms",
        "zeroshot.priors",
        "zeroshot.words",
    ]
    code = f"""
    import importlib, sys
    for module in {modules}:
        importlib.import_module(module)
        assert not {HEAVY} & set(sys.modules), module
    """
    python(code)


def test_names_and_outlines_of_priors_load_nothing_heavy() -> None:
    code = f"""
    import sys, zeroshot
    from zeroshot.registry import prior_outline, prior_table
    assert list(prior_table()) == zeroshot.prior_names()
    assert all(summary == prior_outline(name).summary for name, summary in prior_table().items())
    assert zeroshot.__version__ and "TotalVariation" in dir(zeroshot)
    print(*{HEAVY} & set(sys.modules))
    """
    assert python(code).split() == []


#: What a command says, by its words.
LIGHT = {
    "--help": "usage: zeroshot",
    "denoise --help-all": "--checkpoint-seconds",
    "": "give a command",
    "in.png": "is no command",
    "denoise in.png --iterations 100": "--set iterations=100",
    "deblur in.png --kernel 1.6": "gaussian=1.6",
    "priors Total-Variation": "tv: total variation",
    "denoise - -o out.png": "standard input is empty",
    "denoise --help": "--sigma",
    "restore --help": "downsample(4, kernel=lanczos3)",
    "--version": zeroshot.__version__,
    "tasks": "deblur: ",
    "priors": "tv: total variation",
    "priors tv": "The relative duality gap",
    "priors nosuch": "there is no prior 'nosuch'",
    "info made.png made.tiff": '"seed": 7',
    "info missing.png": "there is no such file",
    "denoise missing.png -o out.png": "missing.png",
    "denoise in.png -o out.png --sigam 25": "--sigam",
}


@pytest.fixture(scope="module", params=[[], ["-OO"]], ids=["plain", "without docstrings"])
def told(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[bool, str]]:
    """Whether PyTorch was there after a command, and what it said; one process gives them all, one after the other."""
    folder = tmp_path_factory.mktemp("light")
    for name in ("made.png", "made.tiff"):
        made = zeroshot.images.load(np.zeros((8, 8, 3), np.uint8))
        zeroshot.images.save(made, folder / name, provenance={"seed": 7})
    code = f"""
    import contextlib, io, json, os, sys
    from zeroshot.cli.main import main
    os.chdir({str(folder)!r})
    told = {{}}
    for words in {[*LIGHT]}:
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), contextlib.suppress(SystemExit):
            main(words.split())
        told[words] = "torch" in sys.modules, said.getvalue()
    print(json.dumps(told))
    """
    return json.loads(python(code, *request.param))


@pytest.mark.parametrize("words", LIGHT)
def test_commands_that_need_no_network_load_no_pytorch(words: str, told: dict[str, tuple[bool, str]]) -> None:
    loaded, said = told[words]
    assert LIGHT[words] in said
    assert not loaded, f"first by: {next(one for one in told if told[one][0])}"
