#!/usr/bin/env python3
"""Makes small QDQ and QOperator networks: onnxruntime's static quantisation of ../float32's networks, and one written by hand."""

import importlib.util
import pathlib
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import common

spec = importlib.util.spec_from_file_location("float32_make", HERE.parent / "float32" / "make.py")
float32 = importlib.util.module_from_spec(spec)
spec.loader.exec_module(float32)

U8, S8, U16, S16 = QuantType.QUInt8, QuantType.QInt8, QuantType.QUInt16, QuantType.QInt16
SEED = 13


class Reader(CalibrationDataReader):
    def __init__(self, model):
        name = model.graph.input[0].name
        self.samples = iter([{name: x[None]} for x in float32.data(model, 32, SEED)])

    def get_next(self):
        return next(self.samples, None)


def plain_cnn():
    """Convolutions, a residual, pools, concatenation, sigmoid and leaky ReLU: what QOperator has forms for."""
    b = float32.Builder("plain", {"image": [1, 3, 12, 10]})
    x = b.conv("image", 3, 8, 3, pads=[1, 1, 1, 1], relu=True)
    y = b.conv(x, 8, 8, 3, group=8, pads=[0, 0, 1, 1], strides=[2, 2])
    y = b.conv(b("LeakyRelu", y, alpha=0.1), 8, 8, 1)
    x = b("Add", b("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), y)
    gate = b("Sigmoid", b.conv(x, 8, 8, 1))
    x = b("Concat", b("Mul", x, gate), y, axis=1)
    x = b.conv(b("AveragePool", x, kernel_shape=[2, 2], strides=[1, 1]), 16, 12, 3, relu=True)
    x = b("Flatten", b("GlobalAveragePool", x))
    x = b.dense(x, 12, 10)
    x = b("Gemm", b("Relu", x), b.normal(6, 10, scale=0.4), b.normal(6), transB=1)
    return b.model({b("Softmax", x, axis=-1): [1, 6]})


def emit(name, model, activations, weights, form=QuantFormat.QDQ, per_channel=True, **options):
    path = HERE / f"{name}.onnx"
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "float.onnx"
        common.save_onnx(model, source)
        quantize_static(
            source, path, Reader(model), quant_format=form, activation_type=activations, weight_type=weights, per_channel=per_channel, **options
        )
    save(name, onnx.load(path))


def save(name, model):
    path = HERE / f"{name}.onnx"
    # Nodes of com.microsoft are unknown to the checker.
    common.save_onnx(model, path, checked=all(o.domain in ("", "ai.onnx") for o in model.opset_import))
    x = float32.data(model, 5, SEED + 1)
    print("  " + " ".join(n.op_type for n in model.graph.node if n.op_type not in ("QuantizeLinear", "DequantizeLinear")))
    common.save_vectors(path.with_suffix(".npz"), [x], common.onnxruntime_outputs(path, [x]))


def int4():
    """Opset 21: int4 weights, per channel for a convolution and in blocks of nothing for a Gemm; uint4 weights with a zero point."""
    rng = np.random.default_rng(SEED)
    nodes, constants = [], []

    def constant(name, array, data_type=None):
        tensor = numpy_helper.from_array(np.ascontiguousarray(array), name)
        if data_type is not None:
            tensor = helper.make_tensor(name, data_type, array.shape, array.flatten().tolist())
        constants.append(tensor)
        return name

    def quantised(x, scale, zero_point, name):
        """x through QuantizeLinear and DequantizeLinear, uint8."""
        operands = [constant(f"{name}_scale", np.float32(scale)), constant(f"{name}_zero", np.uint8(zero_point))]
        nodes.append(helper.make_node("QuantizeLinear", [x, *operands], [f"{name}_q"], f"{name}_q"))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}_q", *operands], [name], name))
        return name

    def weights(name, values, scale, data_type, zero_point=None, **attributes):
        operands = [constant(f"{name}_q", values, data_type), constant(f"{name}_scale", np.asarray(scale, np.float32))]
        if zero_point is not None:
            operands.append(constant(f"{name}_zero", np.asarray(zero_point), data_type))
        nodes.append(helper.make_node("DequantizeLinear", operands, [name], name, **attributes))
        return name

    def bias(name, values, scale):
        operands = [constant(f"{name}_q", values.astype(np.int32)), constant(f"{name}_scale", np.asarray(scale, np.float32))]
        nodes.append(helper.make_node("DequantizeLinear", operands, [name], name, axis=0))
        return name

    x = quantised("image", 1 / 32, 128, "x")
    scales = rng.uniform(0.02, 0.06, 8).astype(np.float32)
    w = weights("w1", rng.integers(-8, 8, (8, 2, 3, 3)), scales, TensorProto.INT4, axis=0)
    b = bias("b1", rng.integers(-300, 300, 8), scales * np.float32(1 / 32))
    nodes.append(helper.make_node("Conv", [x, w, b], ["conv"], "conv", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]))
    nodes.append(helper.make_node("Relu", ["conv"], ["relu"], "relu"))
    y = quantised("relu", 0.01, 0, "y")
    nodes.append(helper.make_node("Flatten", [y], ["flat"], "flat"))
    w = weights("w2", rng.integers(0, 16, (5, 96)), 0.03, TensorProto.UINT4, 7)
    nodes.append(helper.make_node("Gemm", ["flat", w], ["gemm"], "gemm", transB=1))
    z = quantised("gemm", 0.03, 120, "z")
    graph = helper.make_graph(
        nodes,
        "int4",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 2, 8, 6])],
        [helper.make_tensor_value_info(z, TensorProto.FLOAT, [1, 5])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10, producer_name="heddle")


def main():
    plain = plain_cnn()
    emit("qdq_u8s8", plain, U8, S8)
    emit("qdq_s8s8_tensor", plain, S8, S8, per_channel=False)
    emit("qdq_u8u8_tensor", plain, U8, U8, per_channel=False)
    emit("qdq_encoder", float32.encoder(), S8, S8, per_channel=False)
    emit("qoperator_u8u8", plain, U8, U8, QuantFormat.QOperator, per_channel=False)
    emit("qoperator_u8s8", plain, U8, S8, QuantFormat.QOperator, per_channel=True)
    emit("qoperator_s8s8", plain, S8, S8, QuantFormat.QOperator, per_channel=False)
    save("qdq_int4", int4())


if __name__ == "__main__":
    main()
