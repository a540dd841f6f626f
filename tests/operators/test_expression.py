"""Operators written as text."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zeroshot.operators import Blur, Downsample, Grayscale, Mask, Operator, parse
from zeroshot.operators.catalogue import NOTATIONS


@pytest.mark.parametrize(
    ("text", "description"),
    [
        ("identity", "identity"),
        (" identity() ", "identity"),
        ("downsample(2)", "downsample(2)"),
        ("mosaic(RGGB) @ downsample(2, kernel=bicubic)", "mosaic(rggb) @ downsample(2)"),
        ("downsample(scale=4, kernel='lanczos3')", "downsample(4, kernel=lanczos3)"),
        ("downsample(4, kernel=gaussian, sigma=8/5)", "downsample(4, kernel=gaussian, sigma=1.6)"),
        ("grayscale", "grayscale"),
        ("Grayscale(BT709)", "grayscale(bt709)"),
        ("grayscale([0.5, 0.25, 0.25])", "grayscale([0.5, 0.25, 0.25])"),
        ("mosaic(quad-rggb)", "mosaic(quad-rggb)"),
        ("mosaic(xtrans)", "mosaic(xtrans)"),
        ("blur(gaussian=1.6)", "blur(gaussian=1.6)"),
        ("blur(motion=15, angle=-30)", "blur(motion=15, angle=-30)"),
        ("blur(disk=3, boundary=valid)", "blur(disk=3, boundary=valid)"),
        ("stack(grayscale, blur(disk=2)) @ downsample(2)", "stack(grayscale, blur(disk=2)) @ downsample(2)"),
        ("(mosaic(RGGB) @ downsample(2)) @ blur(disk=2)", "mosaic(rggb) @ downsample(2) @ blur(disk=2)"),
    ],
)
def test_text_becomes_the_operator_and_its_description_can_be_read_again(text: str, description: str) -> None:
    assert parse(text).describe() == description
    assert parse(description).describe() == description


def test_named_kernels_are_the_constructors(photograph: torch.Tensor) -> None:
    pairs: list[tuple[str, Operator]] = [
        ("blur(gaussian=1.6)", Blur.gaussian(1.6)),
        ("blur(motion=9, angle=20, boundary=circular)", Blur.motion(9, 20, "circular")),
        ("blur(disk=2.5)", Blur.disk(2.5)),
        ("downsample(2, kernel=gaussian, sigma=1)", Downsample(2, "gaussian", sigma=1)),
        ("grayscale(mean)", Grayscale("mean")),
    ]
    for text, operator in pairs:
        assert torch.equal(parse(text)(photograph), operator(photograph))


def test_mask_file_is_white_where_pixels_are_known(tmp_path: Path) -> None:
    known = np.random.default_rng(0).random((6, 9)) < 0.5
    Image.fromarray(known.astype(np.uint8) * 255).save(tmp_path / "mask.png")
    np.save(tmp_path / "mask.npy", known)
    for name in ("mask.png", "mask.npy"):
        operator = parse(f"mask({str(tmp_path / name)!r})")
        assert isinstance(operator, Mask)
        assert torch.equal(operator.mask[0, 0], torch.from_numpy(known).float())


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_kernel_file_is_normalised(tmp_path: Path, depth: type) -> None:
    weights = np.arange(35).reshape(5, 7).astype(depth)
    Image.fromarray(weights).save(tmp_path / "kernel.png")
    operator = parse(f"blur({str(tmp_path / 'kernel.png')!r})")
    assert isinstance(operator, Blur)
    torch.testing.assert_close(operator.kernel, torch.from_numpy(weights / weights.sum()).float())


def test_kernel_file_for_shrinking(tmp_path: Path, photograph: torch.Tensor) -> None:
    weights = np.random.default_rng(0).random((5, 6))
    np.save(tmp_path / "kernel.npy", weights)
    operator = parse(f"downsample(2, kernel={str(tmp_path / 'kernel.npy')!r})")
    assert torch.equal(operator(photograph), Downsample(2, weights)(photograph))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "an operator is a text such as"),
        ("x" * 20_000, "an operator is a text such as"),
        (
            "blurr(gaussian=1)",
            "unknown operator 'blurr' (did you mean blur?); known are identity, mask, downsample",
        ),
        ("downsample(2", "cannot read the operator"),
        ("downsample(2) downsample(2)", "cannot read the operator"),
        ("(" * 500 + "identity" + ")" * 500, "cannot read the operator"),
        (
            "downsample(2, size=3)",
            "downsample: got an unexpected keyword argument 'size'; it is written downsample(scale",
        ),
        ("downsample()", "missing a required argument: 'scale'"),
        ("downsample(2.5)", "scale must be an integer of at least 2, got 2.5"),
        ("downsample(two)", "scale must be an integer of at least 2, got 'two'"),
        ("downsample(2, kernel=gaussian, sigma=wide)", "sigma must be a number, got 'wide'"),
        ("downsample(2, kernel=7)", "two-dimensional"),
        ("blur", "blur takes one of"),
        ("blur(gaussian=1, disk=2)", "got gaussian and disk"),
        ("blur(gaussian=1, angle=20)", "angle belongs to motion"),
        ("blur(gaussian=1/0)", "divides by zero"),
        ('blur("missing.png")', "there is no file 'missing.png' to read the kernel from"),
        ('mask("missing.npy")', "there is no file 'missing.npy' to read the mask from"),
        ("mask(mask.png)", "neither a number nor a word nor a text in quotes"),
        ("mask(7)", "is the name of an image or .npy file in quotes, got 7"),
        ("mosaic(5)", "a mosaic pattern is a name or rows of filters, got 5"),
        ("identity + identity", "is not an operator; known are"),
        ("__import__('os').system('true')", "is not an operator"),
        ("identity(**{'a': 1})", "write the options as name=value"),
        ("downsample(open('file'))", "neither a number nor a word"),
        ("downsample([x for x in y])", "neither a number nor a word"),
        ("lambda: identity", "is not an operator"),
    ],
)
def test_what_cannot_be_read_is_explained_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_file_that_is_no_image_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "kernel.png"
    path.write_bytes(b"no image\n")
    with pytest.raises(ValueError, match="cannot read the kernel from"):
        parse(f"blur({str(path)!r})")


def test_npy_with_pickled_objects_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mask.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="cannot read the mask from"):
        parse(f"mask({str(path)!r})")


def test_the_listing_names_every_operator_and_its_examples_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError) as caught:
        parse("nothing(1)")
    known = str(caught.value).partition("known are ")[2].split(", ")
    assert {notation.name for notation in NOTATIONS} - {""} == set(known)
    monkeypatch.chdir(tmp_path)
    for name in ("mask.png", "kernel.png", "hints.png"):
        Image.fromarray(np.full((5, 5), 255, np.uint8)).save(name)
    for notation in NOTATIONS:
        # Several examples read as one tuple.
        examples = ast.parse(f"({notation.written},)", mode="eval").body
        assert isinstance(examples, ast.Tuple)
        for example in examples.elts if notation.name else ():
            assert parse(ast.unparse(example)).describe().startswith(notation.name)
