"""100 random inputs through LiteRT and Heddle: equal, bit for bit, to the kernels that round once (XNNPACK's)."""
import oracle

model = oracle.need(oracle.SHARED / "micro_kws/int8.tflite")
inputs, outputs = oracle.litert_samples(model, 100, seed=1, delegate=True)
oracle.summary(oracle.verify(model, inputs, outputs))
