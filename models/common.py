"""What the scripts that make models share: oracles and the files they write.

Each script is deterministic: seeds are fixed, files hold no date and no path. The oracles are ONNX Runtime with all graph
optimisations off, and LiteRT in its default mode; `models/README.md` has the versions that made the committed files.
"""

import io
import pathlib
import zipfile

import numpy as np

EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest date that a zip archive can hold


def save_npz(path, arrays):
    """A compressed .npz without dates: the same arrays give the same bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for key, array in arrays.items():
            data = io.BytesIO()
            np.lib.format.write_array(data, np.ascontiguousarray(array), allow_pickle=False)
            info = zipfile.ZipInfo(f"{key}.npy", EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data.getvalue())


def keys(kind, count):
    return [kind] if count == 1 else [f"{kind}_{i}" for i in range(count)]


def save_vectors(path, inputs, outputs):
    """`input` and `output`, or `input_0`.. and `output_0`.. in graph order; the first dimension counts the samples."""
    arrays = dict(zip(keys("input", len(inputs)), inputs))
    arrays.update(zip(keys("output", len(outputs)), outputs))
    for key, array in arrays.items():
        if key.startswith("output"):
            assert len(array) == 1 or not np.array_equal(array[0], array[-1]), f"{path}: {key} does not depend on the input"
    save_npz(path, arrays)
    size = pathlib.Path(path).stat().st_size
    print(f"{pathlib.Path(path).name}: {size} bytes, " + ", ".join(f"{k} {a.dtype}{list(a.shape)}" for k, a in arrays.items()))


def save_onnx(model, path, checked=True):
    """`checked`: by the ONNX checker, which does not know custom operators and mistyped dialects."""
    import onnx

    if checked:
        onnx.checker.check_model(model, full_check=True)
    data = model.SerializeToString(deterministic=True)
    pathlib.Path(path).write_bytes(data)
    print(f"{pathlib.Path(path).name}: {len(data)} bytes, {len(model.graph.node)} nodes")


def onnxruntime_outputs(path, inputs):
    """All outputs, for inputs with a leading dimension of samples, each run with batch 1."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    # Products of 8 bits are exact: some x86 kernels add u8 x s8 pairs in 16 bits and saturate.
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    runs = [session.run(None, {n: x[s : s + 1] for n, x in zip(names, inputs)}) for s in range(len(inputs[0]))]
    return [np.concatenate(outputs) for outputs in zip(*runs)]


def litert_outputs(path, inputs):
    """The same for TFLite, in LiteRT's default mode (docs/oracles.md); inputs in the model's own types."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(str(path), experimental_op_resolver_type=OpResolverType.BUILTIN, num_threads=1)
    interpreter.allocate_tensors()
    runs = []
    for s in range(len(inputs[0])):
        for detail, x in zip(interpreter.get_input_details(), inputs):
            interpreter.set_tensor(detail["index"], x[s : s + 1].reshape(detail["shape"]))
        interpreter.invoke()
        runs.append([interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()])
    return [np.concatenate(outputs) for outputs in zip(*runs)]
