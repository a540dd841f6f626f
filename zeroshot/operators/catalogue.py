"""The operators that can be written as text: plain words, so that a listing of them needs no PyTorch."""

from __future__ import annotations

from typing import NamedTuple


class Notation(NamedTuple):
    """How an operator is written."""

    #: Its name, the key of its builder in :mod:`zeroshot.operators.expression`; "" for the composition.
    name: str
    #: An example, or several with commas between them.
    written: str
    meaning: str


#: What :func:`zeroshot.operators.parse` reads.
NOTATIONS = (
    Notation("identity", "identity", "nothing"),
    Notation("mask", 'mask("mask.png")', "white is known; also .npy, invert=true"),
    Notation("downsample", "downsample(4, kernel=lanczos3)", 'or kernel=gaussian, sigma=1.6; "k.png"'),
    Notation("grayscale", "grayscale, grayscale(bt709)", "also grayscale([0.3, 0.6, 0.1])"),
    Notation("mosaic", "mosaic(RGGB), mosaic(quad-rggb)", 'also xtrans; rows: mosaic(["RG","GB"])'),
    Notation("blur", 'blur(gaussian=1.6), blur("kernel.png")', "also motion=15, angle=30; disk=3"),
    Notation("stack", 'stack(grayscale, mask("hints.png"))', "several measurements of one image"),
    Notation("blur", "blur(disk=3, boundary=valid)", "also circular, replicate"),
    Notation("jpeg", "jpeg, jpeg(10)", "of the file, or a quality; comes last"),
    Notation("", "A @ B", "B first, then A"),
)


def operator_table() -> str:
    """The operators that can be written as text, with their arguments, a line each, for a terminal."""
    width = max(len(notation.written) for notation in NOTATIONS)
    return "\n".join(f"  {notation.written:<{width}}  {notation.meaning}" for notation in NOTATIONS)
