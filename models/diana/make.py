"""The four MLPerf Tiny topologies in the dialects of DIANA's cores, with seeded weights.

    venv/bin/python models/diana/make.py

Digital layers have int8 weights and activations, int32 biases, `clip(x >> shift)` with one shift a tensor. Analog ones have ternary
weights, inputs of 7 bits, the converter floor(acc / 2^s) clipped to [-32, 31], and batch normalisation (m * x + a) >> t in integers.
Writes {kws,vww,ic,ad}.onnx (all layers digital), *_analog.onnx (every convolution that fits the macro analog) and *_mixed.onnx (the first and the last
convolution digital, the others analog; depthwise, add and dense are digital in all of them): standard ONNX operators whose tensors are
float and hold integers. Beside each lies an .npz with random inputs and the outputs, computed in int64 and equal to ONNX
Runtime's. The published benchmark of HTVM uses random weights too: latency does not depend on them.
"""

import dataclasses
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import common  # noqa: E402

SEED = 20261121
SAMPLES = 5
SAMPLES_OF_VARIANTS = 2
CONVERTER = (-32, 31)
ROWS = 1152  # of the analog macro
DEVIATION = 16  # of weights: three of them are 48, and float32 sums of 8-bit products stay exact


@dataclasses.dataclass
class Layer:
    """`kind`: conv, depthwise, dense, add, mean (global average pooling). NCHW; `pad` is the same on both sides of a direction."""

    kind: str
    name: str
    inputs: list
    filters: int = 0
    kernel: tuple = (1, 1)
    stride: int = 1
    pad: tuple = (0, 0)
    relu: bool = False
    weight: np.ndarray = None
    bias: np.ndarray = None
    shift: int = 0
    lo: int = -128  # of the result
    hi: int = 127
    analog: bool = False  # then `shift` is that of the batch normalisation, and:
    step: int = 0  # of the converter, as a power of two
    gain: np.ndarray = None
    offset: np.ndarray = None


class Network:
    def __init__(self, name, shape):
        self.name, self.shape, self.layers = name, shape, []
        self.input_bits = 8

    def add(self, kind, inputs=None, **fields):
        inputs = inputs or [self.layers[-1].name if self.layers else "input_clip"]
        name = f"{kind}{sum(l.kind == kind for l in self.layers) + 1}"
        layer = Layer(kind, name, inputs, **fields)
        layer.lo = 0 if layer.relu else -128
        self.layers.append(layer)
        return name

    def conv(self, filters, kernel=(1, 1), stride=1, relu=True, inputs=None):
        pad = tuple(k // 2 for k in kernel)
        return self.add("conv", inputs, filters=filters, kernel=kernel, stride=stride, pad=pad, relu=relu)

    def depthwise(self, stride=1):
        return self.add("depthwise", kernel=(3, 3), stride=stride, pad=(1, 1), relu=True)


def kws():
    """DS-CNN as HTVM ran it: 10 rows of 49 steps in time, which fill the array's columns; the first filter is 5 x 7, odd."""
    net = Network("kws", (1, 10, 49))
    net.conv(64, (5, 7), stride=2)
    for _ in range(4):
        net.depthwise()
        net.conv(64)
    net.add("mean")
    net.add("dense", filters=12)
    return net


def vww():
    """MobileNetV1 0.25, 96 x 96."""
    net = Network("vww", (3, 96, 96))
    net.conv(8, (3, 3), stride=2)
    for filters, stride in ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)):
        net.depthwise(stride)
        net.conv(filters)
    net.add("mean")
    net.add("dense", filters=2)
    return net


def ic():
    """ResNet-8, 32 x 32."""
    net = Network("ic", (3, 32, 32))
    x = net.conv(16, (3, 3))
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        net.conv(filters, (3, 3), stride, inputs=[x])
        y = net.conv(filters, (3, 3), relu=False)
        shortcut = x if stride == 1 else net.conv(filters, (1, 1), stride, relu=False, inputs=[x])
        x = net.add("add", [y, shortcut], relu=True)
    net.add("mean")
    net.add("dense", filters=10)
    return net


def ad():
    """The autoencoder of ToyADMOS."""
    net = Network("ad", (640,))
    for filters in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        net.add("dense", filters=filters, relu=True)
    net.add("dense", filters=640)
    return net


def fits(layer):
    """In one block of the macro's rows; channels are filled up to 64, and no layer here with a filter of more than one pixel has more."""
    return np.prod(layer.kernel) == 1 or 64 * np.prod(layer.kernel) <= ROWS


def choose_cores(net, variant):
    """Makes the layers of this variant analog, and what they read 7 bits wide."""
    # Where all layers are dense, they are what is chosen from: the analog core runs one as a 1 x 1 convolution of one pixel.
    kind = "conv" if any(layer.kind == "conv" for layer in net.layers) else "dense"
    chosen = [layer for layer in net.layers if layer.kind == kind]
    for layer in {"digital": [], "analog": [l for l in chosen if fits(l)], "mixed": chosen[1:-1]}[variant]:
        layer.kind, layer.analog = "conv", True
    read = {name for layer in net.layers if layer.analog for name in layer.inputs}
    net.input_bits = 7 if "input_clip" in read else 8
    for layer in net.layers:
        if layer.name in read:
            layer.lo, layer.hi = max(layer.lo, -64), 63
    if variant != "digital":
        net.name += f"_{variant}"


# ---- Integer arithmetic ----


def windows(x, layer):
    """[n,c,oy,ox,ky,kx]"""
    (py, px), s = layer.pad, layer.stride
    x = np.pad(x, ((0, 0), (0, 0), (py, py), (px, px)))
    return np.lib.stride_tricks.sliding_window_view(x, layer.kernel, axis=(2, 3))[:, :, ::s, ::s]


def accumulate(layer, xs):
    """Sums before the bias, int64. float64 products are exact: all sums are below 2^53."""
    x, w = xs[0].astype(np.float64), None if layer.weight is None else layer.weight.astype(np.float64)
    if layer.kind == "conv" and x.ndim == 2:
        x = x[:, :, None, None]
    if layer.kind == "dense":
        sums = x.reshape(len(x), -1) @ w.T
    elif layer.kind == "add":
        sums = x + xs[1]
    elif layer.kind == "conv":
        sums = np.moveaxis(np.tensordot(windows(x, layer), w, ([1, 4, 5], [1, 2, 3])), 3, 1)
    else:
        sums = np.einsum("nchwij,cij->nchw", windows(x, layer), w[:, 0], optimize=True)
    return sums.astype(np.int64)


def per_channel(bias, rank):
    return bias.reshape([1, -1] + [1] * (rank - 2))


def finish(layer, sums):
    if layer.analog:
        sums = np.clip(sums >> layer.step, *CONVERTER) * per_channel(layer.gain, 4) + per_channel(layer.offset, 4)
    if layer.bias is not None:
        sums = sums + per_channel(layer.bias, sums.ndim)
    return np.clip(sums >> layer.shift, layer.lo, layer.hi)


def choose(layer, xs, rng):
    """Weights, biases that centre each channel, and the least shift that clips at most one element in a hundred."""
    channels = 1 if layer.kind == "dense" else xs[0].shape[1]
    if layer.kind == "mean":  # times round(2^9 / n), then a shift: near enough to the mean
        layer.kernel = xs[0].shape[2:]
        count = int(np.prod(layer.kernel))
        layer.weight, layer.shift = np.full((channels, 1, *layer.kernel), round(2**9 / count), np.int64), 9
        return
    if layer.kind == "add":
        layer.shift = 1
        return
    shape = {
        "conv": (layer.filters, channels, *layer.kernel),
        "depthwise": (channels, 1, *layer.kernel),
        "dense": (layer.filters, int(np.prod(xs[0].shape[1:]))),
    }[layer.kind]
    if layer.analog:
        choose_analog(layer, xs, shape, rng)
        return
    layer.weight = np.clip(np.rint(rng.normal(0, DEVIATION, shape)), -127, 127).astype(np.int64)
    sums = accumulate(layer, xs)
    axes = tuple(a for a in range(sums.ndim) if a != 1)
    layer.bias = -np.rint(sums.mean(axes)).astype(np.int64)
    largest = np.quantile(np.abs(sums + per_channel(layer.bias, sums.ndim)), 0.99)
    layer.shift = max(0, int(np.ceil(np.log2(max(largest, 1) / layer.hi))))


def choose_analog(layer, xs, shape, rng):
    """Ternary weights; the least step that clips at most one sum in a hundred; a normalisation to a third of the result's range."""
    layer.weight = rng.integers(-1, 2, shape)
    rows = max(64, shape[1]) * shape[2] * shape[3]
    assert rows <= ROWS, (layer.name, rows)
    sums = accumulate(layer, xs)
    layer.step = max(1, int(np.ceil(np.log2(np.quantile(np.abs(sums), 0.99) / 32))))
    codes = np.clip(sums >> layer.step, *CONVERTER)
    gain = layer.hi / 3 / np.maximum(codes.std((0, 2, 3)), 4)
    offset = -gain * codes.mean((0, 2, 3))
    layer.shift = int(np.floor(min(np.log2(127 / gain.max()), np.log2(32767 / max(1, np.abs(offset).max())), 15)))
    layer.gain, layer.offset = (np.rint(v * 2.0**layer.shift).astype(np.int64) for v in (gain, offset))


def run(net, x, rng=None):
    """The activations of every layer; with `rng`, parameters are chosen on the way."""
    values = {"input_clip": x}
    for layer in net.layers:
        xs = [values[name] for name in layer.inputs]
        if rng is not None:
            choose(layer, xs, rng)
        values[layer.name] = finish(layer, accumulate(layer, xs))
    return values


def check_exact(net, values):
    """float32 sums of the ONNX file are exact in any order."""
    for layer in net.layers:
        if layer.weight is None:
            continue
        largest = np.abs(layer.weight).sum(tuple(range(1, layer.weight.ndim))).max() * 128
        largest += 0 if layer.bias is None else np.abs(layer.bias).max()
        assert largest < 2**24, (net.name, layer.name, largest)


# ---- The file ----


class Writer:
    def __init__(self):
        self.nodes, self.initializers = [], []

    def constant(self, name, value):
        self.initializers.append(numpy_helper.from_array(np.array(value, np.float32), name))
        return name

    def weight(self, name, value):
        """Stored in 8 bits; a Cast makes the float that the dialect wants."""
        self.initializers.append(numpy_helper.from_array(value.astype(np.int8), f"{name}_int8"))
        return self.node("Cast", name, [f"{name}_int8"], to=TensorProto.FLOAT)

    def node(self, op_type, name, inputs, **attributes):
        self.nodes.append(helper.make_node(op_type, inputs, [name], name, **attributes))
        return name

    def requantise(self, name, x, shift, lo, hi):
        if shift:
            x = self.node("Div", f"{name}_shift", [x, self.constant(f"{name}_divisor", 2.0**shift)])
            x = self.node("Floor", f"{name}_floor", [x])
        return self.node("Clip", f"{name}_clip", [x, self.constant(f"{name}_lo", lo), self.constant(f"{name}_hi", hi)])

    def converted(self, name, x, layer):
        """What the converter and the batch normalisation of an analog layer give, before the last shift."""
        x = self.requantise(f"{name}_adc", x, layer.step, *CONVERTER)
        x = self.node("Mul", f"{name}_scaled", [x, self.constant(f"{name}_gain", layer.gain[:, None, None])])
        return self.node("Add", f"{name}_moved", [x, self.constant(f"{name}_offset", layer.offset[:, None, None])])

    def reshaped(self, name, x, shape):
        self.initializers.append(numpy_helper.from_array(np.array(shape, np.int64), f"{name}_shape"))
        return self.node("Reshape", name, [x, f"{name}_shape"])


def model_of(net):
    out = Writer()
    most = 2 ** (net.input_bits - 1)
    tensors = {"input_clip": out.node("Clip", "input_clip", ["input", out.constant("input_lo", -most), out.constant("input_hi", most - 1)])}
    rank = {"input_clip": len(net.shape) + 1}
    for layer in net.layers:
        xs = [tensors[name] for name in layer.inputs]
        rank[layer.name] = 2 if layer.kind == "dense" else 4
        if layer.kind == "add":
            y = out.node("Add", layer.name, xs)
        elif layer.kind == "dense":
            if rank[layer.inputs[0]] == 4:
                xs = [out.node("Flatten", f"{layer.name}_flatten", xs)]
            parameters = [out.weight(f"{layer.name}_weight", layer.weight), out.constant(f"{layer.name}_bias", layer.bias)]
            y = out.node("Gemm", layer.name, [*xs, *parameters], transB=1)
        else:
            if rank[layer.inputs[0]] == 2:
                xs = [out.reshaped(f"{layer.name}_pixel", xs[0], [1, layer.weight.shape[1], 1, 1])]
            parameters = [out.weight(f"{layer.name}_weight", layer.weight)]
            if layer.bias is not None:
                parameters.append(out.constant(f"{layer.name}_bias", layer.bias))
            group = 1 if layer.kind == "conv" else len(layer.weight)
            y = out.node("Conv", layer.name, [*xs, *parameters], kernel_shape=layer.kernel, strides=[layer.stride] * 2,
                         pads=[*layer.pad, *layer.pad], group=group)
        if layer.analog:
            y = out.converted(layer.name, y, layer)
        tensors[layer.name] = out.requantise(layer.name, y, layer.shift, layer.lo, layer.hi)
    last = net.layers[-1]
    shape = [1, last.filters]
    if rank[last.name] == 4:
        tensors[last.name] = out.node("Flatten", "output_flatten", [tensors[last.name]], axis=1)
    graph = helper.make_graph(
        out.nodes, net.name,
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, *net.shape])],
        [helper.make_tensor_value_info(tensors[last.name], TensorProto.FLOAT, shape)],
        out.initializers,
    )
    return helper.make_model(graph, producer_name="heddle models/diana/make.py", ir_version=8, opset_imports=[helper.make_opsetid("", 13)])


def make(build, variant):
    net = build()
    choose_cores(net, variant)
    rng = np.random.default_rng([SEED, *net.name.encode()])
    most = 2 ** (net.input_bits - 1)
    samples = SAMPLES if variant == "digital" else SAMPLES_OF_VARIANTS
    x = np.clip(np.rint(rng.normal(0, most * 3 / 8, (samples, *net.shape))), -most, most - 1).astype(np.int64)
    run(net, x, rng)
    values = run(net, x)
    check_exact(net, values)
    path = HERE / f"{net.name}.onnx"
    common.save_onnx(model_of(net), path)
    y = values[net.layers[-1].name].reshape(samples, -1)
    assert np.array_equal(common.onnxruntime_outputs(path, [x.astype(np.float32)])[0], y), net.name
    common.save_vectors(path.with_suffix(".npz"), [x.astype(np.int8)], [y.astype(np.int8)])


def main():
    for variant in ("digital", "analog", "mixed"):
        for build in (kws, vww, ic, ad):
            make(build, variant)


if __name__ == "__main__":
    main()
