#!/usr/bin/env python3
"""Makes {kws,ic,vww,ad}_qdq.onnx and their vectors: float ONNX, then onnxruntime's static quantisation."""

import pathlib
import sys
import tempfile

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import common
import networks

OPSET = 17
# (activations, weights); both are per channel.
TYPES = {
    "kws": (QuantType.QInt8, QuantType.QInt8),
    "ic": (QuantType.QUInt8, QuantType.QInt8),
    "vww": (QuantType.QInt8, QuantType.QInt8),
    "ad": (QuantType.QUInt8, QuantType.QInt8),
}


def nchw(x):
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if x.ndim == 4 else x


def float_onnx(net):
    """The network in float32 ONNX, NCHW, with explicit pads."""
    nodes, constants = [], []
    shapes = {"input": net.shape}

    def constant(name, array):
        constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    for layer in net.layers:
        y, shape = layer.name, shapes[layer.inputs[0]]
        raw = f"{y}_linear" if layer.relu else y
        if layer.kind in ("conv", "depthwise"):
            pads = [networks.same_pads(shape[i], layer.kernel[i], layer.stride) for i in range(2)]
            depthwise = layer.kind == "depthwise"
            weight = layer.weight.transpose(2, 0, 1)[:, None] if depthwise else layer.weight.transpose(3, 2, 0, 1)
            inputs = [layer.inputs[0], constant(f"{y}_weight", weight), constant(f"{y}_bias", layer.bias)]
            attributes = {"kernel_shape": layer.kernel, "strides": [layer.stride] * 2, "group": shape[2] if depthwise else 1}
            attributes["pads"] = [pads[0][0], pads[1][0], pads[0][1], pads[1][1]]
            nodes.append(helper.make_node("Conv", inputs, [raw], f"{y}_conv", **attributes))
            shapes[y] = (*(-(-s // layer.stride) for s in shape[:2]), len(layer.bias))
        elif layer.kind == "dense":
            inputs = [layer.inputs[0], constant(f"{y}_weight", layer.weight.T), constant(f"{y}_bias", layer.bias)]
            nodes.append(helper.make_node("Gemm", inputs, [raw], f"{y}_gemm", transB=1))
            shapes[y] = (len(layer.bias),)
        elif layer.kind == "add":
            nodes.append(helper.make_node("Add", layer.inputs, [raw], f"{y}_add"))
            shapes[y] = shape
        elif layer.kind == "pool":
            nodes.append(helper.make_node("GlobalAveragePool", layer.inputs, [f"{y}_mean"], f"{y}_mean"))
            nodes.append(helper.make_node("Flatten", [f"{y}_mean"], [y], f"{y}_flatten"))
            shapes[y] = (shape[2],)
        else:
            nodes.append(helper.make_node("Softmax", layer.inputs, [y], y))
            shapes[y] = shape
        if layer.relu:
            nodes.append(helper.make_node("Relu", [raw], [y], f"{y}_relu"))
    shape = (net.shape[2], *net.shape[:2]) if len(net.shape) == 3 else net.shape
    output = net.layers[-1].name
    graph = helper.make_graph(
        nodes,
        net.name,
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, *shape])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, *shapes[output]])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8, producer_name="heddle")


class Reader(CalibrationDataReader):
    def __init__(self, data):
        self.data = iter(data)

    def get_next(self):
        x = next(self.data, None)
        return None if x is None else {"input": x[None]}


def main():
    import onnx

    for net, calibration, inputs in networks.all_networks():
        path = HERE / f"{net.name}_qdq.onnx"
        activations, weights = TYPES[net.name]
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder) / "float.onnx"
            common.save_onnx(float_onnx(net), source)
            quantize_static(
                source,
                path,
                Reader(nchw(calibration)),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=activations,
                weight_type=weights,
            )
            x = nchw(inputs)
            exact = common.onnxruntime_outputs(source, [x])
        common.save_onnx(onnx.load(path), path)
        outputs = common.onnxruntime_outputs(path, [x])
        print(f"  largest difference from float32: {np.abs(outputs[0] - exact[0]).max():.4f} of {np.abs(exact[0]).max():.4f}")
        common.save_vectors(path.with_suffix(".npz"), [x], outputs)


if __name__ == "__main__":
    main()
