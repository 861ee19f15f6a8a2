#!/usr/bin/env python3
"""Makes floor.onnx, half_up.onnx, encoder.onnx and decoder.onnx: integer networks, all tensors typed float.

The expected outputs are evaluate.py's (int64); for floor.onnx, which ONNX Runtime can run, both must agree.
"""

import pathlib
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import common
import evaluate

SEED = 17
FLOAT32_EXACT = 1 << 24


class Builder:
    """Nodes in order, each evaluated at once on calibration data, from which requant() chooses its factor."""

    def __init__(self, name, shapes, lows):
        self.name, self.shapes = name, shapes
        self.rng = np.random.default_rng([SEED, *name.encode()])
        self.nodes, self.constants, self.count = [], [], 0
        self.values = {n: self.rng.integers(low, 128, (32, *shapes[n][1:])) for n, low in zip(shapes, lows)}

    def constant(self, array, name):
        assert name not in self.values
        array = np.asarray(array)
        self.values[name] = array.astype(np.int64)
        self.constants.append(numpy_helper.from_array(array if array.dtype == np.int64 and name.endswith("_shape") else array.astype(np.float32), name))
        return name

    def __call__(self, op, *inputs, domain="", **attributes):
        self.count += 1
        name = f"{op.lower()}{self.count}"
        node = helper.make_node(op, inputs, [name], name, domain=domain, **attributes)
        self.nodes.append(node)
        self.values[name] = evaluate.OPERATORS[op](evaluate.attributes(node), *[self.values[i] for i in inputs])
        if op in ("Conv", "Gemm", "MatMul"):
            assert np.abs(self.values[name]).max() < FLOAT32_EXACT
        return name

    def weights(self, *shape):
        return self.constant(self.rng.integers(-127, 128, shape), f"weight_{len(self.constants)}")

    def scaling(self, x, channel_axis, target):
        """Per-channel factors over 2^16 that bring each channel's mean to about 0 and its deviation to `target`."""
        v = np.moveaxis(self.values[x], channel_axis, 0).reshape(self.values[x].shape[channel_axis], -1)
        mul = np.maximum(np.round(target / np.maximum(v.std(1), 1) * (1 << 16) * self.rng.uniform(0.7, 1.3, len(v))), 1)
        add = np.round(-v.mean(1) * mul + self.rng.normal(0, target * (1 << 15), len(v)))
        # (x * mul + add) stays in int32, as the hardware of this dialect has it.
        assert np.abs(v * mul[:, None] + add[:, None]).max() < 1 << 31
        shape = (-1,) + (1,) * (self.values[x].ndim - 1 - channel_axis)
        return mul.reshape(shape).astype(np.float32).astype(np.int64), add.reshape(shape).astype(np.float32).astype(np.int64)

    def requant(self, x, signed=True, channel_axis=1, target=45, per_tensor=False):
        """RequantShift, with its attributes as float tensors, as the exporters write them."""
        mul, add = self.scaling(x, channel_axis, target)
        if per_tensor:
            mul, add = mul.reshape(-1)[:1], np.zeros(1, np.int64)
        number = len(self.constants)
        operands = [self.constant(mul, f"mul_{number}"), self.constant(add, f"add_{number}")]
        attributes = {
            "div": numpy_helper.from_array(np.float32(1 << 16)),
            "n_levels_out": numpy_helper.from_array(np.array([256], np.float32)),
            "signed": numpy_helper.from_array(np.array([float(signed)], np.float32)),
        }
        return self("RequantShift", x, *operands, domain="PACTOps", **attributes)

    def floor(self, x, target=60):
        """Mul, Add, Div, Floor, Clip to unsigned bytes; small factors, so that float32 is exact."""
        v = np.moveaxis(self.values[x], 1, 0).reshape(self.values[x].shape[1], -1)
        shift = 8
        while True:
            mul = np.maximum(np.round(target / v.std(1) * (1 << shift)), 1)
            add = np.round(-v.mean(1) * mul + self.rng.normal(target / 2, target / 2, len(v)) * (1 << shift))
            if np.abs(v * mul[:, None] + add[:, None]).max() < FLOAT32_EXACT:
                break
            shift -= 1
        shape = (-1,) + (1,) * (self.values[x].ndim - 2)
        number = len(self.constants)
        y = self("Mul", x, self.constant(mul.reshape(shape).astype(np.int64), f"mul_{number}"))
        y = self("Add", y, self.constant(add.reshape(shape).astype(np.int64), f"add_{number}"))
        y = self("Div", y, self.constant(np.int64(1 << shift), f"div_{number}"))
        return self("Clip", self("Floor", y), self.constant(np.int64(0), f"low_{number}"), self.constant(np.int64(255), f"high_{number}"))

    def shape(self, *dims):
        return self.constant(np.array(dims, np.int64), f"s{len(self.constants)}_shape")

    def save(self, outputs, pulp):
        def info(names):
            return [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, *self.values[n].shape[1:]]) for n in names]

        graph = helper.make_graph(self.nodes, self.name, info(self.shapes), info(outputs), self.constants)
        opsets = [helper.make_opsetid("", 13)] + ([helper.make_opsetid("PACTOps", 1)] if pulp else [])
        model = helper.make_model(graph, opset_imports=opsets, ir_version=7, producer_name="heddle")
        path = HERE / f"{self.name}.onnx"
        common.save_onnx(model, path, checked=not pulp)
        rng = np.random.default_rng([SEED + 1, *self.name.encode()])
        inputs = {n: rng.integers(self.values[n].min(), 128, (5, *s[1:])) for n, s in self.shapes.items()}
        values = evaluate.run(model, inputs)
        if not pulp:
            runtime = common.onnxruntime_outputs(path, [x.astype(np.float32) for x in inputs.values()])
            assert all(np.array_equal(values[n], y) for n, y in zip(outputs, runtime)), "ONNX Runtime differs"
        for name in outputs:
            assert len(np.unique(values[name])) > 8, f"{name} is nearly constant"
        print("  " + " ".join(n.op_type for n in self.nodes))
        common.save_vectors(path.with_suffix(".npz"), [x.astype(np.int8) for x in inputs.values()], [values[n].astype(np.int32) for n in outputs])


def floor():
    """NEMO's chain; depthwise, a residual, pools."""
    b = Builder("floor", {"image": [1, 2, 12, 10]}, [0])
    x = b.floor(b("Conv", "image", b.constant(b.rng.integers(-31, 32, (8, 2, 3, 3)), "w"), kernel_shape=[3, 3], pads=[1, 1, 1, 1]))
    y = b.floor(b("Conv", x, b.constant(b.rng.integers(-15, 16, (8, 1, 3, 3)), "v"), kernel_shape=[3, 3], group=8, strides=[2, 2], pads=[0, 0, 1, 1]))
    y = b.floor(b("Conv", y, b.constant(b.rng.integers(-15, 16, (8, 8, 1, 1)), "u"), kernel_shape=[1, 1]))
    x = b("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = b.floor(b("Add", x, y))
    x = b("Flatten", b("MaxPool", x, kernel_shape=[3, 3], strides=[3, 2]))
    x = b("Gemm", x, b.constant(b.rng.integers(-15, 16, (10, 32)), "t"), b.constant(b.rng.integers(-999, 999, 10), "b"), transB=1)
    b.save([b.floor(x)], pulp=False)


def half_up():
    """RequantShift per channel and per tensor, signed and unsigned; a residual, a concatenation, the integer mean."""
    b = Builder("half_up", {"image": [1, 3, 12, 10]}, [-128])
    x = b.requant(b("Conv", "image", b.weights(8, 3, 3, 3), kernel_shape=[3, 3], pads=[1, 1, 1, 1]), signed=False)
    y = b.requant(b("Conv", x, b.weights(8, 1, 3, 3), kernel_shape=[3, 3], group=8, strides=[2, 2], pads=[0, 0, 1, 1]))
    y = b.requant(b("Conv", y, b.weights(8, 8, 1, 1), kernel_shape=[1, 1]))
    x = b("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = b.requant(b("Add", x, y), per_tensor=True)
    x = b("Concat", x, y, axis=1)
    x = b.requant(b("Conv", x, b.weights(12, 16, 3, 3), kernel_shape=[3, 3]), signed=False)
    x = b("IntegerMean", x, domain="PACTOps", axes=[2, 3], keepdims=0)
    b.save([b.requant(b("Gemm", x, b.weights(10, 12), b.weights(10), transB=1))], pulp=True)


def heads(b, x, tokens, count, width, perm):
    return b("Transpose", b("Reshape", x, b.shape(1, tokens, count, width // count)), perm=perm)


def encoder():
    """A vision transformer's block: iLayerNorm, attention with ITAMax, GELU, mean over the tokens."""
    tokens, width, count = 6, 16, 2
    b = Builder("encoder", {"tokens": [1, tokens, width]}, [-128])

    def norm(x):
        weight = b.constant(b.rng.integers(20, 60, width) * 1000, f"weight_{len(b.constants)}")
        bias = b.constant(b.rng.integers(-9, 10, width) * 16384, f"weight_{len(b.constants)}")
        levels = numpy_helper.from_array(np.array([256], np.float32))
        return b("iLayerNorm", x, weight, bias, domain="PACTOps", D=numpy_helper.from_array(np.array([1024], np.float32)), n_levels=levels)

    def linear(x, size):
        return b.requant(b("MatMul", x, b.weights(b.values[x].shape[-1], size)), channel_axis=2)

    x = "tokens"
    y = norm(x)
    q, v = (heads(b, linear(y, width), tokens, count, width, [0, 2, 1, 3]) for _ in range(2))
    k = heads(b, linear(y, width), tokens, count, width, [0, 2, 3, 1])
    scores = b.requant(b("MatMul", q, k), per_tensor=True)
    levels = numpy_helper.from_array(np.array([256], np.float32))
    y = b.requant(b("MatMul", b("ITAMax", scores, domain="PACTOps", n_levels=levels), v), per_tensor=True)
    y = b("Reshape", b("Transpose", y, perm=[0, 2, 1, 3]), b.shape(1, tokens, width))
    x = b.requant(b("Add", x, linear(y, width)), per_tensor=True)
    y = b.requant(b("iGELU", linear(norm(x), 2 * width), domain="PACTOps", b=-110, one=12000), per_tensor=True)
    x = b.requant(b("Add", x, linear(y, width)), per_tensor=True)
    x = b("IntegerMean", norm(x), domain="PACTOps", axes=[1], keepdims=0)
    b.save([b.requant(b("Gemm", x, b.weights(5, width), b.weights(5), transB=1))], pulp=True)


def decoder():
    """A language model's block, one token with a cache of 4: iRMSNorm, iSoftmax, TrueIntegerDiv, gated hard swish. Outputs are the
    token and the longer caches."""
    past, width, count = 4, 16, 2
    size = width // count
    b = Builder("decoder", {"token": [1, 1, width], "keys": [1, count, past, size], "values": [1, count, past, size]}, [-128] * 3)

    def norm(x):
        weight = b.constant(b.rng.integers(20, 60, width) * 65536, f"weight_{len(b.constants)}")
        return b("iRMSNorm", x, weight, domain="PACTOps", D=65536, n_levels=256)

    def linear(x, size):
        return b.requant(b("MatMul", x, b.weights(b.values[x].shape[-1], size)), channel_axis=2)

    x = "token"
    y = norm(x)
    q, k, v = (heads(b, linear(y, width), 1, count, width, [0, 2, 1, 3]) for _ in range(3))
    keys, values = b("Concat", "keys", k, axis=2), b("Concat", "values", v, axis=2)
    scores = b.requant(b("MatMul", q, b("Transpose", keys, perm=[0, 1, 3, 2])), per_tensor=True)
    scores = b.requant(b("TrueIntegerDiv", scores, domain="PACTOps", Delta=16384, eps=1, eta=200000, y=3), per_tensor=True)
    coefficients = {"coeffA": 1.0, "coeffB": 86.0, "coeffC": 3888.0, "log2": 64.0, "n_levels": 256.0}
    tensors = {n: numpy_helper.from_array(np.array([c], np.float32)) for n, c in coefficients.items()}
    y = b.requant(b("MatMul", b("iSoftmax", scores, domain="PACTOps", **tensors), values), per_tensor=True)
    y = b("Reshape", b("Transpose", y, perm=[0, 2, 1, 3]), b.shape(1, 1, width))
    x = b.requant(b("Add", x, linear(y, width)), per_tensor=True)
    y = norm(x)
    gate = b.requant(b("iHardswish", linear(y, 2 * width), domain="PACTOps", one_over_six=42, three=122, six=244), per_tensor=True)
    y = b.requant(b("Mul", gate, linear(y, 2 * width)), per_tensor=True)
    x = b.requant(b("Add", x, linear(y, width)), per_tensor=True)
    b.save([x, keys, values], pulp=True)


def main():
    for make in (floor, half_up, encoder, decoder):
        make()


if __name__ == "__main__":
    main()
