"""Hostile files of weights: pickles that run code or ask for memory, bent archives, headers that lie."""

from __future__ import annotations

import io
import json
import pickle
import pickletools
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz.damage import EXTREMES, Draw, choose, damaged, noise, spliced, whole
from tests.fuzz.judging import Case, call, command, quiet

_SUFFIXES = (".pkl", ".pth", ".pt", ".safetensors", ".npz", ".bin", "")


# --- whole files -------------------------------------------------------------------------------------------


def prepare(folder: Path) -> None:
    """Write small files of every format that is read."""
    import torch

    from tests.generators import small_generators
    from zeroshot.generators import save

    style = small_generators.build("style")
    skip = small_generators.build("skip")
    with quiet():
        for name, generator in (
            ("style", style),
            ("skip", skip),
            ("pggan", small_generators.build("progressive")),
        ):
            save(generator, folder / f"{name}.safetensors")
        save(small_generators.tiny_decoder(), folder / "decoder.safetensors")
        content = {
            "a": torch.arange(20.0),
            "b": [torch.ones(3), 4],
            "epoch": 7,
            "view": torch.ones(4, 4).T[1:],
        }
        torch.save(style.state_dict(), folder / "state.pth")
        torch.save(
            {"g_ema": skip.state_dict(), "latent_avg": torch.zeros(10), **content}, folder / "nested.pth"
        )
        torch.save(content, folder / "legacy.pth", _use_new_zipfile_serialization=False)
        (folder / "nvidia.pkl").write_bytes(_nvidia(skip))
        (folder / "arrays.pkl").write_bytes(
            pickle.dumps({"G_ema": [np.arange(6.0), "text", {1: (2, 3.5)}]}, 4)
        )
        (folder / "old.pkl").write_bytes(pickle.dumps([np.ones((2, 2), np.float32), None, True, b"x"], 0))
    latent = np.random.default_rng(0).normal(size=(2, style.num_layers, 10)).astype(np.float32)
    np.savez(folder / "latent.npz", latent=latent)
    np.save(folder / "direction.npy", latent[0, 0])


def _nvidia(generator: Any) -> bytes:
    """The snapshot that the original tool would write of a StyleGAN2, with its classes gone again."""
    import torch

    from tests.generators.pickle_writing import Call

    for name in ("torch_utils", "torch_utils.persistence"):
        sys.modules[name] = types.ModuleType(name)
    persistence = sys.modules["torch_utils.persistence"]

    def reconstruct(meta: Any) -> Any:
        raise AssertionError("the function of the file was called")

    reconstruct.__module__, reconstruct.__qualname__ = persistence.__name__, "_reconstruct_persistent_obj"
    persistence._reconstruct_persistent_obj = reconstruct  # type: ignore[attr-defined]
    tree: dict[str, Any] = {}
    for name, value in generator.state_dict().items():
        name = name.replace("mapping_network.", "mapping.")
        for index, size in enumerate((4, 8, 16)):
            name = name.replace(f"blocks.{index}.", f"synthesis.b{size}.")
        *path, last = name.split(".")
        place = tree
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value

    def module(parts: dict[str, Any]) -> Any:
        tensors = {name: part for name, part in parts.items() if isinstance(part, torch.Tensor)}
        inner = {name: module(part) for name, part in parts.items() if isinstance(part, dict)}
        state = {
            "_modules": inner,
            "_parameters": tensors,
            "_buffers": {},
            "architecture": "skip",
            "conv_clamp": None,
        }
        return Call(
            reconstruct, {"type": "class", "class_name": "G", "module_src": "tripped()", "state": state}
        )

    content = pickle.dumps({"G_ema": module(tree), "training_set_kwargs": {}}, 4)
    for name in ("torch_utils", "torch_utils.persistence"):
        del sys.modules[name]
    return content


# --- pickles -----------------------------------------------------------------------------------------------

_CODE = "__import__('tests.fuzz.judging').fuzz.judging.tripped()"
_CALLED = (
    ("tests.fuzz.judging", "tripped", ""),
    ("builtins", "eval", _CODE),
    ("builtins", "exec", _CODE),
    ("__builtin__", "eval", _CODE),
    ("os", "system", "echo sprung > sprung"),
    ("posix", "system", "echo sprung > sprung"),
    ("subprocess", "getoutput", "echo sprung > sprung"),
    ("subprocess", "Popen", "sprung"),
    ("builtins", "open", "sprung"),
    ("builtins", "__import__", "this"),
    ("importlib", "import_module", "antigravity"),
    ("pathlib", "Path.touch", "sprung"),
    ("torch", "load", "sprung"),
    ("torch.hub", "load", "sprung"),
    ("torch.serialization", "load", "sprung"),
    ("torch._utils", "_rebuild_tensor_v2", "x"),
    ("torch._utils", "_rebuild_parameter", "x"),
    ("torch.storage", "_load_from_bytes", "x"),
    ("numpy.core.multiarray", "_reconstruct", "x"),
    ("numpy", "ndarray", "x"),
    ("numpy", "load", "x"),
    ("collections", "OrderedDict", "x"),
    ("builtins", "bytearray", "x"),
    ("builtins", "getattr", "x"),
    ("functools", "partial", "x"),
    ("operator", "attrgetter", "system"),
    ("types", "FunctionType", "x"),
    ("ctypes", "CDLL", "libc.so.6"),
    ("webbrowser", "open", "http://127.0.0.1:9/"),
    ("zeroshot.files", "write_atomically", "sprung"),
    ("\x1b[31m", "\u202ered", "x"),
)  # fmt: skip


def _called(draw: Draw) -> bytes:
    """The opcodes that call something by name, in one of the ways a pickle has for it."""
    module, name, argument = choose(draw, _CALLED)
    text = argument.encode()
    unicode = b"X" + len(text).to_bytes(4, "little") + text
    number = b"J" + choose(draw, EXTREMES).to_bytes(4, "little")
    given = choose(draw, (unicode + b"\x85", number + b"\x85", b")", unicode + number + b"\x86", b"N\x85"))
    found = f"c{module}\n{name}\n".encode()
    stacked = (
        b"".join(b"\x8c" + bytes([len(word)]) + word for word in (module.encode(), name.encode())) + b"\x93"
    )
    return choose(draw, (
        found + given + b"R",
        stacked + given + b"R",
        found + given + b"\x81",
        b"(" + unicode + f"i{module}\n{name}\n".encode(),
        b"(" + found + unicode + b"o",
        found + given + b"}\x92",
        found + given + b"R" + b"}b",
        found + b"N\x85R" + unicode + b"b",
        b"\x82\x01", b"\x84\xff\xff\xff\x7f", b"Psprung\n", unicode + b"Q", b"\x97", b"h\x00h\x01R",
        b"\x94h\x00b",
    ))  # fmt: skip


def _bend_pickle(draw: Draw, data: bytes) -> tuple[bytes, str]:
    """Edit the opcodes."""
    try:
        places = [place or 0 for _, _, place in pickletools.genops(data)]
    except Exception:
        return damaged(draw, data)
    end = places[-1] + 1
    steps = [data[start:stop] for start, stop in zip(places, [*places[1:], end], strict=True)]
    said = []
    for _ in range(whole(draw, 1, 4)):
        at = whole(draw, 1, len(steps))
        way = choose(
            draw, ("call", "call", "drop", "repeat", "swap", "argument", "opcode", "nest", "memo", "many")
        )
        if way == "call":
            steps.insert(choose(draw, (1, len(steps) - 1, at)), _called(draw))
        elif way == "drop":
            del steps[at : at + whole(draw, 1, 4)]
        elif way == "repeat":
            steps[at:at] = steps[at : at + whole(draw, 1, 5)] * choose(draw, (1, 2, 1000))
        elif way == "swap":
            other = whole(draw, 1, len(steps))
            steps[at], steps[other] = steps[other], steps[at]
        elif way == "argument":
            steps[at] = steps[at][:1] + damaged(draw, steps[at][1:], 1)[0]
        elif way == "opcode":
            steps[at] = bytes([choose(draw, list(pickletools.code2op)).encode("latin-1")[0]]) + steps[at][1:]
        elif way == "nest":
            opening, closing = choose(
                draw, ((b"]", b"a"), (b"", b"\x85"), (b"(", b"t"), (b"(", b"l"), (b"}N", b"s"))
            )
            deep = choose(draw, (10, 900, 5000, 200_000))
            steps[-1:] = [opening * deep, b"N", closing * deep, b"."]
        elif way == "memo":
            steps.insert(at, b"r" + choose(draw, EXTREMES).to_bytes(4, "little"))
        else:
            steps.insert(
                at,
                choose(draw, (b"2\x86", b"\x942\x86", b"](h\x00h\x00e", b"K\x01")) * choose(draw, (60, 3000)),
            )
        if len(steps) < 2:
            break
        said.append(way)
    return b"".join(steps) + data[end:], f"pickle: {', '.join(said)}"


# --- archives ----------------------------------------------------------------------------------------------


def _bend_archive(draw: Draw, data: bytes) -> tuple[bytes, str]:
    """Rewrite an archive with one entry bent, or bend what the directory says of it."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            entries = [(entry.filename, file.read(entry)) for entry in file.infolist()]
    except Exception:
        return damaged(draw, data)
    if not entries:
        return damaged(draw, data)
    at = whole(draw, 0, len(entries))
    name, content = entries[at]
    compression = zipfile.ZIP_STORED
    way = choose(draw, ("pickle", "pickle", "pickle", "missing", "rename", "twice", "deflated", "bomb",
        "content", "claims",
                        "many", "array head"))  # fmt: skip
    if way == "pickle":
        for index, (there, inside) in enumerate(entries):
            if there.endswith("data.pkl"):
                entries[index] = (there, _bend_pickle(draw, inside)[0])
    elif way == "missing":
        del entries[at]
    elif way == "rename":
        new = choose(
            draw,
            (
                "../sprung",
                "/tmp/sprung",
                "archive/data.pkl",
                "archive/data/0",
                "x" * 300,
                "\x1b[2J",
                "latent.npy",
            ),
        )
        entries[at] = (new, content)
    elif way == "twice":
        entries.append((name, damaged(draw, content, 1)[0]))
    elif way == "deflated":
        compression = choose(draw, (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    elif way == "bomb":
        compression = zipfile.ZIP_DEFLATED
        head = content[:128] if name.endswith(".npy") else b""
        entries[at] = (name, head + bytes(choose(draw, (10, 64)) << 20))
    elif way == "content":
        entries[at] = (name, damaged(draw, content, 1)[0])
    elif way == "many":
        entries += [(f"archive/data/{index}", b"") for index in range(choose(draw, (100, 3000)))]
    elif way == "array head":
        entries[at] = (name, _bend_array(draw, content)[0])
    out = io.BytesIO()
    with quiet(), zipfile.ZipFile(out, "w", compression) as file:
        for there, inside in entries:
            file.writestr(there, inside)
    bent = out.getvalue()
    if way == "claims":
        start = bent.rfind(b"PK\x01\x02")
        place = start + choose(draw, (10, 16, 20, 24, 28, 42)) if start >= 0 else 0
        bent = bent[:place] + choose(draw, EXTREMES).to_bytes(4, "little") + bent[place + 4 :]
    return bent, f"archive: {way}"


def _bend_array(draw: Draw, data: bytes) -> tuple[bytes, str]:
    """The header of a .npy file says something else."""
    if data[:6] != b"\x93NUMPY":
        return damaged(draw, data)
    kind = choose(
        draw,
        ("<f4", "<f8", "|O", "<U99", "|V0", "|S0", "<i8", "<c16", "<M8[s]", "f4,f4", "<f4x", "|b1", "<f2"),
    )
    shape = choose(draw, ("()", "(0,)", "(10,)", "(2, 6, 10)", "(1000000000,)", "(-1,)", "(2, 0, 10)",
        "(99999999999999999999,)",
                          "(1,) * 9", "(True,)", "(10.0,)", "None", "(1," + "1," * 70 + ")"))  # fmt: skip
    order = choose(draw, ("False", "True", "None", "__import__('os')"))
    head = f"{{'descr': {kind!r}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    if draw.random() < 0.1:
        head = choose(
            draw, (b"{" * 3000, b"(" * 100, b"", noise(draw, 60), b"{'descr': " + b"[" * 200 + b"\n")
        )
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + data[128:], "array: its head"


def _bend_safetensors(draw: Draw, data: bytes) -> tuple[bytes, str]:
    """The header says something else of the tensors, or of the architecture."""
    length = int.from_bytes(data[:8], "little")
    try:
        head = json.loads(data[8 : 8 + length])
    except ValueError:
        return damaged(draw, data)
    names = [name for name in head if name != "__metadata__"]
    if not names or "__metadata__" not in head:
        return damaged(draw, data)
    name = choose(draw, names)
    way = choose(draw, ("shape", "dtype", "offsets", "remove", "add", "setting", "setting", "setting",
        "metadata", "length",
                        "nested", "text"))  # fmt: skip
    value = choose(
        draw,
        (
            0,
            -1,
            1,
            3,
            2.5,
            10**6,
            2**31,
            2**63,
            10**30,
            "x",
            "",
            None,
            True,
            [],
            {},
            [1] * 50,
            [[1]],
            float("nan"),
        ),
    )
    text = None
    if way == "shape":
        head[name]["shape"] = choose(draw, ([], [0], [1, 1], [2**40], [2**32, 2**32], [-1], value))
    elif way == "dtype":
        head[name]["dtype"] = choose(draw, ("F16", "BF16", "F64", "I64", "BOOL", "F8_E4M3", "X9", value))
    elif way == "offsets":
        head[name]["data_offsets"] = choose(draw, ([0, 2**40], [4, 0], [0, 4], [-4, 0], [0], value))
    elif way == "remove":
        del head[choose(draw, (name, "__metadata__"))]
    elif way == "add":
        head[choose(draw, ("x", "\u202e", "\x1b[2J", "w" * 5000))] = {
            "dtype": "F32",
            "shape": [0],
            "data_offsets": [0, 0],
        }
    elif way == "setting":
        settings = json.loads(head["__metadata__"]["settings"])
        settings[choose(draw, settings) if draw.random() < 0.9 else "nonsense"] = value
        head["__metadata__"]["settings"] = json.dumps(settings)
    elif way == "metadata":
        key = choose(draw, ("format", "architecture", "settings", "new"))
        head["__metadata__"][key] = choose(
            draw, ("", "x", "null", "[]", "{", "[" * 5000, '{"a": 1}', "StyleGAN", "pggan", "\x1b[31m")
        )
    elif way == "nested":
        text = b'{"a":' * choose(draw, (100, 100_000)) + b"1"
    elif way == "text":
        text = noise(draw, 50)
    packed = json.dumps(head).encode() if text is None else text
    size = choose(draw, EXTREMES) if way == "length" else len(packed)
    return size.to_bytes(8, "little") + packed + data[8 + length :], f"safetensors: {way}"


# --- cases -------------------------------------------------------------------------------------------------


def case(draw: Draw, prepared: Path, folder: Path) -> Case:
    """One bent file of weights, latents or a direction, and what is done with it."""
    wholes = sorted(prepared.iterdir())
    source = choose(draw, wholes)
    data, said = source.read_bytes(), "whole"
    for _ in range(choose(draw, (0, 1, 1, 1, 1, 1, 1, 2))):
        way = draw.random()
        if way < 0.7:
            if data[:2] == b"PK":
                data, said = _bend_archive(draw, data)
            elif source.suffix == ".safetensors":
                data, said = _bend_safetensors(draw, data)
            elif source.suffix == ".npy":
                data, said = _bend_array(draw, data)
            else:
                data, said = _bend_pickle(draw, data)
        elif way < 0.9:
            data, said = damaged(draw, data)
        elif way < 0.95:
            other = choose(draw, wholes).read_bytes()
            data, said = (
                (spliced(draw, data, other) if draw.random() < 0.5 else data + other),
                "another file's end",
            )
        else:
            body = _called(draw)
            data, said = (
                b"\x80" + bytes([choose(draw, (0, 2, 4, 5))]) + body + b".",
                "a call and nothing else",
            )
    suffix = source.suffix if draw.random() < 0.9 else choose(draw, _SUFFIXES)
    path = folder / f"file{suffix}"
    path.write_bytes(data)
    what = f"{source.name}, {said}, {len(data)} bytes, as {path.name}"
    if source.suffix in (".npz", ".npy") or draw.random() < 0.02:
        return _edit(draw, prepared, path, what)
    way = draw.random()
    if way < 0.15:
        return Case(f"weights inspect {what}", command(["weights", "inspect", str(path)]))
    if way < 0.2:
        output = folder / "out.safetensors"
        return Case(
            f"weights convert {what}",
            command(["weights", "convert", str(path), str(output)], output),
            frozenset({output.name}),
        )
    if way < 0.25:
        return _restore(draw, path, folder, what)
    return Case(f"generators.load of {what}", call(lambda: _load(path), (ValueError, OSError), _is_generator))


def _load(path: Path) -> Any:
    from zeroshot.generators import load

    return load(path)


def _is_generator(found: Any) -> list[str]:
    from zeroshot.generators import Generator, describe

    if not isinstance(found, Generator):
        return [f"a {type(found).__name__} for a generator"]
    describe(found)
    return (
        [] if not any(parameter.requires_grad for parameter in found.parameters()) else ["weights to train"]
    )


def _edit(draw: Draw, prepared: Path, path: Path, what: str) -> Case:
    output = path.parent / "out.png"
    latent = str(prepared / "latent.npz")
    way = choose(draw, (
        [str(path), "--direction", str(prepared / "direction.npy")],
        [latent, "--direction", str(path)],
        [latent, "--towards", str(path), "--share", "0.3"],
        [latent, "--mix", str(path), "--layers", "0-2"],
    ))  # fmt: skip
    words = ["edit", *way, "-o", str(output), "--weights", str(prepared / "style.safetensors")]
    return Case(f"edit with {what}", command(words, output), frozenset({output.name}))


def _restore(draw: Draw, path: Path, folder: Path, what: str) -> Case:
    from PIL import Image

    source, output = folder / "face.png", folder / "out.png"
    Image.fromarray(draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(source)
    prior = choose(draw, ("pulse", "inversion", "mgan", "latent"))
    words = [
        "sr",
        str(source),
        "-o",
        str(output),
        "--scale",
        "2",
        "--prior",
        prior,
        "--weights",
        str(path),
        "--seconds",
        "0.5",
    ]
    # Beside the weights lie the statistics of their latents, which take long to draw.
    allowed = frozenset({output.name, f"{output.name}.checkpoint", f"{path.name}.latents.npz"})
    return Case(f"sr --prior {prior} with {what}", command(words, output), allowed)
