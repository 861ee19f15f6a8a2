"""What docs/oracles.md says of ONNX Runtime's modes, checked on this machine and this version."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

import oracle
import quantised_graphs
import random_graphs


def model(op, constants, inputs, outputs, domain="", **attributes):
    """One node; operands in the order of inputs and constants as `order` in the attributes' place: names of both."""
    order = attributes.pop("order")
    node = helper.make_node(op, order, [o.name for o in outputs], domain=domain, **attributes)
    graph = helper.make_graph([node], "one", inputs, outputs, [numpy_helper.from_array(np.asarray(a), n) for n, a in constants.items()])
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13), helper.make_opsetid("com.microsoft", 1)])


def info(name, dtype, shape):
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)


def run(m, optimised=False, **feeds):
    return oracle.ort_session(m, optimised).run(None, feeds)[0]


def say(fact):
    print("checked: " + fact)


# QuantizeLinear: x / scale in float32, half to even, saturated.
x = np.array([-1000, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 1000], np.float32)
m = model("QuantizeLinear", {"s": np.float32(1), "z": np.int8(3)}, [info("x", np.float32, [8])], [info("y", np.int8, [8])],
          order=["x", "s", "z"])
assert run(m, x=x).tolist() == [-128, 1, 1, 3, 3, 5, 5, 127]
say("QuantizeLinear rounds half to even and saturates")

# QLinearMatMul and QLinearConv: round_half_even(acc * (sx * sw / sy)) + zy, the factor in float32.
random = np.random.default_rng(1)
for kind in (np.int8, np.uint8):
    sx, sw, sy = (np.float32(s) for s in (0.0173, 0.0091, 0.0437))
    zero = kind(5)
    a = oracle.random_array(random, [64, 96], kind)
    w = oracle.random_array(random, [96, 64], np.int8, -64, 63)
    sums = (a.astype(np.int32) - int(zero)) @ w.astype(np.int32)
    expected = np.clip(np.rint(sums.astype(np.float32) * (sx * sw / sy)) + 7, np.iinfo(kind).min, np.iinfo(kind).max)
    constants = {"sx": sx, "zx": zero, "w": w, "sw": sw, "zw": np.int8(0), "sy": sy, "zy": kind(7)}
    m = model("QLinearMatMul", constants, [info("x", kind, a.shape)], [info("y", kind, sums.shape)],
              order=["x", "sx", "zx", "w", "sw", "zw", "sy", "zy"])
    assert np.array_equal(run(m, x=a), expected)
    constants["w"] = w.T[:, :, None, None]
    m = model("QLinearConv", constants, [info("x", kind, [64, 96, 1, 1])], [info("y", kind, [64, 64, 1, 1])],
              order=["x", "sx", "zx", "w", "sw", "zw", "sy", "zy"])
    assert np.array_equal(run(m, x=a[:, :, None, None])[:, :, 0, 0], expected)
say("QLinearMatMul and QLinearConv are round_half_even(sum * (sx * sw / sy)) + zy in float32, bit for bit, with 7-bit weights")

# 8-bit weights: u8 x s8 products are added in pairs, which saturate at 16 bits on x86 without VNNI.
say(f"u8 x s8 products of full range {'are exact' if oracle.ort_is_exact() else 'SATURATE'} on this processor")

# Graph optimisation fuses QDQ into integer operators: another rounding.
differing = elements = 0
for seed in range(40):
    try:
        m = quantised_graphs.as_qdq(random_graphs.draw("qdq", seed))
        plain, fused = (oracle.ort_samples(m, 2, optimised=o)[1] for o in (False, True))
    except Exception:  # a graph that the runtime refuses says nothing here
        continue
    for p, f in zip(plain, fused):
        differing += np.count_nonzero(p != f)
        elements += p.size
assert differing > 0
say(f"QDQ: with graph optimisation {differing} of {elements} elements of 40 random graphs differ from the nodes as they stand")
