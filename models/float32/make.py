#!/usr/bin/env python3
"""Makes cnn.onnx and encoder.onnx: float32 networks, and float_networks() that ../qdq/make.py quantises."""

import pathlib
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import common

SEED = 11


class Builder:
    """Nodes in order; each call returns the name of its result."""

    def __init__(self, name, inputs, opset=17):
        self.name, self.inputs, self.opset = name, inputs, opset
        self.nodes, self.constants = [], []
        self.rng = np.random.default_rng([SEED, *name.encode()])

    def constant(self, array, name=None):
        name = name or f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def normal(self, *shape, scale=1.0, mean=0.0):
        return self.constant((self.rng.normal(mean, scale, shape)).astype(np.float32))

    def __call__(self, op, *inputs, outputs=1, **attributes):
        names = [f"{op.lower()}{len(self.nodes)}" + (f"_{i}" if i else "") for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, names[0], **attributes))
        return names[0] if outputs == 1 else names

    def conv(self, x, c, k, kernel, relu=False, **attributes):
        group = attributes.get("group", 1)
        fan = c // group * kernel * kernel
        y = self("Conv", x, self.normal(k, c // group, kernel, kernel, scale=(2 / fan) ** 0.5), self.normal(k, scale=0.3), **attributes)
        return self("Relu", y) if relu else y

    def dense(self, x, c, k):
        return self("Add", self("MatMul", x, self.normal(c, k, scale=c**-0.5)), self.normal(k, scale=0.2))

    def model(self, outputs):
        values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in self.inputs.items()]
        results = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs.items()]
        graph = helper.make_graph(self.nodes, self.name, values, results, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8, producer_name="heddle")


def cnn():
    """Batch norm, several activations, branches, both kinds of pools, a residual."""
    b = Builder("cnn", {"image": [1, 3, 16, 12]})
    x = b.conv("image", 3, 8, 3, pads=[1, 1, 1, 1])
    norm = [b.normal(8, mean=1, scale=0.1), b.normal(8, scale=0.1), b.normal(8, scale=0.1)]
    x = b("BatchNormalization", x, *norm, b.constant(b.rng.uniform(0.5, 2, 8).astype(np.float32)), epsilon=1e-3)
    x = b("LeakyRelu", x, alpha=0.1)
    left = b.conv(x, 8, 8, 3, group=8, strides=[2, 2], pads=[0, 0, 1, 1], relu=True)
    left = b.conv(left, 8, 8, 1)
    right = b("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    x = b("Add", left, right)
    gate = b("Sigmoid", b.conv(b("GlobalAveragePool", x), 8, 8, 1))
    x = b("Mul", x, gate)
    x = b("Concat", b("Tanh", x), b("Clip", x, b.constant(np.float32(0)), b.constant(np.float32(6))), axis=1)
    x = b("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = b("HardSwish", b.conv(x, 16, 12, 3, auto_pad="SAME_UPPER"))
    x = b("Gemm", b("Flatten", x), b.normal(6, 144, scale=1 / 12), b.normal(6), transB=1)
    return b.model({b("Softmax", x, axis=-1): [1, 6]})


def encoder():
    """A transformer encoder block of 8 tokens, 16 features, 4 heads, as exporters write it: LayerNormalization, attention, GELU by Erf."""
    tokens, width, heads = 8, 16, 4
    b = Builder("encoder", {"tokens": [1, tokens, width]})
    x = b("Add", "tokens", b.normal(1, tokens, width, scale=0.5))

    def norm(x):
        return b("LayerNormalization", x, b.normal(width, mean=1, scale=0.2), b.normal(width, scale=0.2), axis=-1, epsilon=1e-5)

    split = b.constant(np.array([1, tokens, heads, width // heads], np.int64))
    joined = b.constant(np.array([1, tokens, width], np.int64))
    y = norm(x)
    q, k, v = (b("Reshape", b.dense(y, width, width), split) for _ in range(3))
    q, v = (b("Transpose", t, perm=[0, 2, 1, 3]) for t in (q, v))
    scores = b("MatMul", q, b("Transpose", k, perm=[0, 2, 3, 1]))
    scores = b("Div", scores, b.constant(np.float32((width // heads) ** 0.5)))
    y = b("MatMul", b("Softmax", scores, axis=-1), v)
    y = b("Reshape", b("Transpose", y, perm=[0, 2, 1, 3]), joined)
    x = b("Add", x, b.dense(y, width, width))
    y = b.dense(norm(x), width, 4 * width)
    erf = b("Erf", b("Div", y, b.constant(np.float32(2**0.5))))
    y = b("Mul", b("Mul", y, b("Add", erf, b.constant(np.float32(1)))), b.constant(np.float32(0.5)))
    x = b("Add", x, b.dense(y, 4 * width, width))
    x = b("ReduceMean", norm(x), axes=[1], keepdims=0)
    return b.model({b.dense(x, width, 5): [1, 5]})


def data(model, count, seed):
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    return np.random.default_rng(seed).normal(size=(count, *shape[1:])).astype(np.float32)


def main():
    for make in (cnn, encoder):
        model = make()
        path = HERE / f"{make.__name__}.onnx"
        common.save_onnx(model, path)
        x = data(model, 5, SEED)
        common.save_vectors(path.with_suffix(".npz"), [x], common.onnxruntime_outputs(path, [x]))


if __name__ == "__main__":
    main()
