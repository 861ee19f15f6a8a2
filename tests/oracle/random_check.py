"""Random graphs through ONNX Runtime and through Heddle, many in one process.

  random_check.py KIND [--count N] [--first SEED] [--c EVERY] [--keep FOLDER] [--check-many PROGRAM]

KIND is integer, float, qdq or qoperator. Integers must be equal; QDQ and QOperator at most 1 LSB away, on at most 0.1 %
of all elements; float within 1e-5 of the largest. With --c every EVERY-th network's C is built, run and held against
the reference too. Networks that fail are kept, each as the smallest of its kind that was found."""
import argparse
import collections
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx

import oracle
import quantised_graphs
import random_graphs

OPTIONS = {"integer": [], "float": ["tolerance=1e-5"], "qdq": ["max-lsb=1"], "qoperator": ["max-lsb=1"]}
MAX_FRACTION = 0.001
SAMPLES = 2


def model_of(kind, seed, most):
    draft = random_graphs.draw(kind, seed, most)
    if kind == "qdq":
        return quantised_graphs.as_qdq(draft)
    if kind == "qoperator":
        return quantised_graphs.as_qoperator(draft)
    return draft.model()


def draw(kind, seed, folder, most, refusals):
    """Writes model, inputs and ONNX Runtime's outputs; the line for check_many. Graphs that ONNX Runtime refuses are
    counted by its reason and drawn anew."""
    for attempt in range(100):
        low, high = (-128, 127) if kind == "integer" else (None, None)
        try:
            model = model_of(kind, seed + attempt * 1_000_003, most)
            inputs, outputs = oracle.ort_samples(model, SAMPLES, seed=seed, low=low, high=high)
        except Exception as error:  # the runtime's exceptions have no common type
            refusals[re.sub(r"_\d+|\d+", "", str(error).splitlines()[0])[:200]] += 1
            continue
        if any(np.array_equal(a, b) for a in inputs for b in outputs):
            refusals["an output is an input unchanged"] += 1  # nothing to compile
            continue
        if kind == "float" and ill_conditioned(model, inputs, outputs, seed):
            refusals["ill-conditioned"] += 1
            continue
        if kind == "integer":
            inputs = [np.floor(a) for a in inputs]
            outputs = rerun(model, inputs)
        break
    else:
        raise AssertionError(f"seed {seed}: ONNX Runtime refused 100 graphs: {refusals}")
    stem = folder / f"{kind}_{seed}"
    onnx.save(model, f"{stem}.onnx")
    oracle.write_npz(f"{stem}.in.npz", "input", inputs)
    oracle.write_npz(f"{stem}.out.npz", "output", outputs)
    types = [f"type={i.name}:int8" for i in model.graph.input] if kind == "integer" else []
    return "\t".join([f"{stem}.onnx", f"{stem}.in.npz", f"{stem}.out.npz", *OPTIONS[kind], *types])


def ill_conditioned(model, inputs, outputs, seed):
    """Whether a change of the inputs in their last bits shows in the outputs: rounding would, too."""
    random = np.random.default_rng(seed)
    changed = rerun(model, [a * (1 + random.choice([-1, 1], a.shape) * np.float32(2 ** -22)).astype(a.dtype) for a in inputs])
    return any(np.abs(b[s] - a[s]).max() > 2e-6 * np.abs(a[s]).max() for a, b in zip(outputs, changed) for s in range(SAMPLES))


def rerun(model, inputs):
    """ONNX Runtime on given inputs."""
    session = oracle.ort_session(model)
    names = [i.name for i in session.get_inputs()]
    outputs = [session.run(None, dict(zip(names, sample))) for sample in zip(*inputs)]
    return oracle.stack(outputs)


def check(program, lines, folder, emitted=False):
    """check_many's verdicts."""
    path = folder / ("list_c" if emitted else "list")
    path.write_text("".join(line + "\n" for line in lines))
    done = subprocess.run([program, str(path)] + (["--c"] if emitted else []), capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{program} ended with {done.returncode} after {done.stdout.count(chr(10))} networks:\n{done.stderr[-3000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def complaint(verdict):
    """What is wrong with one network, without its names and numbers; nothing if it is fine."""
    if "error" in verdict:
        return verdict["error"]
    if not verdict["met"]:
        return f"differs: {verdict['first']}"
    if not verdict.get("emitted", True):
        return f"emitted C differs: {verdict['emitted_first']}"
    return ""


def alike(text):
    """The first line without names and numbers."""
    return re.sub(r"`[^`]*_[^`]*`|\[[^\]]*\]|\S*_\d+\S*|[-+]?\d[\d.e+-]*", "*", text.splitlines()[0])


def keep(model, folder):
    """Copies the network and its vectors; the path of the model."""
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in (".onnx", ".in.npz", ".out.npz"):
        shutil.copy(model.removesuffix(".onnx") + suffix, folder)
    return folder / pathlib.Path(model).name


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=sorted(OPTIONS))
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--most", type=int, default=8, help="operators in a graph")
    parser.add_argument("--c", type=int, default=0)
    parser.add_argument("--keep", type=pathlib.Path, default=pathlib.Path(tempfile.gettempdir()) / "heddle-random")
    parser.add_argument("--check-many", default=oracle.SOURCE / "build/tests/oracle/check_many/check_many")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, refusals, begin = pathlib.Path(name), collections.Counter(), time.time()
        seeds = range(options.first, options.first + options.count)
        lines = [draw(options.kind, seed, folder, options.most, refusals) for seed in seeds]
        drawn = time.time()
        verdicts = check(options.check_many, lines, folder)
        if options.c:
            verdicts += check(options.check_many, lines[::options.c], folder, emitted=True)
        done = time.time()
        operators = collections.Counter(n.op_type for line in lines for n in onnx.load(line.split("\t")[0]).graph.node)
        elements = sum(v.get("elements", 0) for v in verdicts)
        differing = sum(v.get("differing", 0) for v in verdicts)
        print(f"{options.kind}: {len(lines)} networks, {sum('emitted' in v for v in verdicts)} of them as C; "
              f"{differing} of {elements} elements differ; drawn in {drawn - begin:.0f} s, checked in {done - drawn:.0f} s; "
              f"drawn anew: {sum(refusals.values())}")
        print("  operators: " + ", ".join(f"{op} {n}" for op, n in sorted(operators.items())))
        # Alike complaints once, with the smallest network.
        failed = collections.defaultdict(list)
        for verdict in verdicts:
            if text := complaint(verdict):
                failed[alike(text)].append((pathlib.Path(verdict["model"]).stat().st_size, verdict["model"], text))
        for group in sorted(failed.values(), key=len, reverse=True):
            _, model, text = min(group)
            print(f"{len(group)} like {keep(model, options.keep)}: {text.strip()[:1000]}")
        too_many = options.kind != "float" and differing > MAX_FRACTION * elements
        if too_many:
            print(f"more than {MAX_FRACTION:.1%} of the elements differ")
        sys.exit(1 if failed or too_many else 0)


if __name__ == "__main__":
    main()
