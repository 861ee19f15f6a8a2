"""`heddle inspect --emit-onnx`: what it writes passes ONNX's checker, and ONNX Runtime computes from it what the reference
does: integers exactly, real numbers within 1e-5 of the largest."""
import json
import pathlib
import subprocess
import tempfile

import numpy as np
import onnx

import oracle


def models():
    """Our own, and those of ../shared that the tool reads."""
    found = [file for suffix in ("onnx", "tflite") for file in (oracle.SOURCE / "models").rglob(f"*.{suffix}")]
    if oracle.SHARED.exists():
        found += [file for folder in ("integer_onnx", "micro_kws", "mlperf_tiny", "nemo_onnx")
                  for suffix in ("onnx", "tflite") for file in (oracle.SHARED / folder).rglob(f"*.{suffix}")]
        found.append(oracle.SHARED / "mnist_fp32.onnx")
    return sorted(found)


def run(*arguments):
    return subprocess.run([oracle.TOOL, *map(str, arguments)], capture_output=True, text=True)


def random_input(random, value):
    """One input of `heddle inspect --json`, over its proven range."""
    if value["type"] == "float32":
        return random.uniform(-1, 1, value["shape"]).astype(np.float32)
    low, high = value["range"]
    return random.integers(low, high, value["shape"], endpoint=True).astype(value["type"])


def against_reference(model, folder, inputs, outputs, criterion):
    """Raises unless the reference meets the outputs; what the emitted C does is the business of other tests."""
    oracle.write_npz(folder / "inputs.npz", "input", oracle.stack(inputs))
    oracle.write_npz(folder / "outputs.npz", "output", oracle.stack(outputs))
    done = run("verify", model, "--soc", "cpu_only", "--inputs", folder / "inputs.npz", "--expected", folder / "outputs.npz",
               *criterion, "--json")
    assert done.stdout, done.stderr
    reference = json.loads(done.stdout)[0]
    assert reference["what"].startswith("reference") and reference["met"], reference


def check(model, folder, samples=3):
    """What became of the model, in words; raises where something is wrong."""
    exported = folder / "exported.onnx"
    done = run("inspect", model, "--emit-onnx", exported)
    if done.returncode != 0:
        reasons = [line for line in done.stderr.splitlines() if "error:" in line]
        assert done.returncode == 1 and reasons, done.stderr
        assert "nobody" not in done.stderr, done.stderr  # the form is missing, not impossible
        return f"not written: {reasons[0].split('error: ', 1)[1]}"
    proto = onnx.load(exported)
    onnx.checker.check_model(proto, full_check=True)
    session = oracle.ort_session(exported)
    inspected = json.loads(run("inspect", model, "--json").stdout)
    random = np.random.default_rng(5)
    inputs, outputs = [], []
    for _ in range(samples):
        inputs.append([random_input(random, value) for value in inspected["inputs"]])
        outputs.append(session.run(None, dict(zip([i.name for i in session.get_inputs()], inputs[-1]))))
    real = any(array.dtype == np.float32 for array in outputs[0])
    against_reference(model, folder, inputs, outputs, ("--tolerance", "1e-5") if real else ())
    return f"{len(proto.graph.node)} nodes, {len(proto.functions)} functions, {'within 1e-5' if real else 'equal'}"


failed = 0
with tempfile.TemporaryDirectory() as folder:
    for model in models():
        name = model.relative_to(oracle.SOURCE if oracle.SOURCE in model.parents else oracle.SHARED)
        try:
            print(f"{name}: {check(model, pathlib.Path(folder))}", flush=True)
        except Exception as error:  # every model is tried
            failed += 1
            print(f"{name}: FAILED: {error}", flush=True)
assert failed == 0, f"{failed} models"
