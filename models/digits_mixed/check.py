#!/usr/bin/env python3
"""Checks digits_mixed.onnx: its arithmetic, DIANA's limits, the expected outputs, ONNX Runtime, and the test accuracy.

    python3 models/digits_mixed/check.py [--test-set]

Needs numpy and onnx, and nothing of train.py. The network is evaluated in int64 by ../digits/check.py, where `Div` by 2^k and `Floor`
together are `x >> k`, with the operators that it lacks added here.
"""

import argparse
import importlib.util
import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "digits")]
import common  # noqa: E402
import mnist  # noqa: E402

spec = importlib.util.spec_from_file_location("digits_check", HERE.parent / "digits" / "check.py")
digits_check = importlib.util.module_from_spec(spec)
spec.loader.exec_module(digits_check)

ROWS = 1152  # of the macro


def conv(x, weight, bias=0, *, kernel_shape, pads, strides, group):
    """float64, whose sums are exact below 2^53: many times as fast as int64 for 10,000 digits."""
    x, weight = x.astype(np.float64), weight.astype(np.float64)
    if group == 1:
        return digits_check.conv(x, weight, bias, kernel_shape=kernel_shape, pads=pads, strides=strides).astype(np.int64)
    assert pads == [0, 0, 0, 0] and group == len(weight) and np.ndim(bias) == 0
    taps = digits_check.windows(x, kernel_shape, strides)
    return np.einsum("nchwij,cij->nchw", taps, weight[:, 0]).astype(np.int64)


digits_check.EVALUATE |= {"Cast": lambda x, *, to: x, "Conv": conv, "Mul": np.multiply}


def parameter(graph, constants, name):
    """A constant, or one behind a Cast."""
    casts = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Cast"}
    return constants[casts.get(name, name)]


def check_ranges(graph, constants):
    """Bounds [lo, hi] of every tensor, from the Clips: nothing reaches 2^24, and what DIANA's rules ask of each layer holds."""
    bounds, producer = {}, {node.output[0]: node for node in graph.node}
    analog, largest = [], 0
    for node in graph.node:
        x, *rest = node.input
        if node.op_type == "Cast":
            continue
        if node.op_type == "Clip":
            low, high = (constants[name] for name in rest)
            assert -128 <= low and high <= 127, node.name
        elif node.op_type in ("Conv", "Gemm"):
            weight = parameter(graph, constants, rest[0])
            bias = np.abs(constants[rest[1]]).max() if len(rest) > 1 else 0
            high = int(np.abs(weight).reshape(len(weight), -1).sum(1).max()) * max(map(abs, bounds[x])) + int(bias)
            low = -high
            assert np.abs(weight).max() <= 127, node.name
            ternary = node.op_type == "Conv" and np.abs(weight).max() == 1
            if ternary:
                rows = max(64, weight.shape[1]) * weight.shape[2] * weight.shape[3]
                assert rows <= ROWS and -64 <= bounds[x][0] and bounds[x][1] <= 63 and len(rest) == 1, node.name
                analog.append(node.name)
        elif node.op_type in ("Mul", "Add") and rest[0] in constants:
            factor = constants[rest[0]]
            ends = [factor * end for end in bounds[x]] if node.op_type == "Mul" else [factor + end for end in bounds[x]]
            limit = 128 if node.op_type == "Mul" else 32768
            assert -limit <= factor.min() and factor.max() < limit, node.name
            low, high = int(np.minimum(*ends).min()), int(np.maximum(*ends).max())
        elif node.op_type == "Add":
            low, high = bounds[x][0] + bounds[rest[0]][0], bounds[x][1] + bounds[rest[0]][1]
        elif node.op_type == "Div":
            shift = constants[rest[0]].bit_length() - 1
            source = producer[x]
            assert shift <= (15 if source.name.endswith("_moved") or source.name in analog else 31), node.name
            low, high = bounds[x][0] >> shift, bounds[x][1] >> shift
        else:  # Floor, MaxPool and Flatten keep the bounds
            low, high = bounds[x]
        bounds[node.output[0]] = low, high
        largest = max(largest, -low, high)
    assert largest < digits_check.FLOAT32_EXACT
    print(f"largest possible number: {largest}, {largest / digits_check.FLOAT32_EXACT:.1%} of 2^24; {len(analog)} layers fit the analog core")


def write_sample(model_path, images, labels):
    graph, constants = digits_check.load_model(model_path)
    outputs = digits_check.outputs(graph, constants, images)
    common.save_npz(pathlib.Path(model_path).with_suffix(".npz"), {"input": images, "labels": labels, "output": outputs})


def check_all_logits(model_path, graph, constants, images):
    try:
        theirs = common.onnxruntime_outputs(model_path, [images.astype(np.float32)])[0]
    except ImportError:
        return
    assert np.array_equal(theirs, digits_check.outputs(graph, constants, images))
    print(f"ONNX Runtime: the logits of all {len(images)} test digits equal")


def check_all(model_path, test_set=None):
    graph, constants = digits_check.load_model(model_path)
    stored = np.load(pathlib.Path(model_path).with_suffix(".npz"))
    sample = {"input": stored["input"], "labels": stored["labels"], "outputs": stored["output"]}
    check_ranges(graph, constants)
    digits_check.check_sample(graph, constants, sample)
    digits_check.check_onnx_runtime(model_path, graph, constants, sample)
    if test_set:
        digits_check.check_accuracy(graph, constants, *test_set)
        check_all_logits(model_path, graph, constants, test_set[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=pathlib.Path, default=HERE / "digits_mixed.onnx")
    parser.add_argument("--test-set", action="store_true", help="also measure the accuracy on MNIST's test digits")
    parser.add_argument("--mnist", metavar="TGZ", help="an archive made by `npm pack`, instead of asking npm for it")
    args = parser.parse_args()
    check_all(args.model, mnist.load(args.mnist)[1] if args.test_set or args.mnist else None)


if __name__ == "__main__":
    main()
