"""ONNX files as methods, on small graphs that the tests write themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from zeroshot.compare.method import Case
from zeroshot.compare.specification import method_from

onnx = pytest.importorskip("onnx", reason="the tests write their own ONNX graphs")
pytest.importorskip("onnxruntime", reason="extra onnx")

from onnx import TensorProto, helper  # noqa: E402


def write(
    path: Path, nodes: list, inputs: list[tuple], constants: dict[str, np.ndarray] | None = None
) -> Path:
    """An ONNX file of these nodes, from the named inputs (name, type, shape) to "y"."""
    kind = inputs[0][1]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info("y", kind, None)],
        [onnx.numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


def doubling(path: Path, channels: int, size: tuple | None = None, kind: int = TensorProto.FLOAT) -> Path:
    """Each pixel twice in both directions."""
    scales = np.array([1, 1, 2, 2], np.float32)
    node = helper.make_node(
        "Resize", ["x", "", "scales"], ["y"], mode="nearest", coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )  # fmt: skip
    shape = ["N", channels, *(size or ("H", "W"))]
    return write(path, [node], [("x", kind, shape)], {"scales": scales})


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).random((20, 26, 3), dtype=np.float32)


def case_of(task: str, image: np.ndarray, **options) -> Case:
    return Case.of(image, task, options)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("is_grey", [True, False])
def test_the_model_s_channels_are_detected(channels, is_grey, tmp_path, image):
    given = image[..., 0] if is_grey else image
    method = method_from(f"onnx:{doubling(tmp_path / 'double.onnx', channels)}")
    assert method.name == "double"
    restored = method.restore(given, case_of("sr", given, scale=2))
    np.testing.assert_allclose(restored, given.repeat(2, 0).repeat(2, 1), atol=1e-6)


def test_a_model_of_one_size_gets_tiles_of_that_size(tmp_path, image):
    method = method_from(f"onnx:{doubling(tmp_path / 'double.onnx', 3, (16, 16))}[overlap=4]")
    restored = method.restore(image, case_of("sr", image, scale=2))
    np.testing.assert_array_equal(restored, image.repeat(2, 0).repeat(2, 1))


def test_half_precision_is_converted(tmp_path, image):
    method = method_from(f"onnx:{doubling(tmp_path / 'half.onnx', 3, kind=TensorProto.FLOAT16)}")
    restored = method.restore(image, case_of("sr", image, scale=2))
    assert restored.dtype == np.float32
    np.testing.assert_allclose(restored, image.repeat(2, 0).repeat(2, 1), atol=1e-3)


def test_integers_are_rounded_and_clipped(tmp_path, image):
    node = helper.make_node("Identity", ["x"], ["y"])
    path = write(tmp_path / "bytes.onnx", [node], [("x", TensorProto.UINT8, [1, 3, "H", "W"])])
    restored = method_from(f"onnx:{path}[range=255]").restore(
        3 * image - 1, case_of("denoise", image, sigma=0.1)
    )
    np.testing.assert_allclose(restored, np.rint(np.clip(3 * image - 1, 0, 1) * 255) / 255, atol=1e-6)


def test_the_noise_level_is_a_second_input(tmp_path, image):
    node = helper.make_node("Sub", ["x", "sigma"], ["y"])
    inputs = [("x", TensorProto.FLOAT, ["N", 3, "H", "W"]), ("sigma", TensorProto.FLOAT, ["N", 1, 1, 1])]
    method = method_from(f"onnx:{write(tmp_path / 'told.onnx', [node], inputs)}")
    np.testing.assert_allclose(
        method.restore(image, case_of("denoise", image, sigma=0.1)), image - 0.1, atol=1e-6
    )


def test_a_convolution_with_a_residual_in_channels_last_layout(tmp_path, image):
    nodes = [
        helper.make_node("Transpose", ["x"], ["first"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["first", "w"], ["noise"], pads=[1, 1, 1, 1]),
        helper.make_node("Transpose", ["noise"], ["y"], perm=[0, 2, 3, 1]),
    ]
    weights = torch.randn(3, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    inputs = [("x", TensorProto.FLOAT, [1, "H", "W", 3])]
    path = write(tmp_path / "noise.onnx", nodes, inputs, {"w": weights.numpy()})
    restored = method_from(f"onnx:{path}[output=noise]").restore(image, case_of("denoise", image, sigma=0.1))
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None]
    expected = tensor - torch.nn.functional.conv2d(tensor, weights, padding=1)
    np.testing.assert_allclose(restored, expected[0].permute(1, 2, 0).numpy(), atol=1e-4)


def test_it_uses_as_many_threads_as_torch(tmp_path):
    method = method_from(f"onnx:{doubling(tmp_path / 'double.onnx', 3)}")
    method.prepare()
    options = method._network.model.get_session_options()
    assert options.intra_op_num_threads == torch.get_num_threads()
    assert options.inter_op_num_threads == 1


def test_a_wrong_number_of_channels_names_both_shapes(tmp_path, image):
    method = method_from(f"onnx:{doubling(tmp_path / 'double.onnx', 1)}[channels=rgb]")
    with pytest.raises(ValueError, match="takes images of any × 1 × any × any, got 1 × 3 × 20 × 26"):
        method.restore(image, case_of("sr", image, scale=2))


def test_a_wrong_scale_names_both_shapes(tmp_path, image):
    method = method_from(f"onnx:{doubling(tmp_path / 'double.onnx', 3)}")
    with pytest.raises(
        ValueError, match="made 1 × 3 × 40 × 52 of 1 × 3 × 20 × 26, but 1 × 3 × 60 × 78 is wanted"
    ):
        method.restore(image, case_of("sr", image, scale=3))


def test_what_is_no_model_is_said_in_one_line(tmp_path):
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"this is no graph")
    method_from(f"onnx:{path}")
    with pytest.raises(ValueError, match=r"broken\.onnx is no model that ONNX Runtime can run") as error:
        method_from(f"onnx:{path}").prepare()
    assert "\n" not in str(error.value)


def test_a_model_of_three_inputs_is_refused(tmp_path):
    node = helper.make_node("Sum", ["x", "a", "b"], ["y"])
    inputs = [(name, TensorProto.FLOAT, ["N", 3, "H", "W"]) for name in ("x", "a", "b")]
    with pytest.raises(ValueError, match="has 3 inputs; one is needed"):
        method_from(f"onnx:{write(tmp_path / 'three.onnx', [node], inputs)}").prepare()


def test_a_model_that_fails_says_on_what(tmp_path, image):
    node = helper.make_node("Reshape", ["x", "shape"], ["y"])
    inputs = [("x", TensorProto.FLOAT, ["N", 3, "H", "W"])]
    path = write(tmp_path / "odd.onnx", [node], inputs, {"shape": np.array([7, 11], np.int64)})
    with pytest.raises(RuntimeError, match=r"odd\.onnx failed on an input of 1 × 3 × 20 × 26") as error:
        method_from(f"onnx:{path}").restore(image, case_of("denoise", image, sigma=0.1))
    assert "\n" not in str(error.value)
