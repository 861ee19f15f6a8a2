#!/usr/bin/env python3
"""Makes {kws,ic,vww,ad}_int8.tflite and their vectors: Keras, then TensorFlow Lite's full integer conversion."""

import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
import numpy as np
import tensorflow as tf

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import common
import networks


def keras(net):
    layers = tf.keras.layers
    values = {"input": tf.keras.Input(net.shape, name="input", batch_size=1)}
    for layer in net.layers:
        x = [values[name] for name in layer.inputs]
        activation = "relu" if layer.relu else None
        if layer.kind == "conv":
            made = layers.Conv2D(layer.filters, layer.kernel, layer.stride, "same", activation=activation, name=layer.name)
        elif layer.kind == "depthwise":
            made = layers.DepthwiseConv2D(layer.kernel, layer.stride, "same", activation=activation, name=layer.name)
        elif layer.kind == "dense":
            made = layers.Dense(layer.filters, activation=activation, name=layer.name)
        elif layer.kind == "add":
            values[layer.name] = layers.ReLU(name=layer.name)(layers.Add()(x))
            continue
        elif layer.kind == "pool":
            size = x[0].shape[1:3]
            values[layer.name] = layers.Flatten()(layers.AveragePooling2D(size, name=layer.name)(x[0]))
            continue
        else:
            values[layer.name] = layers.Softmax(name=layer.name)(x[0])
            continue
        values[layer.name] = made(x[0])
        made.set_weights([layer.weight[..., None] if layer.kind == "depthwise" else layer.weight, layer.bias])
    return tf.keras.Model(values["input"], values[net.layers[-1].name])


def convert(model, calibration):
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([x[None]] for x in calibration)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def main():
    for net, calibration, inputs in networks.all_networks():
        path = HERE / f"{net.name}_int8.tflite"
        model = keras(net)
        path.write_bytes(convert(model, calibration))
        interpreter = tf.lite.Interpreter(str(path))
        scale, zero_point = interpreter.get_input_details()[0]["quantization"]
        x = np.clip(np.round(inputs / scale) + zero_point, -128, 127).astype(np.int8)
        outputs = common.litert_outputs(path, [x])
        scale, zero_point = interpreter.get_output_details()[0]["quantization"]
        exact = model(inputs).numpy()
        difference = np.abs((outputs[0].astype(float) - zero_point) * scale - exact).max()
        print(f"{path.name}: {path.stat().st_size} bytes")
        print(f"  largest difference from float32: {difference:.4f} of {np.abs(exact).max():.4f}")
        common.save_vectors(path.with_suffix(".npz"), [x], outputs)


if __name__ == "__main__":
    main()
