"""One small model for each quantised operator, type and form, against ONNX Runtime without graph optimisation: at most
1 LSB on at most 0.1 % of the elements; and what must be refused. Usage: quantised_operators_test.py [NAME...]"""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import oracle

SAMPLES = 20
MS = "com.microsoft"
ONNX_TYPES = {np.uint8: TensorProto.UINT8, np.int8: TensorProto.INT8, np.uint16: TensorProto.UINT16,
              np.int16: TensorProto.INT16, np.float32: TensorProto.FLOAT}


class Model:
    """Nodes and constants; `random` is seeded by the model's name."""

    def __init__(self, name):
        self.name, self.random = name, np.random.default_rng(list(name.encode()))
        self.nodes, self.initialisers, self.inputs, self.outputs = [], [], [], []

    def constant(self, array, dtype=np.float32, shape=None):
        array = np.asarray(array, dtype)
        name = f"c{len(self.initialisers)}"
        self.initialisers.append(numpy_helper.from_array(array if shape is None else array.reshape(shape), name))
        return name

    def raw(self, data_type, shape, data):
        """Types that numpy lacks, as bytes."""
        tensor = TensorProto(name=f"c{len(self.initialisers)}", data_type=data_type, dims=shape, raw_data=bytes(data))
        self.initialisers.append(tensor)
        return tensor.name

    def integers(self, shape, dtype=np.int8, low=-64, high=63):
        """Weights of 7 bits: ONNX Runtime's 8-bit kernels saturate on some processors."""
        return self.constant(self.random.integers(low, high + 1, shape), dtype)

    def input(self, shape, dtype=np.float32):
        name = f"x{len(self.inputs)}"
        self.inputs.append(helper.make_tensor_value_info(name, ONNX_TYPES[dtype], shape))
        return name

    def node(self, op, inputs, domain="", **attributes):
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=f"{name}_{op}", domain=domain, **attributes))
        return name

    def grid(self, scale, zero=None, dtype=np.int8, shape=()):
        return [self.constant(scale, shape=shape), self.constant(zero, dtype, shape=shape)]

    def quantise(self, x, scale, zero, dtype=np.int8, shape=(), domain="", **attributes):
        return self.node("QuantizeLinear", [x, *self.grid(scale, zero, dtype, shape)], domain, **attributes)

    def dequantise(self, x, scale, zero, dtype=np.int8, shape=(), domain="", **attributes):
        return self.node("DequantizeLinear", [x, *self.grid(scale, zero, dtype, shape)], domain, **attributes)

    def fake(self, x, scale, zero, dtype=np.int8):
        return self.dequantise(self.quantise(x, scale, zero, dtype), scale, zero, dtype)

    def proto(self, result, dtype, opset=13):
        self.outputs = [helper.make_tensor_value_info(result, ONNX_TYPES[dtype], None)]
        graph = helper.make_graph(self.nodes, self.name, self.inputs, self.outputs, self.initialisers)
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid(MS, 1)]
        return helper.make_model(graph, ir_version=10 if opset > 19 else 8, opset_imports=opsets)


CASES = {}


def case(name, **arguments):
    def register(function):
        CASES[name] = (function, arguments)
        return function
    return register


# ---- QDQ

def layer_weights(m, shape, axis, channels):
    """Dequantised weights, per tensor or per channel; int32 biases in units of the accumulator."""
    scales = m.random.uniform(0.002, 0.02, shape[axis]).astype(np.float32) if channels else np.float32(0.01)
    zeros = np.zeros(np.shape(scales), np.int8)
    extra = {"axis": axis} if channels else {}
    w = m.node("DequantizeLinear", [m.integers(shape), m.constant(scales), m.constant(zeros, np.int8)], **extra)
    step = np.float32(0.03) * scales
    count = shape[axis]
    b = m.node("DequantizeLinear", [m.integers([count], np.int32, -900, 900), m.constant(step)], **({"axis": 0} if channels else {}))
    return w, b


for _name, _channels, _x in [("tensor", False, np.int8), ("channel", True, np.int8), ("unsigned", True, np.uint8)]:
    @case(f"qdq_conv_{_name}", channels=_channels, dtype=_x)
    def _(m, channels, dtype):
        zero = 7 if dtype == np.int8 else 130
        x = m.fake(m.input([1, 5, 9, 8]), 0.03, zero, dtype)
        w, b = layer_weights(m, [6, 5, 3, 3], 0, channels)
        y = m.node("Conv", [x, w, b], pads=[1, 0, 1, 2], strides=[2, 1])
        y = m.node("Relu", [y])
        return m.fake(y, 0.0213177, zero - 100, dtype), np.float32


@case("qdq_conv_depthwise")
def _(m):
    x = m.fake(m.input([1, 6, 9, 8]), 0.03, -3)
    w, b = layer_weights(m, [6, 1, 3, 3], 0, True)
    y = m.node("Clip", [m.node("Conv", [x, w, b], group=6), m.constant(-0.2), m.constant(1.1)])
    return m.quantise(y, 0.013, -20), np.int8


@case("qdq_conv_float_bias")
def _(m):
    x = m.fake(m.input([1, 3, 9, 8]), 0.03, -3)
    w, _ = layer_weights(m, [8, 3, 3, 3], 0, True)
    y = m.node("Conv", [x, w, m.constant(m.random.normal(size=8) * 0.1)])
    return m.quantise(y, 0.013, -20), np.int8


@case("qdq_conv_weights_of_uint8")
def _(m):
    x = m.fake(m.input([1, 3, 9, 8]), 0.03, 100, np.uint8)
    w = m.dequantise(m.integers([4, 3, 3, 3], np.uint8, 60, 190), 0.01, 128, np.uint8)
    return m.quantise(m.node("Conv", [x, w]), 0.0131713, 120, np.uint8), np.uint8


@case("qdq_conv_line")
def _(m):
    x = m.fake(m.input([1, 3, 17]), 0.03, 5)
    w, b = layer_weights(m, [4, 3, 5], 0, True)
    return m.quantise(m.node("Conv", [x, w, b], pads=[2, 2]), 0.013, 12), np.int8


@case("qdq_gemm")
def _(m):
    x = m.fake(m.input([3, 20]), 0.03, 5)
    w, b = layer_weights(m, [7, 20], 0, True)
    return m.quantise(m.node("Gemm", [x, w, b], transB=1), 0.02, 3), np.int8


@case("qdq_matmul_bias_of_int8")
def _(m):
    x = m.fake(m.input([3, 20]), 0.03, 5)
    w = m.dequantise(m.integers([20, 7]), 0.012, 0)
    y = m.fake(m.node("MatMul", [x, w]), 0.021, -11)
    b = m.dequantise(m.integers([7], np.int8, -128, 127), 0.004, -43)
    return m.quantise(m.node("Add", [y, b]), 0.017, -19), np.int8


@case("qdq_matmul_and_add")
def _(m):
    x = m.fake(m.input([2, 3, 20]), 0.03, 5)
    w = m.dequantise(m.integers([20, 7]), 0.012, 0)
    b = m.dequantise(m.integers([7], np.int8, -128, 127), 0.004, -43)
    return m.quantise(m.node("Add", [m.node("MatMul", [x, w]), b]), 0.017, -19), np.int8


@case("qdq_matmul_of_activations")
def _(m):
    a, b = m.fake(m.input([2, 4, 9]), 0.03, 5), m.fake(m.input([2, 9, 6]), 0.02, 120, np.uint8)
    return m.quantise(m.node("MatMul", [a, b]), 0.017, -19), np.int8


@case("qdq_add")
def _(m):
    a, b = m.fake(m.input([1, 4, 5, 6]), 0.01, 5), m.fake(m.input([1, 4, 5, 6]), 0.007, -6)
    return m.quantise(m.node("Add", [a, b]), 0.013, -19), np.int8


@case("qdq_add_of_equal_scales")
def _(m):
    a, b = m.fake(m.input([1, 4, 5, 6]), 0.01, 5), m.fake(m.input([1, 4, 1, 1]), 0.01, -6)
    return m.quantise(m.node("Relu", [m.node("Add", [a, b])]), 0.02, -19), np.int8


@case("qdq_sub")
def _(m):
    a, b = m.fake(m.input([1, 4, 5]), 0.01, 5), m.fake(m.input([1, 4, 5]), 0.007, -6)
    return m.quantise(m.node("Sub", [a, b]), 0.013, -19), np.int8


@case("qdq_mul")
def _(m):
    a, b = m.fake(m.input([1, 4, 5, 6]), 0.01, 5), m.fake(m.input([1, 4, 5, 6]), 0.007, 120, np.uint8)
    return m.quantise(m.node("Mul", [a, b]), 0.006, -19), np.int8


for _op, _attributes in [("Sigmoid", {}), ("Tanh", {}), ("LeakyRelu", {"alpha": 0.1}), ("HardSigmoid", {}), ("Elu", {}), ("Erf", {}),
                         ("Exp", {}), ("Abs", {})]:
    @case(f"qdq_{_op.lower()}", op=_op, attributes=_attributes)
    def _(m, op, attributes):
        x = m.fake(m.input([1, 4, 5, 6]), 0.011, 5)
        return m.quantise(m.node(op, [x], **attributes), 0.012, -9), np.int8


@case("qdq_silu")
def _(m):
    x = m.fake(m.input([1, 4, 5, 6]), 0.011, 5)
    return m.quantise(m.node("Mul", [x, m.node("Sigmoid", [x])]), 0.009, -9), np.int8


@case("qdq_softmax")
def _(m):
    x = m.fake(m.input([4, 10]), 0.03, 5)
    return m.fake(m.node("Softmax", [x]), 1 / 255, -128), np.float32


for _name, _in, _out, _attributes in [("same_scale", 0.0117, 0.0117, {"kernel_shape": [2, 2], "strides": [2, 2]}),
                                      ("3x2", 0.0117, 0.0117, {"kernel_shape": [3, 2], "strides": [1, 1]}),
                                      ("stride_3", 0.0117, 0.0117, {"kernel_shape": [2, 4], "strides": [3, 3]}),
                                      ("padded", 0.0117, 0.0117, {"kernel_shape": [2, 2], "pads": [1, 0, 0, 1], "count_include_pad": 1}),
                                      ("whole", 0.0117, 0.0117, {"kernel_shape": [8, 6]}),
                                      ("other_scale", 0.0117, 0.0093, {"kernel_shape": [2, 2], "strides": [2, 2]})]:
    @case(f"qdq_average_pool_{_name}", scales=(_in, _out), attributes=_attributes)
    def _(m, scales, attributes):
        x = m.fake(m.input([1, 16, 8, 6]), scales[0], 5)
        return m.quantise(m.node("AveragePool", [x], **attributes), scales[1], 5), np.int8


for _name, _shape in [("49", [1, 64, 7, 7]), ("64", [1, 64, 8, 8]), ("30", [1, 64, 5, 6])]:
    @case(f"qdq_global_average_pool_{_name}", shape=_shape)
    def _(m, shape):
        x = m.fake(m.input(shape), 0.0117, 5)
        return m.quantise(m.node("GlobalAveragePool", [x]), 0.0083, 5), np.int8


@case("qdq_global_average_pool_same_scale")
def _(m):
    return m.quantise(m.node("GlobalAveragePool", [m.fake(m.input([1, 64, 8, 8]), 0.0117, 5)]), 0.0117, 5), np.int8


@case("qdq_reduce_mean")
def _(m):
    x = m.fake(m.input([1, 9, 16]), 0.0117, 5)
    return m.quantise(m.node("ReduceMean", [x], axes=[1], keepdims=0), 0.0051, 5), np.int8


@case("qdq_moves")
def _(m):
    x = m.fake(m.input([1, 4, 6, 8]), 0.01, 5)
    y = m.node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
    y = m.node("Transpose", [m.fake(y, 0.01, 5)], perm=[0, 2, 3, 1])
    y = m.node("Pad", [y, m.constant([0, 1, 0, 0, 0, 0, 2, 0], np.int64)])
    y = m.node("Reshape", [m.fake(y, 0.01, 5), m.constant([1, -1], np.int64)])
    return m.quantise(y, 0.013, -7), np.int8


@case("qdq_concat")
def _(m):
    a, b = m.fake(m.input([1, 4, 5]), 0.01, 5), m.fake(m.input([1, 3, 5]), 0.02, -6)
    return m.quantise(m.node("Concat", [a, b], axis=1), 0.013, -19), np.int8


@case("qdq_residual")
def _(m):
    x = m.fake(m.input([1, 4, 6, 6]), 0.03, 5)
    w, b = layer_weights(m, [4, 4, 3, 3], 0, True)
    y = m.fake(m.node("Conv", [x, w, b], pads=[1, 1, 1, 1]), 0.017, 9)
    y = m.fake(m.node("Relu", [m.node("Add", [y, x])]), 0.025, -128)
    return m.node("GlobalAveragePool", [y]), np.float32


for _type in (np.uint8, np.int16, np.uint16):
    @case(f"qdq_{np.dtype(_type)}", dtype=_type, opset=21)
    def _(m, dtype):
        x = m.quantise(m.input([2, 30]), 0.0173, 3, dtype)
        return m.dequantise(x, 0.0173, 3, dtype), np.float32


@case("qdq_output_dtype", opset=21)
def _(m):
    return m.node("QuantizeLinear", [m.input([2, 30]), m.constant(0.0173)], output_dtype=TensorProto.INT8), np.int8


@case("qdq_no_zero_point", opset=10)
def _(m):
    return m.node("QuantizeLinear", [m.input([2, 30]), m.constant([0.0173])]), np.uint8


@case("qdq_per_channel_activation")
def _(m):
    scales, zeros = m.constant([0.01, 0.02, 0.03]), m.constant([0, 0, 0], np.int8)
    x = m.node("QuantizeLinear", [m.input([2, 3, 8]), scales, zeros], axis=1)
    return m.node("DequantizeLinear", [x, scales, zeros], axis=-2), np.float32


@case("qdq_com_microsoft")
def _(m):
    x = m.quantise(m.input([2, 30]), 0.0173, 3, np.uint8, domain=MS)
    return m.dequantise(x, 0.0173, 3, np.uint8, domain=MS), np.float32


for _type, _code, _zero in [("int4", TensorProto.INT4, 0), ("uint4", TensorProto.UINT4, 0x08)]:
    @case(f"qdq_weights_of_{_type}", code=_code, zero=_zero, opset=21)
    def _(m, code, zero):
        x = m.fake(m.input([3, 21]), 0.03, 5)
        packed = m.random.integers(0, 256, (21 * 5 + 1) // 2)
        packed[-1] &= 15
        weights = m.raw(code, [21, 5], packed.astype(np.uint8))
        w = m.node("DequantizeLinear", [weights, m.constant(0.06), m.raw(code, [], [zero])])
        return m.quantise(m.node("MatMul", [x, w]), 0.0201771, -3), np.int8


# ---- QOperator

for _name, _x, _w, _channels in [("s8", np.int8, np.int8, False), ("u8s8", np.uint8, np.int8, True), ("u8u8", np.uint8, np.uint8, False)]:
    @case(f"qlinear_conv_{_name}", types=(_x, _w), channels=_channels)
    def _(m, types, channels):
        x_zero = 7 if types[0] == np.int8 else 130
        w_zero = 0 if types[1] == np.int8 else 128
        scales = m.random.uniform(0.002, 0.02, 6) if channels else 0.01
        weights = m.integers([6, 5, 3, 3], types[1], w_zero - 60, w_zero + 60)
        return m.node("QLinearConv", [m.input([1, 5, 9, 8], types[0]), *m.grid(0.03, x_zero, types[0]), weights,
                                      m.constant(scales), m.constant(np.full(np.shape(scales), w_zero), types[1]),
                                      *m.grid(0.031, x_zero - 3, types[0]), m.integers([6], np.int32, -900, 900)],
                      pads=[1, 1, 0, 2], strides=[1, 2]), types[0]


@case("qlinear_matmul")
def _(m):
    return m.node("QLinearMatMul", [m.input([3, 20], np.uint8), *m.grid(0.03, 120, np.uint8), m.integers([20, 7]), *m.grid(0.01, 0),
                                    *m.grid(0.04, 99, np.uint8)]), np.uint8


@case("qgemm")
def _(m):
    return m.node("QGemm", [m.input([3, 20], np.uint8), *m.grid(0.03, 120, np.uint8), m.integers([7, 20]), *m.grid(0.01, 0),
                            m.integers([7], np.int32, -900, 900), *m.grid(0.04, 99, np.uint8)], MS, transB=1), np.uint8


@case("qgemm_real_result")
def _(m):
    return m.node("QGemm", [m.input([3, 20], np.uint8), *m.grid(0.03, 120, np.uint8), m.integers([20, 7]), *m.grid(0.01, 0)], MS), np.float32


@case("matmul_integer")
def _(m):
    y = m.node("MatMulInteger", [m.input([3, 20], np.uint8), m.integers([20, 7]), m.constant(120, np.uint8)])
    return m.node("Mul", [m.node("Cast", [y], to=TensorProto.FLOAT), m.constant(0.003)]), np.float32


@case("conv_integer")
def _(m):
    y = m.node("ConvInteger", [m.input([1, 3, 6, 7], np.uint8), m.integers([4, 3, 3, 3], np.uint8, 0, 127), m.constant(120, np.uint8),
                               m.constant(60, np.uint8)])
    return m.node("Mul", [m.node("Cast", [y], to=TensorProto.FLOAT), m.constant(0.003)]), np.float32


for _op in ("Add", "Mul"):
    for _type in (np.int8, np.uint8):
        @case(f"qlinear_{_op.lower()}_{np.dtype(_type)}", op=_op, dtype=_type)
        def _(m, op, dtype):
            zero = 0 if dtype == np.int8 else 128
            a, b = m.input([1, 4, 5, 6], dtype), m.input([1, 4, 5, 6], dtype)
            return m.node(f"QLinear{op}", [a, *m.grid(0.011, zero + 3, dtype), b, *m.grid(0.007, zero - 4, dtype),
                                           *m.grid(0.013, zero + 9, dtype)], MS), dtype

for _op, _attributes in [("AveragePool", {"kernel_shape": [2, 2], "strides": [2, 2]}), ("GlobalAveragePool", {}),
                         ("LeakyRelu", {"alpha": 0.1}), ("Sigmoid", {})]:
    @case(f"qlinear_{_op.lower()}", op=_op, attributes=_attributes)
    def _(m, op, attributes):
        return m.node(f"QLinear{op}", [m.input([1, 8, 8, 8], np.uint8), *m.grid(0.0171, 120, np.uint8), *m.grid(0.0109, 119, np.uint8)],
                      MS, **attributes), np.uint8


@case("qlinear_globalaveragepool_same_scale")
def _(m):
    return m.node("QLinearGlobalAveragePool", [m.input([1, 64, 8, 8], np.int8), *m.grid(0.0171, 12), *m.grid(0.0171, 12)], MS), np.int8


@case("qlinear_averagepool_same_scale")
def _(m):
    return m.node("QLinearAveragePool", [m.input([1, 16, 8, 8], np.int8), *m.grid(0.0171, 12), *m.grid(0.0171, 12)], MS,
                  kernel_shape=[2, 2], strides=[2, 2]), np.int8


@case("qlinear_softmax")
def _(m):
    return m.node("QLinearSoftmax", [m.input([4, 10], np.uint8), *m.grid(0.0171, 120, np.uint8), *m.grid(1 / 256, 0, np.uint8)], MS,
                  axis=-1, opset=13), np.uint8


@case("qlinear_concat")
def _(m):
    a, b = m.input([1, 4, 5], np.uint8), m.input([1, 3, 5], np.uint8)
    return m.node("QLinearConcat", [*m.grid(0.013, 9, np.uint8), a, *m.grid(0.011, 3, np.uint8), b, *m.grid(0.019, 120, np.uint8)], MS,
                  axis=1), np.uint8


# ---- what is refused

def refused(name, build, words):
    m = Model(name)
    result, dtype = build(m)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.onnx"
        path.write_bytes(m.proto(result, dtype, 21).SerializeToString())
        done = subprocess.run([oracle.TOOL, "inspect", path], capture_output=True, text=True)
    if done.returncode != 1 or words not in done.stderr:
        return f"refused_{name}: expected `{words}`\n{done.stdout}{done.stderr}"
    print(f"refused_{name}: {words}")
    return None


def blocked(m):
    w = m.node("DequantizeLinear", [m.integers([20, 7]), m.constant(np.full((4, 7), 0.01)), m.constant(np.zeros((4, 7)), np.int8)],
               axis=0, block_size=5)
    return m.node("MatMul", [m.fake(m.input([3, 20]), 0.03, 5), w]), np.float32


def dynamic(m):
    x = m.input([3, 20])
    m.nodes.append(helper.make_node("DynamicQuantizeLinear", [x], ["q", "s", "z"], name="dynamic"))
    return m.node("DequantizeLinear", ["q", "s", "z"]), np.float32


def negative(m):
    return m.node("QuantizeLinear", [m.input([3, 20]), m.constant(-0.1)]), np.uint8


REFUSED = [("blocked", blocked, "`block_size` is 5"), ("dynamic", dynamic, "computed from the data of each run"),
           ("negative_scale", negative, "not a positive number")]


def check(name):
    function, arguments = CASES[name]
    arguments = dict(arguments)
    opset = arguments.pop("opset", 13)
    m = Model(name)
    result, dtype = function(m, **arguments)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / f"{name}.onnx"
        path.write_bytes(m.proto(result, dtype, opset).SerializeToString())
        real = m.inputs[0].type.tensor_type.elem_type == TensorProto.FLOAT
        inputs, outputs = oracle.ort_samples(str(path), SAMPLES, seed=7, low=-3 if real else None, high=3 if real else None)
        scales = {c.name: c.dims for c in m.initialisers}
        last = m.nodes[-1]  # scales per channel have no one step
        steps = dtype != np.float32 or (last.op_type == "DequantizeLinear" and np.prod(scales[last.input[1]]) == 1)
        bound = ["--max-lsb", "1", "--max-fraction", "0.001"] if steps else ["--tolerance", "1e-5"]
        comparisons = oracle.verify(path, inputs, outputs, *bound)
    print(f"{name}: ", end="")
    oracle.summary(comparisons)


def main():
    names = sys.argv[1:] or list(CASES)
    failures = []
    for name in names:
        try:
            check(name)
        except Exception as error:  # every case is tried, all failures are told
            failures.append(f"{name}: {error}")
    if not sys.argv[1:]:
        failures += [text for row in REFUSED if (text := refused(*row))]
    print(f"{len(names)} models, {len(failures)} failures")
    for text in failures:
        print(text)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
