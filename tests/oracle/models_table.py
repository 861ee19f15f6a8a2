"""The table of docs/models.md, from `heddle inspect --json` and `heddle verify --json` on every model."""
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import oracle

HEAD = """# The models, and what becomes of them

Written by `scripts/models-table` from `heddle inspect --json` and `heddle verify --json`: every model of `../shared/models` and of
`models/`. *Exact*: elements of the reference's outputs that equal the expected ones; the emitted C equals the reference in every row
that names no divergence. *Import*: wall time of `heddle inspect`, the least of three, process start included, on a machine
that others used too; build: {build}.

| model | dialect found | nodes | vectors | exact | largest difference | stored activations | import |
|---|---|---|---|---|---|---|---|
"""


def heddle(*arguments):
    done = subprocess.run([oracle.TOOL, *map(str, arguments)], capture_output=True, text=True)
    try:
        return json.loads(done.stdout), done
    except json.JSONDecodeError:
        return None, done


def first_error(done):
    lines = [l for l in done.stderr.splitlines() if "error:" in l]
    return (lines or [f"exit status {done.returncode}"])[0].split("error:")[-1].strip().replace("|", "\\|")


def vectors_of(model, folder):
    """(description, arguments of verify) for a model; random inputs of an oracle where there are none."""
    if (model.parent / "expected").is_dir():
        numbers = sorted(p.stem for p in (model.parent / "expected").glob("*.bin"))
        return f"{len(numbers)} shipped", ["--inputs", *(model.parent / f"input/{n}.bin" for n in numbers),
                                           "--expected", *(model.parent / f"expected/{n}.bin" for n in numbers)]
    for inputs, outputs in ((model.parent / "inputs.npz", model.parent / "outputs.npz"), (model.with_suffix(".npz"),) * 2):
        if inputs.exists():
            arguments = ["--inputs", inputs, "--expected", outputs]
            if (model.parent / "activations.npz").exists():
                arguments += ["--activations", model.parent / "activations.npz"]
            return "shipped", arguments
    try:
        samples = oracle.litert_samples if model.suffix == ".tflite" else oracle.ort_samples
        inputs, outputs = samples(model, 100, 1)
    except Exception:  # no such package, or a model that it refuses
        return "20 random ones", ["--random", 20]
    oracle.write_npz(folder / "in.npz", "input", inputs)
    oracle.write_npz(folder / "out.npz", "output", outputs)
    return f"100 of {'LiteRT' if model.suffix == '.tflite' else 'ONNX Runtime'}", ["--inputs", folder / "in.npz", "--expected", folder / "out.npz"]


def row(model, root, folder):
    name = model.relative_to(root)
    times = []
    for _ in range(3):
        begin = time.monotonic()
        inspected, done = heddle("inspect", model, "--json")
        times.append(time.monotonic() - begin)
    if inspected is None:
        return [name, f"refused: {first_error(done)}", "", "", "", "", "", ""]
    description, arguments = vectors_of(model, folder)
    verified, done = heddle("verify", model, *arguments, "--json")
    cells = [name, inspected["dialect"], len(inspected["nodes"]), description]
    if verified is None:
        return cells + [first_error(done), "", "", f"{min(times) * 1000:.0f} ms"]
    expected = [c for c in verified if c["what"].endswith("expected outputs")] or verified[-1:]
    outputs = [o for c in expected for o in c["outputs"]]
    elements, differing = sum(o["elements"] for o in outputs), sum(o["differing"] for o in outputs)
    largest = max((o["largest_difference"] or 0 for o in outputs), default=0)
    activations = [f"{c['arrays'] - len(c['unmatched'])} of {c['arrays']}" for c in verified if "arrays" in c]
    emitted = [c["first_divergence"] for c in verified if c["what"].startswith("emitted") and not c["met"]]
    if not any(c["what"].endswith("expected outputs") for c in verified):
        description = cells[3] = f"{description}: emitted C against the reference"
    exact = f"{elements - differing:,} of {elements:,}" + "".join(f"; emitted C: {e}" for e in emitted)
    return cells + [exact, f"{largest:.3g}", ", ".join(activations), f"{min(times) * 1000:.0f} ms"]


def build_of(cache):
    """The build type and its flags: "Release, -O3 -DNDEBUG"."""
    values = dict(line.split("=", 1) for line in cache.read_text().splitlines() if "=" in line and line[:1].isalpha())
    kind = values.get("CMAKE_BUILD_TYPE:STRING", "")
    return f"{kind}, {values.get(f'CMAKE_CXX_FLAGS_{kind.upper()}:STRING', '')}"


def main():
    rows = []
    for root in (oracle.SHARED, oracle.SOURCE / "models"):
        models = sorted(p for p in root.rglob("*") if p.suffix in (".onnx", ".tflite"))
        for model in models:
            with tempfile.TemporaryDirectory() as folder:
                cells = row(model, root, pathlib.Path(folder))
            cells[0] = f"`{'../shared/models' if root == oracle.SHARED else 'models'}/{cells[0]}`"
            rows.append("| " + " | ".join(map(str, cells)) + " |")
            print(rows[-1], flush=True)
    build = build_of(pathlib.Path(oracle.TOOL).parents[2] / "CMakeCache.txt")
    pathlib.Path(sys.argv[1]).write_text(HEAD.format(build=build) + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
