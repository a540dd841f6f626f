"""Small files that ask for much: each is refused in one line, by a process that has little memory to give."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import types
import zipfile

import numpy as np
import pytest
import torch

from tests.generators.pickle_writing import (
    Call,
    plain,
    storage_file,
    stored,
    stored_outside,
    tensor,
    whole,
    write_archive,
)
from zeroshot.generators import ProgressiveGAN, StyleGAN, StyleGAN3, load
from zeroshot.generators.formats import UnsafePickleError, load_tensors, read_pickle

pytestmark = pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")

MEGABYTE = 1 << 20
CHILD = """
import json, resource, sys
import numpy, safetensors.torch, torch
from zeroshot.generators import load
torch.zeros(10).sort()
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 150 * 2**20,) * 2)
said = {}
for path in sys.argv[1:]:
    try:
        load(path)
        said[path] = "read"
    except ValueError as error:
        said[path] = str(error)
    except BaseException as error:
        said[path] = f"{type(error).__name__} escaped: {error}"
print(json.dumps(said))
"""


def write_bombs(folder) -> dict[str, str]:
    """Files, and what is said about each."""
    from safetensors.torch import save_file

    good = tensor(stored(torch.zeros(4)), 0, (4,), (1,))
    shared = bytes(MEGABYTE)
    array = np.frombuffer(shared, np.uint8)
    pickles = {
        "state.pkl": whole(good + plain((1, 2, (9, 9), 0)) + b"b"),
        "slots.pkl": b"\x80\x02ctorch._utils\n_rebuild_parameter\nN}X\x0c\x00\x00\x00__defaults__K\x01\x85s\x86b.",
        "arrays.pkl": many(array),
        "texts.pkl": b"\x80\x02X"
        + MEGABYTE.to_bytes(4, "little")
        + shared
        + b"q\x000"
        + b"("
        + b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R" * 500
        + b"t.",
        "lists.pkl": whole(stored([1])),
        "sets.pkl": b"\x80\x02]("
        + b"K\x01" * 200_000
        + b"eq\x000"
        + b"("
        + b"c__builtin__\nset\nh\x00\x85R" * 400
        + b"t.",
    }
    assert read_pickle(whole(good)).shape == (4,)
    for name, content in pickles.items():
        (folder / name).write_bytes(content)
    write_archive(folder / "bytearray.pth", b"\x80\x02cbuiltins\nbytearray\nJ\x00\x84\xd7\x17\x85R.")
    write_archive(folder / "system.pth", b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00ls\x85R.")
    write_archive(folder / "overlap.pth", layer(400, (100,) * 4, (1,) * 4), **{"0": bytes(1600)})
    write_archive(folder / "expanded.pth", layer(1, (10**9,), (0,)), **{"0": bytes(4)})
    write_archive(folder / "declared.pth", layer(10**9, (10**9,), (1,)), **{"0": bytes(4)})
    write_archive(
        folder / "squeezed.pth",
        layer(10**8, (10**8,), (1,)),
        zipfile.ZIP_DEFLATED,
        **{"0": bytes(4 * 10**8)},
    )
    half = torch.zeros(MEGABYTE, dtype=torch.float16)
    torch.save({f"name{index}": half for index in range(500)}, folder / "names.pth")
    begun = storage_file(torch.zeros(10**6))
    (folder / "cut.pth").write_bytes(begun[: len(begun) // 2])
    whole_settings = {"resolution": 4, "z_dim": 12000, "widths": [12000]}
    many_settings = {"resolution": 4 * 2**39, "z_dim": 8, "widths": [8] * 40}
    for name, settings in (("wide", whole_settings), ("deep", many_settings)):
        metadata = {
            "format": "zeroshot-generator-1",
            "architecture": "pggan",
            "settings": json.dumps(settings),
        }
        save_file({"x": torch.zeros(1)}, folder / f"{name}.safetensors", metadata)
    (folder / "garbage.safetensors").write_bytes(b"\x01\x02\x03" * 50)
    return {
        "state.pkl": "sets the state of a Tensor",
        "slots.pkl": "sets the state of a torch._utils._rebuild_parameter",
        "arrays.pkl": "describe more than",
        "texts.pkl": "describe more than",
        "lists.pkl": "a tensor in the file is refused: it is a list",
        "sets.pkl": "describe more than",
        "bytearray.pth": "asks for builtins.bytearray",
        "system.pth": "asks for posix.system",
        "overlap.pth": "a tensor that is larger than its values",
        "expanded.pth": "a tensor that is larger than its values",
        "declared.pth": "says it holds more than its size",
        "squeezed.pth": "compressed, as torch.save does not",
        "names.pth": "describe more than",
        "cut.pth": "says it holds more than its size",
        "wide.safetensors": "layers.0.bias is missing",
        "deep.safetensors": "there must be 1 to 12 widths, got 40",
        "garbage.safetensors": "no whole .safetensors file",
    }


def layer(count: int, size: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    """The pickle of a network whose two weights are one view of `count` numbers, stored under the key 0."""
    view = tensor(stored_outside("0", count), 0, size, stride)
    return whole(b"}(" + plain("layer0.weight") + view + plain("output0.weight") + view + b"u")


def many(array: np.ndarray) -> bytes:
    """Five hundred arrays in the other byte order, of the same bytes."""
    # The bytes are memoised by the first array, and referred to by the rest.
    order = b"(K\x03X\x01\x00\x00\x00>NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    kind = b"cnumpy\ndtype\nX\x02\x00\x00\x00f4K\x00K\x01\x87R" + order
    content = (
        b"\x80\x03B" + array.nbytes.to_bytes(4, "little") + array.tobytes() + b"q\x000(" + kind + b"q\x010"
    )
    begin = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
    fill = b"(K\x01J" + (array.size // 4).to_bytes(4, "little") + b"\x85h\x01\x89h\x00tb"
    assert read_pickle(b"\x80\x03" + content[2:] + begin + fill + b"t.")[0].dtype == np.float32
    return content + (begin + fill) * 500 + b"t."


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What the loader says about every file, in a process that cannot take more than 150 MB."""
    folder = tmp_path_factory.mktemp("bombs")
    wanted = write_bombs(folder)
    paths = [str(folder / name) for name in wanted]
    ended = subprocess.run([sys.executable, "-c", CHILD, *paths], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    found = {path.rpartition("/")[2]: text for path, text in json.loads(ended.stdout).items()}
    return wanted, found


def test_each_bomb_is_refused_in_one_line_that_names_the_file_once(said):
    wanted, found = said
    wrong = {
        name: found[name]
        for name, text in wanted.items()
        if text not in found[name] or "\n" in found[name] or found[name].count(name) != 1
    }
    assert not wrong


def test_a_network_of_networks_that_share_their_parts_is_refused(tmp_path, monkeypatch):
    for name in ("torch_utils", "torch_utils.persistence"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    persistence = sys.modules["torch_utils.persistence"]

    def reconstruct(meta):
        raise AssertionError("the function of the file was called")

    reconstruct.__module__, reconstruct.__qualname__ = persistence.__name__, "_reconstruct_persistent_obj"
    setattr(persistence, reconstruct.__qualname__, reconstruct)

    def module(parts):
        state = {"_modules": parts, "_parameters": {}, "_buffers": {}}
        return Call(reconstruct, {"class_name": "M", "state": state})

    one = module({})
    for _ in range(60):
        one = module({"a": one, "b": one})
    path = tmp_path / "shared.pkl"
    path.write_bytes(pickle.dumps({"G_ema": one}, 4))
    with pytest.raises(ValueError, match=r"shared\.pkl: the file uses one M twice"):
        load(path)  # whoever follows every way to a part takes 2 ** 60 of them


def test_nested_keys_are_refused_before_they_are_hashed():
    content = b"\x80\x02}" + b"K\x01" + b"2\x86" * 60 + b"K\x02s."
    with pytest.raises(UnsafePickleError, match="files something under a tuple"):
        read_pickle(content)


def test_settings_beyond_any_network_are_refused():
    designed = StyleGAN3.designed(16, "T", 12, 10, num_layers=5, channel_base=256, channel_max=12).settings
    for name, value in (("filter_size", 10**6), ("lrelu_upsampling", 10**6), ("lrelu_upsampling", 0)):
        with pytest.raises(ValueError, match=r"must be 1 to 64|may change the rate by up to 16"):
            StyleGAN3(**{**designed, name: value})
    plans = [[0, *designed["plans"][0][1:]], *designed["plans"][1:]]
    with pytest.raises(ValueError, match="sizes and rates must be 1 to 8192"):
        StyleGAN3(**{**designed, "plans": plans})
    with pytest.raises(ValueError, match="1 to 12 widths"):
        ProgressiveGAN(4 * 2**39, 8, [8] * 40)
    with pytest.raises(ValueError, match="may have 64 layers"):
        StyleGAN(4, 8, 8, [8], [8] * 65)


@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_tensors_of_torch_files_come_back(form, tmp_path):
    draw = torch.Generator().manual_seed(0)
    base = torch.randn(5, 6, generator=draw)
    content = {
        "whole": base,
        "view": base.T[1:4],
        "half": base.half(),
        "brain": base.bfloat16(),
        "long": torch.arange(7),
        "truth": base > 0,
        "none": torch.zeros(0, 3),
        "number": torch.tensor(3.0),
        "trained": torch.nn.Parameter(base[0].clone()),
        "nested": {"list": [1, 2.5, "text", None], "module": torch.nn.Linear(2, 3).state_dict()},
    }
    torch.save(content, tmp_path / "x.pth", _use_new_zipfile_serialization=form == "zip")
    found = load_tensors(tmp_path / "x.pth")
    assert found.keys() == content.keys()
    for name, value in content.items():
        if isinstance(value, torch.Tensor):
            assert found[name].dtype == value.dtype
            assert torch.equal(found[name], value)
    assert found["nested"]["list"] == content["nested"]["list"]
    assert torch.equal(found["nested"]["module"]["weight"], content["nested"]["module"]["weight"])


def complaint(path) -> str | None:
    try:
        load(path)
    except ValueError as error:
        return str(error)
    return None


def test_bent_torch_files_never_do_more_than_refuse(tmp_path):
    path = tmp_path / "x.pth"
    draw = np.random.default_rng(0)
    for form in (True, False):
        torch.save(
            {"a": torch.arange(20.0), "b": [torch.ones(3), 4]}, path, _use_new_zipfile_serialization=form
        )
        content = path.read_bytes()
        for _ in range(60):
            bent = bytearray(content)
            for place in draw.integers(0, len(content), size=4):
                bent[place] = draw.integers(256)
            path.write_bytes(bent)
            said = complaint(path)
            # Whatever is read of it is no generator.
            assert said is not None
            assert said.count("x.pth") == 1
            assert "\n" not in said
