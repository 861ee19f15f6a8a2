#!/usr/bin/python3
"""Trains a small residual network on MNIST and exports it with integers, in the dialect of DIANA's digital core.

Weights and activations are int8, biases int32; every requantisation is `clip(x >> shift)`, one shift per tensor.
First the network is trained in floating point; then a calibration chooses power-of-two scales; then it is trained on
with the integer arithmetic emulated, where rounding, floor and clip pass gradients straight through.

Needs Debian's python3-torch, python3-onnx and python3-numpy, and npm for the digits.
"""

import argparse
import math
import pathlib

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper

import check
import mnist

HERE = pathlib.Path(__file__).resolve().parent
RELU = (0, 127)
INT8 = (-128, 127)
INPUT_EXPONENT = 7  # the input's real value is pixel * 2^-7, that is 0..1
SAMPLE_DIGITS = 200


# ---- The network ----
#
# The topology is written once, as calls to an object that knows what a layer means: `FloatOps` computes it,
# `Calibrator` also chooses the scales, `IntegerOps` emulates the integers, `OnnxWriter` makes nodes of it.


def network(ops, x):
    """The logits of the images `x`. Channels are multiples of 16, the width of the PE array."""
    x = ops.requantise("conv1", ops.conv("conv1", x), RELU)
    x = ops.max_pool("pool1", x, kernel=2)
    x = skip = ops.requantise("conv2", ops.conv("conv2", x, stride=2), RELU)
    x = ops.requantise("res_conv1", ops.conv("res_conv1", x), RELU)
    x = ops.requantise("res_conv2", ops.conv("res_conv2", x), INT8, like=skip)  # an Add wants operands of one scale
    x = ops.requantise("res_add", ops.add("res_add", x, skip), RELU)
    x = ops.max_pool("pool2", x, kernel=3)  # 3x3 with stride 2 covers 7x7 exactly; 2x2 would leave out a row
    return ops.requantise("dense", ops.dense("dense", x), INT8)


WEIGHT_SHAPES = {
    "conv1": (16, 1, 3, 3),
    "conv2": (32, 16, 3, 3),
    "res_conv1": (16, 32, 3, 3),
    "res_conv2": (32, 16, 3, 3),
    "dense": (10, 32 * 3 * 3),
}


def initial_parameters():
    """{layer: (weight, bias)} in real units."""
    parameters = {}
    for name, shape in WEIGHT_SHAPES.items():
        weight = torch.empty(shape)
        torch.nn.init.kaiming_normal_(weight)
        parameters[name] = (weight.requires_grad_(), torch.zeros(shape[0], requires_grad=True))
    return parameters


class FloatOps:
    """Floating point: no scales, and a requantisation is only its ReLU."""

    def __init__(self, parameters):
        self.parameters = parameters

    def conv(self, name, x, stride=1):
        weight, bias = self.parameters[name]
        return F.conv2d(x, weight, bias, stride=stride, padding=1)

    def dense(self, name, x):
        weight, bias = self.parameters[name]
        return F.linear(x.flatten(1), weight, bias)

    def add(self, name, x, y):
        return x + y

    def max_pool(self, name, x, kernel):
        return F.max_pool2d(x, kernel, stride=2)

    def requantise(self, name, x, bounds, like=None):
        return F.relu(x) if bounds == RELU else x


# ---- Calibration ----


class Scales:
    """The powers of two: a weight's integer is `w * 2^weight[layer]`, a bias's `b * 2^bias[layer]`."""

    def __init__(self):
        self.weight = {}
        self.bias = {}
        self.shift = {}
        self.logits = 0  # the real logits are the integers * 2^-logits


def largest_exponent(magnitude):
    """The largest e such that `magnitude * 2^e` is at most 127."""
    return math.floor(math.log2(127 / magnitude))


class Calibrator:
    """Runs the floating-point network on pairs (tensor, exponent), and collects the scales on the way."""

    def __init__(self, parameters):
        self.ops = FloatOps(parameters)
        self.parameters = parameters
        self.scales = Scales()

    def accumulator_exponent(self, name, input_exponent):
        exponent = largest_exponent(self.parameters[name][0].abs().max().item())
        self.scales.weight[name] = exponent
        self.scales.bias[name] = input_exponent + exponent
        return input_exponent + exponent

    def conv(self, name, x, stride=1):
        return self.ops.conv(name, x[0], stride), self.accumulator_exponent(name, x[1])

    def dense(self, name, x):
        return self.ops.dense(name, x[0]), self.accumulator_exponent(name, x[1])

    def add(self, name, x, y):
        assert x[1] == y[1]
        return self.ops.add(name, x[0], y[0]), x[1]

    def max_pool(self, name, x, kernel):
        return self.ops.max_pool(name, x[0], kernel), x[1]

    def requantise(self, name, x, bounds, like=None):
        y = self.ops.requantise(name, x[0], bounds)
        # Clipping one value in a thousand is cheaper than a bit of resolution for all the others.
        exponent = like[1] if like else largest_exponent(np.quantile(y.abs().numpy(), 0.999))
        # A shift by 0 would leave a Div by 1, which an importer may rightly drop.
        shift = max(1, x[1] - exponent)
        self.scales.shift[name] = shift
        return y, x[1] - shift


def calibrate(parameters, images):
    """The scales that suit these images (integers, as the network will see them)."""
    calibrator = Calibrator(parameters)
    with torch.no_grad():
        _, calibrator.scales.logits = network(calibrator, (images * 2.0**-INPUT_EXPONENT, INPUT_EXPONENT))
    return calibrator.scales


# ---- Integers ----


def straight_through(x, rounded):
    """`rounded` in the forward pass, `x` in the backward pass."""
    return x + (rounded - x).detach()


def quantise(parameters, scales):
    """{layer: integer (weight, bias)}. The weights are symmetric: -128 is not used."""

    def scaled(tensor, exponent):
        real = tensor * 2.0**exponent
        return straight_through(real, real.round())

    return {
        name: (scaled(weight, scales.weight[name]).clamp(-127, 127), scaled(bias, scales.bias[name]))
        for name, (weight, bias) in parameters.items()
    }


class IntegerOps(FloatOps):
    """The integer network on float32 tensors, exact because all sums stay below 2^24. The parameters stay real."""

    def __init__(self, parameters, scales):
        super().__init__(quantise(parameters, scales))
        self.scales = scales

    def requantise(self, name, x, bounds, like=None):
        x = x / 2.0 ** self.scales.shift[name]
        return straight_through(x, x.floor()).clamp(*bounds)


# ---- Training ----


def moved(images):
    """The images, all moved by the same random offset of up to two pixels, so that the network learns not to mind."""
    top, left = torch.randint(0, 5, (2,)).tolist()
    return F.pad(images, (2, 2, 2, 2))[:, :, top : top + 28, left : left + 28]


def fit(logits_of, parameters, images, labels, epochs, rate, batch=128):
    """Minimises the cross entropy of `logits_of(images)` with Adam, along a one-cycle schedule of the learning rate."""
    optimiser = torch.optim.Adam([tensor for pair in parameters.values() for tensor in pair])
    steps = math.ceil(len(images) / batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, epochs=epochs, steps_per_epoch=steps)
    for epoch in range(epochs):
        total = 0.0
        for chosen in torch.randperm(len(images)).split(batch):
            loss = F.cross_entropy(logits_of(moved(images[chosen])), labels[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * len(chosen)
        print(f"  epoch {epoch + 1} of {epochs}: loss {total / len(images):.4f}", flush=True)


def train(images, labels, float_epochs, integer_epochs):
    """({layer: integer (weight, bias)}, scales)"""
    images = torch.from_numpy(images.astype(np.float32))
    labels = torch.from_numpy(labels.astype(np.int64))
    parameters = initial_parameters()

    def float_logits(x):
        return network(FloatOps(parameters), x * 2.0**-INPUT_EXPONENT)

    def integer_logits(x):
        return network(IntegerOps(parameters, scales), x) * 2.0**-scales.logits

    print("floating point:")
    fit(float_logits, parameters, images, labels, float_epochs, rate=4e-3)

    scales = calibrate(parameters, images[:1000])
    print("shifts:", ", ".join(f"{name} {shift}" for name, shift in scales.shift.items()))

    print("integers:")
    fit(integer_logits, parameters, images, labels, integer_epochs, rate=1e-3)
    return quantise(parameters, scales), scales


# ---- Export ----


class OnnxWriter:
    """Makes the ONNX nodes: float tensors of integers. A node and its output tensor have the same name."""

    def __init__(self, parameters, scales):
        self.parameters = parameters
        self.scales = scales
        self.nodes = []
        self.initializers = []

    def constant(self, name, value):
        self.initializers.append(numpy_helper.from_array(np.array(value, np.float32), name))
        return name

    def node(self, op_type, name, inputs, **attributes):
        self.nodes.append(helper.make_node(op_type, inputs, [name], name, **attributes))
        return name

    def weight_and_bias(self, name):
        weight, bias = self.parameters[name]
        return self.constant(f"{name}_weight", weight.detach()), self.constant(f"{name}_bias", bias.detach())

    def conv(self, name, x, stride=1):
        inputs = [x, *self.weight_and_bias(name)]
        return self.node("Conv", name, inputs, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[stride, stride])

    def dense(self, name, x):
        flat = self.node("Flatten", "flatten", [x], axis=1)
        return self.node("Gemm", name, [flat, *self.weight_and_bias(name)], transB=1)

    def add(self, name, x, y):
        return self.node("Add", name, [x, y])

    def max_pool(self, name, x, kernel):
        return self.node("MaxPool", name, [x], kernel_shape=[kernel, kernel], strides=[2, 2])

    def clip(self, name, x, bounds):
        low, high = bounds
        return self.node("Clip", name, [x, self.constant(f"{name}_min", low), self.constant(f"{name}_max", high)])

    def requantise(self, name, x, bounds, like=None):
        divisor = self.constant(f"{name}_divisor", 1 << self.scales.shift[name])
        divided = self.node("Div", f"{name}_shift", [x, divisor])
        floored = self.node("Floor", f"{name}_floor", [divided])
        return self.clip(f"{name}_clip", floored, bounds)


def onnx_model(parameters, scales):
    """IR version 8 and opset 13, which Debian's onnx 1.12 can read."""
    writer = OnnxWriter(parameters, scales)
    # The Clip changes no digit: it lets the file itself prove that its input is within 0..127.
    output = network(writer, writer.clip("input_clip", "input", RELU))
    graph = helper.make_graph(
        writer.nodes,
        "digits",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 1, 28, 28])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, 10])],
        writer.initializers,
    )
    return helper.make_model(
        graph,
        producer_name="heddle models/digits/train.py",
        ir_version=8,
        opset_imports=[helper.make_opsetid("", 13)],
    )


def write_sample(path, model_path, images, labels):
    """The first test digits with their labels and the outputs expected of the exported file."""
    images, labels = images[:SAMPLE_DIGITS], labels[:SAMPLE_DIGITS]
    np.savez(path, input=images, labels=labels, outputs=check.outputs(*check.load_model(model_path), images))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=pathlib.Path, default=HERE, help="folder for digits.onnx and sample.npz")
    parser.add_argument("--mnist", metavar="TGZ", help="an archive made by `npm pack`, instead of asking npm for it")
    parser.add_argument("--float-epochs", type=int, default=4, help="epochs in floating point (default: %(default)s)")
    parser.add_argument("--integer-epochs", type=int, default=8, help="epochs in integers (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of weights and batches (default: %(default)s)")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    torch.set_num_threads(1)  # the number of threads decides the order of sums
    torch.use_deterministic_algorithms(True)

    training_set, test_set = mnist.load(args.mnist)
    parameters, scales = train(*training_set, args.float_epochs, args.integer_epochs)

    model_path, sample_path = args.output / "digits.onnx", args.output / "sample.npz"
    onnx.save(onnx_model(parameters, scales), model_path)
    write_sample(sample_path, model_path, *test_set)
    check.check_all(model_path, sample_path, test_set)


if __name__ == "__main__":
    main()
