#!/usr/bin/env python3
"""Makes digits_qdq.onnx and digits_int8.tflite: the trained network of digits.onnx, in float32 again, quantised by others' tools.

A Conv and its shift by 2^k become a Conv whose weights and bias are divided by 2^k; the floor goes. The calibration digits are the first
100 of sample.npz; the vectors are the other 100, so the accuracy is theirs.
"""

import os
import pathlib
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "mlperf_tiny")]
import common

SPLIT = 100


def parameters():
    """name -> (weight, bias) in float32."""
    model = onnx.load(HERE / "digits.onnx")
    constants = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    names = ("conv1", "conv2", "res_conv1", "res_conv2", "dense")
    return {n: tuple(constants[f"{n}_{part}"] / constants[f"{n}_divisor"] for part in ("weight", "bias")) for n in names}


def float_onnx(weights):
    nodes, constants = [], []

    def add(op, y, *inputs, **attributes):
        nodes.append(helper.make_node(op, inputs, [y], y, **attributes))
        return y

    def linear(op, name, x, **attributes):
        for part, array in zip(("weight", "bias"), weights[name]):
            constants.append(numpy_helper.from_array(array.astype(np.float32), f"{name}_{part}"))
        return add(op, name, x, f"{name}_weight", f"{name}_bias", **attributes)

    three = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    x = add("Relu", "relu1", linear("Conv", "conv1", "image", **three))
    x = add("MaxPool", "pool1", x, kernel_shape=[2, 2], strides=[2, 2])
    x = add("Relu", "relu2", linear("Conv", "conv2", x, strides=[2, 2], **three))
    y = add("Relu", "relu3", linear("Conv", "res_conv1", x, **three))
    y = linear("Conv", "res_conv2", y, **three)
    x = add("Relu", "relu4", add("Add", "res_add", x, y))
    x = add("Flatten", "flatten", add("MaxPool", "pool2", x, kernel_shape=[3, 3], strides=[2, 2]))
    x = linear("Gemm", "dense", x, transB=1)
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 28, 28])],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, [1, 10])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8, producer_name="heddle")


def keras(weights):
    import tensorflow as tf

    K = tf.keras.layers

    def conv(name, x, strides=1, activation="relu"):
        # Pads of 1 on every side, which is not TensorFlow's SAME where the stride is 2.
        layer = K.Conv2D(len(weights[name][1]), 3, strides, activation=activation, name=name)
        y = layer(K.ZeroPadding2D(1)(x))
        layer.set_weights([weights[name][0].transpose(2, 3, 1, 0), weights[name][1]])
        return y

    image = K.Input((28, 28, 1), batch_size=1, name="image")
    x = K.MaxPooling2D(2)(conv("conv1", image))
    x = conv("conv2", x, 2)
    y = conv("res_conv2", conv("res_conv1", x), activation=None)
    x = K.ReLU()(K.Add()([x, y]))
    x = K.Flatten()(K.MaxPooling2D(3, 2)(x))
    dense = K.Dense(10, name="dense")
    y = dense(x)
    weight, bias = weights["dense"]
    # Columns in the order of NHWC.
    dense.set_weights([weight.reshape(10, 32, 3, 3).transpose(2, 3, 1, 0).reshape(288, 10), bias])
    return tf.keras.Model(image, y)


def report(path, inputs, outputs, labels):
    right = np.count_nonzero(outputs[0].argmax(1) == labels)
    print(f"{path.name}: {right} of {len(labels)} right")
    common.save_npz(path.with_suffix(".npz"), {"input": inputs[0], "labels": labels, "output": outputs[0]})


def make_qdq(weights, images, labels):
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        samples = iter(images[:SPLIT])

        def get_next(self):
            x = next(self.samples, None)
            return None if x is None else {"image": x[None]}

    path = HERE / "digits_qdq.onnx"
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "float.onnx"
        common.save_onnx(float_onnx(weights), source)
        quantize_static(
            source,
            path,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
        )
    common.save_onnx(onnx.load(path), path)
    report(path, [images[SPLIT:]], common.onnxruntime_outputs(path, [images[SPLIT:]]), labels[SPLIT:])


def make_tflite(weights, images, labels):
    import make_tflite as tiny

    path = HERE / "digits_int8.tflite"
    images = images.transpose(0, 2, 3, 1)
    path.write_bytes(tiny.convert(keras(weights), images[:SPLIT]))
    interpreter = tiny.tf.lite.Interpreter(str(path))
    scale, zero_point = interpreter.get_input_details()[0]["quantization"]
    x = np.clip(np.round(images[SPLIT:] / scale) + zero_point, -128, 127).astype(np.int8)
    report(path, [x], common.litert_outputs(path, [x]), labels[SPLIT:])


def main():
    with np.load(HERE / "sample.npz") as sample:
        images, labels = sample["input"].astype(np.float32), sample["labels"]
    weights = parameters()
    make_qdq(weights, images, labels)
    make_tflite(weights, images, labels)


if __name__ == "__main__":
    main()
