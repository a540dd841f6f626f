"""The folder of a comparison: what goes on in it, what is refused, and what a killed run leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zeroshot.compare.records import Cell, CurvePoint
from zeroshot.compare.store import ComparisonError, Plan, Store, slug
from zeroshot.compare.store_images import ImageStore

TERMS = {"task": "sr", "options": {"scale": 4}, "seconds": None, "seed": 0, "metrics": ["psnr"]}


def plan(terms: dict | None = None, images: tuple = ("a",), methods: tuple = ("tv",)) -> Plan:
    return Plan(terms or TERMS, {name: f"sum {name}" for name in images}, {name: name for name in methods})


def opened(folder: Path, wanted: Plan | None = None) -> ImageStore:
    store = ImageStore(folder)
    store.open(wanted or plan(), "continue")
    return store


def test_a_cell_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    cell = Cell("a", "tv", "done", "", 1.5, 20.0, {"psnr": 30.0}, {"iterations": 3}, (CurvePoint(0.5, 20.0),))
    opened(tmp_path / "out").keep(cell)
    again = opened(tmp_path / "out")
    assert again.cell("a", "tv") == cell
    assert again.cells() == (cell,)
    assert again.cell("a", "dip") is None


def test_a_file_name_that_is_no_text_is_a_name_all_the_same(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    store = opened(tmp_path / "out", plan(images=(name,)))
    store.keep(Cell(name, "tv", "done"))
    assert opened(tmp_path / "out", plan(images=(name,))).cells() == (Cell(name, "tv", "done"),)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"image": "a"}'])
def test_half_a_cell_counts_as_not_run(content: bytes, tmp_path: Path) -> None:
    store = opened(tmp_path / "out")
    store.keep(Cell("a", "tv", "done"))
    (file,) = (tmp_path / "out" / "cells").rglob("*.json")
    file.write_bytes(content)
    assert store.cell("a", "tv") is None


def test_images_and_methods_may_be_added_and_none_is_forgotten(tmp_path: Path) -> None:
    opened(tmp_path / "out")
    store = opened(tmp_path / "out", plan(images=("b",), methods=("dip",)))
    assert store.images == ("a", "b")
    assert store.methods == ("tv", "dip")
    assert opened(tmp_path / "out").images == ("a", "b")


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({**TERMS, "options": {"scale": 2}}, "scale 4, this one has 2"),
        ({**TERMS, "options": {"scale": 4, "sigma": 0.1}}, r"sigma not set, this one has 25\.5/255"),
        ({**TERMS, "options": {}}, "scale 4, this one has not set"),
        ({**TERMS, "seconds": 60.0}, "seconds not set, this one has 60"),
        ({**TERMS, "seed": 1}, "seed 0, this one has 1"),
        ({**TERMS, "metrics": ["psnr", "ssim"]}, "metrics psnr, this one has psnr, ssim"),
    ],
)
def test_another_comparison_cannot_go_on_in_its_place(terms: dict, said: str, tmp_path: Path) -> None:
    opened(tmp_path / "out")
    with pytest.raises(ComparisonError, match=f"{said}: choose another folder, or overwrite") as caught:
        opened(tmp_path / "out", plan(terms))
    assert "\n" not in str(caught.value)
    Store(tmp_path / "out").open(plan(terms), "overwrite")


def test_another_image_or_method_of_the_same_name_is_refused(tmp_path: Path) -> None:
    opened(tmp_path / "out")
    with pytest.raises(ComparisonError, match="image 'a' is not the one"):
        opened(tmp_path / "out", Plan(TERMS, {"a": "other"}, {}))
    with pytest.raises(ComparisonError, match=r"method 'tv' is tv in .*, and tv\[iterations=5\] now.*LABEL="):
        opened(tmp_path / "out", Plan(TERMS, {}, {"tv": "tv[iterations=5]"}))


@pytest.mark.parametrize("existing", ["continue", "overwrite"])
def test_a_folder_of_others_is_neither_mixed_with_nor_overwritten(existing: str, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    store = Store(tmp_path)
    with pytest.raises(ComparisonError, match="is not empty and holds no comparison"):
        store.open(plan(), existing)  # type: ignore[arg-type]
    with pytest.raises(ComparisonError), store.locked():
        pass
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_overwriting_removes_what_is_ours_and_nothing_else(tmp_path: Path) -> None:
    store = opened(tmp_path / "out")
    store.keep(Cell("a", "tv", "done"))
    store.save_restored("a", "tv", torch.rand(1, 3, 8, 8))
    note = tmp_path / "out" / "note.txt"
    note.write_text("mine")
    again = ImageStore(tmp_path / "out")
    again.open(plan(images=("b",)), "overwrite")
    assert again.images == ("b",)
    assert again.cells() == ()
    assert note.read_text() == "mine"
    assert not (tmp_path / "out" / "restored").exists()


def test_what_cannot_be_removed_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(tmp_path / "out").keep(Cell("a", "tv", "done"))

    def refuse(*arguments: object, **more: object) -> None:
        if not more.get("ignore_errors"):
            raise PermissionError("not yours")

    monkeypatch.setattr("shutil.rmtree", refuse)
    with pytest.raises(PermissionError):
        Store(tmp_path / "out").open(plan({**TERMS, "seed": 1}), "overwrite")
    # The old cell is not taken for one of the new comparison.
    with pytest.raises(ComparisonError, match="seed 0, this one has 1"):
        opened(tmp_path / "out", plan({**TERMS, "seed": 1}))


def test_the_report_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(NotADirectoryError, match="the report is a folder"):
        opened(tmp_path / "out")


def test_a_record_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    opened(tmp_path / "out")
    (tmp_path / "out" / "comparison.json").write_text("{")
    with pytest.raises(ComparisonError, match=r"comparison\.json cannot be read"):
        opened(tmp_path / "out")
    (tmp_path / "out" / "comparison.json").write_text(json.dumps({"comparison": 99}))
    with pytest.raises(ComparisonError, match="no record of a comparison of this version"):
        opened(tmp_path / "out")


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        Store(tmp_path / "out").locked(),
        pytest.raises(ComparisonError, match="another comparison is at work"),
        Store(tmp_path / "out").locked(),
    ):
        pass
    with Store(tmp_path / "out").locked():
        pass


def test_a_lock_does_not_hold_back_overwriting(tmp_path: Path) -> None:
    opened(tmp_path / "out")
    store = Store(tmp_path / "out")
    with store.locked():
        store.open(plan({**TERMS, "seed": 1}), "overwrite")
        with (
            pytest.raises(ComparisonError, match="another comparison is at work"),
            Store(store.folder).locked(),
        ):
            pass


def test_a_killed_run_leaves_no_lock_behind(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time\n"
            "from zeroshot.compare.store import Store\n"
            "with Store(sys.argv[1]).locked():\n"
            "    print('locked', flush=True)\n"
            "    time.sleep(600)\n",
            str(tmp_path / "out"),
        ],
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"locked\n"
    with (
        pytest.raises(ComparisonError, match="another comparison is at work"),
        Store(tmp_path / "out").locked(),
    ):
        pass
    holder.kill()
    holder.wait()
    with Store(tmp_path / "out").locked():
        pass


def test_measurements_come_back_bit_by_bit(tmp_path: Path) -> None:
    store = opened(tmp_path / "out")
    noisy = torch.randn(1, 3, 6, 7) * 3
    truth, mask = torch.rand(1, 3, 12, 14), (torch.rand(1, 1, 6, 7) > 0.5).float()
    assert not store.has_measurement("a")
    store.save_measurement("a", noisy, truth, {"mask": mask, "sigma": 0.1})
    measurement, true, options = store.load_measurement("a")
    assert torch.equal(measurement, noisy)
    assert true is not None
    assert torch.equal(true, truth)
    assert [*options] == ["mask"]
    assert torch.equal(options["mask"], mask)
    assert store.has_measurement("a")
    assert not [*(tmp_path / "out" / "measurements").glob("*part*")]


@pytest.mark.parametrize(
    "damaged",
    [
        lambda whole: b"PK",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:200] + b"xxxx" + whole[204:],
    ],
    ids=["head", "half", "flipped"],
)
def test_a_damaged_measurement_is_an_error_in_one_line(
    damaged: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    store = opened(tmp_path / "out")
    store.save_measurement("a", torch.rand(1, 1, 60, 70), None, {})
    file = tmp_path / "out" / "measurements" / "a.npz"
    file.write_bytes(damaged(file.read_bytes()))
    with pytest.raises(ComparisonError, match=r"a\.npz cannot be read: [^\n]*; remove it"):
        store.load_measurement("a")


def test_saved_images_are_clipped_and_rounded_to_eight_bits(tmp_path: Path) -> None:
    store = opened(tmp_path / "out")
    file = store.save_restored("a", "tv", torch.tensor([-0.5, 0.0, 0.5, 1.0, 2.0]).view(1, 1, 1, 5))
    saved = np.asarray(Image.open(tmp_path / "out" / file))
    assert saved.tolist() == [[0, 0, 128, 255, 255]]


def test_names_that_differ_have_files_that_differ() -> None:
    names = [
        "dip",
        "DIP",
        "Dip",
        "dip[a=1]",
        "dip[a=2]",
        "dip_a_1_",
        "a/b",
        "a\\b",
        "a b",
        "..",
        ".",
        "é",
        "x" * 300,
        "漢" * 300,
        "\udce9",
        "\udcea",
    ]
    slugs = [slug(name).lower() for name in names]
    assert len(set(slugs)) == len(names)
    for made in slugs:
        assert made.strip("._")
        assert not set(made) & set('/\\:*?"<>| []=')
        assert len(made.encode()) < 200
    assert slug("baby") == "baby"
