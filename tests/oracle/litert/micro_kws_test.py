"""100 random inputs through LiteRT and Heddle: equal, bit for bit, in LiteRT's optimised and in its reference kernels."""
import numpy as np

import oracle

model = oracle.need(oracle.SHARED / "micro_kws/int8.tflite")
inputs, outputs = oracle.litert_samples(model, 100, seed=1)
_, by_reference = oracle.litert_samples(model, 100, seed=1, reference=True)
for optimised, reference in zip(outputs, by_reference):
    print(f"LiteRT's own kernels among themselves: {np.count_nonzero(optimised != reference)} of {reference.size} elements differ")
oracle.summary(oracle.verify(model, inputs, outputs))
