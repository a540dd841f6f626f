"""OpenCV's super-resolution networks as methods, on the published graphs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from zeroshot.compare.method import Case
from zeroshot.compare.methods.arrays import to_array, to_tensor
from zeroshot.compare.methods.opencv import _model_and_scale
from zeroshot.compare.specification import method_from
from zeroshot.images import load
from zeroshot.metrics import psnr_y

cv2 = pytest.importorskip("cv2", reason="extra opencv")
if not hasattr(cv2, "dnn_superres"):
    pytest.skip("this OpenCV has no dnn_superres", allow_module_level=True)


@pytest.fixture
def graphs(shared) -> Path:
    folder = shared / "weights/sr_tf"
    if not folder.is_dir():
        pytest.skip("needs the published graphs in the folder `shared`")
    return folder


def case_of(image: np.ndarray, scale: int) -> Case:
    return Case.of(image, "sr", {"scale": scale})


def mean_psnr(method, shared: Path, scale: int) -> float:
    values = []
    for file in sorted((shared / f"data/set5/hr_x{scale}").glob("*.png")):
        small = to_array(load(file.parents[1] / f"lr_x{scale}" / file.name).colours)
        restored = to_tensor(method.restore(small, case_of(small, scale)))
        values.append(psnr_y(restored, load(file).colours, scale, quantise="8-bit"))
    assert len(values) == 5
    return float(np.mean(values))


@pytest.mark.parametrize(
    ("name", "figure"),
    [
        ("FSRCNN", 28.41),
        ("FSRCNN-small", 28.20),
        ("ESPCN", 28.38),
        pytest.param("LapSRN", 28.75, marks=pytest.mark.slow),
    ],
)
def test_the_figures_on_set5_are_those_of_opencv(name, figure, graphs, shared):
    assert mean_psnr(method_from(f"opencv:{graphs / name}_x4.pb"), shared, 4) == pytest.approx(
        figure, abs=0.02
    )


def test_every_graph_enlarges_colour_and_grey(graphs, photograph):
    files = sorted(graphs.glob("*.pb"))
    assert len(files) == 12
    colour = photograph[0, :, :20, :28].permute(1, 2, 0).numpy()
    for file in files:
        method = method_from(f"opencv:{file}")
        for given in (colour, np.ascontiguousarray(colour[..., 0])):
            case = case_of(given, method.scale)
            assert method.supports(case) is None
            restored = method.restore(given, case)
            assert restored.shape == (20 * method.scale, 28 * method.scale, *given.shape[2:])
            small = restored.reshape(20, method.scale, 28, method.scale, -1).mean((1, 3))
            assert np.abs(small - given.reshape(20, 28, -1)).mean() < 0.03


def test_what_it_cannot_do_is_said(graphs, photograph):
    method = method_from(f"opencv:{graphs}/FSRCNN_x3.pb")
    image = to_array(photograph[..., :24, :24])
    assert "enlarges 3 times, 4 times is wanted" in str(method.supports(case_of(image, 4)))
    assert "'sr' only" in str(method.supports(Case.of(image, "denoise", {"sigma": 0.1})))


def test_it_is_quiet_and_uses_as_many_threads_as_torch(graphs, capfd):
    method_from(f"opencv:{graphs}/FSRCNN_x3.pb").prepare()
    assert capfd.readouterr() == ("", "")
    assert cv2.getNumThreads() == torch.get_num_threads()


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("FSRCNN-small_x4.pb", ("fsrcnn", 4)),
        ("LapSRN_x8.pb", ("lapsrn", 8)),
        ("espcn_x2.pb", ("espcn", 2)),
        ("EDSR_x3.pb", ("edsr", 3)),
    ],
)
def test_the_name_of_the_file_says_which_network_it_is(name, found):
    assert _model_and_scale(Path(name), None, None) == found
    assert _model_and_scale(Path(name), "espcn", 5) == ("espcn", 5)
    assert _model_and_scale(Path("mine.pb"), "espcn", 5) == ("espcn", 5)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("mine_x4.pb", "", "give model= one of edsr, espcn"),
        ("espcn.pb", "[model=espcn]", "give scale="),
        ("espcn_x4.pb", "[model=vdsr]", "model must be 'edsr'"),
        ("espcn_x4.pb", "[scale=1]", "scale must be a whole number of at least 2"),
        ("espcn_x4.pb", "[channels=y]", "has no option 'channels'; it has: model, scale"),
    ],
)
def test_what_is_not_right_is_said_before_anything_is_loaded(name, options, said, tmp_path):
    (tmp_path / name).write_bytes(b"graph")
    with pytest.raises(ValueError, match=said):
        method_from(f"opencv:{tmp_path / name}{options}")


def test_what_is_no_graph_is_said_in_one_line(tmp_path):
    (tmp_path / "espcn_x4.pb").write_bytes(b"this is no graph")
    with pytest.raises(ValueError, match="is no TensorFlow graph that OpenCV can read") as error:
        method_from(f"opencv:{tmp_path}/espcn_x4.pb").prepare()
    assert "\n" not in str(error.value)


def test_an_opencv_without_the_module_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / "espcn_x4.pb").write_bytes(b"graph")
    monkeypatch.delattr(cv2, "dnn_superres")
    with pytest.raises(ImportError, match=r'no dnn_superres.*pip install "zeroshot-restore\[opencv\]"'):
        method_from(f"opencv:{tmp_path}/espcn_x4.pb")
