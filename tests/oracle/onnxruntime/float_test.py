"""float32 networks within |a - b| <= 1e-5 * max|b| of ONNX Runtime; the emitted C equal to the reference bit for bit, which
`heddle verify` checks on the way.

  float_test.py singles|models [--only TEXT]"""
import argparse
import pathlib
import sys
import tempfile

import numpy as np
import onnx

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import float_models
import oracle

TOLERANCE = 1e-5


def reals(model):
    """Says that the inputs are real numbers: a network without a fractional constant may be one of integers."""
    return [word for i in model.graph.input for word in ("--input-type", f"{i.name}=float32")]


def held(name, model, oracle_model, samples):
    """False and the tool's words where a network is refused or too far away."""
    inputs, outputs = oracle.ort_samples(oracle_model, samples, seed=3, low=-3, high=3)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "network.onnx"
        path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
        try:
            oracle.verify(path, inputs, outputs, "--tolerance", TOLERANCE, *reals(oracle_model))
        except AssertionError as error:
            print(f"FAILED {name}: {error}")
            return False
    print(f"held {name}")
    return True


def upgraded(model):
    """Opset 13, for a runtime that no longer reads opset 1: the attributes `shape`, `axis` and `broadcast` become operands and
    reshapes. `axis` is taken to speak of images, rank 4."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.node[:]

    def shape(name, dims):
        copy.graph.initializer.append(onnx.numpy_helper.from_array(np.array(dims, np.int64), name))
        return name

    for node in model.graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        inputs = list(node.input)
        if node.op_type == "Reshape" and "shape" in attributes:
            inputs.append(shape(node.output[0] + "_shape", attributes.pop("shape")))
        if "broadcast" in attributes:
            attributes.pop("broadcast")
            if "axis" in attributes:
                aligned = node.output[0] + "_aligned"
                dims = [-1] + [1] * (3 - attributes.pop("axis"))
                copy.graph.node.append(onnx.helper.make_node("Reshape", [inputs[1], shape(aligned + "_shape", dims)], [aligned]))
                inputs[1] = aligned
        copy.graph.node.append(onnx.helper.make_node(node.op_type, inputs, list(node.output), **attributes))
    del copy.opset_import[:]
    copy.opset_import.append(onnx.helper.make_opsetid("", 13))
    copy.ir_version = 8
    return copy


def models():
    for shared in ("micro_kws/fp32.onnx", "mnist_fp32.onnx"):
        path = oracle.SHARED / shared
        if not path.exists():
            print(f"skipped {shared}: absent")
            continue
        model = onnx.load(path)
        old = model.opset_import[0].version < 7
        yield shared, path.read_bytes(), upgraded(model) if old else model, 20
    for layers in (1, 2):
        encoder = float_models.encoder(layers)
        yield f"encoder of {layers} layers", encoder, encoder, 5


def singles():
    for name, model in float_models.singles():
        yield name, model, upgraded(model) if model.opset_import[0].version < 7 and "opset 6" in name else model, 3


parser = argparse.ArgumentParser()
parser.add_argument("what", choices=["singles", "models"])
parser.add_argument("--only", default="")
options = parser.parse_args()
cases = [c for c in (models() if options.what == "models" else singles()) if options.only in c[0]]
failed = [c[0] for c in cases if not held(*c)]
print(f"{len(cases) - len(failed)} of {len(cases)} held")
if failed:
    sys.exit("failed: " + ", ".join(failed))
