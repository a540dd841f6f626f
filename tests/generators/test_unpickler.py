"""Hostile pickles: none runs, each is refused by the name of what it asks for, and the memory stays bounded."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import resource
import struct
import subprocess
import zipfile
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.generators.pickle_writing import LOAD_FROM_BYTES, Call, call, plain, stored, tensor, whole
from zeroshot.generators import load
from zeroshot.generators.formats import Recorded, UnsafePickleError, read_pickle


def touch(path: Path) -> str:
    return f"touch {path}"


@pytest.fixture
def trap(tmp_path):
    """A file that appears if anything ran."""
    path = tmp_path / "sprung"
    yield path
    assert not path.exists(), "the pickle ran"


def hostile_objects(trap: Path):
    code = f"open({str(trap)!r}, 'w')"
    return {
        "posix.system": Call(os.system, touch(trap)),
        "builtins.eval": Call(eval, code),
        "builtins.exec": Call(exec, code),
        "builtins.getattr": Call(getattr, Call(__import__, "os"), "system"),
        "subprocess.Popen": Call(subprocess.Popen, ["touch", str(trap)]),
        "io.open": Call(io.open, str(trap), "w"),
        "builtins.__import__": Call(__import__, "os"),
    }


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", list(hostile_objects(Path("x"))))
def test_calls_are_refused_by_name(trap, name, protocol):
    content = pickle.dumps({"G_ema": [hostile_objects(trap)[name]]}, protocol)
    wanted = name.rpartition(".")[2]
    with pytest.raises(UnsafePickleError, match=rf"asks for [\w.]*{wanted}"):
        read_pickle(content)


def text_pickle(module: str, name: str, argument: str) -> bytes:
    """Protocol 0, GLOBAL and REDUCE."""
    return f"c{module}\n{name}\n(V{argument}\ntR.".encode()


@pytest.mark.parametrize(
    "content",
    [
        text_pickle("os", "system", "touch sprung"),
        b"(S'touch sprung'\nios\nsystem\n.",  # INST
        b"(cos\nsystem\nS'touch sprung'\no.",  # OBJ
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0ctouch sprung\x85R.",  # STACK_GLOBAL
        b"\x80\x02cos\nsystem\n)\x81.",  # NEWOBJ
        b"\x80\x04cos\nsystem\n)}\x92.",  # NEWOBJ_EX
    ],
    ids=["GLOBAL", "INST", "OBJ", "STACK_GLOBAL", "NEWOBJ", "NEWOBJ_EX"],
)
def test_every_opcode_that_names_something_is_refused(content):
    with pytest.raises(UnsafePickleError, match=r"asks for os\.system"):
        read_pickle(content)


@pytest.mark.parametrize("opcode", [b"\x82\x01", b"\x83\x01\x00", b"\x84\x01\x00\x00\x00"])
def test_extension_codes_are_refused_even_when_registered(opcode, trap):
    import copyreg

    copyreg.add_extension("os", "system", 1)
    try:
        with pytest.raises(UnsafePickleError, match="extension code 1"):
            read_pickle(b"\x80\x02" + opcode + b"X\x05\x00\x00\x00hello\x85R.")
    finally:
        copyreg.remove_extension("os", "system", 1)


@pytest.mark.parametrize("content", [b"Pevil\n.", b"\x80\x02X\x04\x00\x00\x00evilQ."])
def test_persistent_identifiers_are_refused(content):
    with pytest.raises(UnsafePickleError, match="persistent identifier"):
        read_pickle(content)


def test_dotted_names_do_not_reach_through_a_module(trap):
    # Protocol 4 lets a name be a path of attributes.
    for module, name in (("collections", "OrderedDict.__init__.__globals__"), ("numpy", "dtype.__class__")):
        content = b"\x80\x04\x8c" + bytes([len(module)]) + module.encode()
        content += b"\x8c" + bytes([len(name)]) + name.encode() + b"\x93."
        with pytest.raises(UnsafePickleError, match="which data does not need"):
            read_pickle(content)


def test_state_is_kept_and_not_applied(trap):
    module, name = b"dnnlib.tflib.network", b"Network"
    network = (
        b"\x80\x04\x8c" + bytes([len(module)]) + module + b"\x8c" + bytes([len(name)]) + name + b"\x93)R"
    )
    found = read_pickle(network + b"}\x8c\x09__class__\x8c\x04evilsb.")
    assert type(found) is Recorded
    assert found.state == {"__class__": "evil"}


def test_attributes_of_containers_cannot_be_set_to_anything_that_runs(trap):
    hook = Call(os.system, touch(trap))
    content = pickle.dumps({"a": [Call(dict, state={"__getattr__": hook})]}, 2)
    with pytest.raises(UnsafePickleError, match="asks for"):
        read_pickle(content)


def test_a_pickle_inside_a_tensor_is_refused_too(trap):
    inner = io.BytesIO()
    torch.save({"x": Call(os.system, touch(trap))}, inner)
    legacy = io.BytesIO()
    torch.save({"x": Call(os.system, touch(trap))}, legacy, _use_new_zipfile_serialization=False)
    for content in (inner.getvalue(), legacy.getvalue()):
        with pytest.raises(UnsafePickleError, match=r"a tensor in the file is refused|not data"):
            read_pickle(whole(call(LOAD_FROM_BYTES, plain(content))))


def test_zipped_payloads_are_refused(trap, tmp_path):
    path = tmp_path / "weights.pt"
    torch.save({"g_ema": Call(os.system, touch(trap))}, path)
    with pytest.raises(
        UnsafePickleError, match=r"weights\.pt: the file asks for posix\.system, which data does not need"
    ):
        load(path)
    bare = tmp_path / "bare.pt"
    with zipfile.ZipFile(bare, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Call(os.system, touch(trap)), 2))
        archive.writestr("archive/version", "3")
    with pytest.raises(ValueError, match=r"bare\.pt"):
        load(bare)
    renamed = tmp_path / "renamed.pkl"
    renamed.write_bytes(pickle.dumps(Call(os.system, touch(trap)), 4))
    with pytest.raises(UnsafePickleError, match=r"renamed\.pkl: the file asks for posix\.system"):
        load(renamed)


def test_several_pickles_one_after_another_run_no_more_than_one(trap):
    content = pickle.dumps({"a": 1}, 4) + pickle.dumps(Call(os.system, touch(trap)), 4)
    assert read_pickle(content) == {"a": 1}


BOMBS = {
    "memo of billions": b"\x80\x02]r\xff\xff\xff\x7f.",
    "memo of billions in text": b"]p4000000000\n.",
    "bytes that are not there": b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.",
    "text that is not there": b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"x.",
    "a byte array that is not there": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"x.",
    "a whole number of megabytes": b"\x80\x02\x8b" + struct.pack("<i", 2**20) + b"\x7f" * 2**20 + b".",
}


@pytest.mark.parametrize("name", list(BOMBS))
def test_bombs_are_refused_before_they_grow(name):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UnsafePickleError):
        read_pickle(BOMBS[name])
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 100_000, f"{grown} kB more"


def test_doubling_references_stay_small():
    # Thirty levels of a pair of the one below: 2^30 leaves if they were copied.
    value: object = ()
    for _ in range(30):
        value = (value, value)
    found = read_pickle(pickle.dumps(value, 4))
    for _ in range(30):
        assert found[0] is found[1]
        found = found[0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a process that may crash")
def test_deep_nesting_is_refused_or_read_but_never_crashes():
    content = b"\x80\x04" + b"(" * 50_000 + b"t" * 50_000 + b"."
    answers, answer = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=refuse, args=(content, answer))
    child.start()
    answer.close()
    assert "nests its objects too deeply" in answers.recv()
    child.join()
    assert child.exitcode == 0


def refuse(content: bytes, answer: Connection) -> None:
    try:
        read_pickle(content)
    except UnsafePickleError as error:
        answer.send(str(error))


@pytest.mark.parametrize("dtype", [object, np.dtype([("a", "f4")]), "S5", "U5", "M8[s]"])
def test_arrays_of_anything_but_numbers_are_refused(dtype):
    content = pickle.dumps(np.zeros(3, dtype=dtype), 4)
    with pytest.raises(UnsafePickleError):
        read_pickle(content)


def test_bytes_of_any_length_cannot_be_asked_for():
    with pytest.raises(UnsafePickleError, match=r"builtins\.bytes with an argument"):
        read_pickle(b"\x80\x02c__builtin__\nbytes\nJ\xff\xff\xff\x7f\x85R.")


@pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "i8", "u1", "?", "f2"])
def test_arrays_of_numbers_come_back(dtype, protocol):
    array = np.arange(12).reshape(3, 4).astype(dtype)
    for one in (array, np.asfortranarray(array), array[:0], array.ravel()[0]):
        found = read_pickle(pickle.dumps({"x": one}, protocol))["x"]
        np.testing.assert_array_equal(found, one)


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_tensors_come_back_and_cannot_reach_beyond_their_values():
    original = torch.arange(12.0).view(3, 4)

    def read(size, stride, offset=0):
        return read_pickle(whole(tensor(stored(original), offset, size, stride)))

    assert torch.equal(read((3, 4), (4, 1)), original)
    assert torch.equal(read((2,), (4,), 1), original[:2, 1])
    for size, stride, offset in (
        ((4, 4), (4, 1), 0),
        ((3, 4), (4, 1), 1),
        ((1000,), (0,), 0),
        ((2,), (-1,), 3),
    ):
        with pytest.raises(UnsafePickleError, match="tensor"):
            read(size, stride, offset)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_every_byte_of_a_real_file_may_be_wrong(shared):
    content = bytearray((shared / "oracles" / "generators" / "stylegan3r_32.pkl").read_bytes())
    draw = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        bent = bytearray(content)
        for place in draw.integers(0, 6000, size=3):
            bent[place] = draw.integers(256)
        try:
            read_pickle(bytes(bent))
        except UnsafePickleError:
            refused += 1
    assert refused > 12
