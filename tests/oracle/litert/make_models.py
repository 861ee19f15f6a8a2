#!/usr/bin/env python3
"""Makes models/*.tflite: one operator each, with quantisation parameters that meet every rounding step of its kernel.

Written with the schema that LiteRT carries (scripts/oracles); seeded, so that it makes the same bytes again.
"""

import pathlib

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

HERE = pathlib.Path(__file__).resolve().parent
T = schema.TensorType
TYPES = {
    "int8": (T.INT8, np.int8),
    "uint8": (T.UINT8, np.uint8),
    "int16": (T.INT16, np.int16),
    "int32": (T.INT32, np.int32),
    "int64": (T.INT64, np.int64),
    "float32": (T.FLOAT32, np.float32),
    "int4": (T.INT4, np.int8),
}


class Net:
    """One subgraph, built tensor by tensor."""

    def __init__(self):
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes = []
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.graph.inputs, self.graph.outputs = [], []
        self.model.subgraphs = [self.graph]

    def tensor(self, name, shape, kind, scale=None, zero_point=0, dimension=0, data=None):
        tensor = schema.TensorT()
        tensor.name = name.encode()
        tensor.shape = list(shape)
        tensor.type = TYPES[kind][0]
        if scale is not None:
            q = schema.QuantizationParametersT()
            q.scale = [float(s) for s in np.atleast_1d(scale)]
            q.zeroPoint = [int(z) for z in np.broadcast_to(zero_point, (len(q.scale),))]
            q.quantizedDimension = dimension
            tensor.quantization = q
        tensor.buffer = 0
        if data is not None:
            data = np.ascontiguousarray(data, TYPES[kind][1])
            raw = data.tobytes()
            if kind == "int4":
                low = data.ravel()[0::2].astype(np.uint8) & 15
                high = data.ravel()[1::2].astype(np.uint8) & 15
                high = np.pad(high, (0, len(low) - len(high)))
                raw = (low | high << 4).tobytes()
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(raw, np.uint8)
            self.model.buffers.append(buffer)
            tensor.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def input(self, shape, kind, scale=None, zero_point=0):
        index = self.tensor(f"input_{len(self.graph.inputs)}", shape, kind, scale, zero_point)
        self.graph.inputs.append(index)
        return index

    def op(self, name, inputs, outputs, options=None, version=1):
        code = schema.OperatorCodeT()
        number = getattr(schema.BuiltinOperator, name)
        code.builtinCode = number
        code.deprecatedBuiltinCode = min(number, 127)
        code.version = version
        self.model.operatorCodes.append(code)
        op = schema.OperatorT()
        op.opcodeIndex = len(self.model.operatorCodes) - 1
        op.inputs, op.outputs = list(inputs), list(outputs)
        if options is not None:
            op.builtinOptions = options
            op.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__[:-1])
        self.graph.operators.append(op)

    def save(self, name, *outputs):
        self.graph.outputs = list(outputs)
        builder = flatbuffers.Builder(1 << 12)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        (HERE / "models" / f"{name}.tflite").write_bytes(bytes(builder.Output()))


def options(kind, **fields):
    result = getattr(schema, kind + "OptionsT")()
    for name, value in fields.items():
        assert hasattr(result, name), name
        setattr(result, name, value)
    return result


ACT = {"none": 0, "relu": 1, "relu_n1_to_1": 2, "relu6": 3}
RNG = np.random.default_rng(3)


def conv(name, kind="int8", x=(1, 7, 6, 5), k=6, f=(3, 3), stride=(1, 1), dilation=(1, 1), same=True, act="none",
         per_channel=True, group=1, multiplier=0, weights="int8", bias="int32"):
    """CONV_2D, or DEPTHWISE_CONV_2D where `multiplier` is set."""
    net = Net()
    unsigned = kind == "uint8"
    if unsigned:
        weights = "uint8"
    zero = {"int8": -5, "uint8": 120, "int16": 0}[kind]
    scale = 0.043 if kind != "int16" else 0.00031
    i = net.input(x, kind, scale, zero)
    channels = x[3] // group
    shape = (1, *f, x[3] * multiplier) if multiplier else (k, *f, channels)
    outs = shape[3] if multiplier else k
    top = 8 if weights == "int4" else 128
    w = RNG.integers(1 - top, top, shape) + (128 if unsigned else 0)
    w_scale = RNG.uniform(0.3, 1.7, outs if per_channel else 1) * 0.011 * (128 / top)
    wi = net.tensor("weights", shape, weights, w_scale.astype(np.float32), 131 if unsigned else 0,
                    3 if multiplier else 0, w)
    b_scale = np.float32(scale) * w_scale.astype(np.float32)
    b = net.tensor("bias", (outs,), bias, b_scale, 0, 0, RNG.integers(-900, 900, outs))
    reach = [(f[d] - 1) * dilation[d] + 1 for d in (0, 1)]
    size = [-(-x[d + 1] // stride[d]) if same else (x[d + 1] - reach[d]) // stride[d] + 1 for d in (0, 1)]
    taps = f[0] * f[1] * (1 if multiplier else channels)
    y_scale = 0.043 * 0.011 * 128 * np.sqrt(taps) * 0.6
    y_zero = {"int8": 7, "uint8": 119, "int16": 0}[kind]
    if kind == "int16":
        y_scale /= 250
    o = net.tensor("output", (x[0], *size, outs), kind, y_scale, y_zero)
    common = dict(padding=0 if same else 1, strideH=stride[0], strideW=stride[1], dilationHFactor=dilation[0],
                  dilationWFactor=dilation[1], fusedActivationFunction=ACT[act])
    if multiplier:
        net.op("DEPTHWISE_CONV_2D", [i, wi, b], [o], options("DepthwiseConv2D", depthMultiplier=multiplier, **common), 3)
    else:
        net.op("CONV_2D", [i, wi, b], [o], options("Conv2D", **common), 3)
    net.save(name, o)


def dense(name, kind="int8", x=(3, 40), k=11, per_channel=False, act="none", keep=False, weights="int8", bias="int32",
          with_bias=True):
    net = Net()
    unsigned = kind == "uint8"
    if unsigned:
        weights = "uint8"
    scale = 0.031 if kind != "int16" else 0.00021
    i = net.input(x, kind, scale, {"int8": 3, "uint8": 121, "int16": 0}[kind])
    top = 8 if weights == "int4" else 128
    w = RNG.integers(1 - top, top, (k, x[-1])) + (128 if unsigned else 0)
    w_scale = (RNG.uniform(0.3, 1.7, k if per_channel else 1) * 0.009 * (128 / top)).astype(np.float32)
    wi = net.tensor("weights", (k, x[-1]), weights, w_scale, 126 if unsigned else 0, 0, w)
    inputs = [i, wi, -1]
    if with_bias:
        inputs[2] = net.tensor("bias", (k,), bias, np.float32(scale) * w_scale, 0, 0, RNG.integers(-900, 900, k))
    y_scale = 0.031 * 0.009 * 128 * np.sqrt(x[-1]) * 0.5 / (150 if kind == "int16" else 1)
    shape = (*x[:-1], k) if keep else (int(np.prod(x[:-1])), k)
    o = net.tensor("output", shape, kind, y_scale, {"int8": -9, "uint8": 130, "int16": 0}[kind])
    net.op("FULLY_CONNECTED", inputs, [o],
           options("FullyConnected", fusedActivationFunction=ACT[act], keepNumDims=keep), 4)
    net.save(name, o)


def pair(name, op, kind="int8", a=(1, 5, 4, 3), b=None, scales=(0.05, 0.031, 0.06), zeros=(4, -11, 9), act="none",
         constant=False, **more):
    net = Net()
    b = a if b is None else b
    if kind == "uint8":
        zeros = [z + 128 for z in zeros]
    if kind == "int16":
        zeros = (0, 0, 0)
        scales = [s / 200 for s in scales]
    i = net.input(a, kind, scales[0], zeros[0])
    if constant:
        j = net.tensor("constant", b, kind, scales[1], zeros[1], 0, RNG.integers(-100, 100, b) + (128 if kind == "uint8" else 0))
    else:
        j = net.input(b, kind, scales[1], zeros[1])
    o = net.tensor("output", np.broadcast_shapes(a, b), kind, scales[2], zeros[2])
    kind_of = {"ADD": "Add", "SUB": "Sub", "MUL": "Mul"}.get(op)
    fields = dict(more)
    if kind_of:
        fields["fusedActivationFunction"] = ACT[act]
        if kind_of != "Mul":
            fields["potScaleInt16"] = False
        net.op(op, [i, j], [o], options(kind_of, **fields), 2)
    else:
        net.op(op, [i, j], [o], options("MaximumMinimum"), 2)
    net.save(name, o)


def unary(name, op, x=(0.05, -3), y=(0.05, -3), kinds=("int8", "int8"), shape=(1, 4, 4, 16), opts=None, version=2):
    net = Net()
    i = net.input(shape, kinds[0], x[0] if x else None, x[1] if x else 0)
    o = net.tensor("output", shape, kinds[1], y[0] if y else None, y[1] if y else 0)
    net.op(op, [i], [o], opts, version)
    net.save(name, o)


def pool(name, op, kind="int8", x=(1, 9, 8, 5), f=(3, 2), stride=(2, 1), same=True, act="none"):
    net = Net()
    q = {"int8": (0.07, -13), "uint8": (0.07, 115), "int16": (0.0003, 0)}[kind]
    i = net.input(x, kind, *q)
    size = [-(-x[d + 1] // stride[d]) if same else (x[d + 1] - f[d]) // stride[d] + 1 for d in (0, 1)]
    o = net.tensor("output", (x[0], *size, x[3]), kind, *q)
    net.op(op, [i], [o], options("Pool2D", padding=0 if same else 1, strideH=stride[0], strideW=stride[1],
                                 filterHeight=f[0], filterWidth=f[1], fusedActivationFunction=ACT[act]), 3)
    net.save(name, o)


def reduce(name, op, axes, kind="int8", x=(1, 6, 7, 4), keep=False, same_scale=False):
    net = Net()
    q = {"int8": (0.04, 9), "uint8": (0.04, 137), "int16": (0.0002, 0)}[kind]
    r = q if same_scale else {"int8": (0.013, -6), "uint8": (0.013, 122), "int16": (0.00011, 0)}[kind]
    i = net.input(x, kind, *q)
    a = net.tensor("axes", (len(axes),), "int32", data=axes)
    resolved = {axis % len(x) for axis in axes}
    shape = [1 if d in resolved else n for d, n in enumerate(x) if keep or d not in resolved]
    if op == "SUM":
        r = (r[0] * 20, r[1])
    o = net.tensor("output", shape, kind, *r)
    net.op(op, [i, a], [o], options("Reducer", keepDims=keep), 2)
    net.save(name, o)


def softmax(name, kind="int8", x=(4, 13), scale=0.11, beta=1.0):
    net = Net()
    i = net.input(x, kind, scale, 5 if kind == "int8" else 133)
    o = net.tensor("output", x, kind, 1 / 256, -128 if kind == "int8" else 0)
    net.op("SOFTMAX", [i], [o], options("Softmax", beta=beta), 2)
    net.save(name, o)


def concat(name, kind="int8", zeros=(3, 3), scales=(0.05, 0.05), axis=3, shapes=((1, 4, 3, 2), (1, 4, 3, 5))):
    net = Net()
    inputs = [net.input(s, kind, q, z) for s, q, z in zip(shapes, scales, zeros)]
    shape = list(shapes[0])
    shape[axis] = sum(s[axis] for s in shapes)
    o = net.tensor("output", shape, kind, scales[0], zeros[0])
    net.op("CONCATENATION", inputs, [o], options("Concatenation", axis=axis), 2)
    net.save(name, o)


def views():
    net = Net()
    q = ("int8", 0.05, 4)
    i = net.input((1, 6, 8, 5), *q)
    pads = net.tensor("pads", (4, 2), "int32", data=[[0, 0], [1, 2], [0, 3], [0, 0]])
    padded = net.tensor("padded", (1, 9, 11, 5), *q)
    net.op("PAD", [i, pads], [padded], options("Pad"), 2)
    begin = net.tensor("begin", (4,), "int32", data=[0, 1, 2, 0])
    end = net.tensor("end", (4,), "int32", data=[0, 9, -1, 0])
    step = net.tensor("step", (4,), "int32", data=[1, 2, 3, 1])
    cut = net.tensor("cut", (1, 4, 3, 5), *q)
    net.op("STRIDED_SLICE", [padded, begin, end, step], [cut], options("StridedSlice", beginMask=9, endMask=9), 2)
    perm = net.tensor("perm", (4,), "int32", data=[0, 3, 1, 2])
    turned = net.tensor("turned", (1, 5, 4, 3), *q)
    net.op("TRANSPOSE", [cut, perm], [turned], options("Transpose"), 2)
    axis = net.tensor("axis", (), "int32", data=1)
    sizes = net.tensor("sizes", (2,), "int32", data=[2, 3])
    parts = [net.tensor("first", (1, 2, 4, 3), *q), net.tensor("second", (1, 3, 4, 3), *q)]
    net.op("SPLIT_V", [turned, sizes, axis], parts, options("SplitV", numSplits=2), 2)
    shape = net.tensor("shape", (2,), "int32", data=[-1, 3])
    rows = net.tensor("rows", (8, 3), *q)
    net.op("RESHAPE", [parts[0], shape], [rows], options("Reshape", newShape=[-1, 3]))
    start = net.tensor("start", (4,), "int32", data=[0, 1, 0, 0])
    size = net.tensor("size", (4,), "int32", data=[1, 2, -1, 3])
    sliced = net.tensor("sliced", (1, 2, 4, 3), *q)
    net.op("SLICE", [parts[1], start, size], [sliced], options("Slice"), 2)
    squeezed = net.tensor("squeezed", (2, 4, 3), *q)
    net.op("SQUEEZE", [sliced], [squeezed], options("Squeeze", squeezeDims=[0]))
    packed = net.tensor("packed", (2, 2, 4, 3), *q)
    net.op("PACK", [squeezed, squeezed], [packed], options("Pack", valuesCount=2, axis=0), 2)
    to = net.tensor("to", (2,), "int32", data=[5, 9])
    resized = net.tensor("resized", (2, 5, 9, 3), *q)
    net.op("RESIZE_NEAREST_NEIGHBOR", [packed, to], [resized],
           options("ResizeNearestNeighbor", alignCorners=False, halfPixelCenters=True), 3)
    net.save("views", rows, resized)


def product(name, adjoint=False):
    net = Net()
    a = net.input((2, 3, 9), "int8", 0.04, 5)
    b = net.input((2, 7, 9) if adjoint else (2, 9, 7), "int8", 0.03, -7)
    o = net.tensor("output", (2, 3, 7), "int8", 0.17, 4)
    net.op("BATCH_MATMUL", [a, b], [o], options("BatchMatMul", adjX=False, adjY=adjoint), 2)
    net.save(name, o)


def main():
    (HERE / "models").mkdir(exist_ok=True)
    conv("conv")
    conv("conv_valid_relu6", same=False, stride=(2, 1), act="relu6")
    conv("conv_same_stride", stride=(2, 2), x=(1, 8, 8, 3), act="relu")
    conv("conv_dilated", dilation=(2, 2), x=(1, 11, 9, 4))
    conv("conv_per_tensor", per_channel=False)
    conv("conv_group", x=(1, 6, 6, 8), k=4, group=2)
    conv("conv_pointwise", f=(1, 1), x=(1, 5, 5, 24), k=9)
    conv("conv_uint8", kind="uint8", per_channel=False)
    conv("conv_int16", kind="int16", bias="int64")
    conv("conv_int4", weights="int4")
    conv("depthwise", multiplier=1)
    conv("depthwise_stride", multiplier=1, x=(1, 9, 8, 17), stride=(2, 2), act="relu")
    conv("depthwise_multiplier", multiplier=3)
    conv("depthwise_one_channel", multiplier=8, x=(1, 9, 8, 1))
    conv("depthwise_uint8", kind="uint8", per_channel=False, multiplier=2)
    conv("depthwise_int16", kind="int16", bias="int64", multiplier=1)
    dense("dense")
    dense("dense_per_channel", per_channel=True, act="relu")
    dense("dense_keep", x=(2, 3, 20), keep=True)
    dense("dense_no_bias", with_bias=False)
    dense("dense_uint8", kind="uint8")
    dense("dense_int16", kind="int16", bias="int64")
    dense("dense_int4", weights="int4")
    pair("add", "ADD")
    pair("add_relu", "ADD", act="relu", scales=(0.02, 0.07, 0.05))
    pair("add_broadcast", "ADD", b=(3,), constant=True)
    pair("add_uint8", "ADD", kind="uint8")
    pair("add_int16", "ADD", kind="int16")
    pair("sub", "SUB")
    pair("sub_broadcast", "SUB", b=(1, 1, 1, 3), scales=(0.02, 0.07, 0.05))
    pair("sub_int16", "SUB", kind="int16")
    pair("mul", "MUL", scales=(0.05, 0.031, 0.04))
    pair("mul_broadcast", "MUL", b=(1, 1, 1, 3), scales=(0.05, 0.011, 0.011))
    pair("mul_uint8", "MUL", kind="uint8", scales=(0.05, 0.031, 0.04))
    pair("mul_int16", "MUL", kind="int16", scales=(0.05, 0.031, 0.0005))
    pair("maximum", "MAXIMUM", scales=(0.05,) * 3, zeros=(4,) * 3)
    pair("minimum", "MINIMUM", scales=(0.05,) * 3, zeros=(4,) * 3, b=(3,), constant=True)
    pool("average_pool", "AVERAGE_POOL_2D")
    pool("average_pool_valid", "AVERAGE_POOL_2D", same=False, f=(4, 4), act="relu6")
    pool("average_pool_uint8", "AVERAGE_POOL_2D", kind="uint8")
    pool("average_pool_int16", "AVERAGE_POOL_2D", kind="int16")
    pool("max_pool", "MAX_POOL_2D")
    pool("max_pool_relu", "MAX_POOL_2D", act="relu")
    reduce("mean", "MEAN", [1, 2])
    reduce("mean_keep", "MEAN", [1, 2], keep=True)
    reduce("mean_same", "MEAN", [1, 2], keep=True, same_scale=True)
    reduce("mean_channels", "MEAN", [-1])
    reduce("mean_rows", "MEAN", [1], keep=True)
    reduce("mean_uint8", "MEAN", [1, 2], kind="uint8")
    reduce("mean_int16", "MEAN", [1, 2], kind="int16")
    reduce("sum", "SUM", [1, 2])
    softmax("softmax")
    softmax("softmax_sharp", scale=0.9, beta=0.7)
    softmax("softmax_uint8", kind="uint8")
    unary("relu", "RELU")
    unary("relu_rescale", "RELU", y=(0.031, -40))
    unary("relu6", "RELU6", y=(6 / 255, -128))
    unary("relu_n1_to_1", "RELU_N1_TO_1", y=(0.011, 2), version=1)
    unary("logistic", "LOGISTIC", y=(1 / 256, -128))
    unary("tanh", "TANH", y=(1 / 128, 0))
    unary("hard_swish", "HARD_SWISH", y=(0.03, -100), opts=options("HardSwish"), version=1)
    unary("hard_swish_fine", "HARD_SWISH", x=(0.0123, 20), y=(0.011, -20), opts=options("HardSwish"), version=1)
    unary("hard_swish_uint8", "HARD_SWISH", x=(0.05, 120), y=(0.04, 30), kinds=("uint8", "uint8"),
          opts=options("HardSwish"), version=1)
    unary("leaky_relu", "LEAKY_RELU", y=(0.043, 12), opts=options("LeakyRelu", alpha=0.13))
    unary("elu", "ELU", y=(0.03, -90), version=1)
    unary("gelu", "GELU", y=(0.03, -90), opts=options("Gelu", approximate=False))
    unary("exp", "EXP", x=(0.02, 0), y=(0.05, -128), opts=options("Exp"))
    unary("quantize", "QUANTIZE", x=None, y=(0.037, 11), kinds=("float32", "int8"), opts=options("Quantize"))
    unary("quantize_uint8", "QUANTIZE", x=None, y=(0.037, 130), kinds=("float32", "uint8"), opts=options("Quantize"))
    unary("requantize", "QUANTIZE", y=(0.073, 11), opts=options("Quantize"))
    unary("requantize_up", "QUANTIZE", y=(0.021, 11), opts=options("Quantize"))
    unary("requantize_sign", "QUANTIZE", y=(0.05, 125), kinds=("int8", "uint8"), opts=options("Quantize"))
    unary("dequantize", "DEQUANTIZE", y=None, kinds=("int8", "float32"), opts=options("Dequantize"))
    concat("concat")
    concat("concat_uint8", kind="uint8", zeros=(130, 90), scales=(0.05, 0.083))
    concat("concat_rows", axis=1, shapes=((1, 4, 3, 2), (1, 2, 3, 2)))
    product("batch_matmul")
    product("batch_matmul_adjoint", adjoint=True)
    views()


if __name__ == "__main__":
    main()
