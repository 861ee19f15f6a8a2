#!/usr/bin/env python3
"""Makes QONNX networks as Brevitas and QKeras export them: ternary.onnx, binary.onnx, mixed.onnx. The oracle is the package qonnx."""

import functools
import importlib.util
import pathlib
import sys

import numpy as np
from onnx import helper
from qonnx.core import onnx_exec
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.infer_shapes import InferShapes

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import common

spec = importlib.util.spec_from_file_location("float32_make", HERE.parent / "float32" / "make.py")
float32 = importlib.util.module_from_spec(spec)
spec.loader.exec_module(float32)

# qonnx runs each standard node as a model of its own, of an IR version that ONNX Runtime must know.
onnx_exec.qonnx_make_model = functools.partial(onnx_exec.qonnx_make_model, ir_version=8)

SEED = 19
QONNX, BREVITAS = "qonnx.custom_op.general", "onnx.brevitas"


class Builder(float32.Builder):
    def __init__(self, name, inputs, domain=QONNX, op="Quant"):
        super().__init__(name, inputs, opset=13)
        self.domain, self.op = domain, op

    def number(self, value):
        return self.constant(np.asarray(value, np.float32))

    def quant(self, x, bits, scale, signed=1, narrow=0, zero_point=0, rounding="ROUND"):
        operands = [self.number(v) for v in (scale, zero_point, bits)]
        return self(self.op, x, *operands, domain=self.domain, signed=signed, narrow=narrow, rounding_mode=rounding)

    def bipolar(self, x, scale=1.0):
        return self("BipolarQuant", x, self.number(scale), domain=self.domain)

    def channel_scales(self, shape, low, high):
        """One for each output channel, of the rank of the weights, as Brevitas exports them."""
        return self.rng.uniform(low, high, (shape[0], *[1] * (len(shape) - 1))).astype(np.float32)

    def save(self, output, shape):
        model = self.model({output: shape})
        model.opset_import.append(helper.make_opsetid(self.domain, 1))
        path = HERE / f"{self.name}.onnx"
        common.save_onnx(model, path, checked=False)
        wrapped = ModelWrapper(model).transform(InferShapes())
        (name, dims), = self.inputs.items()
        x = np.random.default_rng([SEED, *self.name.encode()]).normal(size=(5, *dims[1:])).astype(np.float32)
        y = np.concatenate([onnx_exec.execute_onnx(wrapped, {name: s[None]})[output] for s in x])
        print("  " + " ".join(n.op_type for n in model.graph.node))
        common.save_vectors(path.with_suffix(".npz"), [x], [y.astype(np.float32)])


def ternary():
    """Ternary weights with a scale for each channel, 4-bit activations, power-of-two and other scales, batch norm between."""
    b = Builder("ternary", {"image": [1, 3, 12, 10]})
    x = b.quant("image", 8, 1 / 32)

    def conv(x, c, k, kernel, **attributes):
        shape = (k, c // attributes.get("group", 1), kernel, kernel)
        weight = b.quant(b.normal(*shape, scale=0.3), 2, b.channel_scales(shape, 0.2, 0.4), narrow=1)
        y = b("Conv", x, weight, kernel_shape=[kernel] * 2, **attributes)
        norm = [b.constant(b.rng.uniform(low, high, k).astype(np.float32)) for low, high in ((0.5, 1.5), (-0.5, 0.5), (-0.3, 0.3), (0.5, 3))]
        return b("Relu", b("BatchNormalization", y, *norm))

    x = b.quant(conv(x, 3, 8, 3, pads=[1, 1, 1, 1]), 4, 0.25, signed=0)
    x = b("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = b.quant(conv(x, 8, 16, 1), 4, 0.15, signed=0)
    x = b.quant(conv(x, 16, 16, 3, group=16, pads=[0, 0, 1, 1], strides=[2, 2]), 3, 0.11, signed=0)
    x = b("Flatten", x)
    weight = b.quant(b.normal(7, 96, scale=0.3), 3, b.channel_scales((7, 96), 0.1, 0.2), narrow=1)
    x = b("Gemm", x, weight, b.quant(b.normal(7), 16, 0.001), transB=1)
    b.save(x, [1, 7])


def binary():
    """Weights and activations of -1 and 1: BipolarQuant, batch norm, and a Quant of one signed bit."""
    b = Builder("binary", {"features": [1, 24]})
    x = b.bipolar("features")
    for size, previous in ((16, 24), (12, 16)):
        x = b("MatMul", x, b.bipolar(b.normal(previous, size), 0.5))
        norm = [b.constant(b.rng.uniform(low, high, size).astype(np.float32)) for low, high in ((0.5, 1.5), (-0.5, 0.5), (-0.3, 0.3), (0.5, 3))]
        x = b("BatchNormalization", x, *norm)
        x = b.bipolar(x, 0.75) if size == 16 else b.quant(x, 1, 1.0)
    x = b("MatMul", x, b.quant(b.normal(12, 5, scale=0.3), 4, 0.07))
    b.save(x, [1, 5])


def mixed():
    """In Brevitas' domain and with the newer name IntQuant: 3 to 8 bits, every rounding, zero points, a residual, Trunc after a pool."""
    b = Builder("mixed", {"image": [1, 4, 8, 8]}, BREVITAS, "IntQuant")
    x = b.quant("image", 8, 0.02, signed=0, zero_point=128)

    def conv(x, c, k, kernel, bits, scale, **attributes):
        shape = (k, c // attributes.get("group", 1), kernel, kernel)
        weight = b.quant(b.normal(*shape, scale=0.25), bits, scale, narrow=1)
        return b("Conv", x, weight, b.quant(b.normal(k, scale=0.3), 8, 1 / 64), kernel_shape=[kernel] * 2, **attributes)

    x = b.quant(b("Relu", conv(x, 4, 8, 3, 5, 0.03, pads=[1, 1, 1, 1])), 6, 1 / 16, signed=0, rounding="FLOOR")
    y = b.quant(conv(x, 8, 8, 3, 4, 0.06, group=8, pads=[1, 1, 1, 1]), 5, 1 / 8, rounding="CEIL")
    y = b.quant(conv(y, 8, 8, 1, 3, 0.12), 6, 1 / 16, rounding="DOWN")
    x = b.quant(b("Add", x, y), 7, 1 / 16, rounding="HALF_UP")
    x = b("AveragePool", x, kernel_shape=[4, 4], strides=[4, 4])
    # The sum of 16 elements of 7 bits has 11; Trunc keeps 8 of them.
    operands = [b.number(v) for v in (1 / 256, 0, 11, 8)]
    x = b("Trunc", x, *operands, domain=BREVITAS, rounding_mode="FLOOR")
    x = b("Reshape", x, b.constant(np.array([1, -1], np.int64)))
    weight = b.quant(b.normal(6, 32, scale=0.25), 8, 0.006, narrow=1)
    x = b.quant(b("Gemm", x, weight, b.quant(b.normal(6), 16, 0.001), transB=1), 8, 0.03)
    b.save(x, [1, 6])


def main():
    for make in (ternary, binary, mixed):
        make()


if __name__ == "__main__":
    main()
