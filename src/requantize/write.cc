#include "requantize/write.h"

#include <cmath>
#include <set>

#include "base/text.h"
#include "export/onnx_file.h"

namespace heddle::requantizing {
namespace {

using namespace onnx_file;
using OnnxAttributes = std::vector<onnx_file::Attribute>;

class Writer {
 public:
  explicit Writer(const Written& network) : network_(network) {
    model_.name = network.name.empty() ? "network" : terminal_text(network.name);
    model_.producer = "heddle requantize";
  }

  std::string run() {
    for (const NamedInput& input : network_.inputs) add_input(input);
    for (const IntegerLayer& layer : network_.layers) add_layer(layer);
    std::set<std::string> outputs;
    for (ValueId id : network_.outputs) {
      std::string name = names_.at(id);
      if (outputs.contains(name)) name = add("Identity", name + "_output", {name});
      outputs.insert(name);
      model_.outputs.push_back({name, Type::float32, network_.tensors.at(id).shape});
    }
    return encode(model_);
  }

 private:
  // A printable name that nothing has yet.
  std::string unique(const std::string& wanted) {
    const std::string base = wanted.empty() ? "tensor" : terminal_text(wanted, 200);
    std::string name = base;
    for (int i = 2; !used_.insert(name).second; ++i) name = base + "_" + std::to_string(i);
    return name;
  }

  // A node and its result have one name.
  std::string add(const char* op, const std::string& wanted, std::vector<std::string> inputs,
                  OnnxAttributes attributes = {}) {
    const std::string name = unique(wanted);
    model_.nodes.push_back({op, std::move(inputs), {name}, std::move(attributes), {}, name});
    return name;
  }
  std::string number(const std::string& wanted, double value) {
    Constant constant = reals(unique(wanted), {}, {static_cast<float>(value)});
    model_.constants.push_back(constant);
    return constant.name;
  }
  std::string list(const std::string& wanted, const std::vector<int64_t>& values) {
    Constant constant = integers(unique(wanted), {static_cast<int64_t>(values.size())}, values);
    model_.constants.push_back(constant);
    return constant.name;
  }
  std::string numbers(const std::string& wanted, Shape shape, const std::vector<int64_t>& values) {
    std::vector<float> floats;
    for (int64_t value : values) floats.push_back(static_cast<float>(value));
    Constant constant = reals(unique(wanted), std::move(shape), floats);
    model_.constants.push_back(constant);
    return constant.name;
  }
  // Stored in 8 bits; a Cast makes the float that the dialect wants.
  std::string weights(const IntegerLayer& layer, const std::string& name) {
    Constant constant{unique(name + "_weight_int8"), Type::int8, layer.weight_shape, {}};
    for (int64_t w : layer.weights) constant.bytes += static_cast<char>(static_cast<int8_t>(w));
    model_.constants.push_back(constant);
    return add("Cast", name + "_weight", {constant.name},
               {{"to", static_cast<int64_t>(Type::float32)}});
  }
  std::string clip(const std::string& name, const std::string& x, int64_t lo, int64_t hi) {
    return add("Clip", name + "_clip",
               {x, number(name + "_lo", static_cast<double>(lo)),
                number(name + "_hi", static_cast<double>(hi))});
  }
  std::string shifted(const std::string& name, const std::string& x, int64_t shift) {
    const double divisor = std::ldexp(1.0, static_cast<int>(shift));
    return add("Floor", name + "_floor",
               {add("Div", name + "_shift", {x, number(name + "_divisor", divisor)})});
  }

  void add_input(const NamedInput& input) {
    const Shape& shape = network_.tensors.at(input.source).shape;
    const std::string name = unique(input.name);
    model_.inputs.push_back({name, Type::float32, shape});
    // The Clip lets the file itself say what its input holds.
    std::string x = clip(name, name, input.range.lo, input.range.hi);
    if (input.moved != 0) {
      // Twice the number, so that there is something to shift: a requantisation gives 8 bits.
      const std::string moved = name + "_moved";
      x = add("Mul", moved + "_twice", {x, number(moved + "_two", 2)});
      x = add("Add", moved, {x, number(moved + "_by", -2.0 * static_cast<double>(input.moved))});
      x = clip(moved, shifted(moved, x, 1), -128, 127);
    }
    names_[input.source] = x;
  }

  int64_t at(const IntegerLayer& layer, const char* name) const {
    return std::get<int64_t>(layer.attributes.at(name));
  }
  std::vector<int64_t> pads_of(const IntegerLayer& layer) const {
    return {at(layer, "pad_top"), at(layer, "pad_left"), at(layer, "pad_bottom"),
            at(layer, "pad_right")};
  }
  std::string pad(const std::string& name, const std::string& x, const std::vector<int64_t>& pads,
                  int64_t value) {
    return add("Pad", name + "_pad",
               {x, list(name + "_pads", {0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]}),
                number(name + "_pad_value", static_cast<double>(value))});
  }

  void add_layer(const IntegerLayer& layer) {
    const std::string name = layer.name.empty() ? layer.op : terminal_text(layer.name, 200);
    if (layer.kind == RealLayer::Kind::linear) return add_linear(layer, name);
    std::vector<std::string> inputs;
    for (ValueId id : layer.inputs) inputs.push_back(names_.at(id));
    if (layer.kind == RealLayer::Kind::sum) {
      std::string y = add("Add", name, inputs);
      names_[layer.output] = clip(name, shifted(name, y, layer.shift), layer.lo, layer.hi);
      return;
    }
    std::string y = layer.op.empty() ? inputs[0] : add_move(layer, name, inputs);
    const IntegerTensor& x = network_.tensors.at(layer.inputs[0]);
    if (layer.lo > x.lo || layer.hi < x.hi) y = clip(name, y, layer.lo, layer.hi);
    names_[layer.output] = y;
  }

  OnnxAttributes conv_attributes(const IntegerLayer& layer,
                                 const std::vector<int64_t>& pads) const {
    const bool depthwise = layer.op == "depthwise_conv2d";
    return {{"kernel_shape", std::vector<int64_t>{layer.weight_shape[2], layer.weight_shape[3]}},
            {"strides", std::vector<int64_t>{at(layer, "stride_h"), at(layer, "stride_w")}},
            {"pads", pads},
            {"dilations", std::vector<int64_t>{at(layer, "dilation_h"), at(layer, "dilation_w")}},
            {"group", depthwise ? layer.weight_shape[0] : at(layer, "group")}};
  }

  // What an analog array, its converter and the batch normalisation behind it compute.
  void add_converted(const IntegerLayer& layer, const std::string& name, const std::string& x,
                     const std::string& w) {
    const Converter& c = *layer.converter;
    const Shape channels{layer.weight_shape[0], 1, 1};
    std::string y = add("Conv", name, {x, w}, conv_attributes(layer, pads_of(layer)));
    const std::string adc = name + "_adc";
    y = clip(adc, shifted(adc, y, layer.shift), -32, 31);
    y = add("Mul", name + "_scaled", {y, numbers(name + "_mul", channels, c.mul)});
    y = add("Add", name + "_moved", {y, numbers(name + "_add", channels, c.add)});
    names_[layer.output] = clip(name, shifted(name, y, c.shift), layer.lo, layer.hi);
  }

  void add_linear(const IntegerLayer& layer, const std::string& name) {
    const IntegerTensor& x = network_.tensors.at(layer.inputs[0]);
    std::string y = names_.at(layer.inputs[0]);
    // What the zero point adds to each sum goes into the bias, which holds where no padding is:
    // there the zero point itself pads.
    std::vector<int64_t> bias = layer.bias;
    const size_t length = layer.weights.size() / bias.size();
    for (size_t i = 0; i < layer.weights.size(); ++i) bias[i / length] -= x.zero * layer.weights[i];
    OnnxAttributes attributes;
    std::vector<int64_t> pads;
    if (layer.op != "dense") {
      pads = pads_of(layer);
      if (x.zero != 0 && pads != std::vector<int64_t>{0, 0, 0, 0}) {
        y = pad(name, y, pads, x.zero);
        pads = {0, 0, 0, 0};
      }
    }
    const std::string w = weights(layer, name);
    if (layer.converter) return add_converted(layer, name, y, w);
    const std::string b = numbers(name + "_bias", {static_cast<int64_t>(bias.size())}, bias);
    if (layer.op == "dense") {
      y = add("Gemm", name, {y, w, b}, {{"transB", int64_t{1}}});
    } else {
      y = add("Conv", name, {y, w, b}, conv_attributes(layer, pads));
    }
    names_[layer.output] = clip(name, shifted(name, y, layer.shift), layer.lo, layer.hi);
  }

  const std::vector<int64_t>& list_of(const IntegerLayer& layer, const char* name) const {
    return std::get<std::vector<int64_t>>(layer.attributes.at(name));
  }

  std::string add_move(const IntegerLayer& layer, const std::string& name,
                       std::vector<std::string> inputs) {
    const Shape& y = network_.tensors.at(layer.output).shape;
    if (layer.op == "flatten") return add("Flatten", name, inputs, {{"axis", at(layer, "axis")}});
    if (layer.op == "reshape") return add("Reshape", name, {inputs[0], list(name + "_shape", y)});
    if (layer.op == "transpose")
      return add("Transpose", name, inputs, {{"perm", list_of(layer, "perm")}});
    if (layer.op == "concat") return add("Concat", name, inputs, {{"axis", at(layer, "axis")}});
    if (layer.op == "pad")
      return pad(name, inputs[0], pads_of(layer), network_.tensors.at(layer.inputs[0]).zero);
    if (layer.op == "slice") {
      std::vector<int64_t> ends = list_of(layer, "ends"), axes;
      for (size_t d = 0; d < ends.size(); ++d) {
        axes.push_back(static_cast<int64_t>(d));
        if (ends[d] < 0) ends[d] = INT64_MIN;  // ONNX counts -1 from the end
      }
      return add(
          "Slice", name,
          {inputs[0], list(name + "_starts", list_of(layer, "starts")), list(name + "_ends", ends),
           list(name + "_axes", axes), list(name + "_steps", list_of(layer, "steps"))});
    }
    return add(
        "MaxPool", name, inputs,
        {{"kernel_shape", std::vector<int64_t>{at(layer, "kernel_h"), at(layer, "kernel_w")}},
         {"strides", std::vector<int64_t>{at(layer, "stride_h"), at(layer, "stride_w")}},
         {"pads", pads_of(layer)}});
  }

  const Written& network_;
  Model model_;
  std::set<std::string> used_;
  std::map<ValueId, std::string> names_;  // of the tensor that carries a source value
};

}  // namespace

std::string write_onnx(const Written& network) { return Writer(network).run(); }

}  // namespace heddle::requantizing
