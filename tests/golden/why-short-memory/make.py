"""two_depthwise.onnx: two depthwise layers, whose block-diagonal weights are sixteen times as large as their own.

    venv/bin/python tests/golden/why-short-memory/make.py
"""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

nodes, constants = [], []


def constant(name, values):
    constants.append(numpy_helper.from_array(np.array(values, np.float32), name))
    return name


def depthwise(name, x, channels):
    weights = np.arange(channels * 9).reshape(channels, 1, 3, 3) % 7 - 3
    y = f"{name}_sum"
    nodes.append(helper.make_node("Conv", [x, constant(f"{name}_weight", weights)], [y], name=name, pads=[1] * 4,
                                  group=channels))
    for i, (op, values) in enumerate([("Div", [16]), ("Floor", []), ("Clip", [-128, 127])]):
        operands = [constant(f"{name}_{i}_{j}", value) for j, value in enumerate(values)]
        nodes.append(helper.make_node(op, [y, *operands], [f"{name}_{i}"], name=f"{name}_{op}"))
        y = f"{name}_{i}"
    return y


nodes.append(helper.make_node("Clip", ["x", constant("lo", -128), constant("hi", 127)], ["x8"], name="eight_bits"))
y = depthwise("first", "x8", 32)
y = depthwise("second", y, 32)
image = [1, 32, 8, 8]
graph = helper.make_graph(nodes, "two_depthwise", [helper.make_tensor_value_info("x", TensorProto.FLOAT, image)],
                          [helper.make_tensor_value_info(y, TensorProto.FLOAT, image)], constants)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
onnx.checker.check_model(model)
onnx.save(model, pathlib.Path(__file__).with_name("two_depthwise.onnx"))
