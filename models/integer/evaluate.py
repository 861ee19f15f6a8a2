"""Integer ONNX in NumPy, in int64: the oracle of the dialects that ONNX Runtime has no kernels for.

    evaluate.py MODEL INPUTS.npz EXPECTED.npz     compares

One function an operator, in the words of the dialects: RequantShift rounds half up; `Div` by a power of two before
`Floor` is a floor; the transformer operators are those of PULP's integer networks.
"""

import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper


def windows(x, kernel, strides, pads, fill):
    """[n,c,oy,ox,ky,kx]"""
    x = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])), constant_values=fill)
    return np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(2, 3))[:, :, :: strides[0], :: strides[1]]


def conv(a, x, w, bias=None):
    group = a.get("group", 1)
    taps = windows(x, w.shape[2:], a.get("strides", [1, 1]), a.get("pads", [0] * 4), 0)
    n, c, oy, ox = taps.shape[:4]
    taps = taps.reshape(n, group, c // group, oy, ox, *w.shape[2:])
    y = np.einsum("ngcyxij,gkcij->ngkyx", taps, w.reshape(group, -1, *w.shape[1:])).reshape(n, -1, oy, ox)
    return y if bias is None else y + bias[:, None, None]


def gemm(a, x, w, bias=0):
    return x @ (w.T if a.get("transB", 0) else w) + bias


def max_pool(a, x):
    return windows(x, a["kernel_shape"], a.get("strides", [1, 1]), a.get("pads", [0] * 4), np.iinfo(np.int64).min).max((4, 5))


def requant_shift(a, x, mul, add):
    divisor, levels = int(a["div"]), int(a["n_levels_out"] if "n_levels_out" in a else a["n_levels"])
    low = -levels // 2 if int(a["signed"]) else 0
    rounding = divisor // 2 if divisor > 1 else 0
    return np.clip((x * mul + add + rounding) // divisor, low, low + levels - 1)


def integer_mean(a, x):
    axes = tuple(a["axes"])
    count = np.prod([x.shape[i] for i in axes])
    return (2 * x.sum(axes, keepdims=bool(a.get("keepdims", 1))) + count) // (2 * count)


def true_integer_div(a, x):
    return x * (a["Delta"] * a["eta"] // (a["eta"] * a["y"] + a["eps"]))


def trunc_div(x, y):
    return np.sign(x) * np.sign(y) * (np.abs(x) // np.abs(y))


def isqrt(x):
    root = np.floor(np.sqrt(x.astype(np.float64))).astype(np.int64)
    root -= root * root > x
    return root + ((root + 1) ** 2 <= x)


def clip8(x):
    return np.clip(x, -128, 127)


def i_rms_norm(a, x, w):
    std = isqrt((x * x).sum(-1, keepdims=True) // x.shape[-1] + 1)
    return clip8(trunc_div(x * w, std) // int(a["D"]))


def i_layer_norm(a, x, w, b):
    c = x - trunc_div(x.sum(-1, keepdims=True), np.int64(x.shape[-1]))
    std = isqrt((c * c).sum(-1, keepdims=True) // x.shape[-1] + 1)
    return clip8((trunc_div(c * w, std) + b) // int(a["D"]))


def i_softmax(a, x):
    log2, levels = int(a["log2"]), int(a["n_levels"])
    xt = x - x.max(-1, keepdims=True)
    z = np.clip(-trunc_div(xt, np.int64(log2)), 0, 31)
    y = (int(a["coeffA"]) * (xt + z * log2 + int(a["coeffB"])) ** 2 + int(a["coeffC"])) >> z
    return y * (levels - 1) // y.sum(-1, keepdims=True)


def ita_max(a, x):
    shift = (x.max(-1, keepdims=True) - x + 16) >> 5
    return ((int(a["n_levels"]) - 1) * 256 // (256 >> shift).sum(-1, keepdims=True)) >> shift


def i_gelu(a, x):
    d = np.minimum(np.abs(x), -a["b"]) + a["b"]
    return x * ((a["one"] + np.sign(x) * (a["one"] - d * d)) >> 1)


def i_hardswish(a, x):
    return x * (np.clip(x + a["three"], 0, a["six"]) * a["one_over_six"])


OPERATORS = {
    "Conv": conv,
    "Gemm": gemm,
    "MatMul": lambda a, x, w: x @ w,
    "MaxPool": max_pool,
    "Add": lambda a, x, y: x + y,
    "Mul": lambda a, x, y: x * y,
    "Div": lambda a, x, y: x // y,
    "Floor": lambda a, x: x,
    "Clip": lambda a, x, *limits: np.clip(x, *(limits or (int(a["min"]), int(a["max"])))),
    "Reshape": lambda a, x, shape: x.reshape([d if i else len(x) for i, d in enumerate(shape)]),
    "Flatten": lambda a, x: x.reshape(len(x), -1),
    "Transpose": lambda a, x: x.transpose(a["perm"]),
    "Concat": lambda a, *xs: np.concatenate(xs, a["axis"]),
    "Gather": lambda a, x, i: np.take(x, i, a["axis"]),
    "RequantShift": requant_shift,
    "IntegerMean": integer_mean,
    "TrueIntegerDiv": true_integer_div,
    "iRMSNorm": i_rms_norm,
    "iLayerNorm": i_layer_norm,
    "iSoftmax": i_softmax,
    "ITAMax": ita_max,
    "iGELU": i_gelu,
    "iHardswish": i_hardswish,
}


def attributes(node):
    """Tensors and one-element lists as numbers."""
    result = {}
    for attribute in node.attribute:
        value = helper.get_attribute_value(attribute)
        if attribute.type == onnx.AttributeProto.TENSOR:
            value = numpy_helper.to_array(value)
            value = value.item() if value.size == 1 else value
        result[attribute.name] = value
    return result


def integers(array, name):
    assert np.array_equal(array, np.floor(array)), f"{name} is not integral"
    return array.astype(np.int64)


def run(model, inputs):
    """Outputs for inputs by name, in int64; the nodes need no order, inputs may be batches."""
    values = {i.name: integers(numpy_helper.to_array(i), i.name) for i in model.graph.initializer}
    values.update({name: integers(x, name) for name, x in inputs.items()})
    waiting = list(model.graph.node)
    while waiting:
        ready = [n for n in waiting if all(i in values or not i for i in n.input)]
        assert ready, "the graph has a cycle"
        for node in ready:
            if node.op_type == "Constant":
                values[node.output[0]] = integers(np.asarray(attributes(node)["value"]), node.name)
            else:
                operands = [values[i] for i in node.input if i and values[i].size]
                values[node.output[0]] = OPERATORS[node.op_type](attributes(node), *operands)
        waiting = [n for n in waiting if n.output[0] not in values]
    return values


def main():
    path, inputs, expected = sys.argv[1:]
    model = onnx.load(path)
    constants = {i.name for i in model.graph.initializer}
    names = [i for i in model.graph.input if i.name not in constants]
    feeds = {}
    with np.load(inputs) as arrays:
        for value, key in zip(names, [k for k in arrays.files if not k.startswith("output")]):
            shape = [d.dim_value for d in value.type.tensor_type.shape.dim]
            array = arrays[key]
            feeds[value.name] = np.resize(array, shape) if array.size <= np.prod(shape) else array
    values = run(model, feeds)
    failures = 0
    with np.load(expected) as arrays:
        for value, key in zip(model.graph.output, [k for k in arrays.files if not k.startswith("input")]):
            wrong = np.count_nonzero(values[value.name].flatten() != arrays[key].flatten())
            print(f"{value.name}: {wrong} of {arrays[key].size} elements differ")
            failures += wrong
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
