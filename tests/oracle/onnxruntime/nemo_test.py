"""NEMO's dialect against ONNX Runtime. The file types integers as uint8, int32 and float32 where ONNX Runtime has no such
kernel: a copy computes all of it in float64, its convolutions in float32, both of which hold every integer that can occur.
Outputs of 50 random inputs; of 5, also what every layer gives: sums, clipped values, the pool. The file's weights are
random, and all of its layers but the first saturate: a second model has multipliers and addends that spread what each
layer gives over 0 to 255."""
import pathlib
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import oracle

EXACT = {TensorProto.FLOAT: 2.0**24, TensorProto.DOUBLE: 2.0**53}


def constants_of(graph):
    """Initialisers and Constant nodes by name."""
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            arrays[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return arrays


def as_float64(model):
    """The same network in float64, with all tensors that Heddle has too as outputs."""
    constants = {name: array.astype(np.float64) for name, array in constants_of(model.graph).items()}
    nodes, kept = [], []
    # An input of a convolution is an uint8.
    for node in model.graph.node:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        x, y = (list(node.input) + [""])[0], node.output[0]
        if node.op_type == "Constant":
            continue
        if node.op_type == "Conv":
            weights = np.abs(constants[node.input[1]])
            assert 255 * weights.reshape(len(weights), -1).sum(1).max() < EXACT[TensorProto.FLOAT], node.name
            constants[node.input[1]] = constants[node.input[1]].astype(np.float32)
            nodes += [helper.make_node("Cast", [x], [x + "_f32_" + y], to=TensorProto.FLOAT),
                      helper.make_node("Conv", [x + "_f32_" + y, *node.input[1:]], [y + "_f32"], **attributes),
                      helper.make_node("Cast", [y + "_f32"], [y], to=TensorProto.DOUBLE)]
        elif node.op_type == "Cast":
            nodes.append(helper.make_node("Identity", [x], [y]))
        elif node.op_type == "Clip":
            bounds = [f"{y}_{name}" for name in ("min", "max")]
            constants.update({bound: np.float64(attributes[name]) for bound, name in zip(bounds, ("min", "max"))})
            nodes.append(helper.make_node("Clip", [x, *bounds], [y]))
        else:
            nodes.append(helper.make_node(node.op_type, list(node.input), [y], **attributes))
        if node.op_type in ("Conv", "Clip", "MaxPool", "Flatten", "MatMul"):
            kept.append(y)
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in (*model.graph.input, *model.graph.output)}
    last = model.graph.output[0].name
    graph = helper.make_graph(
        nodes, "nemo", [helper.make_tensor_value_info(v.name, TensorProto.DOUBLE, shapes[v.name]) for v in model.graph.input],
        [helper.make_tensor_value_info(name, TensorProto.DOUBLE, shapes.get(name)) for name in [last, *kept]],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def as_integers(array):
    integers = array.astype(np.int32)
    assert (integers == array).all(), "not an integer of 32 bits"
    return integers


def run(session, x):
    return [as_integers(y) for y in session.run(None, {session.get_inputs()[0].name: x.astype(np.float64)})]


def spread(model, x):
    """A copy whose layers do not saturate on x: per channel, their sums from the 2nd to the 98th percentile become 0 to 255."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    graph = model.graph
    producers = {output: node for node in graph.node for output in node.output}
    readers = {name: node for node in graph.node for name in node.input}

    def constant_of(node):
        """The Constant node among the operands, and the other operand."""
        names = sorted(node.input, key=lambda name: producers[name].op_type == "Constant")
        return producers[names[1]], names[0]

    def set_constant(node, values):
        old = numpy_helper.to_array(node.attribute[0].t)
        node.attribute[0].t.CopyFrom(numpy_helper.from_array(values.reshape(old.shape).astype(old.dtype)))

    for conv in [node for node in graph.node if node.op_type == "Conv"]:
        session = oracle.ort_session(as_float64(model))
        names = [output.name for output in session.get_outputs()]
        sums = run(session, x)[names.index(conv.output[0])]
        cast = readers[conv.output[0]]
        mul = readers[cast.output[0]]
        add = readers[mul.output[0]]
        div = readers[add.output[0]]
        assert [n.op_type for n in (cast, mul, add, div)] == ["Cast", "Mul", "Add", "Div"], conv.name
        divisor = int(numpy_helper.to_array(constant_of(div)[0].attribute[0].t)[0])
        low, high = np.percentile(sums, [2, 98], axis=(0, 2, 3))
        factor = np.clip(np.round(256 * divisor / np.maximum(high - low, 1)), 1, 2**15 - 1)
        set_constant(constant_of(mul)[0], factor)
        set_constant(constant_of(add)[0], np.clip(np.round(-low * factor), -2**31, 2**31 - 1))
    return model


def check(model, file):
    session = oracle.ort_session(as_float64(model))
    names = [output.name for output in session.get_outputs()]
    random = np.random.default_rng(3)
    inputs = oracle.random_array(random, [50, *session.get_inputs()[0].shape], np.uint8)
    results = [run(session, x) for x in inputs]
    outputs = np.stack([result[0] for result in results])
    different = {name: len(np.unique(result)) for name, result in zip(names[1:], zip(*[r[1:] for r in results]))}
    print(f"different values: {different}")
    for soc in ("cpu_only", "diana"):
        oracle.summary(oracle.verify(file, [inputs], [outputs], "--soc", soc))
    with tempfile.TemporaryDirectory() as folder:
        for i in range(5):
            activations = pathlib.Path(folder) / f"activations_{i}.npz"
            np.savez(activations, **dict(zip(names[1:], results[i][1:])))
            found = [c for c in oracle.verify(file, [inputs[i:i + 1]], [outputs[i:i + 1]], "--activations", activations)
                     if c["what"] == "stored activations"]
            assert len(found) == 1 and found[0]["arrays"] == len(names) - 1, found
            print(f"sample {i}: {found[0]['arrays']} of {len(names) - 1} tensors equal one of Heddle's")
    return different


given = oracle.need(oracle.SHARED / "nemo_onnx/keyword_spotting.onnx")
check(onnx.load(given), given)
with tempfile.TemporaryDirectory() as folder:
    lively = spread(onnx.load(given), oracle.random_array(np.random.default_rng(4), [1, 1, 49, 10], np.uint8))
    file = pathlib.Path(folder) / "spread.onnx"
    onnx.save(lively, file)
    assert min(check(lively, file).values()) > 50
