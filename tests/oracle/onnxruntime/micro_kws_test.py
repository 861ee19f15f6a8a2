"""100 random inputs through ONNX Runtime and Heddle, QDQ and QOperator: at most 1 LSB on at most 0.1 % of the elements."""
import oracle

for form in ("qdq", "qoperator"):
    model = oracle.need(oracle.SHARED / f"micro_kws/{form}.onnx")
    inputs, outputs = oracle.ort_samples(model, 100, seed=1, low=-5, high=5)
    for soc in ("cpu_only", "diana"):
        print(f"{form}, {soc}")
        oracle.summary(oracle.verify(model, inputs, outputs, "--soc", soc, "--max-lsb", 1, "--max-fraction", 0.001))
