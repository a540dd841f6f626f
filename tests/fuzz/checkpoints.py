"""Checkpoints that were damaged, cut, filled with other values, or taken from another run, and then continued.

A file whose bytes were bent must be refused,
or give the very pixels that the run would have given; one that was
made up with all its checksums right may give any picture, but no more than that.
"""

from __future__ import annotations

import functools
import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz.damage import Draw, choose, damaged, noise, spliced, whole
from tests.fuzz.judging import Case, command, quiet

#: The runs that are continued: the words after the task, and the task's picture.
_RUNS = {
    "tv": ["denoise", "--prior", "tv", "--sigma", "10", "--set", "iterations=12"],
    "wavelet": ["sr", "--prior", "wavelet", "--scale", "2", "--set", "iterations=8"],
    "pnp": ["deblur", "--prior", "pnp", "--kernel", "gaussian=1", "--sigma", "5", "--set", "iterations=8",
        "--set", "denoiser=dct"],
    "dip": ["denoise", "--prior", "dip", "--sigma", "10", "--set", "iterations=8", "--set", "channels=4",
        "--set", "guide=none"],
    "samples": ["denoise", "--prior", "dip", "--sigma", "10", "--set", "iterations=4", "--set", "channels=4",
        "--samples", "2"],
    "tiles": ["denoise", "--prior", "tv", "--sigma", "10", "--set", "iterations=6", "--tile", "32",
        "--overlap", "8"],
}  # fmt: skip


def prepare(folder: Path) -> None:
    """Save each run in its middle, and write what it comes to in the end."""
    from PIL import Image

    from zeroshot.cli.main import main

    draw = np.random.default_rng(0)
    for name, words in _RUNS.items():
        size = (40, 44) if name == "tiles" else (12, 14)
        source = folder / f"{name}.png"
        Image.fromarray(draw.integers(40, 220, (*size, 3), dtype=np.uint8)).save(source)
        saves, fingerprint = _saves_of(
            functools.partial(main, _command(words, source, folder / f"{name}.out.png"))
        )
        (folder / f"{name}.checkpoint").write_bytes(saves[len(saves) // 2])
        (folder / f"{name}.early").write_bytes(saves[0])
        (folder / f"{name}.fingerprint").write_bytes(pickle.dumps(fingerprint))
        if (left := folder / f"{name}.out.png.checkpoint").exists():
            left.unlink()


def _command(words: list[str], source: Path, output: Path, *more: str) -> list[str]:
    return [
        words[0],
        str(source),
        "-o",
        str(output),
        *words[1:],
        "--checkpoint-seconds",
        "0",
        "--quiet",
        *more,
    ]


def _saves_of(run: Callable[[], int]) -> tuple[list[bytes], Any]:
    """The files of all saves of a run, and its fingerprint, by listening to the class that writes them."""
    kind = _checkpoint_class()
    saves: list[bytes] = []
    fingerprints: list[Any] = []
    save = kind.save

    def saved(self: Any, *arguments: Any, **names: Any) -> None:
        save(self, *arguments, **names)
        saves.append(Path(self.path).read_bytes())
        fingerprints.append(self.fingerprint)

    kind.save = saved
    try:
        with quiet():
            code = run()
    finally:
        kind.save = save
    if code or not saves:
        raise RuntimeError(f"the run ended with {code} and was saved {len(saves)} times")
    return saves, fingerprints[0]


def _checkpoint_class() -> Any:
    try:
        from zeroshot.checkpoint import Checkpoint
    except ImportError:
        from zeroshot.watch import Checkpoint
    return Checkpoint


# --- damages -----------------------------------------------------------------------------------------------


def _other_value(draw: Draw, value: Any) -> Any:
    """Something in the place of a value: another type, shape, number or nothing."""
    import torch

    if isinstance(value, torch.Tensor) and draw.random() < 0.7:
        flat = value.reshape(-1)
        return choose(draw, (
            value[None], flat, flat[:-1], value[..., :0], value.double(), value.to(torch.int8),
            value.to(torch.complex64),
            torch.full_like(value, float("nan")) if value.is_floating_point() else value + 1,
            value.to_sparse(),
            torch.zeros((1,) * 9), torch.zeros(()), value.expand(3, *value.shape),
        ))  # fmt: skip
    if isinstance(value, bool | int | float) and draw.random() < 0.6:
        return choose(
            draw, (-1, 0, 10**9, 2**63, float("nan"), float("inf"), -0.5, True, None, str(value), [value])
        )
    return choose(
        draw,
        (
            None,
            "",
            "\x1b[31m",
            7,
            -1,
            1.5,
            True,
            [],
            {},
            (),
            [1, [2]],
            {"a": 1},
            {0: None},
            torch.zeros(2),
            torch.zeros(10**6),
            b"x",
        ),
    )


def _bend(draw: Draw, content: Any, depth: int = 0) -> str:
    """Change one entry of nested dicts and lists in place; where it was."""
    import torch

    keys: list[Any] = list(content) if isinstance(content, dict) else list(range(len(content)))
    if not keys:
        if isinstance(content, dict):
            content["new"] = 1
        return "new"
    key = choose(draw, keys)
    inner = content[key]
    if isinstance(inner, dict | list) and len(inner) and depth < 8 and draw.random() < 0.85:
        return f"{key}.{_bend(draw, inner, depth + 1)}"
    way = draw.random()
    if way < 0.2:
        del content[key]
        return f"{key} removed"
    if way < 0.3 and isinstance(content, dict):
        content[choose(draw, (str(key) + "x", 3, None, "image"))] = content.pop(key)
        return f"{key} renamed"
    if way < 0.4:
        other = content[choose(draw, keys)]
        content[key] = other
        return f"{key} as another"
    content[key] = _other_value(draw, inner)
    kind = type(content[key]).__name__
    return f"{key} a {tuple(content[key].shape) if isinstance(content[key], torch.Tensor) else kind}"


def _made_up(draw: Draw, path: Path, fingerprint: Any) -> str:
    """A checkpoint with an inner value changed and everything else right, written by the class itself."""
    writer = _checkpoint_class()(path, fingerprint, 0)
    state = writer.load()
    said = [_bend(draw, state) for _ in range(whole(draw, 1, 3))]
    try:
        writer.save({key: value for key, value in state.items() if key not in ("format", "fingerprint")})
    except (TypeError, ValueError, RuntimeError):  # what it does not write
        return "whole"
    return f"made up: {', '.join(said)}"


def _resaved(draw: Draw, path: Path) -> str:
    """The outermost content changed, as whoever edits a checkpoint would."""
    read, write = _state_files()
    content = read(path)
    way = choose(draw, ("bent", "bent", "other", "deflated", "entries", "empty", "nested"))
    if way in ("deflated", "entries"):
        return _rezipped(draw, path, way)
    if way == "bent":
        way = f"resaved: {_bend(draw, content)}"
    elif way == "other":
        content = choose(draw, ([1, 2], None, 3.0, {"format": content.get("format")}, {}))
    elif way == "nested":
        inner: Any = 1
        for _ in range(choose(draw, (50, 300))):
            inner = [inner]
        content["loop"] = content["content"] = inner
    data = b""
    if way != "empty":
        try:
            data = write(content)
        except (TypeError, ValueError, RuntimeError, RecursionError):
            return "whole"
    path.write_bytes(data)
    return way


def _state_files() -> tuple[Callable[[Path], Any], Callable[[Any], bytes]]:
    """How the content of a checkpoint is read and written, without a look at what is in it."""
    from zeroshot.state_files import read_state, write_state

    def write(content: Any) -> bytes:
        out = io.BytesIO()
        write_state(out, content)
        return out.getvalue()

    return read_state, write


def _rezipped(draw: Draw, path: Path, way: str) -> str:
    with zipfile.ZipFile(path) as file:
        entries = [(entry.filename, file.read(entry)) for entry in file.infolist()]
    if way == "entries":
        at = whole(draw, 0, len(entries))
        name, content = entries[at]
        entries[at : at + 1] = choose(
            draw,
            (
                [],
                [(name, damaged(draw, content, 1)[0])],
                [(name, content + noise(draw, 50))],
                [("../sprung", content)],
            ),
        )
    elif draw.random() < 0.5:
        name, content = max(entries, key=lambda entry: len(entry[1]))
        entries = [(there, bytes(200 << 20) if there == name else inside) for there, inside in entries]
    with (
        quiet(),
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if way == "deflated" else zipfile.ZIP_STORED) as file,
    ):
        for name, content in entries:
            file.writestr(name, content)
    return f"archive: {way}"


# --- cases -------------------------------------------------------------------------------------------------


def case(draw: Draw, prepared: Path, folder: Path) -> Case:
    """One bent checkpoint, continued by the command of its run or of another."""
    name = choose(draw, _RUNS)
    source, output = folder / "in.png", folder / "out.png"
    source.write_bytes((prepared / f"{name}.png").read_bytes())
    path = folder / "out.png.checkpoint"
    data = (
        prepared / choose(draw, (f"{name}.checkpoint", f"{name}.checkpoint", f"{name}.early"))
    ).read_bytes()
    path.write_bytes(data)
    exact = False
    way = draw.random()
    if way < 0.4:
        bent, said = damaged(draw, data, 1)
        path.write_bytes(bent)
        exact = True
    elif way < 0.65:
        said = _made_up(draw, path, pickle.loads((prepared / f"{name}.fingerprint").read_bytes()))
    elif way < 0.85:
        said = _resaved(draw, path)
    elif way < 0.95:
        other = choose(draw, _RUNS)
        path.write_bytes((prepared / f"{other}.checkpoint").read_bytes())
        said, exact = f"that of {other}", True
    else:
        other = (prepared / f"{choose(draw, _RUNS)}.checkpoint").read_bytes()
        path.write_bytes(
            choose(draw, (data + other, spliced(draw, data, other), data + data, noise(draw, 200)))
        )
        said, exact = "run together", True
    words = _command(_RUNS[name], source, output, "--resume")
    wanted = prepared / f"{name}.out.png"
    check = (lambda: _differences(output, wanted)) if exact else None
    return Case(
        f"{name}, its checkpoint {said}", command(words, output, check), frozenset({output.name, path.name})
    )


def _differences(output: Path, wanted: Path) -> list[str]:
    """Whether a continued run ended elsewhere."""
    from PIL import Image

    with Image.open(output) as there, Image.open(wanted) as here:
        found, right = (np.asarray(image).astype(int) for image in (there, here))
    if found.shape != right.shape:
        return [f"a picture of {found.shape} instead of {right.shape}"]
    worst = np.abs(found - right).max()
    return [f"accepted, and its picture is another one, by up to {worst} levels"] if worst else []
