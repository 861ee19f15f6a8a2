"""What the oracle tests share: ONNX Runtime and LiteRT in the modes that are exact (docs/oracles.md), seeded inputs,
npz files, and calls of `heddle verify`."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

SOURCE = pathlib.Path(os.environ.get("HEDDLE_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
TOOL = os.environ.get("HEDDLE_TOOL", str(SOURCE / "build/src/main/heddle"))
SHARED = pathlib.Path(os.environ.get("HEDDLE_SHARED", SOURCE.parent / "shared")) / "models"


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def need(path):
    """The path, if it is there; else the test is skipped."""
    if not pathlib.Path(path).exists():
        skip(f"{path} is absent")
    return path


# ---- ONNX Runtime

def ort_session(model, optimised=False):
    """A session of a file, ModelProto or bytes. Not optimised: every node runs as its specification says, one thread."""
    import onnxruntime as ort
    ort.set_default_logger_severity(4)
    options = ort.SessionOptions()
    options.graph_optimization_level = (ort.GraphOptimizationLevel.ORT_ENABLE_ALL if optimised
                                        else ort.GraphOptimizationLevel.ORT_DISABLE_ALL)
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    if isinstance(model, (str, pathlib.Path)):
        model = str(model)
    elif not isinstance(model, bytes):
        model = model.SerializeToString()
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def ort_is_exact():
    """Whether sums of u8 x s8 products of full range are right on this processor: without VNNI, x86 adds them in pairs that
    saturate at 16 bits."""
    from onnx import TensorProto, helper, numpy_helper
    graph = helper.make_graph([helper.make_node("MatMulInteger", ["x", "w"], ["y"])], "products",
                              [helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 64])],
                              [helper.make_tensor_value_info("y", TensorProto.INT32, [1, 16])],
                              [numpy_helper.from_array(np.full([64, 16], 127, np.int8), "w")])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
    return ort_session(model).run(None, {"x": np.full([1, 64], 255, np.uint8)})[0][0, 0] == 255 * 127 * 64


ORT_TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int8)": np.int8, "tensor(uint8)": np.uint8,
             "tensor(int16)": np.int16, "tensor(uint16)": np.uint16, "tensor(int32)": np.int32, "tensor(int64)": np.int64}


def random_array(random, shape, dtype, low=None, high=None):
    """Integers over their whole type, floats in [-1, 1), unless told otherwise."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return random.uniform(-1 if low is None else low, 1 if high is None else high, shape).astype(dtype)
    info = np.iinfo(dtype)
    return random.integers(info.min if low is None else low, info.max if high is None else high, shape,
                           dtype=np.int64, endpoint=True).astype(dtype)


def ort_samples(model, samples, seed=0, low=None, high=None, optimised=False):
    """(inputs, outputs) of ONNX Runtime: lists of arrays [samples, *shape], in the graph's order. Open dimensions are 1."""
    session = ort_session(model, optimised)
    random = np.random.default_rng(seed)
    inputs, outputs = [], []
    for _ in range(samples):
        feeds = {i.name: random_array(random, [d if isinstance(d, int) else 1 for d in i.shape], ORT_TYPES[i.type], low, high)
                 for i in session.get_inputs()}
        inputs.append(list(feeds.values()))
        outputs.append(session.run(None, feeds))
    return stack(inputs), stack(outputs)


def stack(samples):
    return [np.stack(arrays) for arrays in zip(*samples)]


# ---- LiteRT

def litert_interpreter(model, mode="default"):
    """`default`: XNNPACK where it has a kernel; `kernels`: LiteRT's own optimised ones; `reference`: its reference kernels."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType
    resolver = {"default": OpResolverType.BUILTIN, "kernels": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                "reference": OpResolverType.BUILTIN_REF}[mode]
    source = {"model_content": model} if isinstance(model, bytes) else {"model_path": str(model)}
    interpreter = Interpreter(**source, experimental_op_resolver_type=resolver, num_threads=1)
    interpreter.allocate_tensors()
    return interpreter


def litert_samples(model, samples, seed=0, low=None, high=None, mode="default"):
    """The same as ort_samples, of LiteRT."""
    interpreter = litert_interpreter(model, mode)
    random = np.random.default_rng(seed)
    inputs, outputs = [], []
    for _ in range(samples):
        inputs.append([])
        for detail in interpreter.get_input_details():
            inputs[-1].append(random_array(random, detail["shape"], detail["dtype"], low, high))
            interpreter.set_tensor(detail["index"], inputs[-1][-1])
        interpreter.invoke()
        outputs.append([interpreter.get_tensor(d["index"]).copy() for d in interpreter.get_output_details()])
    return stack(inputs), stack(outputs)


# ---- heddle

def write_npz(path, kind, arrays):
    """`input_0`, `input_1` ...: what `heddle verify` binds in order."""
    np.savez(path, **{f"{kind}_{i}": array for i, array in enumerate(arrays)})


def verify(model, inputs, outputs, *arguments):
    """Runs `heddle verify` on arrays [samples, *shape]; its comparisons as JSON. Raises with its text where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        files = {kind: f"{folder}/{kind}.npz" for kind in ("input", "output")}
        write_npz(files["input"], "input", inputs)
        write_npz(files["output"], "output", outputs)
        command = [TOOL, "verify", str(model), "--inputs", files["input"], "--expected", files["output"], *map(str, arguments)]
        done = subprocess.run(command + ["--json"], capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout)


def summary(comparisons):
    """One line a comparison."""
    for c in comparisons:
        if "exact" in c:
            differing = sum(o["differing"] for o in c["outputs"])
            elements = sum(o["elements"] for o in c["outputs"])
            print(f"{c['what']}: {c['exact']} of {c['samples']} samples exact, {differing} of {elements} elements differ")
