"""Float networks for the oracles: a transformer encoder as PyTorch exports one, and single operators in all their forms."""
import math

import numpy as np
from onnx import TensorProto, helper, numpy_helper


class Model:
    """Nodes and constants by name."""

    def __init__(self, opset, seed=0):
        self.opset, self.random = opset, np.random.default_rng(seed)
        self.nodes, self.constants = [], []

    def constant(self, array, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array).astype(dtype), name))
        return name

    def weights(self, *shape):
        return self.constant(self.random.normal(0, 1 / math.sqrt(shape[0]), shape))

    def node(self, op, *inputs, outputs=1, **attributes):
        names = [f"t{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def build(self, inputs, output, name="network"):
        infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()]
        graph = helper.make_graph(self.nodes, name, infos, [helper.make_empty_tensor_value_info(output)], self.constants)
        return helper.make_model(graph, ir_version=8 if self.opset >= 13 else 6, opset_imports=[helper.make_opsetid("", self.opset)])


def normalised(m, x, width):
    """LayerNorm in pieces, as exporters before opset 17 write it."""
    distance = m.node("Sub", x, m.node("ReduceMean", x, axes=[-1]))
    variance = m.node("ReduceMean", m.node("Pow", distance, m.constant(2.0)), axes=[-1])
    deviation = m.node("Sqrt", m.node("Add", variance, m.constant(1e-5)))
    scaled = m.node("Mul", m.node("Div", distance, deviation), m.constant(m.random.uniform(0.5, 1.5, width)))
    return m.node("Add", scaled, m.constant(m.random.normal(0, 0.1, width)))


def gelu(m, x):
    """x / 2 * (1 + erf(x / sqrt 2)) in pieces."""
    bent = m.node("Add", m.node("Erf", m.node("Div", x, m.constant(math.sqrt(2)))), m.constant(1.0))
    return m.node("Mul", m.node("Mul", x, bent), m.constant(0.5))


def linear(m, x, inputs, outputs):
    return m.node("Add", m.node("MatMul", x, m.weights(inputs, outputs)), m.constant(m.random.normal(0, 0.1, outputs)))


def encoder(layers=2, length=16, width=32, heads=4, seed=0):
    """Pre-norm encoder layers with a causal mask, then the mean over the sequence and ten classes."""
    m = Model(13, seed)
    x = m.node("Add", "x", m.constant(m.random.normal(0, 0.1, [length, width])))
    mask = m.constant(np.triu(np.full([length, length], -np.inf), 1))
    for _ in range(layers):
        y = normalised(m, x, width)
        parts = []
        for order in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]):  # queries, keys, values
            split = m.node("Reshape", linear(m, y, width, width), m.constant([0, length, heads, width // heads], np.int64))
            parts.append(m.node("Transpose", split, perm=order))
        scores = m.node("Mul", m.node("MatMul", parts[0], parts[1]), m.constant(1 / math.sqrt(width // heads)))
        weights = m.node("Softmax", m.node("Add", scores, mask), axis=-1)
        joined = m.node("Transpose", m.node("MatMul", weights, parts[2]), perm=[0, 2, 1, 3])
        joined = m.node("Reshape", joined, m.constant([0, length, width], np.int64))
        x = m.node("Add", x, linear(m, joined, width, width))
        hidden = gelu(m, linear(m, normalised(m, x, width), width, 4 * width))
        x = m.node("Add", x, linear(m, hidden, 4 * width, width))
    pooled = m.node("ReduceMean", normalised(m, x, width), axes=[1], keepdims=0)
    y = m.node("Gemm", pooled, m.weights(10, width), m.constant(m.random.normal(0, 0.1, 10)), transB=1)
    return m.build({"x": [1, length, width]}, y, "encoder")


def single(opset, op, shape, *constants, order=None, outputs=1, **attributes):
    """One operator on x; constants are operands after it, or where `order` says."""
    m = Model(opset)
    names = ["" if c is None else m.constant(c, np.asarray(c).dtype if np.asarray(c).dtype == np.int64 else np.float32)
             for c in constants]
    operands = ["x", *names] if order is None else ["x" if i == "x" else names[i] for i in order]
    return m.build({"x": shape}, m.node(op, *operands, **attributes), op)


def singles():
    """(name, model) of every operator and form that the importer translates."""
    r = np.random.default_rng(1)
    n = lambda *shape: r.normal(0, 1, shape)
    p = lambda *shape: r.uniform(0.5, 1.5, shape)
    image, rows = [1, 4, 9, 7], [2, 5, 6]
    for op in ("Abs", "Ceil", "Celu", "Cos", "Elu", "Erf", "Exp", "Floor", "HardSigmoid", "LeakyRelu", "Neg", "Reciprocal",
               "Relu", "Round", "Selu", "Sigmoid", "Sign", "Sin", "Softplus", "Softsign", "Tanh", "ThresholdedRelu"):
        yield op, single(13, op, rows)
    yield "HardSwish", single(14, "HardSwish", rows)
    yield "Mish", single(18, "Mish", rows)
    yield "Gelu", single(20, "Gelu", rows)
    yield "Gelu tanh", single(20, "Gelu", rows, approximate="tanh")
    yield "Elu alpha", single(13, "Elu", rows, alpha=0.3)
    yield "PRelu", single(13, "PRelu", image, n(4, 1, 1))
    yield "PRelu one", single(13, "PRelu", image, n(1))
    m = Model(13)
    yield "Log Sqrt Pow", m.build({"x": rows}, m.node("Log", m.node("Pow", m.node("Sqrt", m.node("Add", m.node("Abs", "x"),
                                  m.constant(0.5))), m.constant(1.7))))
    for op in ("Add", "Sub", "Mul", "Div", "Min", "Max"):
        yield f"{op} channels", single(13, op, image, p(4, 1, 1))
        yield f"{op} scalar", single(13, op, image, np.float32(0.7))
        yield f"{op} first", single(13, op, image, p(1, 4, 1, 7), order=[0, "x"])
        yield f"{op} enlarges", single(13, op, [1, 4, 1, 7], p(2, 4, 3, 1))
        m = Model(13)
        yield f"{op} computed", m.build({"x": rows, "z": [5, 1]}, m.node(op, "x", "z"))
    for op in ("Add", "Sub", "Mul", "Div"):
        yield f"{op} opset 6", single(6, op, image, p(4), broadcast=1, axis=1)
    m = Model(13)
    yield "Sum", m.build({"x": rows, "z": rows}, m.node("Sum", "x", "z", "x"))
    m = Model(13)
    yield "Mean", m.build({"x": rows, "z": rows}, m.node("Mean", "x", "z", "x"))
    yield "Clip 6", single(6, "Clip", rows, min=-0.5, max=0.25)
    yield "Clip 13", single(13, "Clip", rows, np.float32(-0.5), np.float32(0.25))
    yield "Clip below", single(13, "Clip", rows, np.float32(0.1))
    yield "Clip above", single(13, "Clip", rows, None, np.float32(0.1))
    m = Model(13)
    keep = m.constant(r.random([5, 6]) < 0.5, bool)
    yield "Where", m.build({"x": rows}, m.node("Where", keep, "x", m.constant(-1e9)))
    yield "Conv", single(13, "Conv", image, n(6, 4, 3, 3), n(6), pads=[1, 0, 2, 1], strides=[2, 1], dilations=[1, 2])
    yield "Conv group", single(13, "Conv", image, n(6, 2, 3, 3), group=2)
    yield "Conv depthwise", single(13, "Conv", image, n(4, 1, 3, 3), n(4), group=4, auto_pad="SAME_UPPER", strides=[2, 2])
    yield "Conv multiplier", single(13, "Conv", image, n(8, 1, 3, 3), n(8), group=4, auto_pad="SAME_LOWER")
    yield "Conv 1-D", single(13, "Conv", [1, 4, 20], n(6, 4, 5), n(6), pads=[2, 1], strides=[2])
    yield "Gemm", single(13, "Gemm", [3, 8], n(8, 5), n(5), alpha=0.5, beta=1.5)
    yield "Gemm transposed", single(13, "Gemm", [8, 3], n(5, 8), n(3, 5), transA=1, transB=1)
    yield "Gemm no bias", single(13, "Gemm", [3, 8], n(8, 5))
    yield "MatMul", single(13, "MatMul", [2, 3, 8], n(8, 5))
    yield "MatMul batch", single(13, "MatMul", [2, 3, 4, 8], n(3, 8, 5))
    yield "MatMul vector", single(13, "MatMul", [2, 3, 8], n(8))
    yield "MatMul vector first", single(13, "MatMul", [2, 8, 3], n(8), order=[0, "x"])
    m = Model(13)
    yield "MatMul computed", m.build({"x": [2, 3, 8], "z": [8, 4]}, m.node("MatMul", "x", "z"))
    for op in ("MaxPool", "AveragePool"):
        yield op, single(13, op, image, kernel_shape=[3, 2], pads=[1, 0, 1, 1], strides=[2, 2])
        yield f"{op} same", single(13, op, image, kernel_shape=[3, 3], auto_pad="SAME_UPPER", strides=[2, 2])
        yield f"{op} ceil", single(13, op, image, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
        yield f"{op} 1-D", single(13, op, [1, 3, 11], kernel_shape=[3], strides=[2])
    yield "AveragePool counts", single(13, "AveragePool", image, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)
    yield "GlobalAveragePool", single(13, "GlobalAveragePool", image)
    yield "GlobalMaxPool", single(13, "GlobalMaxPool", image)
    yield "BatchNormalization", single(13, "BatchNormalization", image, p(4), n(4), n(4), p(4))
    for bias in (True, False):
        m = Model(13)
        y = m.node("Conv", "x", m.weights(6, 4, 3, 3), *([m.weights(6)] if bias else []))
        y = m.node("BatchNormalization", y, m.constant(p(6)), m.constant(n(6)), m.constant(n(6)), m.constant(p(6)))
        yield f"BatchNormalization folded {bias}", m.build({"x": image}, m.node("Relu", y))
    yield "InstanceNormalization", single(13, "InstanceNormalization", image, p(4), n(4))
    yield "LayerNormalization", single(17, "LayerNormalization", rows, p(6), n(6))
    yield "LayerNormalization axis", single(17, "LayerNormalization", rows, p(5, 6), axis=1)
    yield "GroupNormalization", single(21, "GroupNormalization", image, p(4), n(4), num_groups=2)
    for op in ("Softmax", "LogSoftmax"):
        yield op, single(13, op, rows)
        yield f"{op} axis", single(13, op, rows, axis=1)
        yield f"{op} opset 11", single(11, op, rows)
    for op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare"):
        yield op, single(11, op, rows, axes=[0, -1])
        yield f"{op} all", single(11, op, rows, keepdims=0)
    yield "ReduceMean 18", single(18, "ReduceMean", rows, np.array([1]), keepdims=0)
    yield "Resize", single(13, "Resize", image, None, np.array([1, 1, 2, 3.0]), mode="nearest",
                           coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    yield "Resize half pixel", single(13, "Resize", image, None, np.array([1, 1, 2, 1.5]), mode="nearest")
    yield "Resize sizes", single(13, "Resize", image, None, None, np.array([1, 4, 13, 14]), mode="nearest")
    yield "Upsample", single(9, "Upsample", image, np.array([1, 1, 2, 2.0]), mode="nearest")
    yield "Pad", single(13, "Pad", image, np.array([0, 0, 1, 2, 0, 0, 0, 1]), np.float32(0.3))
    yield "Flatten", single(13, "Flatten", image, axis=2)
    m = Model(13)
    yield "Cast", m.build({"x": rows}, m.node("Cast", m.node("Relu", "x"), to=TensorProto.FLOAT))
    m = Model(13)
    yield "Transpose", m.build({"x": image}, m.node("Transpose", m.node("Relu", "x"), perm=[0, 2, 3, 1]))
