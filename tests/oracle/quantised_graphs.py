"""QDQ and QOperator graphs: a float draft of random_graphs.py, its ranges measured, its values quantised, as tools do it."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

import oracle
from draft import OPSET

KEEPS_SCALE = {"MaxPool", "GlobalMaxPool", "Reshape", "Flatten", "Transpose", "Slice", "Relu", "Clip"}
LAYERS = {"Conv", "Gemm", "MatMul"}


def measured(draft, samples=3):
    """(low, high) of every value, over random inputs in [-1, 1)."""
    model = draft.model()
    outputs = {o.name for o in model.graph.output}
    for name, shape in draft.shapes.items():
        if name not in outputs and name not in draft.inputs:
            model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    inputs, results = oracle.ort_samples(model, samples, seed=1)
    names = draft.inputs + [o.name for o in model.graph.output]
    return {n: (min(float(a.min()), 0.0), max(float(a.max()), 0.0)) for n, a in zip(names, inputs + results)}


class Writer:
    """What both forms share: parameters of every value, constants, nodes."""

    def __init__(self, draft):
        self.draft, self.random = draft, draft.random
        self.nodes, self.initialisers = [], []
        self.type = np.uint8 if draft.chance(0.5) else np.int8
        self.channels = draft.chance(0.5)  # weights have a scale per channel
        self.parameters = self.choose(measured(draft))
        self.weight_operand = {}  # constant: its parameters

    def choose(self, ranges):
        """name: (scale, zero point). Views keep those of their operand, mostly."""
        parameters = {}
        producers = {n.output[0]: n for n in self.draft.nodes}
        low, high = np.iinfo(self.type).min, np.iinfo(self.type).max
        for name, (least, most) in ranges.items():
            scale = np.float32(max(most - least, 1e-3) / 255)
            zero = int(np.clip(np.round(low - least / scale), low, high))
            parameters[name] = (scale, zero)
        for name, node in producers.items():
            if node.op_type in KEEPS_SCALE and self.draft.chance(0.8):
                parameters[name] = parameters[node.input[0]]
        return parameters

    def constant(self, array, name):
        name = f"q_{name}_{len(self.initialisers)}"
        self.initialisers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def scale_and_zero(self, value, scalar=False):
        scale, zero = self.parameters[value]
        shape = () if scalar or self.draft.chance(0.7) else (1,)  # a scale of shape [1] equals a scalar
        return [self.constant(np.full(shape, scale, np.float32), "scale"), self.constant(np.full(shape, zero, self.type), "zero")]

    def add(self, op, inputs, outputs, domain="", **attributes):
        self.nodes.append(helper.make_node(op, inputs, outputs, name=f"n_{len(self.nodes)}_{op}", domain=domain, **attributes))

    def quantised_weights(self, node):
        """(integers, scales, axis) of a layer's weights; 7 bits, so that no kernel of ONNX Runtime saturates."""
        weights = self.draft.constants[node.input[1]]
        transposed = any(a.name == "transB" and a.i == 1 for a in node.attribute)
        axis = 0 if node.op_type == "Conv" or transposed else weights.ndim - 1
        others = tuple(i for i in range(weights.ndim) if i != axis)
        if self.channels and weights.shape[axis] > 1:
            scales = np.maximum(np.abs(weights).max(axis=others), 1e-3).astype(np.float32) / np.float32(63)
            along = scales.reshape([-1 if i == axis else 1 for i in range(weights.ndim)])
        else:
            scales = along = np.float32(max(np.abs(weights).max(), 1e-3) / 63)
        return np.clip(np.round(weights / along), -64, 63).astype(np.int8), scales, axis

    def quantised_bias(self, node, scales):
        bias = self.draft.constants[node.input[2]]
        step = np.float32(self.parameters[node.input[0]][0]) * scales
        return np.round(bias / step).astype(np.int32), step.astype(np.float32)

    def model(self, inputs, outputs, opset=OPSET):
        graph = helper.make_graph(self.nodes, "random", inputs, outputs, self.initialisers)
        domains = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, ir_version=8, opset_imports=domains)


def as_qdq(draft):
    """Every value is quantised and dequantised; layers have int8 weights and int32 biases behind DequantizeLinear."""
    w = Writer(draft)
    real = {}  # value of the draft: its dequantised name
    for name, array in draft.constants.items():
        w.initialisers.append(numpy_helper.from_array(array, name))

    def quantise(value, source, give_integers=False):
        parameters = w.scale_and_zero(value)
        w.add("QuantizeLinear", [source, *parameters], [f"{value}_q"])
        if not give_integers:
            w.add("DequantizeLinear", [f"{value}_q", *parameters], [f"{value}_dq"])
            real[value] = f"{value}_dq"

    for name in draft.inputs:
        quantise(name, name)
    outputs = [n for n in draft.shapes if n not in draft.used and n not in draft.inputs]
    integers = draft.chance(0.3)  # outputs end in QuantizeLinear
    for node in draft.nodes:
        inputs = [real.get(n, n) for n in node.input]
        if node.op_type in LAYERS and node.input[1] in draft.constants:
            weights, scales, axis = w.quantised_weights(node)
            extra = {"axis": axis} if np.ndim(scales) else {}
            zeros = w.constant(np.zeros(np.shape(scales), np.int8), "zero")
            inputs[1] = f"{node.name}_w"
            w.add("DequantizeLinear", [w.constant(weights, "w"), w.constant(scales, "scale"), zeros], [inputs[1]], **extra)
            if len(node.input) > 2 and draft.constants[node.input[2]].ndim == 1:
                bias, step = w.quantised_bias(node, scales)
                inputs[2] = f"{node.name}_b"
                w.add("DequantizeLinear", [w.constant(bias, "b"), w.constant(step, "scale")], [inputs[2]],
                      **({"axis": 0} if np.ndim(step) else {}))
        result = node.output[0]
        copy = helper.make_node(node.op_type, inputs, [f"{result}_r"], name=node.name)
        copy.attribute.extend(node.attribute)
        w.nodes.append(copy)
        quantise(result, f"{result}_r", integers and result in outputs)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(w.type)) if integers else TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, draft.shapes[n]) for n in draft.inputs]
    results = [helper.make_tensor_value_info(f"{n}_q" if integers else f"{n}_dq", kind, draft.shapes[n]) for n in outputs]
    return w.model(inputs, results)


MICROSOFT_UNARY = {"Sigmoid": "QLinearSigmoid", "LeakyRelu": "QLinearLeakyRelu"}
MICROSOFT_BINARY = {"Add": "QLinearAdd", "Mul": "QLinearMul"}
ON_INTEGERS = {"MaxPool", "Reshape", "Flatten", "Transpose", "Slice"}  # standard operators that take 8-bit tensors


def as_qoperator(draft):
    """Integer tensors between quantised operators; what has no such form is dequantised, computed and quantised."""
    w = Writer(draft)
    q = {}  # value of the draft: its integers

    def parameters(value, scalar=False):
        return w.scale_and_zero(value, scalar)

    def layer(node, result):
        weights, scales, _ = w.quantised_weights(node)
        x = node.input[0]
        weight = [w.constant(weights, "w"), w.constant(scales, "scale"), w.constant(np.zeros(np.shape(scales), np.int8), "zero")]
        y = parameters(result)
        if node.op_type == "MatMul":
            return w.add("QLinearMatMul", [q[x], *parameters(x), *weight, *y], [f"{result}_q"])
        operands = [q[x], *parameters(x), *weight]
        bias = [w.constant(w.quantised_bias(node, scales)[0].reshape(-1), "b")] if len(node.input) > 2 else []
        if node.op_type == "Conv":
            w.add("QLinearConv", [*operands, *y, *bias], [f"{result}_q"])
        else:
            w.add("QGemm", [*operands, *(bias or [""]), *y], [f"{result}_q"], "com.microsoft")
        w.nodes[-1].attribute.extend(node.attribute)

    def elsewhere(node, result):
        """Through float32."""
        inputs = list(node.input)
        for i, name in enumerate(inputs):
            if name in q:
                inputs[i] = f"{node.name}_in_{i}"
                w.add("DequantizeLinear", [q[name], *parameters(name)], [inputs[i]])
            elif name:
                inputs[i] = w.constant(draft.constants[name], "c")
        copy = helper.make_node(node.op_type, inputs, [f"{result}_r"], name=node.name)
        copy.attribute.extend(node.attribute)
        w.nodes.append(copy)
        w.add("QuantizeLinear", [f"{result}_r", *parameters(result)], [f"{result}_q"])

    for name in draft.inputs:
        w.add("QuantizeLinear", [name, *parameters(name)], [f"{name}_q"])
        q[name] = f"{name}_q"
    for node in draft.nodes:
        result, op, x = node.output[0], node.op_type, node.input[0]
        computed = [n for n in node.input if n in q]
        same = w.parameters[result] == w.parameters[x]
        if op in LAYERS and node.input[1] in draft.constants:
            layer(node, result)
        elif op == "MatMul":
            a, b = computed if len(computed) == 2 else computed * 2
            w.add("QLinearMatMul", [q[a], *parameters(a), q[b], *parameters(b), *parameters(result)], [f"{result}_q"])
        elif op in MICROSOFT_BINARY and len(node.input) == 2 and all(n in q for n in node.input):
            a, b = node.input
            operands = [q[a], *parameters(a, True), q[b], *parameters(b, True), *parameters(result, True)]
            w.add(MICROSOFT_BINARY[op], operands, [f"{result}_q"], "com.microsoft")
        elif op in MICROSOFT_UNARY:
            w.add(MICROSOFT_UNARY[op], [q[x], *parameters(x), *parameters(result)], [f"{result}_q"], "com.microsoft")
            w.nodes[-1].attribute.extend(node.attribute)
        elif op == "GlobalAveragePool":
            operands = [q[x], *parameters(x), *parameters(result)]
            w.add("QLinearGlobalAveragePool", operands, [f"{result}_q"], "com.microsoft", channels_last=0)
        elif op == "Concat":
            operands = [part for n in node.input for part in (q[n], *parameters(n))]
            w.add("QLinearConcat", [*parameters(result), *operands], [f"{result}_q"], "com.microsoft")
            w.nodes[-1].attribute.extend(node.attribute)
        elif op in ON_INTEGERS and same:
            others = [w.constant(draft.constants[n], "c") for n in node.input[1:]]
            w.add(op, [q[x], *others], [f"{result}_q"])
            w.nodes[-1].attribute.extend(node.attribute)
        else:
            elsewhere(node, result)
        q[result] = f"{result}_q"
    outputs = [n for n in draft.shapes if n not in draft.used and n not in draft.inputs]
    integers = draft.chance(0.5)
    for name in outputs:
        if not integers:
            w.add("DequantizeLinear", [q[name], *parameters(name)], [f"{name}_dq"])
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(w.type)) if integers else TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, draft.shapes[n]) for n in draft.inputs]
    results = [helper.make_tensor_value_info(f"{n}_q" if integers else f"{n}_dq", kind, draft.shapes[n]) for n in outputs]
    return w.model(inputs, results)
