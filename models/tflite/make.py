#!/usr/bin/env python3
"""Makes small TFLite networks for what the MLPerf Tiny ones lack: other types, more operators, one-dimensional forms.

`uint8` and `int4` no longer come out of TensorFlow 2's converter: they are rewritten from an int8 file with the schema that
TensorFlow carries, and LiteRT runs the result.
"""

import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
import flatbuffers
import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import common

SEED = 7
K = tf.keras.layers
INT8 = tf.lite.OpsSet.TFLITE_BUILTINS_INT8
INT16 = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8


# ---- Networks ----


def image():
    return K.Input((12, 10, 3), batch_size=1, name="input")


def cnn():
    """Convolutions with and without padding, multiplier 2, strides, pools, dense, softmax."""
    x = image()
    y = K.Conv2D(8, 3, padding="same", activation="relu")(x)
    y = K.DepthwiseConv2D(3, 2, padding="same", depth_multiplier=2, activation="relu6")(y)
    y = K.Conv2D(12, 1)(y)
    y = K.AveragePooling2D(2, 2)(y)
    y = K.Conv2D(8, (2, 2), dilation_rate=1, activation="relu")(y)
    y = K.Flatten()(y)
    return tf.keras.Model(x, K.Softmax()(K.Dense(7)(y)))


def branches():
    """Branches that meet again: PAD, MAX_POOL, CONCATENATION, ADD, SUB, MUL, LOGISTIC, TANH, HARD_SWISH, MEAN, a dilated convolution."""
    x = image()
    a = K.Conv2D(6, 3, padding="valid", activation="relu")(K.ZeroPadding2D(((1, 1), (2, 0)))(x))
    b = K.Conv2D(6, 3, padding="same", dilation_rate=2)(x)
    c = K.Concatenate()([a, tf.keras.ops.tanh(b)])
    c = K.MaxPooling2D(3, 2, padding="same")(c)
    d = K.Conv2D(12, 1)(c)
    gate = K.Activation("sigmoid")(K.Conv2D(12, 1)(c))
    e = K.Multiply()([d, gate])
    f = K.Subtract()([e, c])
    f = K.Activation("hard_swish")(K.Conv2D(12, 3, padding="same")(f))
    f = K.Add()([f, d])
    f = K.AveragePooling2D(2, 1, padding="same")(f)
    return tf.keras.Model(x, K.Dense(5)(tf.keras.ops.mean(f, axis=(1, 2))))


def sound():
    """One-dimensional convolutions as TensorFlow writes them (EXPAND_DIMS or RESHAPE around CONV_2D), leaky ReLU and TRANSPOSE."""
    x = K.Input((32, 6), batch_size=1, name="input")
    y = K.Conv1D(8, 5, strides=2, padding="same", activation="relu")(x)
    y = K.Conv1D(8, 3, padding="causal")(y)
    y = K.LeakyReLU(negative_slope=0.25)(y)
    y = K.Permute((2, 1))(y)
    y = K.Reshape((8, 4, 4))(y)
    y = K.Conv2D(6, 3, padding="same", activation="relu6")(y)
    return tf.keras.Model(x, K.Dense(4)(K.Flatten()(y)))


def seed_weights(model, data):
    """Weights so that every layer's outputs over `data` have deviation about 1."""
    rng = np.random.default_rng(SEED)
    for layer in model.layers:
        weights = layer.get_weights()
        if not weights:
            continue
        kernel, bias = weights
        kernel = rng.normal(size=kernel.shape).astype(np.float32)
        layer.set_weights([kernel, np.zeros_like(bias)])
        y = tf.keras.Model(model.inputs[0], layer.output).predict(data, verbose=0, batch_size=1)
        kernel = kernel / max(float(y.std()), 1e-3) * rng.uniform(0.5, 1.5, size=(1,) * (kernel.ndim - 1) + (kernel.shape[-1],))
        layer.set_weights([kernel.astype(np.float32), rng.normal(0, 0.4, bias.shape).astype(np.float32)])
    return model


# ---- Conversion ----


def convert(model, data, ops=INT8, edge=tf.int8, per_channel=True):
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([x[None]] for x in data)
    converter.target_spec.supported_ops = [ops]
    converter.inference_input_type = converter.inference_output_type = edge
    converter._experimental_disable_per_channel = not per_channel
    return converter.convert()


def read(data):
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))


def write(model):
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def as_uint8(data):
    """int8 tensors of a file quantised per tensor, as uint8: values and zero points 128 larger, the real values the same."""
    model = read(data)
    for tensor in model.subgraphs[0].tensors:
        if tensor.type != schema.TensorType.INT8:
            continue
        tensor.type = schema.TensorType.UINT8
        tensor.quantization.zeroPoint = [int(z) + 128 for z in tensor.quantization.zeroPoint]
        buffer = model.buffers[tensor.buffer]
        if buffer.data is not None and len(buffer.data):
            buffer.data = (np.frombuffer(bytes(buffer.data), np.int8).astype(np.int16) + 128).astype(np.uint8)
    for code in model.operatorCodes:
        code.version = 1
    return write(model)


def as_int4(data):
    """The weights of CONV_2D and FULLY_CONNECTED as int4, two in a byte, the first in the low half."""
    model = read(data)
    graph = model.subgraphs[0]
    codes = [max(c.builtinCode, c.deprecatedBuiltinCode) for c in model.operatorCodes]
    packed = (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.FULLY_CONNECTED)
    for operator in graph.operators:
        if codes[operator.opcodeIndex] not in packed:
            continue
        tensor = graph.tensors[operator.inputs[1]]
        values = np.frombuffer(bytes(model.buffers[tensor.buffer].data), np.int8)
        values = np.clip(np.round(values / 18), -7, 7).astype(np.int8)
        if values.size % 2:
            values = np.append(values, np.int8(0))
        nibbles = values.view(np.uint8) & 15
        model.buffers[tensor.buffer].data = nibbles[0::2] | nibbles[1::2] << 4
        tensor.type = schema.TensorType.INT4
        tensor.quantization.scale = [np.float32(s) * np.float32(18) for s in tensor.quantization.scale]
        tensor.quantization.min = tensor.quantization.max = None
        # The bias keeps its real value under the new scale of the products.
        bias = graph.tensors[operator.inputs[2]]
        ints = np.frombuffer(bytes(model.buffers[bias.buffer].data), np.int32)
        model.buffers[bias.buffer].data = np.round(ints / 18).astype(np.int32).view(np.uint8)
        x_scale = np.float32(graph.tensors[operator.inputs[0]].quantization.scale[0])
        bias.quantization.scale = [x_scale * np.float32(s) for s in tensor.quantization.scale]
    for code in model.operatorCodes:
        if max(code.builtinCode, code.deprecatedBuiltinCode) in packed:
            code.version = 7
    return write(model)


def operators(data):
    model = read(data)
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    used = [model.operatorCodes[o.opcodeIndex] for o in model.subgraphs[0].operators]
    return " ".join(names[max(c.builtinCode, c.deprecatedBuiltinCode)] for c in used)


def emit(name, data, real):
    path = HERE / f"{name}.tflite"
    path.write_bytes(data)
    interpreter = tf.lite.Interpreter(str(path))
    detail = interpreter.get_input_details()[0]
    x = real
    if detail["dtype"] != np.float32:
        scale, zero_point = detail["quantization"]
        limits = np.iinfo(detail["dtype"])
        x = np.clip(np.round(real / scale) + zero_point, limits.min, limits.max).astype(detail["dtype"])
    print(f"{path.name}: {len(data)} bytes: {operators(data)}")
    common.save_vectors(path.with_suffix(".npz"), [x], common.litert_outputs(path, [x]))


def main():
    rng = np.random.default_rng(SEED)
    images = np.floor(rng.uniform(0, 64, (64, 12, 10, 3))).astype(np.float32) / 32 - 1
    sounds = np.floor(rng.uniform(0, 64, (64, 32, 6))).astype(np.float32) / 32 - 1
    tests = rng.uniform(-1, 1, (5, 12, 10, 3)).astype(np.float32)
    made = seed_weights(cnn(), images)
    logits = tf.keras.Model(made.inputs[0], made.layers[-2].output)
    emit("int16x8", convert(logits, images, INT16, tf.int16), tests)
    emit("uint8_edges", convert(made, images, edge=tf.uint8), tests)
    emit("float_edges", convert(made, images, edge=tf.float32), tests)
    per_tensor = convert(logits, images, per_channel=False)
    emit("uint8", as_uint8(per_tensor), tests)
    emit("int4", as_int4(convert(logits, images)), tests)
    emit("branches", convert(seed_weights(branches(), images), images), tests)
    emit("sound", convert(seed_weights(sound(), sounds), sounds), rng.uniform(-1, 1, (5, 32, 6)).astype(np.float32))


if __name__ == "__main__":
    main()
