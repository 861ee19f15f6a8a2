#include "requantize/meaning.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/text.h"
#include "ops/op.h"

namespace heddle::requantizing {
namespace {

constexpr const char* kRemedy =
    "replace it before requantising, or compile the model as it is: the CPU computes every "
    "operator";

bool is_one_of(const std::string& op, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), op) != names.end();
}

bool is_conv(const std::string& op) { return is_one_of(op, {"conv2d", "depthwise_conv2d"}); }
bool is_product(const std::string& op) { return is_conv(op) || op == "dense"; }

std::string offset_text(int64_t zero_point) {
  if (zero_point == 0) return "";
  return fmt::format(" {} {}", zero_point < 0 ? '-' : '+', std::abs(zero_point));
}

class Reader {
 public:
  Reader(const Graph& graph, const std::string& file)
      : graph_(graph), file_(file), taken_(graph.nodes.size()) {
    network_.zeros.assign(graph.values.size(), 0);
  }

  Result<RealNetwork> run() {
    if (!graph_.states.empty()) {
      return error_at(in_file(file_), "a network with states cannot be requantised yet",
                      "leave --state out");
    }
    for (ValueId id : graph_.inputs) {
      const Value& value = graph_.value(id);
      if (value.type.dtype == DType::float32 && only_quantised(value)) continue;
      add_input(id);
    }
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (!taken_[i]) read(graph_.nodes[i]);
    }
    for (ValueId id : graph_.outputs) network_.outputs.push_back(before_dropped(id));
    if (!errors_.empty()) return errors_;
    return std::move(network_);
  }

 private:
  void fail(const Node& node, const std::string& why, const std::string& remedy = kRemedy) {
    Place place = in_file(file_);
    place.node = fmt::format("{} ({})", node.name, node.op);
    errors_.push_back(error_at(std::move(place), why, remedy));
    broken_.insert(node.output);
  }

  bool only_quantised(const Value& value) const {
    return !value.consumers.empty() &&
           std::all_of(value.consumers.begin(), value.consumers.end(), [&](NodeId id) {
             return graph_.node(id).op == "quantize" &&
                    graph_.value(graph_.node(id).inputs[1]).constant->elements() == 1;
           });
  }

  double& zero(ValueId id) { return network_.zeros[static_cast<size_t>(id.index)]; }
  const Shape& shape(ValueId id) const { return graph_.value(id).type.shape; }

  // What stands for 0 in an input: as the file says, else as the first product or sum reads it.
  void add_input(ValueId id) {
    network_.inputs.push_back(id);
    const Value& value = graph_.value(id);
    if (value.type.dtype == DType::float32) return;
    if (value.quantisation) {
      zero(id) = static_cast<double>(value.quantisation->zero_point);
      return;
    }
    ValueId at = id;
    while (!graph_.value(at).consumers.empty()) {
      const Node& node = graph_.node(graph_.value(at).consumers[0]);
      if (const auto found = node.attributes.find("x_zero_point"); found != node.attributes.end()) {
        if (const int64_t* number = std::get_if<int64_t>(&found->second))
          zero(id) = static_cast<double>(*number);
        return;
      }
      at = node.output;
    }
  }

  // The tensor in front of a softmax and the like, that stands for a value.
  ValueId before_dropped(ValueId id) const {
    const auto found = dropped_.find(id);
    return found == dropped_.end() ? id : found->second;
  }

  void read(const Node& node) {
    const OpView op{graph_, node};
    for (ValueId id : node.inputs) {
      if (!broken_.contains(id)) continue;
      broken_.insert(node.output);  // told once, where it begins
      return;
    }
    for (ValueId id : node.inputs) {
      if (id.valid() && dropped_.contains(id)) return behind_dropped(node, id);
    }
    if (is_product(node.op)) return product(op);
    if (const std::optional<PlaneMean> mean = plane_mean_from(graph_, node))
      return whole_mean(op, *mean);
    if (is_one_of(node.op, {"average_pool", "global_average_pool", "sum_pool", "mean"}))
      return average(op);
    if (is_one_of(node.op, {"add", "tflite_add", "qadd"})) return sum(op);
    if (is_one_of(node.op, {"requant", "quantize", "dequantize", "relu", "clip"})) return scale(op);
    if (is_one_of(node.op,
                  {"max_pool", "flatten", "reshape", "transpose", "slice", "concat", "pad"}))
      return move(op);
    if (keeps_order(op)) return drop(op);
    fail(node, fmt::format("`{}` has no form of integers and shifts", form_of(op)));
  }

  // ---- ends of the network

  void drop(const OpView& op) {
    dropped_[op.node.output] = op.node.inputs[0];
    functions_[op.node.output] = graph_.value(op.node.output).producer;
    network_.notes.push_back(
        fmt::format("{} is left out: it keeps the order of the scores, which become the output",
                    ticked_name(op)));
  }
  static std::string ticked_name(const OpView& op) {
    return fmt::format("`{}` ({})", terminal_text(op.node.name), op.node.op);
  }
  void behind_dropped(const Node& node, ValueId x) {
    const bool passes =
        is_one_of(node.op, {"requant", "quantize", "dequantize", "flatten", "reshape"});
    if (passes && shape(node.output) == shape(x)) {
      dropped_[node.output] = dropped_.at(x);
      functions_[node.output] = functions_.at(x);
      return;
    }
    const Node& function = graph_.node(functions_.at(x));
    fail(
        function,
        fmt::format(
            "`{}` has no form of integers and shifts, and is left out at the end of a network only",
            form_of({graph_, function})));
    broken_.insert(x);
    broken_.insert(node.output);
  }

  // ---- products

  RealLayer layer_of(const OpView& op, RealLayer::Kind kind, std::string name) const {
    RealLayer layer;
    layer.kind = kind;
    layer.name = op.node.name;
    layer.op = std::move(name);
    layer.attributes = op.node.attributes;
    for (const char* zero_point : {"x_zero_point", "scale"}) layer.attributes.erase(zero_point);
    return layer;
  }

  // The operand, and pads that stand in a node of their own before it as the layer's.
  ValueId unpadded(const OpView& op, RealLayer& layer) const {
    const ValueId x = op.node.inputs[0];
    const Value& value = graph_.value(x);
    if (!value.producer.valid() || !is_conv(op.node.op)) return x;
    const Node& pad = graph_.node(value.producer);
    if (!folded_pads_.contains(value.producer)) return x;
    for (const char* side : {"pad_top", "pad_left", "pad_bottom", "pad_right"})
      layer.attributes[side] = int_attribute(op.node, side) + int_attribute(pad, side);
    return pad.inputs[0];
  }

  void product(const OpView& op) {
    RealLayer layer = layer_of(op, RealLayer::Kind::linear, op.node.op);
    const ValueId x = unpadded(op, layer);
    layer.inputs = {x};
    layer.weight_shape = op.constant(1)->shape();
    layer.weights = numbers_of(*op.constant(1));
    const size_t outputs = static_cast<size_t>(layer.weight_shape[0]);
    const size_t length = layer.weights.size() / outputs;
    // Sums of elements are sums of real numbers and of what stands for zero.
    const double rest =
        op.is_real() ? 0 : zero(x) - static_cast<double>(op.attribute("x_zero_point"));
    const bool padded = is_conv(op.node.op) && has_pads(layer);
    if (rest != 0 && padded) {
      return fail(op.node,
                  fmt::format("its padding stands for {}, its input's zero point is {}",
                              op.attribute("x_zero_point"), zero(x)),
                  "give both the same zero point");
    }
    std::vector<double> offset(outputs, 0);
    for (size_t k = 0; k < outputs; ++k) {
      for (size_t i = 0; i < length; ++i) offset[k] += rest * layer.weights[k * length + i];
    }
    finish(op.node, std::move(layer), std::move(offset));
  }

  static bool has_pads(const RealLayer& layer) {
    for (const char* side : {"pad_top", "pad_left", "pad_bottom", "pad_right"}) {
      if (std::get<int64_t>(layer.attributes.at(side)) != 0) return true;
    }
    return false;
  }

  // Takes the bias, the requantisation and the bounds behind a sum of products into the layer.
  void finish(const Node& node, RealLayer layer, std::vector<double> offset, double own_zero = 0) {
    const int64_t outputs = layer.weight_shape[0];
    Epilogue e = epilogue_of(graph_, node.output, outputs, std::move(offset), own_zero);
    if (!e.failure.empty()) return fail(node, e.failure);
    const size_t length = layer.weights.size() / static_cast<size_t>(outputs);
    for (size_t i = 0; i < layer.weights.size(); ++i) layer.weights[i] *= e.gain[i / length];
    layer.bias = e.offset;
    complete(std::move(layer), std::move(e));
  }

  void complete(RealLayer layer, Epilogue e) {
    layer.lo = e.lo;
    layer.hi = e.hi;
    layer.target = std::move(e.target);
    layer.output = e.output;
    zero(e.output) = e.zero;
    for (NodeId id : e.nodes) taken_[static_cast<size_t>(id.index)] = true;
    network_.layers.push_back(std::move(layer));
  }

  // An average is a depthwise convolution by equal weights.
  void average(const OpView& op) {
    const ValueId x = op.node.inputs[0];
    const Shape& image = shape(x);
    const bool windows = op.node.op == "average_pool" || op.node.op == "sum_pool";
    const bool plane =
        op.node.op == "mean" &&
        std::get<std::vector<int64_t>>(op.any_attribute("axes")) == std::vector<int64_t>{2, 3};
    if (image.size() != 4 || (op.node.op == "mean" && !plane))
      return fail(op.node, "only averages over rows and columns of images can be requantised");
    RealLayer layer = layer_of(op, RealLayer::Kind::linear, "depthwise_conv2d");
    layer.inputs = {x};
    int64_t height = image[2], width = image[3];
    layer.attributes = {{"stride_h", int64_t{1}},   {"stride_w", int64_t{1}},
                        {"pad_top", int64_t{0}},    {"pad_left", int64_t{0}},
                        {"pad_bottom", int64_t{0}}, {"pad_right", int64_t{0}}};
    if (windows) {
      height = op.attribute("kernel_h");
      width = op.attribute("kernel_w");
      for (auto& [name, value] : layer.attributes) value = op.attribute(name);
    }
    // One window: no stride is taken, and few accelerators know that of a large one.
    if (shape(op.node.output)[2] == 1) layer.attributes["stride_h"] = int64_t{1};
    if (shape(op.node.output)[3] == 1) layer.attributes["stride_w"] = int64_t{1};
    layer.attributes["dilation_h"] = layer.attributes["dilation_w"] = int64_t{1};
    const bool sums = op.node.op == "sum_pool";
    if (op.node.op == "average_pool" && has_pads(layer) && op.attribute("count_include_pad") == 0)
      return fail(op.node, "its averages at the borders count fewer elements",
                  "average without padding, or count the padding (count_include_pad)");
    double weight = sums ? 1 : 1.0 / static_cast<double>(height * width);
    if (sums && op.real("scale") != 0) weight = op.real("scale");
    layer.weight_shape = {image[1], 1, height, width};
    layer.weights.assign(static_cast<size_t>(elements_of(layer.weight_shape)), weight);
    // An average of elements is that of real numbers and the zero; a sum has a zero point of its
    // own.
    const double rest = sums && !op.is_real()
                            ? zero(x) - static_cast<double>(op.attribute("x_zero_point"))
                            : (op.is_real() ? 0 : zero(x));
    const double total = weight * static_cast<double>(height * width);
    finish(op.node, std::move(layer),
           std::vector<double>(static_cast<size_t>(image[1]), rest * total), sums ? 0 : rest);
  }

  // A mean in several steps is one layer.
  void whole_mean(const OpView& op, const PlaneMean& mean) {
    const ValueId x = op.node.inputs[0];
    const Shape& image = shape(x);
    RealLayer layer;
    layer.kind = RealLayer::Kind::linear;
    layer.name = op.node.name;
    layer.op = "depthwise_conv2d";
    layer.inputs = {x};
    for (const char* name : {"stride_h", "stride_w", "dilation_h", "dilation_w"})
      layer.attributes[name] = int64_t{1};
    for (const char* name : {"pad_top", "pad_left", "pad_bottom", "pad_right"})
      layer.attributes[name] = int64_t{0};
    layer.weight_shape = {image[1], 1, image[2], image[3]};
    layer.weights.assign(static_cast<size_t>(elements_of(layer.weight_shape)), mean.weight);
    for (NodeId id : mean.nodes) taken_[static_cast<size_t>(id.index)] = true;
    const double rest = op.is_real() ? 0 : zero(x) - mean.zero_point;
    const double offset = rest * mean.weight * static_cast<double>(image[2] * image[3]);
    finish(graph_.node(mean.nodes.back()), std::move(layer),
           std::vector<double>(static_cast<size_t>(image[1]), offset));
  }

  // ---- sums

  void sum(const OpView& op) {
    const ValueId a = op.node.inputs[0], b = op.node.inputs[1];
    if (graph_.value(a).constant || graph_.value(b).constant || shape(a) != shape(b))
      return fail(op.node, "only sums of two activations of one shape can be requantised");
    RealLayer layer = layer_of(op, RealLayer::Kind::sum, "add");
    layer.attributes.clear();
    layer.inputs = {a, b};
    if (op.node.op == "add") {
      const double zeros = op.is_real() ? 0 : zero(a) + zero(b);
      Epilogue e = epilogue_of(graph_, op.node.output, 1, {zeros}, zeros);
      if (!e.failure.empty()) return fail(op.node, e.failure);
      layer.factors = {e.gain[0], e.gain[0]};
      layer.bias = {e.offset[0]};
      return complete(std::move(layer), std::move(e));
    }
    const auto power = [&](const char* name) {
      return std::ldexp(static_cast<double>(op.attribute(std::string(name) + "mul")),
                        -31 - static_cast<int>(op.attribute(std::string(name) + "shift")));
    };
    if (op.node.op == "tflite_add") {
      const double unit = std::ldexp(power(""), static_cast<int>(op.attribute("left_shift")));
      const double sign = op.attribute("subtract") != 0 ? -1 : 1;
      layer.factors = {power("x_") * unit, sign * power("residual_") * unit};
    } else {
      layer.factors = {op.real("x_scale") / op.real("scale"),
                       op.real("residual_scale") / op.real("scale")};
    }
    const auto rest = [&](ValueId id, const char* name) {
      return zero(id) - static_cast<double>(op.attribute(name));
    };
    layer.bias = {layer.factors[0] * rest(a, "x_zero_point") +
                  layer.factors[1] * rest(b, "residual_zero_point")};
    Epilogue e;
    e.zero = static_cast<double>(op.attribute("zero_point"));
    e.lo = static_cast<double>(op.attribute("lo")) - e.zero;
    e.hi = static_cast<double>(op.attribute("hi")) - e.zero;
    e.target = {op.node.output, {1}, {-e.zero}};
    e.output = op.node.output;
    complete(std::move(layer), std::move(e));
  }

  // ---- the rest

  void scale(const OpView& op) {
    const ValueId x = op.node.inputs[0];
    RealLayer layer = layer_of(op, RealLayer::Kind::same, "");
    layer.attributes.clear();
    layer.inputs = {x};
    layer.output = op.node.output;
    layer.factors = {1};
    const bool outer = !graph_.value(x).producer.valid() && op.node.op == "quantize";
    if (outer && only_quantised(graph_.value(x))) {  // the integers are the input
      network_.inputs.push_back(op.node.output);
      zero(op.node.output) = static_cast<double>(op.attribute("zero_point"));
      return note_input(op);
    }
    if (op.node.op == "relu" || op.node.op == "clip") {
      const auto [lo, hi] = bounds_of(graph_, op.node);
      zero(layer.output) = zero(x);
      layer.lo = lo - zero(x);
      layer.hi = hi - zero(x);
      network_.layers.push_back(std::move(layer));
      return;
    }
    const Affine affine = affine_of(graph_, op.node);
    const double rest = affine.offset[0] + affine.gain[0] * zero(x);
    if (affine.gain.size() > 1 || affine.offset.size() > 1 || affine.gain[0] <= 0)
      return fail(op.node, "it scales an activation by channel, or by no positive factor");
    if (std::abs(rest) > 0.75)
      return fail(op.node, fmt::format("it adds {:.4g} to an activation", rest));
    layer.factors = {affine.gain[0]};
    layer.lo = affine.lo;
    layer.hi = affine.hi;
    zero(layer.output) = affine.zero;
    network_.layers.push_back(std::move(layer));
  }

  void note_input(const OpView& op) {
    const std::vector<double> scales = numbers_of(*op.constant(1));
    network_.notes.push_back(fmt::format(
        "input `{}` takes integers now: round(real / {:.9g}){}, clipped to [{}, {}]",
        terminal_text(graph_.value(op.node.inputs[0]).name), scales[0],
        offset_text(op.attribute("zero_point")), op.attribute("lo"), op.attribute("hi")));
  }

  void move(const OpView& op) {
    RealLayer layer = layer_of(op, RealLayer::Kind::same, op.node.op);
    for (ValueId id : op.node.inputs) {
      if (graph_.value(id).constant) return fail(op.node, "it joins a constant to activations");
      if (zero(id) != zero(op.node.inputs[0]))
        return fail(op.node, "its operands have different zero points");
      layer.inputs.push_back(id);
      layer.factors.push_back(1);
    }
    layer.output = op.node.output;
    zero(layer.output) = zero(layer.inputs[0]);
    if (op.node.op == "pad") {
      const Attribute& value = op.any_attribute("value");
      const double* real = std::get_if<double>(&value);
      const double filler = real != nullptr ? *real : static_cast<double>(std::get<int64_t>(value));
      if (filler != zero(layer.inputs[0]))
        return fail(op.node, fmt::format("it pads with {}, which is not zero ({})", filler,
                                         zero(layer.inputs[0])));
      layer.attributes["value"] = int64_t{0};
      if (all_convs_read(op.node.output)) {  // becomes their padding
        folded_pads_.insert(graph_.value(op.node.output).producer);
        return;
      }
    }
    network_.layers.push_back(std::move(layer));
  }

  bool all_convs_read(ValueId id) const {
    const std::vector<NodeId>& readers = graph_.value(id).consumers;
    return !graph_.is_output(id) && std::all_of(readers.begin(), readers.end(), [&](NodeId reader) {
      return is_conv(graph_.node(reader).op);
    });
  }

  const Graph& graph_;
  const std::string& file_;
  RealNetwork network_;
  Diagnostics errors_;
  std::vector<bool> taken_;
  std::map<ValueId, ValueId> dropped_;   // by value: the scores that stand for it
  std::map<ValueId, NodeId> functions_;  // by the same: what was left out first
  std::set<NodeId> folded_pads_;
  std::set<ValueId> broken_;  // an error has been told
};

}  // namespace

Result<RealNetwork> real_meaning(const Graph& graph, const std::string& file) {
  return Reader(graph, file).run();
}

}  // namespace heddle::requantizing
