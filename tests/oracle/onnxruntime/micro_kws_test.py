"""100 random inputs through ONNX Runtime and Heddle, QDQ and QOperator: at most 1 LSB on at most 0.1 % of the elements."""
import oracle

exact = oracle.ort_is_exact()
for form in ("qdq", "qoperator"):
    model = oracle.need(oracle.SHARED / f"micro_kws/{form}.onnx")
    if form == "qoperator" and not exact:
        print("qoperator left out: ONNX Runtime's 8-bit products saturate at 16 bits on this processor (docs/oracles.md)")
        continue
    inputs, outputs = oracle.ort_samples(model, 100, seed=1, low=-5, high=5)
    for soc in ("cpu_only", "diana"):
        print(f"{form}, {soc}")
        oracle.summary(oracle.verify(model, inputs, outputs, "--soc", soc, "--max-lsb", 1, "--max-fraction", 0.001))
