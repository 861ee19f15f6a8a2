"""refused.onnx: four layers in the dialect of DIANA's analog core, each of which breaks one of its limits.

    venv/bin/python tests/golden/why-analog-refusals/make.py
"""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

nodes, constants = [], []


def constant(name, values):
    constants.append(numpy_helper.from_array(np.array(values, np.float32), name))
    return name


def layer(name, x, kernel=1, weight=1, step=4, bounds=(-64, 63)):
    """Convolution, converter, batch norm."""
    shape = (1, 1, kernel, kernel)
    y = f"{name}_sum"
    nodes.append(helper.make_node("Conv", [x, constant(f"{name}_weight", np.full(shape, weight))], [y], name=name,
                                  pads=[kernel // 2] * 4))
    steps = [("Div", [step]), ("Floor", []), ("Clip", [-32, 31]), ("Mul", [5]), ("Add", [3]), ("Div", [2]), ("Floor", []),
             ("Clip", bounds)]
    for i, (op, values) in enumerate(steps):
        operands = [constant(f"{name}_{i}_{j}", value) for j, value in enumerate(values)]
        nodes.append(helper.make_node(op, [y, *operands], [f"{name}_{i}"], name=f"{name}_{op}_{i}"))
        y = f"{name}_{i}"
    return y


nodes.append(helper.make_node("Clip", ["x", constant("lo", -64), constant("hi", 63)], ["x7"], name="seven_bits"))
y = layer("weights_of_2", "x7", weight=2, bounds=(-128, 127))
y = layer("inputs_of_8_bits", y)
y = layer("too_many_rows", y, kernel=5)
y = layer("step_of_12", y, step=12)
image = [1, 1, 8, 8]
graph = helper.make_graph(nodes, "refused", [helper.make_tensor_value_info("x", TensorProto.FLOAT, image)],
                          [helper.make_tensor_value_info(y, TensorProto.FLOAT, image)], constants)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
onnx.checker.check_model(model)
onnx.save(model, pathlib.Path(__file__).with_name("refused.onnx"))
