"""Every model of models/ (one operator each, make_models.py) against LiteRT, in the modes that docs/oracles.md states.

`heddle`'s single rounding against LiteRT's default mode, `--rounding tflite_double` against its reference kernels: equal but
for the rows of LOOSE.
"""
import os
import pathlib
import sys
import tempfile

import oracle
import random_check

SAMPLES = 20
MODES = {"default": [], "reference": ["rounding=tflite_double"]}
# What a mode does otherwise: at most 1 LSB on at most this share of the elements.
LOOSE = {
    "default": {
        # XNNPACK multiplies in float32: elements next to a half may fall on its other side.
        "depthwise_multiplier": 0.001, "mul": 0.005, "mul_uint8": 0.005, "mul_broadcast": 0.05,
        # XNNPACK adds, and rescales, with fewer bits.
        "add": 0.02, "add_uint8": 0.02, "sub": 0.02, "leaky_relu": 0.06, "requantize": 0.1, "requantize_up": 0.03,
        # Not XNNPACK but LiteRT's optimised kernel, which rounds twice.
        "conv_int4": 0.03,
    },
    # The reference kernel of FULLY_CONNECTED rounds once.
    "reference": {name: 0.03 for name in ("dense", "dense_int4", "dense_keep", "dense_no_bias", "dense_uint8", "dense_per_channel",
                                          "dense_int16")},
}
# The reference kernels have no ELU, and their SUM is off by the zero point.
ABSENT = {"reference": {"elu", "sum"}}


def draw(model, mode, folder):
    inputs, outputs = oracle.litert_samples(model, SAMPLES, seed=1, mode=mode)
    stem = folder / f"{mode}_{model.stem}"
    oracle.write_npz(f"{stem}.in.npz", "input", inputs)
    oracle.write_npz(f"{stem}.out.npz", "output", outputs)
    loose = ["max-lsb=1"] if model.stem in LOOSE[mode] else []
    return "\t".join([str(model), f"{stem}.in.npz", f"{stem}.out.npz", *MODES[mode], *loose])


def main():
    program = os.environ.get("HEDDLE_CHECK_MANY", str(oracle.SOURCE / "build/tests/oracle/check_many/check_many"))
    models = sorted((pathlib.Path(__file__).parent / "models").glob("*.tflite"))
    failures, elements = [], 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for mode in MODES:
            chosen = [m for m in models if m.stem not in ABSENT.get(mode, ())]
            verdicts = random_check.check(program, [draw(m, mode, folder) for m in chosen], folder)
            for model, verdict in zip(chosen, verdicts):
                text = random_check.complaint(verdict)
                share = verdict.get("differing", 0) / verdict.get("elements", 1)
                if not text and share > LOOSE[mode].get(model.stem, 0):
                    text = f"{share:.2%} of the elements differ"
                if text:
                    failures.append(f"{mode} {model.stem}: {text.strip()}")
                elements += verdict.get("elements", 0)
            print(f"{mode}: {len(chosen)} models, {sum(not m.stem in LOOSE[mode] for m in chosen)} of them without tolerance")
    print(f"{elements} elements compared")
    print("\n".join(failures))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
