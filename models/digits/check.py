#!/usr/bin/env python3
"""Checks digits.onnx: its arithmetic, the expected outputs in sample.npz, ONNX Runtime, and the test accuracy.

Needs numpy and onnx, and nothing of train.py: what is checked is the file. The network is evaluated in int64, where
`Div` by 2^k and `Floor` together are `x >> k`. Two things make float32 give the same values: every number in the file
is an integer, and no partial sum of a Conv or Gemm can reach 2^24, in whatever order a runtime adds.
"""

import argparse
import pathlib

import numpy as np
import onnx
from onnx import helper, numpy_helper

import mnist

HERE = pathlib.Path(__file__).resolve().parent
FLOAT32_EXACT = 1 << 24  # float32 holds every integer up to here


# ---- The file ----


def load_model(path):
    """(graph, constants by name as int64, scalars as Python ints) of an ONNX file all of whose numbers are integers."""
    model = onnx.load(path)
    onnx.checker.check_model(model)
    constants = {}
    for initializer in model.graph.initializer:
        value = numpy_helper.to_array(initializer)
        assert np.array_equal(value, np.floor(value)), f"{initializer.name} is not integral"
        constants[initializer.name] = value.astype(np.int64) if value.ndim else int(value)
    return model.graph, constants


def attributes(node):
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


# ---- Evaluation in int64 ----


def windows(x, kernel, strides):
    """[n,c,oy,ox,ky,kx]: the input window of every output pixel."""
    view = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(2, 3))
    return view[:, :, :: strides[0], :: strides[1]]


def conv(x, weight, bias, *, kernel_shape, pads, strides):
    top, left, bottom, right = pads
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    taps = windows(padded, kernel_shape, strides).transpose(0, 2, 3, 1, 4, 5)
    rows = taps.reshape(*taps.shape[:3], -1)
    return (rows @ weight.reshape(len(weight), -1).T + bias).transpose(0, 3, 1, 2)


def gemm(x, weight, bias, *, transB):
    assert transB == 1
    return x @ weight.T + bias


def shift_right(x, divisor):
    """Div by 2^k, done together with the Floor that follows it: numpy's >> rounds towards minus infinity."""
    assert divisor > 0 and divisor & (divisor - 1) == 0, f"{divisor} is not a power of two"
    return x >> (divisor.bit_length() - 1)


def max_pool(x, *, kernel_shape, strides):
    return windows(x, kernel_shape, strides).max(axis=(4, 5))


def flatten(x, *, axis):
    assert axis == 1
    return x.reshape(len(x), -1)


EVALUATE = {
    "Add": np.add,
    "Clip": np.clip,
    "Conv": conv,
    "Div": shift_right,
    "Flatten": flatten,
    "Floor": lambda x: x,
    "Gemm": gemm,
    "MaxPool": max_pool,
}


def evaluate(graph, constants, images):
    """Every tensor by name, for any number of images; that of a Div is already floored."""
    values = dict(constants)
    values[graph.input[0].name] = images.astype(np.int64)
    consumers = {name: node.op_type for node in graph.node for name in node.input}
    for node in graph.node:
        if node.op_type == "Div":
            assert consumers[node.output[0]] == "Floor", f"{node.name} is not followed by Floor"
        operands = [values[name] for name in node.input]
        values[node.output[0]] = EVALUATE[node.op_type](*operands, **attributes(node))
    return values


def outputs(graph, constants, images, batch=500):
    """int8 [n,10], a batch at a time to bound the memory."""
    name = graph.output[0].name
    parts = [images[i : i + batch] for i in range(0, len(images), batch)]
    return np.concatenate([evaluate(graph, constants, part)[name] for part in parts]).astype(np.int8)


def correct(logits, labels):
    return int(np.count_nonzero(logits.argmax(axis=1) == labels))


# ---- The bound that makes float32 exact ----


def accumulator_bounds(graph, constants):
    """Largest `sum|w| * max|x| + |bias|` over the output channels, for every Conv and Gemm.

    max|x| is proven from the Clip that precedes: this is why the file begins with one.
    """
    largest = {}  # tensor -> bound of its absolute value
    bounds = {}
    for node in graph.node:
        x, *rest = node.input
        if node.op_type == "Clip":
            bound = max(abs(constants[name]) for name in rest)
        elif node.op_type == "Add":
            bound = largest[x] + largest[rest[0]]
        elif node.op_type in ("Conv", "Gemm"):
            weight, bias = (constants[name] for name in rest)
            magnitude = np.abs(weight).reshape(len(weight), -1).sum(axis=1)
            bound = int((magnitude * largest[x] + np.abs(bias)).max())
            bounds[node.name] = bound
        else:  # Div, Floor, MaxPool and Flatten make no number larger
            bound = largest[x]
        largest[node.output[0]] = bound
    return bounds


def check_int8(graph, constants):
    """Weights and the bounds of Clips fit int8. (That biases fit int32 follows from `check_bounds`.)"""
    for node in graph.node:
        names = {"Conv": node.input[1:2], "Gemm": node.input[1:2], "Clip": node.input[1:]}.get(node.op_type, [])
        for name in names:
            low, high = np.min(constants[name]), np.max(constants[name])
            assert -128 <= low and high <= 127, f"{name} holds {low}..{high}, which is not int8"


def check_bounds(graph, constants):
    bounds = accumulator_bounds(graph, constants)
    for name, bound in bounds.items():
        assert bound < FLOAT32_EXACT, f"{name}: a partial sum may reach {bound}, float32 is exact below {FLOAT32_EXACT}"
    name = max(bounds, key=bounds.get)
    print(f"largest possible |accumulator|: {bounds[name]} in {name}, {bounds[name] / FLOAT32_EXACT:.1%} of 2^24")


# ---- The checks ----


def check_sample(graph, constants, sample):
    """Recomputes the expected outputs of sample.npz."""
    logits = outputs(graph, constants, sample["input"])
    assert np.array_equal(logits, sample["outputs"]), "sample.npz holds other outputs"
    print(f"sample: {correct(logits, sample['labels'])} of {len(logits)} digits right")


def check_onnx_runtime(path, graph, constants, sample):
    """Every tensor of every sample digit, and of as many random images, as ONNX Runtime computes it in float32."""
    try:
        import onnxruntime
    except ImportError:
        print("ONNX Runtime: skipped: onnxruntime is not installed")
        return
    # Div's own result is a fraction, which the integers skip over; that of a Cast is a constant.
    names = [node.output[0] for node in graph.node if node.op_type not in ("Div", "Cast")]
    model = onnx.load(path)
    del model.graph.output[:]
    model.graph.output.extend(helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    # Unlike digits, noise has negative pixels, which the first Clip has to remove.
    noise = np.random.default_rng(0).integers(-128, 128, sample["input"].shape, np.int8)
    images = np.concatenate([sample["input"], noise])
    expected = evaluate(graph, constants, images)
    for i, image in enumerate(images):
        computed = session.run(names, {graph.input[0].name: image[None].astype(np.float32)})
        for name, value in zip(names, computed):
            assert np.array_equal(value[0], expected[name][i]), f"image {i}: ONNX Runtime differs in {name}"
    print(f"ONNX Runtime {onnxruntime.__version__}: {len(names)} tensors of {len(images)} images equal")


def check_accuracy(graph, constants, images, labels, minimum=0.98):
    right = correct(outputs(graph, constants, images), labels)
    print(f"test accuracy: {right} of {len(labels)} = {right / len(labels):.2%}")
    assert right >= minimum * len(labels), f"expected {minimum:.0%} or better"


def check_all(model_path, sample_path, test_set=None):
    """Runs every check; the test accuracy only if given (images, labels)."""
    graph, constants = load_model(model_path)
    sample = np.load(sample_path)
    check_int8(graph, constants)
    check_bounds(graph, constants)
    check_sample(graph, constants, sample)
    check_onnx_runtime(model_path, graph, constants, sample)
    if test_set:
        check_accuracy(graph, constants, *test_set)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=pathlib.Path, default=HERE / "digits.onnx")
    parser.add_argument("--sample", type=pathlib.Path, default=HERE / "sample.npz")
    parser.add_argument("--test-set", action="store_true", help="also measure the accuracy on MNIST's test digits")
    parser.add_argument("--mnist", metavar="TGZ", help="an archive made by `npm pack`, instead of asking npm for it")
    args = parser.parse_args()
    test_set = mnist.load(args.mnist)[1] if args.test_set or args.mnist else None
    check_all(args.model, args.sample, test_set)


if __name__ == "__main__":
    main()
