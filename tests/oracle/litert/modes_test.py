"""What docs/oracles.md says of LiteRT's modes: which kernels round once, which twice. Counts elements of the reference that
differ from each mode under each rounding, on the networks of ../shared/models."""
import sys

import oracle

MODES = {"XNNPACK": {"delegate": True}, "optimised kernels": {}, "reference kernels": {"reference": True}}
# (network, rounding, mode): exact
EXACT = [("micro_kws/int8", "half_up", "XNNPACK"), ("mlperf_tiny/kws/model", "half_up", "XNNPACK"),
         ("mlperf_tiny/kws/model", "tflite_double", "optimised kernels"), ("mlperf_tiny/kws/model", "tflite_double", "reference kernels"),
         ("mlperf_tiny/ad/model", "half_up", "XNNPACK"), ("mlperf_tiny/ad/model", "half_up", "reference kernels")]

failed = False
for network in ("micro_kws/int8", "mlperf_tiny/kws/model", "mlperf_tiny/ad/model"):
    model = oracle.need(oracle.SHARED / f"{network}.tflite")
    for mode, choice in MODES.items():
        inputs, outputs = oracle.litert_samples(model, 20, seed=1, **choice)
        for rounding in ("half_up", "tflite_double"):
            comparison = oracle.compare(model, inputs, outputs, "--rounding", rounding)
            differing = sum(o["differing"] for o in comparison["outputs"])
            wanted = (network, rounding, mode) in EXACT
            failed = failed or (wanted and differing > 0)
            print(f"{network}, {rounding}, {mode}: {differing} of {comparison['outputs'][0]['elements']} elements differ"
                  + (", none may" if wanted and differing else ""))
sys.exit(failed)
