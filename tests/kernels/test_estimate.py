"""The type of kernels that were found: its words, and the files that ``--kernel`` reads again."""

import json

import numpy as np
import pytest

from zeroshot.kernels import KernelEstimate
from zeroshot.operators import kernels
from zeroshot.operators.expression import blur_kernel
from zeroshot.operators.plane_files import kernel_file
from zeroshot.spelling import OutputExistsError


def motion() -> KernelEstimate:
    return KernelEstimate(
        2 * kernels.motion(9, 30), "motion", {"motion": 9, "angle": 30}, 0.8, {"free_misfit": 1.2}
    )


def test_the_weights_sum_to_one_and_the_text_is_read_again():
    found = motion()
    assert found.kernel.sum() == pytest.approx(1)
    assert found.text == "motion=9, angle=30"
    np.testing.assert_allclose(blur_kernel(found.text), found.kernel, atol=1e-6)


def test_sentences_say_what_it_is():
    assert motion().sentence == "a motion along a line (motion=9, angle=30), confidence 0.80"
    assert (
        KernelEstimate(np.ones((3, 5))).sentence
        == "a kernel of its own shape (3 × 5 pixels), confidence 1.00"
    )
    assert KernelEstimate(np.ones((1, 1)), "none").sentence == "no blur was found"


@pytest.mark.parametrize(("suffix", "tolerance"), [(".npy", 1e-12), (".png", 1e-4)])
def test_a_written_kernel_is_read_as_it_was(tmp_path, suffix, tolerance):
    path = tmp_path / f"kernel{suffix}"
    motion().save(path)
    read = kernel_file(path).double().numpy()
    np.testing.assert_allclose(read / read.sum(), motion().kernel, atol=tolerance)
    with pytest.raises(OSError if suffix == ".npy" else ValueError, match="exists"):
        motion().save(path)
    motion().save(path, overwrite=True)


def test_other_suffixes_and_kinds_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"a kernel is written to a \.npy or \.png file"):
        motion().save(tmp_path / "kernel.txt")
    with pytest.raises(ValueError, match="unknown kind of kernel 'shake'"):
        KernelEstimate(np.ones((3, 3)), "shake")
    assert issubclass(OutputExistsError, OSError)


def test_what_it_rests_on_is_json():
    told = json.loads(json.dumps(motion().to_dict()))
    assert told["parameters"] == {"motion": 9, "angle": 30}
    assert told["evidence"] == {"free_misfit": 1.2}
