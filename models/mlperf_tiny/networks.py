"""The four topologies of MLPerf Tiny with seeded weights, as data: what make_qdq.py and make_tflite.py both read.

Weights are He-initialised; then each layer is scaled and shifted so that its outputs over the calibration set have mean
0 and deviation 1 in every channel, as batch normalisation would have left them. Untrained networks without that step end
in outputs that hardly depend on the input, and are weak oracles.
"""

import dataclasses

import numpy as np

SEED = 20261121


@dataclasses.dataclass
class Layer:
    """`kind`: conv, depthwise, dense, add, pool (global average), softmax. NHWC; padding is TensorFlow's SAME."""

    kind: str
    name: str
    inputs: list
    filters: int = 0
    kernel: tuple = (1, 1)
    stride: int = 1
    relu: bool = False
    weight: np.ndarray = None  # conv [ky,kx,c,k], depthwise [ky,kx,c], dense [c,k]
    bias: np.ndarray = None


class Network:
    def __init__(self, name, shape):
        self.name, self.shape, self.layers = name, shape, []

    def add(self, kind, source=None, **fields):
        source = source or (self.layers[-1].name if self.layers else "input")
        sources = source if isinstance(source, list) else [source]
        name = f"{kind}{sum(l.kind == kind for l in self.layers) + 1}"
        self.layers.append(Layer(kind, name, sources, **fields))
        return name


def kws():
    """DS-CNN: 49 x 10 features of a second of sound, 12 keywords."""
    net = Network("kws", (49, 10, 1))
    net.add("conv", filters=64, kernel=(10, 4), stride=2, relu=True)
    for _ in range(4):
        net.add("depthwise", kernel=(3, 3), relu=True)
        net.add("conv", filters=64, relu=True)
    return classifier(net, 12)


def ic():
    """ResNet-8: 32 x 32 RGB, 10 classes."""
    net = Network("ic", (32, 32, 3))
    x = net.add("conv", filters=16, kernel=(3, 3), relu=True)
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        net.add("conv", x, filters=filters, kernel=(3, 3), stride=stride, relu=True)
        y = net.add("conv", filters=filters, kernel=(3, 3))
        shortcut = x if stride == 1 else net.add("conv", x, filters=filters, stride=stride)
        x = net.add("add", [shortcut, y], relu=True)
    return classifier(net, 10)


def vww():
    """MobileNetV1 0.25: 96 x 96 RGB, person or none."""
    net = Network("vww", (96, 96, 3))
    net.add("conv", filters=8, kernel=(3, 3), stride=2, relu=True)
    for filters, stride in ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)):
        net.add("depthwise", kernel=(3, 3), stride=stride, relu=True)
        net.add("conv", filters=filters, relu=True)
    return classifier(net, 2)


def ad():
    """The autoencoder: 640 features of machine sound, reproduced."""
    net = Network("ad", (640,))
    for filters in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        net.add("dense", filters=filters, relu=True)
    net.add("dense", filters=640)
    return net


def classifier(net, classes):
    net.add("pool")
    net.add("dense", filters=classes)
    net.add("softmax")
    return net


# ---- Evaluation in float32 ----


def same_pads(size, kernel, stride):
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def windows(x, layer):
    """[n,oy,ox,c,ky,kx]"""
    pads = [same_pads(x.shape[1 + i], layer.kernel[i], layer.stride) for i in range(2)]
    x = np.pad(x, ((0, 0), *pads, (0, 0)))
    return np.lib.stride_tricks.sliding_window_view(x, layer.kernel, axis=(1, 2))[:, :: layer.stride, :: layer.stride]


def linear(layer, x):
    if layer.kind == "dense":
        return x @ layer.weight
    taps = windows(x, layer)
    if layer.kind == "depthwise":
        return np.einsum("nyxcij,ijc->nyxc", taps, layer.weight, optimize=True)
    return np.tensordot(taps, layer.weight, ([3, 4, 5], [2, 0, 1]))


def initialise(net, x, seed=SEED):
    """Draws weights and normalises each layer over the calibration set x."""
    rng = np.random.default_rng([seed, *net.name.encode()])
    values = {"input": x}
    for layer in net.layers:
        x = values[layer.inputs[0]]
        if layer.kind in ("conv", "depthwise", "dense"):
            channels = x.shape[-1]
            shape = {"conv": (*layer.kernel, channels, layer.filters), "depthwise": (*layer.kernel, channels)}
            shape = shape.get(layer.kind, (channels, layer.filters))
            layer.weight = rng.normal(size=shape).astype(np.float32)
            y = linear(layer, x)
            axes = tuple(range(y.ndim - 1))
            # A channel that hardly varies is not blown up: a quantised network would lose it.
            gain = rng.uniform(0.7, 1.3, y.shape[-1]) / np.maximum(y.std(axes), 0.05 * y.std())
            layer.weight = (layer.weight * gain).astype(np.float32)
            layer.bias = (rng.normal(0, 0.3, y.shape[-1]) - y.mean(axes) * gain).astype(np.float32)
            y = linear(layer, x) + layer.bias
        elif layer.kind == "add":
            y = x + values[layer.inputs[1]]
        elif layer.kind == "pool":
            y = x.mean((1, 2))
        else:
            y = np.exp(x - x.max(-1, keepdims=True))
            y /= y.sum(-1, keepdims=True)
        values[layer.name] = np.maximum(y, 0) if layer.relu else y
    return values[net.layers[-1].name]


# ---- Data ----


def samples(net, count, seed):
    """Smooth patterns of a few waves with 6-bit steps in [0, 1): enough structure to excite the layers, and easily packed."""
    rng = np.random.default_rng([seed, *net.name.encode()])
    shape = net.shape if len(net.shape) == 3 else (1, net.shape[0], 1)
    y, x = np.meshgrid(np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1]), indexing="ij")
    result = []
    for _ in range(count):
        image = np.zeros(shape)
        for c in range(shape[2]):
            for _ in range(4):
                fy, fx, phase = rng.uniform(-9, 9, 3)
                image[..., c] += rng.uniform(0.2, 1) * np.sin(fy * y + fx * x + phase)
        result.append(np.clip(np.floor((image + 3) / 6 * 64), 0, 63) / 64)
    return np.stack(result).astype(np.float32).reshape(count, *net.shape)


def all_networks():
    """Each with its weights, a calibration set and the vectors' inputs."""
    for make in (kws, ic, vww, ad):
        net = make()
        calibration = samples(net, 64, SEED)
        initialise(net, calibration)
        yield net, calibration, samples(net, 3 if net.name == "vww" else 5, SEED + 1)
