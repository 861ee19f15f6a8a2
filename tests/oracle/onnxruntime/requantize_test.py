"""`heddle requantize`: what it writes passes ONNX's checker, and ONNX Runtime computes from it, in float32, the integers that
Heddle does."""
import json
import pathlib
import subprocess
import tempfile

import numpy as np
import onnx

import oracle

MODELS = oracle.SOURCE / "models"
# The model, its vectors, and what else is asked. Uneven pads, an unsigned input, sums, averages, ternary layers.
CASES = [
    ("digits/digits_int8.tflite", "digits/digits_int8.npz", ()),
    ("digits/digits_qdq.onnx", "digits/digits_qdq.npz", ("--ternary", "res_conv.")),
    ("mlperf_tiny/ic_int8.tflite", "mlperf_tiny/ic_int8.npz", ()),
    ("mlperf_tiny/ic_qdq.onnx", "mlperf_tiny/ic_qdq.npz", ()),
    ("mlperf_tiny/kws_qdq.onnx", "mlperf_tiny/kws_qdq.npz", ()),
    ("mlperf_tiny/ad_qdq.onnx", "mlperf_tiny/ad_qdq.npz", ()),
]


def run(*arguments):
    done = subprocess.run([oracle.TOOL, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    for model, vectors, more in CASES:
        written = folder / "shift.onnx"
        run("requantize", MODELS / model, "--for", "diana", "--calibration", MODELS / vectors, *more, "-o", written)
        onnx.checker.check_model(onnx.load(written), full_check=True)
        session = oracle.ort_session(written)
        [x] = json.loads(run("inspect", written, "--json"))["inputs"]
        random = np.random.default_rng(7)
        inputs = [random.integers(*x["range"], x["shape"], endpoint=True).astype(np.float32) for _ in range(3)]
        outputs = [session.run(None, {session.get_inputs()[0].name: array}) for array in inputs]
        oracle.write_npz(folder / "inputs.npz", "input", oracle.stack([[array.astype(x["type"])] for array in inputs]))
        oracle.write_npz(folder / "outputs.npz", "output", oracle.stack(outputs))
        print(model, *more, run("verify", written, "--soc", "cpu_only", "--inputs", folder / "inputs.npz", "--expected",
                                folder / "outputs.npz").splitlines()[0], flush=True)
