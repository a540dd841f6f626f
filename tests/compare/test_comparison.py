"""compare(): what every method gets, what is measured, and what one method's failure costs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.doubles import Clock
from zeroshot import metrics
from zeroshot.compare import Table, compare
from zeroshot.compare import comparison as comparison_module
from zeroshot.compare.method import Case
from zeroshot.tasks.degrade import degrade

pytestmark = pytest.mark.filterwarnings("ignore:.*cannot be sent to a process of its own")


@pytest.fixture(autouse=True)
def pages(monkeypatch: pytest.MonkeyPatch) -> list[Table]:
    """The tables that a page was written of, in place of the pages."""
    written: list[Table] = []
    monkeypatch.setattr(comparison_module, "write_report", lambda table, folder: written.append(table))
    return written


def method(name: str, restore: Callable[[np.ndarray, Case], Any], reason: str | None = None) -> Any:
    """A method of a class that no other process can import, which therefore runs in this one."""

    class Local:
        def __init__(self) -> None:
            self.name, self.calls = name, 0

        def supports(self, case: Case) -> str | None:
            return reason

        def restore(self, image: np.ndarray, task: Case) -> Any:
            self.calls += 1
            return restore(image, task)

    return Local()


def truth(image: np.ndarray, task: Case) -> np.ndarray:
    _, channels, height, width = task.problem.reference_shape
    return np.full((height, width, channels)[: 2 if channels == 1 else 3], 0.5, dtype=np.float32)


def identity(image: np.ndarray, task: Case) -> np.ndarray:
    return image


@pytest.fixture
def pictures() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {name: random.integers(0, 256, (24, 28, 3)).astype(np.uint8) for name in ("one", "two")}


def run(images: Any, folder: Path, *methods: Any, **more: Any) -> Table:
    more = {"options": {"sigma": 25 / 255}, **more}
    return compare(images, more.pop("task", "denoise"), methods, report=folder / "out", **more)


def test_every_method_sees_the_exact_damage_of_the_task(pictures: dict, tmp_path: Path) -> None:
    seen: dict[str, set[str]] = {}

    def look(image: np.ndarray, task: Case) -> np.ndarray:
        assert image.dtype == np.float32
        assert task.options["sigma"] == 25 / 255
        seen.setdefault(hashlib.sha256(image.tobytes()).hexdigest(), set()).add(str(image[0, 0]))
        return image

    table = run(pictures, tmp_path, method("x", look), method("y", look), seed=3)
    expected = degrade(pictures["one"], "denoise", seed=3, sigma=25 / 255).measurement
    array = np.ascontiguousarray(expected[0].permute(1, 2, 0).numpy())
    assert hashlib.sha256(array.tobytes()).hexdigest() in seen
    assert len(seen) == 2
    assert table.images == ("one", "two")
    assert table.methods == ("x", "y")
    assert {cell.status for cell in table.cells} == {"done"}


def test_the_figures_are_those_of_the_images_that_were_made(pictures: dict, tmp_path: Path) -> None:
    table = run(pictures, tmp_path, method("none", identity), metrics=["psnr", "ssim", "consistency"])
    for name, picture in pictures.items():
        damaged = degrade(picture, "denoise", sigma=25 / 255)
        cell = table.cell(name, "none")
        assert cell is not None
        clipped = damaged.measurement.clamp(0, 1)
        assert cell.metrics["psnr"] == pytest.approx(metrics.psnr(clipped, damaged.truth))
        assert cell.metrics["ssim"] == pytest.approx(metrics.ssim(clipped, damaged.truth))
        error = 255 * float((clipped - damaged.measurement).square().mean().sqrt())
        assert cell.metrics["consistency"] == pytest.approx(error, rel=1e-5)
        assert cell.file is not None
        saved = np.asarray(Image.open(tmp_path / "out" / cell.file)) / 255
        assert np.abs(saved - clipped[0].permute(1, 2, 0).numpy()).max() <= 0.5 / 255 + 1e-6
        shown = np.asarray(Image.open(tmp_path / "out" / table.truths[name]))
        assert np.array_equal(shown, picture)


def test_enlarging_is_measured_as_in_its_tables(pictures: dict, tmp_path: Path) -> None:
    table = run(pictures, tmp_path, method("grey", truth), task="sr", options={"scale": 4})
    assert table.metrics == ("psnr_y_border4", "psnr", "ssim", "consistency")
    assert table.cells[0].metrics["psnr_y_border4"] > 0
    assert table.title == "sr, scale 4"


#: Kind of failure → what fails so, and what its cell says.
FAILURES: dict[str, tuple[Callable[[np.ndarray, Case], Any], str, str]] = {
    "an error": (lambda image, task: 1 / 0, "failed", "ZeroDivisionError: division by zero"),
    "a part": (
        lambda image, task: image[:4],
        "failed",
        "must return an image of 24 × 28 × 3, got 4 × 28 × 3",
    ),
    "no numbers": (lambda image, task: image * np.nan, "failed", "not finite"),
    "bytes": (lambda image, task: (image * 255).astype(np.uint8), "failed", "floats in [0, 1], got uint8"),
    "nothing": (lambda image, task: None, "failed", "must return an array, got NoneType"),
    "an index": (lambda image, task: [][1], "failed", "IndexError"),
    "an exit": (lambda image, task: exit(3), "failed", "SystemExit: 3"),
    "memory of numpy": (lambda image, task: np.empty(2**55), "memory", "Memory"),
    "memory of torch": (lambda image, task: torch.empty(2**50), "memory", "allocate memory"),
}


def test_a_failure_is_a_marked_cell_and_the_rest_goes_on(pictures: dict, tmp_path: Path) -> None:
    bad = [method(name, restore) for name, (restore, _, _) in FAILURES.items()]
    table = run(pictures, tmp_path, *bad, method("good", identity))
    for name, (_, status, reason) in FAILURES.items():
        cell = table.cell("one", name)
        assert cell is not None
        assert cell.status == status, name
        assert reason in cell.reason
        assert "\n" not in cell.reason
        assert cell.file is None
        assert cell.metrics == {}
        assert table.mean(name, "psnr") is None
    good = table.cell("two", "good")
    assert good is not None
    assert good.status == "done"


def test_what_a_method_does_not_support_is_no_failure(pictures: dict, tmp_path: Path) -> None:
    picky = method("picky", identity, reason="grey images\nonly")
    cell = run(pictures, tmp_path, picky).cells[0]
    assert (cell.status, cell.reason, picky.calls) == ("unsupported", "grey images only", 0)


def test_looking_at_intermediate_images_takes_no_time(
    pictures: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    from zeroshot.compare import attempt

    monkeypatch.setattr(attempt, "psnr", lambda image, truth: clock.sleep(100.0) or 30.0)

    def restore(image: np.ndarray, task: Case) -> np.ndarray:
        for _ in range(3):
            clock.sleep(1.0)
            task.show(image)
        task.note("iterations", np.int64(3))
        return image

    cell = run({"one": pictures["one"]}, tmp_path, method("shows", restore)).cells[0]
    assert cell.seconds is not None
    assert 3 <= cell.seconds < 4
    assert len(cell.curve) == 4
    assert [point.seconds for point in cell.curve] == sorted(point.seconds for point in cell.curve)
    assert cell.curve[-1].seconds == cell.seconds
    assert cell.notes["iterations"] == 3


def test_what_a_method_draws_does_not_depend_on_the_images_before(pictures: dict, tmp_path: Path) -> None:
    def draw(image: np.ndarray, task: Case) -> np.ndarray:
        noise = np.random.rand(*image.shape) + torch.rand(1).item()  # noqa: NPY002
        return (image * 0 + noise / 2).astype(np.float32)

    both = run(pictures, tmp_path / "both", method("draws", draw))
    alone = run({"two": pictures["two"]}, tmp_path / "alone", method("draws", draw))
    assert both.cells[1].metrics == alone.cells[0].metrics


def test_damaged_images_without_truths(pictures: dict, tmp_path: Path) -> None:
    def restore(image: np.ndarray, task: Case) -> np.ndarray:
        task.show(image)
        return image

    table = run(pictures, tmp_path, method("x", restore), given="damaged", metrics=["consistency"])
    assert table.truths == {}
    assert {*table.damaged} == {"one", "two"}
    assert table.cells[0].metrics["consistency"] == pytest.approx(0, abs=2e-5)
    assert table.cells[0].curve == ()


def test_damaged_images_find_their_truths_by_name(pictures: dict, tmp_path: Path) -> None:
    for folder, size in (("small", 12), ("large", 24)):
        (tmp_path / folder).mkdir()
        for index, name in enumerate(pictures):
            Image.new("RGB", (size, size), (100 * index, 50, 50)).save(tmp_path / folder / f"{name}.png")
    more: dict[str, Any] = {"task": "sr", "truths": tmp_path / "large", "metrics": ["psnr"]}
    repeat = method("repeat", lambda image, task: image.repeat(2, 0).repeat(2, 1))
    table = run(tmp_path / "small", tmp_path, repeat, options={"scale": 2}, **more)
    assert [cell.metrics["psnr"] for cell in table.cells] == [np.inf, np.inf]
    with pytest.raises(ValueError, match=r"one: the truth is 3 × 24 × 24 .*, the result 3 × 36 × 36"):
        run(tmp_path / "small", tmp_path / "other", repeat, options={"scale": 3}, **more)
    for index in range(12):  # what else lies in the folder of the truths is left alone, and not all listed
        Image.new("RGB", (24, 24)).save(tmp_path / "large" / f"other{index:02}.png")
        Image.new("RGB", (24, 24)).save(tmp_path / "large" / f"other{index:02}.tif")
    run(tmp_path / "small", tmp_path / "again", repeat, options={"scale": 2}, **more)
    (tmp_path / "large" / "two.png").unlink()
    with pytest.raises(
        ValueError, match=r"no truth of the name 'two'; there are: one, .*other08 and 3 more$"
    ):
        run(tmp_path / "small", tmp_path / "other", repeat, options={"scale": 2}, **more)


def test_the_mask_of_missing_pixels_is_the_same_for_all(pictures: dict, tmp_path: Path) -> None:
    holes = []

    def look(image: np.ndarray, task: Case) -> np.ndarray:
        mask = task.problem.measured
        assert mask is not None
        assert (image[mask[0, 0].numpy() == 0] == 0).all()
        holes.append(mask.mean().item())
        return image

    methods = (method("a", look), method("b", look))
    table = run(pictures, tmp_path, *methods, task="inpaint", options={"missing": 0.5})
    assert holes == [holes[0]] * 4
    assert holes[0] == pytest.approx(0.5, abs=0.01)
    assert table.cells[0].metrics["consistency"] == pytest.approx(0, abs=2e-5)


def test_a_metric_that_fails_costs_its_field_only(pictures: dict, tmp_path: Path) -> None:
    table = run(pictures, tmp_path, method("x", identity), metrics=["psnr", "psnr_y_border20"])
    assert table.cells[0].status == "done"
    assert [*table.cells[0].metrics] == ["psnr"]
    assert "leaves nothing" in table.cells[0].notes["no psnr_y_border20"]


def test_the_page_is_written_at_the_end_and_now_and_then(
    pictures: dict, tmp_path: Path, pages: list[Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison_module, "_SECONDS_BETWEEN_REPORTS", 0.0)
    monkeypatch.setattr(comparison_module, "_REPORT_SHARE", 1e9)
    lines: list[str] = []
    table = run(pictures, tmp_path, method("x", identity), progress=lines.append)
    assert [len(page.cells) for page in pages] == [1, 2, 2]
    assert pages[-1] == table
    assert lines[0] == "denoise, sigma 25/255: 2 images × 1 method"
    assert lines[1].startswith("[1/2] x · one: psnr ")


BAD: list[tuple[dict[str, Any], str]] = [
    ({"task": "smudge"}, "there is no task 'smudge'"),
    ({"options": {"scale": 2}}, "has no option 'scale'"),
    ({"options": {}}, "needs one noise"),
    ({"seconds": 0}, "seconds must be a positive number"),
    ({"timeout": -1}, "timeout must be a positive number"),
    ({"memory": float("inf")}, "memory must be a positive number"),
    ({"threads": 0}, "threads must be a whole number of at least 1"),
    ({"seed": -1}, "seed must be a whole number"),
    ({"metrics": ["psnr", "beauty"]}, "there is no metric 'beauty'"),
    ({"metrics": []}, "at least one metric"),
    ({"given": "both"}, "given must be"),
    ({"given": "truth", "truths": {}}, "go with given='damaged'"),
    ({"given": "damaged", "metrics": ["psnr"]}, "compares with a truth, and none is given"),
    ({"existing": "append"}, "existing must be"),
    ({"failed": "again"}, "failed must be"),
    ({"images": []}, "at least one image"),
    ({"images": [np.zeros((8, 8))]}, r"pair \(name, image\), got ndarray"),
    ({"images": [("a", np.zeros((8, 8))), ("a", np.ones((8, 8)))]}, "two images are called 'a'"),
    ({"images": "nowhere.png"}, "there is no file or folder nowhere.png"),
    ({"methods": []}, "at least one method"),
    ({"methods": ["tw"]}, "there is no method 'tw'"),
    ({"methods": ["tv", "tv"]}, "two methods are called 'tv'"),
    ({"methods": [3]}, "lacks name"),
    ({"methods": [dict]}, "is a class"),
    ({"options": {"sigma": 25}}, r"\[0, 1\] scale"),
]


@pytest.mark.parametrize(("change", "said"), BAD, ids=[said for _, said in BAD])
def test_bad_input_is_one_line_before_any_work(
    change: dict[str, Any], said: str, pictures: dict, tmp_path: Path
) -> None:
    arguments: dict[str, Any] = {
        "images": pictures, "task": "denoise", "methods": [method("x", identity)],
        "options": {"sigma": 0.1}, **change,
    }  # fmt: skip
    with pytest.raises((ValueError, TypeError, FileNotFoundError), match=said) as caught:
        compare(report=tmp_path / "out", **arguments)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_images_within_the_report_are_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    Image.new("L", (16, 16)).save(tmp_path / "out" / "a.png")
    with pytest.raises(ValueError, match="lies in the folder of the report"):
        run(tmp_path / "out" / "a.png", tmp_path, method("x", identity))
