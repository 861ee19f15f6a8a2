"""Random small ONNX graphs, drawn from a table of operators and their own constraints on shapes.

Two kinds of numbers: `reals`, float32; `integers` typed as float, whose sums stay below 2^24 so that ONNX Runtime's
float32 is exact. quantised_graphs.py makes QDQ and QOperator graphs of the former."""
import math

import numpy as np

from draft import EXACT, Draft


def rank(n):
    return lambda shape: len(shape) == n


def magnitude(draft, weights, x, axis):
    """Bound of a sum of products: the largest sum of |weights| over all axes but one."""
    sums = np.abs(weights).sum(axis=tuple(a for a in range(weights.ndim) if a != axis))
    return int(sums.max(initial=0)) * draft.bounds[x] if draft.integers else None


# ---- layers

def windows(d, spatial, kernel, allow_auto=True):
    """Random strides, dilations and pads of a sliding window: (attributes, output extents) or nothing."""
    n = len(spatial)
    strides = [d.pick([1, 1, 1, 2, 3]) for _ in range(n)]
    dilations = [d.pick([1, 1, 1, 2]) if k > 1 else 1 for k in kernel]
    reach = [(k - 1) * e + 1 for k, e in zip(kernel, dilations)]
    attributes = {"kernel_shape": kernel, "strides": strides, "dilations": dilations}
    if allow_auto and d.chance(0.25):
        mode = d.pick(["SAME_UPPER", "SAME_LOWER", "VALID"])
        attributes["auto_pad"] = mode
        if mode == "VALID":
            out = [(s - r) // t + 1 for s, r, t in zip(spatial, reach, strides)]
        else:
            out = [-(-s // t) for s, t in zip(spatial, strides)]
            if max(dilations) > 1 or any((o - 1) * t + k < s for o, t, k, s in zip(out, strides, kernel, spatial)):
                return None  # negative pads
    else:
        begin = [d.whole(0, min(2, k - 1)) for k in kernel]
        end = [b if d.chance(0.5) else d.whole(0, min(2, k - 1)) for b, k in zip(begin, kernel)]
        attributes["pads"] = begin + end
        out = [(s + b + e - r) // t + 1 if s + b + e >= r else 0
               for s, b, e, r, t in zip(spatial, begin, end, reach, strides)]
    return (attributes, out) if min(out) > 0 else None


def conv(d):
    dims = 1 if d.chance(0.15) else 2
    x = d.value(rank(dims + 2))
    if x is None:
        return None
    n, c, *spatial = d.shapes[x]
    groups = d.pick([g for g in (1, 1, 1, 2, 3, c) if c % g == 0])
    k = groups * d.whole(1, 2 if groups == c and c > 1 else max(1, 12 // groups))
    kernel = [d.pick([1, 2, 3, 3, 5]) for _ in spatial]
    found = windows(d, spatial, kernel)
    if found is None:
        return None
    weights = d.weights([k, c // groups, *kernel], c // groups * math.prod(kernel))
    inputs = [x, d.constant(weights, "w")]
    bound = magnitude(d, weights, x, 0)
    if d.chance(0.6):
        inputs.append(d.constant(d.weights([k], 4), "b"))
        bound = bound and bound + 7
    return d.node("Conv", inputs, [n, k, *found[1]], bound, group=groups, **found[0])


def gemm(d):
    x = d.value(rank(2))
    if x is None:
        return None
    n, c = d.shapes[x]
    k, transposed = d.whole(1, 12), int(d.chance(0.6))
    weights = d.weights([k, c], c)
    inputs = [x, d.constant(weights if transposed else weights.T, "w")]
    bound = magnitude(d, weights, x, 0)
    if d.chance(0.7):
        inputs.append(d.constant(d.weights(d.pick([[k], [1, k]]), 4), "b"))
        bound = bound and bound + 7
    return d.node("Gemm", inputs, [n, k], bound, transB=transposed)


def matmul(d):
    x = d.value(lambda s: len(s) in (2, 3, 4))
    if x is None:
        return None
    *batch, c = d.shapes[x]
    k = d.whole(1, 12)
    weights = d.weights([c, k], c)
    return d.node("MatMul", [x, d.constant(weights, "w")], [*batch, k], magnitude(d, weights, x, 1))


def matmul_of_activations(d):
    """x * x^T, as attention does."""
    x = d.value(lambda s: len(s) in (3, 4) and s[-1] > 1)
    if x is None:
        return None
    shape = d.shapes[x]
    order = list(range(len(shape)))
    order[-2:] = order[:-3:-1]
    y = d.node("Transpose", [x], [shape[i] for i in order], d.bounds[x], perm=order)
    if y is None:
        return None
    bound = d.bounds[x] ** 2 * shape[-1] if d.integers else None
    return d.node("MatMul", [x, y], [*shape[:-1], shape[-2]], bound)


def pool(op):
    def make(d):
        x = d.value(rank(4))
        if x is None:
            return None
        n, c, *spatial = d.shapes[x]
        found = windows(d, spatial, [d.whole(1, 3) for _ in spatial])
        if found is None:
            return None
        attributes, out = found
        if op == "AveragePool":
            attributes.pop("dilations")
            attributes["count_include_pad"] = d.whole(0, 1)
            if "auto_pad" not in attributes:
                pads = attributes["pads"]
                out = [(s + b + e - k) // t + 1 for s, b, e, k, t in
                       zip(spatial, pads[:2], pads[2:], attributes["kernel_shape"], attributes["strides"])]
            elif attributes["auto_pad"] == "VALID":
                out = [(s - k) // t + 1 for s, k, t in zip(spatial, attributes["kernel_shape"], attributes["strides"])]
        elif max(attributes["dilations"]) > 1:
            return None
        if min(out) <= 0:
            return None
        return d.node(op, [x], [n, c, *out], d.bounds[x], **attributes)
    return make


def global_pool(op):
    def make(d):
        x = d.value(rank(4))
        return x and d.node(op, [x], [*d.shapes[x][:2], 1, 1], d.bounds[x])
    return make


# ---- maps

def unary(op, **choices):
    def make(d):
        # A Relu or Clip of an integer input is a statement about its range, which random data would break.
        x = d.value(inputs=not d.integers)
        return x and d.node(op, [x], d.shapes[x], d.bounds[x], **{k: float(d.pick(v)) for k, v in choices.items()})
    return make


def clip(d):
    x = d.value(inputs=not d.integers)
    if x is None:
        return None
    low, high = (d.whole(-128, 0), d.whole(1, 127)) if d.integers else (d.pick([-1.0, 0.0]), d.pick([0.5, 1.0, 6.0]))
    bounds = [d.constant(np.float32(low), "lo"), d.constant(np.float32(high), "hi")]
    return d.node("Clip", [x, *bounds], d.shapes[x], d.integers and max(-low, high))


def requantise(d):
    """Mul, Add, Div, Floor, Clip, or only the last three: `floor` and `shift`."""
    x = d.value(lambda s: len(s) >= 2)
    if x is None or not d.integers:
        return None
    bound, shape, channels = d.bounds[x], d.shapes[x], d.shapes[x][1]
    limit = min(30, (EXACT // 2) // max(bound, 1))
    steps = []
    if d.chance(0.7) and limit > 0:
        along = [channels] + [1] * (len(shape) - 2) if d.chance(0.7) else [1]
        bound = bound * limit + 1000
        steps = [("Mul", d.random.integers(1, limit, along, endpoint=True)),
                 ("Add", d.random.integers(-1000, 1000, along, endpoint=True))]
    shift = max(1, bound.bit_length() - d.whole(6, 9))
    y = x
    for op, constant in [*steps, ("Div", 1 << shift), ("Floor", None)]:
        y = d.node(op, [y] if constant is None else [y, d.constant(constant, "k")], shape, bound)
        d.shapes.pop(y)  # fractions in between are for nobody else
    low, high = d.pick([(-128, 127), (0, 255), (0, 127), (-8, 7)])
    return d.node("Clip", [y, d.constant(low, "lo"), d.constant(high, "hi")], shape, max(-low, high))


def binary(op):
    def make(d):
        a = d.value()
        if a is None:
            return None
        shape = d.shapes[a]
        b = d.value(lambda s: s == shape, newest=0)
        bound = {"Add": lambda x, y: x + y, "Sub": lambda x, y: x + y, "Mul": lambda x, y: x * y}.get(op)
        return d.node(op, [a, b], shape, bound and d.integers and bound(d.bounds[a], d.bounds[b]))
    return make


def binary_constant(op):
    def make(d):
        x = d.value(lambda s: len(s) >= 2)
        if x is None:
            return None
        shape = d.shapes[x]
        along = [shape[1]] + [1] * (len(shape) - 2)
        along = d.pick([along, [1], [shape[-1]]])
        if d.integers:
            values = d.random.integers(1, 7, along, endpoint=True)
            bound = d.bounds[x] * 7 if op == "Mul" else d.bounds[x] + 7
        else:
            values, bound = d.random.uniform(0.5, 2, along), None
        return d.node(op, [x, d.constant(values, "k")], shape, bound)
    return make


def softmax(d):
    x = d.value(lambda s: len(s) >= 2 and s[-1] > 1)
    return x and d.node("Softmax", [x], d.shapes[x], axis=-1)


def batch_norm(d):
    x = d.value(rank(4))
    if x is None:
        return None
    c = d.shapes[x][1]
    parts = [d.random.uniform(0.5, 2, c), d.random.normal(0, 1, c), d.random.normal(0, 1, c), d.random.uniform(0.5, 2, c)]
    return d.node("BatchNormalization", [x, *(d.constant(p, "bn") for p in parts)], d.shapes[x], epsilon=1e-3)


def layer_norm(d):
    x = d.value(lambda s: len(s) in (2, 3) and s[-1] > 3)
    if x is None:
        return None
    n = d.shapes[x][-1]
    parts = [d.random.uniform(0.5, 2, n), d.random.normal(0, 1, n)]
    return d.node("LayerNormalization", [x, *(d.constant(p, "ln") for p in parts)], d.shapes[x], axis=-1, epsilon=1e-2)


# ---- moves

def reduce_by(op):
    def make(d):
        x = d.value(lambda s: len(s) >= 2)
        if x is None:
            return None
        shape = d.shapes[x]
        axes = d.pick([[len(shape) - 1], list(range(2, len(shape))) or [1], [1]])
        keep = d.whole(0, 1)
        out = [1 if i in axes else s for i, s in enumerate(shape) if keep or i not in axes]
        if op == "ReduceSum":  # axes are an operand since opset 13
            return d.node(op, [x, d.indices(axes, "axes")], out, keepdims=keep)
        return d.node(op, [x], out, d.bounds[x], axes=axes, keepdims=keep)
    return make


def concat(d):
    a = d.value(lambda s: len(s) >= 2)
    if a is None:
        return None
    shape = d.shapes[a]
    axis = d.whole(1, len(shape) - 1)
    b = d.value(lambda s: len(s) == len(shape) and all(s[i] == shape[i] for i in range(len(s)) if i != axis), newest=0)
    out = list(shape)
    out[axis] += d.shapes[b][axis]
    return d.node("Concat", [a, b], out, d.integers and max(d.bounds[a], d.bounds[b]), axis=axis)


def slice_(d):
    x = d.value(lambda s: len(s) >= 2 and max(s[1:]) > 1)
    if x is None:
        return None
    out = list(d.shapes[x])
    axis = d.pick([i for i in range(1, len(out)) if out[i] > 1])
    begin, end = sorted(d.random.choice(out[axis] + 1, 2, replace=False).tolist())
    step = d.pick([1, 1, 2])
    parts = [d.indices([v], "s") for v in (begin, end, axis, step)]
    out[axis] = -(-(end - begin) // step)
    return d.node("Slice", [x, *parts], out, d.bounds[x])


def transpose(d):
    x = d.value(lambda s: len(s) >= 3)
    if x is None:
        return None
    order = [0] + (1 + d.random.permutation(len(d.shapes[x]) - 1)).tolist()
    return d.node("Transpose", [x], [d.shapes[x][i] for i in order], d.bounds[x], perm=order)


def reshape(d):
    x = d.value(lambda s: len(s) >= 2)
    if x is None:
        return None
    n, *rest = d.shapes[x]
    size = math.prod(rest)
    divisors = [k for k in range(1, size + 1) if size % k == 0]
    first = d.pick(divisors)
    second = d.pick([k for k in divisors if (size // first) % k == 0])
    out = d.pick([[n, size], [n, first, size // first], [n, first, second, size // first // second]])
    wanted = out if d.chance(0.5) else [*out[:-1], -1]
    return d.node("Reshape", [x, d.indices(wanted, "shape")], out, d.bounds[x])


def flatten(d):
    x = d.value(lambda s: len(s) > 2)
    return x and d.node("Flatten", [x], [d.shapes[x][0], math.prod(d.shapes[x][1:])], d.bounds[x])


def pad(d):
    x = d.value(rank(4))
    if x is None:
        return None
    n, c, h, w = d.shapes[x]
    t, l, b, r = (d.whole(0, 2) for _ in range(4))
    inputs = [x, d.indices([0, 0, t, l, 0, 0, b, r], "pads")]
    if not d.integers and d.chance(0.3):
        inputs.append(d.constant(np.float32(0.5), "fill"))
    return d.node("Pad", inputs, [n, c, h + t + b, w + l + r], d.bounds[x])


def gather(d):
    x = d.value(lambda s: len(s) >= 2)
    if x is None:
        return None
    shape = list(d.shapes[x])
    axis = d.whole(1, len(shape) - 1)
    indices = d.random.integers(0, shape[axis], d.whole(1, 4))
    shape[axis] = len(indices)
    return d.node("Gather", [x, d.indices(indices, "i")], shape, d.bounds[x], axis=axis)


# (weight, maker); of integers, of reals, and of reals that quantised networks hold
COMMON = [(6, conv), (3, gemm), (3, matmul), (3, pool("MaxPool")), (1, global_pool("GlobalMaxPool")), (2, unary("Relu")),
          (2, clip), (3, binary("Add")), (2, concat), (2, slice_), (2, transpose), (2, reshape), (1, flatten),
          (2, pad)]
INTEGERS = COMMON + [(6, requantise), (2, binary_constant("Add")), (1, binary_constant("Sub")), (1, binary_constant("Mul")),
                     (1, gather), (1, binary("Mul")), (1, matmul_of_activations)]
QUANTISED = COMMON + [
    (1, binary("Sub")), (2, pool("AveragePool")), (1, global_pool("GlobalAveragePool")), (1, unary("Sigmoid")), (1, unary("Tanh")),
    (1, unary("LeakyRelu", alpha=[0.01, 0.1, 0.3])), (1, unary("HardSwish")), (1, binary("Mul")), (1, softmax),
    (1, reduce_by("ReduceMean"))]
REALS = QUANTISED + [
    (1, unary("Elu", alpha=[0.5, 1.0])), (1, unary("HardSigmoid", alpha=[0.2], beta=[0.5])), (1, unary("Softplus")),
    (1, unary("Erf")), (1, unary("Abs")), (1, unary("Neg")), (1, unary("Sin")),
    (1, binary_constant("Add")), (1, binary_constant("Mul")), (1, binary_constant("Div")), (1, binary_constant("Sub")),
    (1, binary("Max")), (1, binary("Min")), (2, batch_norm), (1, layer_norm), (1, reduce_by("ReduceMax")),
    (1, reduce_by("ReduceSum")), (1, gather), (1, matmul_of_activations)]
TABLES = {"integer": INTEGERS, "float": REALS, "qdq": QUANTISED, "qoperator": QUANTISED}


def draw(kind, seed, most=8):
    """A draft of one to `most` drawn operators; always the same for a seed."""
    random = np.random.default_rng([seed, sorted(TABLES).index(kind)])
    d = Draft(random, kind == "integer")
    table = TABLES[kind]
    weights = np.array([w for w, _ in table], float)
    image = [1, d.whole(1, 6), d.whole(3, 10), d.whole(3, 10)]
    shape = d.pick([image, image, [d.whole(1, 3), d.whole(2, 20)], [1, d.whole(2, 8), d.whole(2, 12)]])
    d.input(shape)
    if d.chance(0.15):
        d.input(shape)
    wanted, made = d.whole(1, most), 0
    for _ in range(wanted * 6):
        made += bool(table[int(random.choice(len(table), p=weights / weights.sum()))][1](d))
        if made == wanted:
            break
    # A network without a fraction would count as one of integers.
    fractions = d.integers or any(np.any(c != np.floor(c)) for c in d.constants.values())
    return d if d.nodes and fractions else draw(kind, seed + 1_000_003, most)
