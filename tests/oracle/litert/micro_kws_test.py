"""100 random inputs through LiteRT and Heddle: equal, bit for bit, where LiteRT rounds once (its default mode)."""
import numpy as np

import oracle

model = oracle.need(oracle.SHARED / "micro_kws/int8.tflite")
inputs, outputs = oracle.litert_samples(model, 100, seed=1)
for mode in ("kernels", "reference"):
    _, others = oracle.litert_samples(model, 100, seed=1, mode=mode)
    for output, other in zip(outputs, others):
        print(f"LiteRT's {mode} mode differs from its default on {np.count_nonzero(output != other)} of {output.size} elements")
oracle.summary(oracle.verify(model, inputs, outputs))
