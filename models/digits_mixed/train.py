"""Trains a mixed int8 / ternary residual network on MNIST, with DIANA's arithmetic and its converter in the loop.

    venv/bin/python models/digits_mixed/train.py [--mnist TGZ]

Activations are counted in integer codes from the start, so that all three phases share one network and one set of scales:

1. floating point: weights as they are, batch normalisation, ReLU; nothing is rounded;
2. ternary weights, 7-bit inputs and the 6-bit converter with its power-of-two step (calibrated first), batch normalisation still real;
3. batch normalisation frozen and folded into the integers m, a and t of DIANA's chain: the forward pass is the exported file's.

Rounding, floor and ternarisation pass gradients straight through. In phases 2 and 3 the converter has Gaussian noise, so that the
network learns not to mind it. Needs PyTorch, onnx and onnxruntime ([../README.md](../README.md)), and npm for the digits.
"""

import argparse
import importlib.util
import math
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "digits")]
import common  # noqa: E402
import mnist  # noqa: E402

SAMPLE_DIGITS = 200
RELU7 = (0, 63)  # what an analog layer may read, after a ReLU
SIGNED7 = (-64, 63)
CONVERTER = (-32, 31)
LOGIT_CODES = 8  # the real logits are the integers / 8
GAIN = 16  # codes a standard deviation, where batch normalisation starts
CONVERTER_EPSILON = 1.0  # added to variances of converter codes: bounds the gain of a channel that hardly moves
REGISTER_SHIFT, REGISTER_GAIN, REGISTER_OFFSET = 15, 127, 32767  # largest t, |m| and |a|


# ---- The network, written once: `Real` computes it, `Writer` makes nodes of it ----


def network(ops, x):
    x = ops.int8_conv("conv1", x, RELU7)
    x = skip = ops.max_pool("pool1", x)
    x = ops.ternary_conv("stack1_conv1", x, RELU7)
    x = ops.ternary_conv("stack1_conv2", x, SIGNED7)
    x = skip = ops.add("stack1_add", x, skip)
    x = ops.ternary_conv("stack2_conv1", x, RELU7, stride=2)
    x = ops.ternary_conv("stack2_conv2", x, SIGNED7)
    x = skip = ops.add("stack2_add", x, ops.ternary_conv("stack2_skip", skip, SIGNED7, stride=2))
    x = ops.ternary_conv("stack3_conv1", x, RELU7)
    x = ops.ternary_conv("stack3_conv2", x, SIGNED7)
    x = ops.add("stack3_add", x, ops.ternary_conv("stack3_skip", skip, SIGNED7))
    x = ops.int8_conv("head", x, (0, 127))
    x = ops.mean("mean", x)
    return ops.dense("dense", x)


SHAPES = {
    "conv1": (16, 1, 3, 3),
    "stack1_conv1": (16, 16, 3, 3),
    "stack1_conv2": (16, 16, 3, 3),
    "stack2_conv1": (32, 16, 3, 3),
    "stack2_conv2": (32, 32, 3, 3),
    "stack2_skip": (32, 16, 1, 1),
    "stack3_conv1": (64, 32, 3, 3),
    "stack3_conv2": (64, 64, 3, 3),
    "stack3_skip": (64, 32, 1, 1),
    "head": (32, 64, 1, 1),
    "dense": (10, 32),
}
# An int8 layer: its weights' integers are `w * 2^weight`, and the sum is shifted right by `shift`.
INT8 = {"conv1": {"weight": 6, "shift": 7}, "head": {"weight": 8, "shift": 8}, "dense": {"weight": 7, "shift": 7}}
TERNARY = [name for name in SHAPES if name.startswith("stack")]
MEAN_WEIGHT, MEAN_SHIFT = round(2**9 / 49), 9  # near enough to the mean of 7 x 7


def straight_through(x, rounded):
    """`rounded` in the forward pass, `x` in the backward pass."""
    return x + (rounded - x).detach()


def ternary(weight):
    """Those within 0.7 times the mean magnitude become 0, of the others the sign is left (Li et al., Ternary weight networks)."""
    return straight_through(weight, weight.sign() * (weight.abs() > 0.7 * weight.abs().mean()))


def initial_parameters():
    parameters = {}
    for name, shape in SHAPES.items():
        weight = torch.empty(shape)
        torch.nn.init.kaiming_normal_(weight)
        parameters[f"{name}.weight"] = weight
        if name in INT8:
            parameters[f"{name}.bias"] = torch.zeros(shape[0])
        else:
            parameters[f"{name}.gain"], parameters[f"{name}.offset"] = torch.full(shape[:1], float(GAIN)), torch.zeros(shape[0])
    return {name: tensor.requires_grad_() for name, tensor in parameters.items()}


class Real:
    """The network on float32 tensors that count codes, in the phase that `phase` says. float32 sums of these integers are exact."""

    def __init__(self, parameters):
        self.parameters = parameters
        self.phase = 1
        self.training = True
        self.noise = 0.0  # of the converter's input, in steps
        self.step = {}  # ternary layer -> s of floor(acc / 2^s)
        self.calibrating = False
        self.statistics = {name: (torch.zeros(SHAPES[name][0]), torch.ones(SHAPES[name][0])) for name in TERNARY}
        self.fold_shift = {}  # ternary layer -> t

    def __getitem__(self, name):
        return self.parameters[name]

    def clip(self, x, bounds):
        if self.phase == 1:
            return F.relu(x) if bounds[0] == 0 else x
        return straight_through(x, x.floor()).clamp(*bounds)

    # -- int8 layers --

    def int8_parameters(self, name):
        exponent = INT8[name]["weight"]
        weight = self[f"{name}.weight"] * 2.0**exponent
        # The input of conv1 counts 1/128.
        bias = self[f"{name}.bias"] * 2.0 ** INT8[name]["shift"]
        if self.phase == 1:
            return weight, bias
        return straight_through(weight, weight.round()).clamp(-127, 127), straight_through(bias, bias.round())

    def int8_conv(self, name, x, bounds):
        weight, bias = self.int8_parameters(name)
        sums = F.conv2d(x, weight, bias, padding=weight.shape[2] // 2)
        return self.clip(sums * 2.0 ** -INT8[name]["shift"], bounds)

    def dense(self, name, x):
        weight, bias = self.int8_parameters(name)
        return self.clip(F.linear(x.flatten(1), weight, bias) * 2.0 ** -INT8[name]["shift"], (-128, 127))

    def mean(self, name, x):
        return self.clip(x.sum((2, 3), keepdim=True) * (MEAN_WEIGHT * 2.0**-MEAN_SHIFT), (0, 127))

    def max_pool(self, name, x):
        return F.max_pool2d(x, 2)

    def add(self, name, x, y):
        return self.clip((x + y) / 2, RELU7)

    # -- ternary layers --

    def ternary_conv(self, name, x, bounds, stride=1):
        weight = self[f"{name}.weight"]
        if self.phase > 1:
            weight = ternary(weight)
        sums = F.conv2d(x, weight, stride=stride, padding=weight.shape[2] // 2)
        if self.phase > 1:
            sums = self.convert(name, sums)
        return self.clip(self.normalise(name, sums), bounds)

    def convert(self, name, sums):
        if self.calibrating:  # one sum in 500 may be clipped
            largest = np.quantile(sums.detach().abs().numpy(), 0.998)
            self.step[name] = max(1, math.ceil(math.log2(largest / 32)))
        codes = sums * 2.0 ** -self.step[name]
        if self.training and self.noise:
            codes = codes + self.noise * torch.randn_like(codes)
        return straight_through(codes, codes.floor()).clamp(*CONVERTER)

    def normalise(self, name, x):
        if self.phase == 3:
            gain, offset = self.folded(name)
            return (x * gain[:, None, None] + offset[:, None, None]) * 2.0 ** -self.fold_shift[name]
        epsilon = CONVERTER_EPSILON if self.phase == 2 else 1e-3
        mean, variance = self.statistics[name]
        return F.batch_norm(x, mean, variance, self[f"{name}.gain"], self[f"{name}.offset"], self.training, 0.05, epsilon)

    def real_fold(self, name):
        mean, variance = self.statistics[name]
        gain = self[f"{name}.gain"] / (variance + CONVERTER_EPSILON).sqrt()
        return gain, self[f"{name}.offset"] - mean * gain

    def choose_fold_shifts(self):
        """The largest t with which m and a fit their registers."""
        for name in TERNARY:
            gain, offset = (tensor.abs().max().item() for tensor in self.real_fold(name))
            self.fold_shift[name] = min(REGISTER_SHIFT, *(math.floor(math.log2(r / v)) for r, v in ((REGISTER_GAIN, gain), (REGISTER_OFFSET, offset))))

    def folded(self, name):
        """Integers m and a."""
        gain, offset = (tensor * 2.0 ** self.fold_shift[name] for tensor in self.real_fold(name))
        return (straight_through(gain, gain.round()).clamp(-REGISTER_GAIN, REGISTER_GAIN),
                straight_through(offset, offset.round()).clamp(-REGISTER_OFFSET, REGISTER_OFFSET))


# ---- Training ----


def moved(images):
    """All moved by the same random offset of up to two pixels."""
    top, left = torch.randint(0, 5, (2,)).tolist()
    return F.pad(images, (2, 2, 2, 2))[:, :, top : top + 28, left : left + 28]


def fit(ops, images, labels, epochs, rate, batch=128):
    # Gains and offsets count codes, so they move in steps of codes.
    large = [tensor for name, tensor in ops.parameters.items() if name.endswith((".gain", ".offset"))]
    small = [tensor for name, tensor in ops.parameters.items() if not name.endswith((".gain", ".offset"))]
    optimiser = torch.optim.Adam([{"params": small}, {"params": large}])
    steps = math.ceil(len(images) / batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, [rate, rate * GAIN], epochs=epochs, steps_per_epoch=steps)
    for epoch in range(epochs):
        total = 0.0
        for chosen in torch.randperm(len(images)).split(batch):
            loss = F.cross_entropy(network(ops, moved(images[chosen])) / LOGIT_CODES, labels[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * len(chosen)
        print(f"  epoch {epoch + 1} of {epochs}: loss {total / len(images):.4f}", flush=True)


def right(ops, images, labels):
    ops.training = False
    with torch.no_grad():
        count = sum(int((network(ops, x).argmax(1) == y).sum()) for x, y in zip(images.split(500), labels.split(500)))
    ops.training = True
    return count


def train(images, labels, held, epochs, noise):
    images, labels = torch.from_numpy(images.astype(np.float32)), torch.from_numpy(labels.astype(np.int64))
    watch = images[-held:], labels[-held:]  # training digits that only the eye uses
    images, labels = images[:-held], labels[:-held]
    ops = Real(initial_parameters())

    print("floating point:", flush=True)
    fit(ops, images, labels, epochs[0], rate=3e-3)
    print(f"  {right(ops, *watch)} of {held} training digits held back", flush=True)

    ops.phase, ops.calibrating = 2, True
    with torch.no_grad():
        network(ops, images[:1000])
    ops.calibrating, ops.noise = False, noise
    print("steps of the converter:", ", ".join(f"{name} 2^{s}" for name, s in ops.step.items()), flush=True)
    fit(ops, images, labels, epochs[1], rate=2e-3)
    print(f"  {right(ops, *watch)} of {held} training digits held back", flush=True)

    ops.phase = 3
    ops.choose_fold_shifts()
    print("folded:", ", ".join(f"{name} >> {t}" for name, t in ops.fold_shift.items()), flush=True)
    print(f"  {right(ops, *watch)} of {held} training digits held back", flush=True)
    fit(ops, images, labels, epochs[2], rate=2e-4)
    print(f"  {right(ops, *watch)} of {held} training digits held back", flush=True)
    return ops


# ---- Export ----


class Writer:
    """ONNX nodes: float tensors of integers, weights stored in 8 bits with a Cast. A node and its output have the same name."""

    def __init__(self, ops):
        self.ops = ops
        self.nodes, self.initializers = [], []

    def constant(self, name, value):
        self.initializers.append(numpy_helper.from_array(np.array(value, np.float32), name))
        return name

    def weight(self, name, value):
        self.initializers.append(numpy_helper.from_array(np.array(value.detach(), np.int8), f"{name}_int8"))
        return self.node("Cast", name, [f"{name}_int8"], to=TensorProto.FLOAT)

    def node(self, op_type, name, inputs, **attributes):
        self.nodes.append(helper.make_node(op_type, inputs, [name], name, **attributes))
        return name

    def clip(self, name, x, bounds):
        return self.node("Clip", name, [x, self.constant(f"{name}_lo", bounds[0]), self.constant(f"{name}_hi", bounds[1])])

    def floor_shift(self, name, x, shift):
        x = self.node("Div", f"{name}_shift", [x, self.constant(f"{name}_divisor", 2.0**shift)])
        return self.node("Floor", f"{name}_floor", [x])

    def requantise(self, name, x, shift, bounds):
        return self.clip(f"{name}_clip", self.floor_shift(name, x, shift), bounds)

    def conv(self, name, x, parameters, shape, stride=1, pad=None, group=1):
        pad = shape[2] // 2 if pad is None else pad
        return self.node("Conv", name, [x, *parameters], kernel_shape=shape[2:], strides=[stride] * 2, pads=[pad] * 4, group=group)

    def int8_parameters(self, name):
        weight, bias = self.ops.int8_parameters(name)
        return [self.weight(f"{name}_weight", weight), self.constant(f"{name}_bias", bias.detach())]

    def int8_conv(self, name, x, bounds):
        return self.requantise(name, self.conv(name, x, self.int8_parameters(name), SHAPES[name]), INT8[name]["shift"], bounds)

    def dense(self, name, x):
        flat = self.node("Flatten", f"{name}_flatten", [x], axis=1)
        sums = self.node("Gemm", name, [flat, *self.int8_parameters(name)], transB=1)
        return self.requantise(name, sums, INT8[name]["shift"], (-128, 127))

    def mean(self, name, x):
        shape = (SHAPES["head"][0], 1, 7, 7)
        weight = self.weight(f"{name}_weight", torch.full(shape, float(MEAN_WEIGHT)))
        return self.requantise(name, self.conv(name, x, [weight], shape, pad=0, group=shape[0]), MEAN_SHIFT, (0, 127))

    def max_pool(self, name, x):
        return self.node("MaxPool", name, [x], kernel_shape=[2, 2], strides=[2, 2])

    def add(self, name, x, y):
        return self.requantise(name, self.node("Add", name, [x, y]), 1, RELU7)

    def ternary_conv(self, name, x, bounds, stride=1):
        weight = ternary(self.ops[f"{name}.weight"])
        codes = self.conv(name, x, [self.weight(f"{name}_weight", weight)], SHAPES[name], stride)
        codes = self.requantise(f"{name}_adc", codes, self.ops.step[name], CONVERTER)
        gain, offset = (tensor.detach()[:, None, None] for tensor in self.ops.folded(name))
        scaled = self.node("Mul", f"{name}_scaled", [codes, self.constant(f"{name}_gain", gain)])
        moved_ = self.node("Add", f"{name}_moved", [scaled, self.constant(f"{name}_offset", offset)])
        return self.requantise(f"{name}_norm", moved_, self.ops.fold_shift[name], bounds)


def onnx_model(ops):
    writer = Writer(ops)
    # The Clip changes no digit: it lets the file itself prove that its input is within 0..127.
    output = network(writer, writer.clip("input_clip", "input", (0, 127)))
    graph = helper.make_graph(
        writer.nodes, "digits_mixed",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 1, 28, 28])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, 10])],
        writer.initializers,
    )
    return helper.make_model(graph, producer_name="heddle models/digits_mixed/train.py", ir_version=8, opset_imports=[helper.make_opsetid("", 13)])


def load_check():
    spec = importlib.util.spec_from_file_location("digits_mixed_check", HERE / "check.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=pathlib.Path, default=HERE, help="folder for digits_mixed.onnx and .npz")
    parser.add_argument("--mnist", metavar="TGZ", help="an archive made by `npm pack`, instead of asking npm for it")
    parser.add_argument("--epochs", type=int, nargs=3, default=[2, 6, 2], help="of the three phases (default: 2 6 2)")
    parser.add_argument("--noise", type=float, default=0.5, help="of the converter while training, in steps (default: %(default)s)")
    parser.add_argument("--held", type=int, default=5000, help="training digits that are held back (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of weights, batches and noise (default: %(default)s)")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    torch.set_num_threads(1)  # the number of threads decides the order of sums
    torch.use_deterministic_algorithms(True)

    training_set, test_set = mnist.load(args.mnist)
    ops = train(*training_set, args.held, args.epochs, args.noise)
    model_path = args.output / "digits_mixed.onnx"
    common.save_onnx(onnx_model(ops), model_path)
    check = load_check()
    check.write_sample(model_path, *(part[:SAMPLE_DIGITS] for part in test_set))
    check.check_all(model_path, test_set)


if __name__ == "__main__":
    main()
