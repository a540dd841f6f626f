"""Checkpoints: whole, of this run and of nobody's making, or refused in one line."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import os
import pickle
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import zeroshot
from tests.doubles import DriftingPrior, interrupt_at
from zeroshot import state_files
from zeroshot.checkpoint import Checkpoint, recorded, require_alike
from zeroshot.state_files import read_state, write_state
from zeroshot.tasks.options import ShareOfRange

FINGERPRINT = {"task": "denoise", "settings": {"channels": 16}}
CONTENT = {
    "tensors": [
        torch.arange(6.0).reshape(2, 3),
        torch.zeros(0, 4),
        torch.tensor(7),
        torch.ones(3, dtype=torch.bool),
    ],
    "numbers": (1, -(2**70), 0.1, math.inf, True, None),
    "keys": {0: "zéro \ud800", (1, "a"): {}, "": []},
}


def checkpoint(path: Path) -> Checkpoint:
    return Checkpoint(path, FINGERPRINT, 0)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "run.checkpoint"
    checkpoint(path).save(CONTENT)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ValueError) as caught:
        checkpoint(path).load()
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    assert "delete it" in message
    return message


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and torch.equal(one, other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def test_what_was_saved_comes_back_with_its_types(saved: Path) -> None:
    assert same(checkpoint(saved).load(), CONTENT)


@pytest.mark.parametrize(
    "dtype", [torch.uint8, torch.int64, torch.float16, torch.bfloat16, torch.float64, torch.complex64]
)
def test_tensors_of_every_kind_keep_bits_and_layout(tmp_path: Path, dtype: torch.dtype) -> None:
    values = torch.randint(0, 200, (2, 3, 4, 5), generator=torch.Generator().manual_seed(0)).to(dtype)
    laid_out = values.contiguous(memory_format=torch.channels_last)
    part, spread = values[:, 1:, ::2], values[:1].expand(3, -1, -1, -1)
    checkpoint(tmp_path / "c").save({"x": laid_out, "part": part, "spread": spread})
    found = checkpoint(tmp_path / "c").load()
    assert found is not None
    assert same(found["x"], values)
    assert found["x"].stride() == laid_out.stride()
    assert same(found["part"], part)
    assert same(found["spread"], spread)


def test_the_same_state_gives_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    checkpoint(tmp_path / "again").save(CONTENT)
    assert saved.read_bytes() == (tmp_path / "again").read_bytes()


def test_any_flipped_bit_is_refused(saved: Path) -> None:
    whole = saved.read_bytes()
    rng = np.random.default_rng(0)
    for place in {0, 3, 40, len(whole) - 1, len(whole) - 70, *rng.integers(0, len(whole), 300)}:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(0, 8))
        saved.write_bytes(damaged)
        refusal(saved)


def test_any_truncation_and_any_addition_is_refused(saved: Path) -> None:
    whole = saved.read_bytes()
    for damaged in (
        *(whole[:length] for length in (0, 1, 10, 100, len(whole) - 1)),
        whole + b"\0",
        whole * 2,
    ):
        saved.write_bytes(damaged)
        refusal(saved)


def resealed(data: bytes) -> bytes:
    """With a checksum that is right again, as somebody would make it who means harm."""
    return data[:-64] + hashlib.sha256(data[:-64]).hexdigest().encode()


def rewritten(path: Path, change: Callable[[Any], object], compression: int = zipfile.ZIP_STORED) -> None:
    """The file with another structure, under a checksum that is right."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
        comment = archive.comment
    structure = json.loads(members["state.json"])
    changed = change(structure)
    members["state.json"] = json.dumps(structure if changed is None else changed).encode()
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.comment = comment
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=compression)
    path.write_bytes(resealed(path.read_bytes()))


def entry(structure: Any, *keys: str) -> Any:
    for key in keys:
        structure = next(value for name, value in structure["dict"] if name == key)
    return structure


def tensor_of(structure: Any) -> Any:
    return entry(structure, "content", "tensors")[0]


CHANGES: dict[str, Callable[[Any], object]] = {
    "other format": lambda s: s["dict"].__setitem__(0, ["format", 99]),
    "no fingerprint": lambda s: s["dict"].pop(1),
    "no content": lambda s: s["dict"].pop(2),
    "content is a list": lambda s: s["dict"].__setitem__(2, ["content", []]),
    "fingerprint is a word": lambda s: s["dict"].__setitem__(1, ["fingerprint", "x"]),
    "a list": lambda s: [1, 2],
    "a word": lambda s: "x",
    "unknown dtype": lambda s: tensor_of(s).update(dtype="object"),
    "dtype is a list": lambda s: tensor_of(s).update(dtype=[]),
    "other size": lambda s: tensor_of(s).update(shape=[2, 4]),
    "negative shape": lambda s: tensor_of(s).update(shape=[-2, -3]),
    "fractional shape": lambda s: tensor_of(s).update(shape=[2.0, 3]),
    "true as a length": lambda s: tensor_of(s).update(shape=[True, 6]),
    "gigantic shape": lambda s: tensor_of(s).update(shape=[10**12, 10**12]),
    "order of another rank": lambda s: tensor_of(s).update(order=[0]),
    "order twice": lambda s: tensor_of(s).update(order=[0, 0]),
    "no order": lambda s: tensor_of(s).pop("order"),
    "missing tensor": lambda s: tensor_of(s).update(tensor=99),
    "one tensor twice": lambda s: tensor_of(s).update(tensor=1),
    "more keys": lambda s: tensor_of(s).update(code="import os"),
    "a key that is a list": lambda s: entry(s, "content")["dict"].append([[1], 2]),
    "pairs of three": lambda s: entry(s, "content")["dict"].append([1, 2, 3]),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_forged_structure_is_refused(saved: Path, change: Callable[[Any], object]) -> None:
    rewritten(saved, change)
    refusal(saved)


def test_nothing_is_ever_unpacked(saved: Path) -> None:
    rewritten(saved, lambda s: None, zipfile.ZIP_DEFLATED)
    message = refusal(saved)
    assert "is compressed" in message, message


def test_deeply_nested_structures_are_refused(saved: Path) -> None:
    comment = saved.read_bytes()[-64 - 23 :]
    with zipfile.ZipFile(saved, "w") as archive:
        archive.comment = comment
        archive.writestr("state.json", "[" * 100_000 + "]" * 100_000)
    saved.write_bytes(resealed(saved.read_bytes()))
    refusal(saved)


class _Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.path),))


def test_pickles_and_foreign_archives_are_no_checkpoints(tmp_path: Path) -> None:
    path, canary = tmp_path / "c", tmp_path / "canary"
    path.write_bytes(pickle.dumps(_Bomb(canary)))
    refusal(path)
    torch.save({"format": 2, "fingerprint": FINGERPRINT, "x": torch.zeros(3)}, path)
    refusal(path)
    np.savez(tmp_path / "precious.npz", x=np.zeros(3))
    refusal(tmp_path / "precious.npz")
    assert not canary.exists()


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "c")
    refusal(tmp_path / "c")


def test_the_checkpoint_of_another_run_is_named_by_what_differs(saved: Path) -> None:
    other = Checkpoint(saved, {"task": "denoise", "settings": {"channels": 32}}, 0)
    with pytest.raises(
        ValueError, match=r"belongs to another run: its settings\.channels is 16, here it is 32"
    ):
        other.load()


@pytest.mark.parametrize("sigma", [ShareOfRange(10 / 255), np.float64(0.04), 1])
def test_a_number_of_any_class_is_the_number_that_was_saved(tmp_path: Path, sigma: float) -> None:
    path = tmp_path / "run.checkpoint"
    Checkpoint(path, {"options": {"sigma": sigma}}, 0).save(CONTENT)
    assert same(Checkpoint(path, {"options": {"sigma": sigma}}, 0).load(), CONTENT)
    with pytest.raises(ValueError, match=r"its options\.sigma is"):
        Checkpoint(path, {"options": {"sigma": sigma + 1}}, 0).load()


def test_what_no_file_holds_is_named_and_the_last_save_stays(saved: Path) -> None:
    for content in (
        {"a": [object()]},
        {"a": np.zeros(3)},
        {"a": torch.zeros(2, 2).to_sparse()},
        {"a": {1, 2}},
    ):
        with pytest.raises(TypeError, match=r"\['a'\]"):
            checkpoint(saved).save(content)
    assert same(checkpoint(saved).load(), CONTENT)


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX")
@pytest.mark.parametrize("moment", ["open", "fdopen", "fsync", "replace"])
def test_killed_while_saving_the_last_save_stays(saved: Path, moment: str) -> None:
    child = os.fork()
    if child == 0:
        setattr(os, moment, lambda *_args, **_options: os.kill(os.getpid(), signal.SIGKILL))
        try:
            checkpoint(saved).save({"x": "newer"})
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert same(checkpoint(saved).load(), CONTENT)


# --- states that do not fit the run --------------------------------------------------------------------------


def _mutations(state: Any) -> list[Any]:
    """States that differ from `state` in one place: another shape, dtype, type, or without an entry."""
    changed: list[Any] = []

    def walk(node: Any, put: Callable[[Any], None]) -> None:
        def with_node(value: Any) -> None:
            put(value)
            changed.append(copy.deepcopy(root[0]))
            put(node)

        if isinstance(node, torch.Tensor):
            with_node(torch.zeros(*node.shape, 2, dtype=node.dtype))
            with_node(torch.zeros(node.shape, dtype=torch.int16))
            with_node("text")
        elif isinstance(node, dict):
            with_node([])
            for key in list(node):
                with_node({name: value for name, value in node.items() if name != key})
                walk(node[key], lambda value, key=key: node.__setitem__(key, value))
        elif isinstance(node, bool | int | float):
            with_node("text")
            with_node([node])

    root = [state]
    walk(state, lambda value: root.__setitem__(0, value))
    return changed


@pytest.mark.parametrize(
    ("prior", "settings"),
    [
        pytest.param(DriftingPrior(), None, id="drifting"),
        pytest.param("dip", {"iterations": 6, "channels": 8}, id="dip", marks=pytest.mark.slow),
    ],
)
def test_a_state_that_does_not_fit_the_run_is_refused_in_one_line(
    tmp_path: Path, prior: Any, settings: Any
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8)
    path = tmp_path / "c"
    job: dict[str, Any] = {
        "sigma": 0.1,
        "settings": settings,
        "checkpoint": path,
        "tile": None,
        "keep_checkpoint": True,
    }
    zeroshot.solve(image, "denoise", prior, callbacks=[interrupt_at(2)], **job)
    whole = read_state(path)
    mutations = _mutations(whole["content"])
    messages = []
    for index in np.random.default_rng(0).permutation(len(mutations))[:8]:
        with path.open("w+b") as file:
            write_state(file, {**whole, "content": mutations[index]})
        try:
            zeroshot.solve(image, "denoise", prior, resume=True, **job)
        except ValueError as error:
            messages.append(str(error))
    assert len(messages) >= 4
    assert all("\n" not in message and str(path) in message for message in messages)


def test_a_callback_that_fails_after_a_resumption_fails_by_its_own_name(tmp_path: Path) -> None:
    def fail(*_args: object) -> None:
        raise RuntimeError("of the caller")

    image = np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8)
    job: dict[str, Any] = {"sigma": 0.1, "checkpoint": tmp_path / "c"}
    zeroshot.solve(image, "denoise", DriftingPrior(), callbacks=[interrupt_at(2)], **job)
    assert (tmp_path / "c").exists()
    with pytest.raises(RuntimeError, match="of the caller"):
        zeroshot.solve(image, "denoise", DriftingPrior(), resume=True, callbacks=[fail], **job)


def test_states_of_another_build_are_named_by_place() -> None:
    model = {"run": {"x": torch.zeros(2, 3), "step": 0.1, "best": None}, "columns": {"loss": [0.1]}}
    require_alike(
        {"run": {"x": torch.ones(2, 3), "step": 1, "best": torch.zeros(1)}, "columns": {"loss": [1.0, 2.0]}},
        model,
    )
    # A run that keeps its best image begins with an empty one.
    require_alike({"best": torch.ones(1, 3, 4, 4)}, {"best": torch.empty(0)})
    for state, words in (
        ({"columns": {}}, "state has no 'run'"),
        ({**model, "run": {**model["run"], "x": torch.zeros(3, 2)}}, r"\['x'\] is torch.float32 \(3, 2\)"),
        ({**model, "run": {**model["run"], "x": torch.zeros(2, 3).double()}}, "torch.float64"),
        ({**model, "run": {**model["run"], "x": 1.0}}, "is float, not"),
        ({**model, "run": {**model["run"], "step": "small"}}, "is str, not float"),
        ({**model, "run": []}, "is list, not dict"),
    ):
        with pytest.raises(ValueError, match=words):
            require_alike(state, model)


def test_what_run_it_is_of_is_read_without_its_tensors(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fingerprint = checkpoint(saved).fingerprint
    monkeypatch.setattr(state_files, "_fill", lambda *given: pytest.fail("a tensor was read"))
    assert recorded(saved) == fingerprint


def test_where_there_is_no_state_nothing_is_said_of_its_run(saved: Path, tmp_path: Path) -> None:
    assert recorded(tmp_path / "none") == {}
    saved.write_bytes(saved.read_bytes()[:100])
    assert recorded(saved) == {}
    saved.write_bytes(b"something else")
    assert recorded(saved) == {}
