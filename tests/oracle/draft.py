"""A random ONNX graph in the making: its nodes, constants and values, with what is known of them."""
import math

import numpy as np
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
EXACT = 1 << 24  # float32 holds every integer up to here
MAX_ELEMENTS = 3000


class Draft:
    """A graph in the making. A value is a name; `shapes` and, of integers, `bounds` (largest magnitude) say what it is."""

    def __init__(self, random, integers):
        self.random, self.integers = random, integers
        self.nodes, self.constants = [], {}
        self.shapes, self.bounds, self.inputs = {}, {}, []
        self.used = set()

    def chance(self, probability):
        return self.random.random() < probability

    def pick(self, items):
        return items[int(self.random.integers(len(items)))]

    def whole(self, low, high):
        return int(self.random.integers(low, high, endpoint=True))

    def fresh(self, prefix):
        return f"{prefix}_{len(self.nodes) + len(self.constants)}"

    def constant(self, array, prefix="c", dtype=np.float32):
        name = self.fresh(prefix)
        self.constants[name] = np.asarray(array).astype(dtype)
        return name

    def indices(self, values, prefix):
        return self.constant(values, prefix, np.int64)

    def weights(self, shape, fan_in):
        """Small integers, or reals that keep the magnitude of sums."""
        if self.integers:
            return self.random.integers(-7, 7, shape, endpoint=True)
        return self.random.normal(0, 1 / math.sqrt(max(fan_in, 1)), shape)

    def input(self, shape):
        name = f"input_{len(self.inputs)}"
        self.inputs.append(name)
        self.shapes[name], self.bounds[name] = list(shape), 128
        return name

    def node(self, op, inputs, shape, bound=None, **attributes):
        """False where the result would be too large or no longer exact."""
        if math.prod(shape) > MAX_ELEMENTS or math.prod(shape) == 0:
            return None
        if self.integers and (bound is None or bound >= EXACT):
            return None
        name = self.fresh(op.lower())
        self.nodes.append(helper.make_node(op, inputs, [name], name=f"n_{name}", **attributes))
        self.shapes[name], self.bounds[name] = [int(d) for d in shape], bound
        self.used.update(inputs)
        return name

    def value(self, accept=lambda shape: True, newest=0.7, inputs=True):
        """A random value whose shape suits, often the newest."""
        names = [n for n in self.shapes if accept(self.shapes[n]) and (inputs or n not in self.inputs)]
        if not names:
            return None
        return names[-1] if self.chance(newest) else self.pick(names)

    def model(self):
        """ModelProto: every value that nothing reads is an output."""
        outputs = [n for n in self.shapes if n not in self.used and n not in self.inputs]
        info = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, self.shapes[name])
        graph = helper.make_graph(self.nodes, "random", [info(n) for n in self.inputs], [info(n) for n in outputs],
                                  [numpy_helper.from_array(a, n) for n, a in self.constants.items()])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
