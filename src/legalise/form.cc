#include "legalise/form.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "ops/op.h"

namespace heddle {
namespace {

class FormBuilder {
 public:
  FormBuilder(const Graph& from, std::span<const NodeId> spine, const FormPlan& plan)
      : from_(from), spine_(spine), plan_(plan), anchor_(from.node(spine.front())) {
    // A depthwise layer has as many outputs as inputs.
    if (anchor_.op == "depthwise_conv2d")
      plan_.more_inputs = plan_.more_outputs = std::max(plan.more_inputs, plan.more_outputs);
  }

  std::optional<Legalised> build() {
    // Beyond the first operator, what runs along channels must be known to be extended or reshaped.
    const bool reshaped = plan_.dense || plan_.more_outputs > 0;
    for (const NodeId id : spine_.subspan(1)) {
      const std::string& op = from_.node(id).op;
      if (reshaped && op != "bias_add" && op != "requant" && op != "relu" && op != "clip")
        return std::nullopt;
    }
    ValueId value = put_anchor(put_input());
    for (size_t i = 1; i < spine_.size(); ++i)
      value = put_map(from_.node(spine_[i]), from_.node(spine_[i - 1]).output, value);
    form_.output = from_.node(spine_.back()).output;
    value = put_output(value);
    if (failed_) return std::nullopt;
    const Value& wanted = from_.value(form_.output);
    Value& got = form_.graph.value(value);
    if (got.type != wanted.type) return std::nullopt;
    got.name = wanted.name;
    form_.graph.outputs = {value};
    form_.graph.name = from_.name;
    form_.covers.assign(spine_.begin(), spine_.end());
    describe();
    HEDDLE_CHECK(verify_graph(form_.graph).ok(), "a form of a layer that is no valid graph");
    return std::move(form_);
  }

 private:
  // The imported value as the form sees it.
  ValueId borrow(ValueId id) {
    const auto known = borrowed_.find(id);
    if (known != borrowed_.end()) return known->second;
    Value value = from_.value(id);
    value.producer = {};
    value.consumers.clear();
    const bool constant = value.constant.has_value();
    const ValueId own = form_.graph.add_value(std::move(value));
    if (!constant) form_.graph.inputs.push_back(own);
    form_.inputs.emplace_back(own, id);
    borrowed_.emplace(id, own);
    return own;
  }

  ValueId put_constant(const std::string& name, Tensor tensor) {
    Value value;
    value.name = name;
    value.type = {tensor.dtype(), tensor.shape(), tensor.min_max()};
    value.constant = std::move(tensor);
    return form_.graph.add_value(std::move(value));
  }

  ValueId put(std::string op, std::string name, std::vector<ValueId> inputs, Attributes attributes,
              bool on_spine) {
    if (failed_) return inputs.front();
    Node node{std::move(name), std::move(op), std::move(attributes), std::move(inputs), {}};
    Value out;
    out.name = node.name;
    node.output = form_.graph.add_value(std::move(out));
    const Result<TensorType> type = op_of(node).infer(OpView{form_.graph, node});
    if (!type.ok()) {
      failed_ = true;
      return node.inputs.front();
    }
    const ValueId output = node.output;
    form_.graph.value(output).type = *type;
    const NodeId id = form_.graph.add_node(std::move(node));
    if (on_spine) form_.spine.push_back(id);
    return output;
  }

  // An operator beside the layer's own: "conv1 (pad)".
  ValueId put_beside(const std::string& op, ValueId x, Attributes attributes) {
    return put(op, fmt::format("{} ({})", anchor_.name, op), {x}, std::move(attributes), false);
  }
  ValueId reshaped(ValueId x, Shape shape) {
    if (shape_of(x) == shape) return x;
    return put_beside("reshape", x, {{"shape", std::move(shape)}});
  }
  ValueId padded(ValueId x, const std::array<int64_t, 4>& pads, int64_t value) {
    return put_beside("pad", x,
                      {{"pad_top", pads[0]},
                       {"pad_left", pads[1]},
                       {"pad_bottom", pads[2]},
                       {"pad_right", pads[3]},
                       {"value", value}});
  }
  const Shape& shape_of(ValueId id) const { return form_.graph.value(id).type.shape; }

  int64_t zero_point() const {
    const auto found = anchor_.attributes.find("x_zero_point");
    return found == anchor_.attributes.end() ? 0 : std::get<int64_t>(found->second);
  }

  // The layer's input as its first operator is to see it.
  ValueId put_input() {
    ValueId x = borrow(anchor_.inputs[0]);
    Shape shape = shape_of(x);
    if (plan_.more_inputs > 0) {
      // Channels are rows of the one image [1, 1, C, H * W].
      const int64_t plane = elements_of(shape) / shape[1];
      // Whatever they hold is multiplied by 0: a value that the range has already.
      const Range range = form_.graph.value(x).type.range;
      x = padded(reshaped(x, {1, 1, shape[1], plane}), {0, 0, plan_.more_inputs, 0},
                 std::clamp(zero_point(), range.lo, range.hi));
      shape[1] += plan_.more_inputs;
    }
    if (plan_.dense) shape = {shape[0], shape[1], 1, 1};
    x = reshaped(x, shape);
    return plan_.pads == FormPlan{}.pads ? x : padded(x, plan_.pads, zero_point());
  }

  int64_t group() const {
    if (anchor_.op == "conv2d") return int_attribute(anchor_, "group");
    return anchor_.op == "dense" ? 1
                                 : from_.value(anchor_.inputs[0]).type.shape[1] + plan_.more_inputs;
  }

  // The weights of the form. Input channels that are new have weights of 0, and so have the channels
  // of other groups that now belong to one; output channels that are new repeat the last one.
  Tensor weights_of(const Tensor& weights) const {
    Shape from = weights.shape();
    from.resize(4, 1);  // of a dense layer [K, C]
    const bool depthwise = anchor_.op == "depthwise_conv2d";
    const int64_t inputs = from[1] + (depthwise ? 0 : plan_.more_inputs);
    Shape to = {from[0] + plan_.more_outputs, inputs * plan_.merged, from[2], from[3]};
    const int64_t taps = from[2] * from[3];
    const int64_t outputs_of_group = to[0] / group();
    std::vector<int64_t> values(static_cast<size_t>(elements_of(to)), 0);
    for (int64_t k = 0; k < to[0]; ++k) {
      const int64_t before = k / outputs_of_group % plan_.merged;  // groups before it in its block
      for (int64_t i = 0; i < from[1] * taps; ++i) {
        const int64_t at = (k * to[1] + before * inputs) * taps + i;
        values[static_cast<size_t>(at)] =
            weights.at(std::min(k, from[0] - 1) * from[1] * taps + i);
      }
    }
    if (anchor_.op == "dense" && !plan_.dense) to = {to[0], to[1]};
    return Tensor::of(weights.dtype(), std::move(to), values);
  }

  ValueId put_anchor(ValueId x) {
    Attributes attributes = anchor_.attributes;
    std::string op = anchor_.op;
    if (plan_.dense) {
      for (const char* name : {"pad_top", "pad_left", "pad_bottom", "pad_right"})
        attributes[name] = int64_t{0};
      for (const char* name : {"stride_h", "stride_w", "dilation_h", "dilation_w", "group"})
        attributes[name] = int64_t{1};
      op = "conv2d";
    }
    if (plan_.merged > 1) {
      attributes["group"] = group() / plan_.merged;
      op = "conv2d";
    }
    static constexpr std::array<const char*, 4> kPads = {"pad_top", "pad_left", "pad_bottom",
                                                         "pad_right"};
    for (size_t i = 0; i < kPads.size(); ++i) {
      if (plan_.pads[i] > 0)
        attributes[kPads[i]] = int_attribute(anchor_, kPads[i]) - plan_.pads[i];
    }
    const ValueId given = anchor_.inputs[1];
    const Value& weights = from_.value(given);
    const bool same = !plan_.dense && plan_.merged == 1 && plan_.more_inputs + plan_.more_outputs == 0;
    const ValueId own =
        same ? borrow(given) : put_constant(weights.name, weights_of(*weights.constant));
    return put(op, anchor_.name, {x, own}, std::move(attributes), true);
  }

  // A constant with one element for each channel, the last one repeated.
  ValueId extended(ValueId id) {
    const Value& value = from_.value(id);
    const Tensor& tensor = *value.constant;
    const bool is_bias = !tensor.shape().empty() && tensor.elements() == outputs();
    if (plan_.more_outputs == 0 || !is_bias) return borrow(id);
    const Shape shape{tensor.elements() + plan_.more_outputs};
    if (tensor.dtype() == DType::float32) {
      std::vector<float> values = tensor.to_floats();
      values.resize(static_cast<size_t>(shape[0]), values.back());
      Value made;
      made.name = value.name;
      made.constant = Tensor::of_floats(shape, values);
      made.type = {DType::float32, shape, value.type.range};
      return form_.graph.add_value(std::move(made));
    }
    std::vector<int64_t> values = tensor.to_ints();
    values.resize(static_cast<size_t>(shape[0]), values.back());
    return put_constant(value.name, Tensor::of(tensor.dtype(), shape, values));
  }
  int64_t outputs() const { return from_.value(anchor_.inputs[1]).type.shape[0]; }

  // `before`: the imported value that the node has from the spine; `spine`: the form's.
  ValueId put_map(const Node& node, ValueId before, ValueId spine) {
    std::vector<ValueId> inputs;
    for (const ValueId input : node.inputs) {
      if (!input.valid()) {
        inputs.push_back(input);
      } else if (input == before) {
        inputs.push_back(spine);
      } else {
        inputs.push_back(from_.value(input).constant ? extended(input) : borrow(input));
      }
    }
    return put(node.op, node.name, std::move(inputs), node.attributes, true);
  }

  // Back to the shape that the layer had.
  ValueId put_output(ValueId value) {
    if (failed_) return value;
    const Shape& wanted = from_.value(form_.output).type.shape;
    if (plan_.more_outputs > 0) {
      const Shape shape = shape_of(value);
      std::vector<int64_t> ends = shape;
      ends[1] = outputs();
      value = put_beside("slice", value,
                         {{"starts", std::vector<int64_t>(shape.size(), 0)},
                          {"ends", ends},
                          {"steps", std::vector<int64_t>(shape.size(), 1)}});
    }
    return failed_ ? value : reshaped(value, wanted);
  }

  void describe() {
    const auto add = [&](const char* kind, std::string what) {
      form_.kind += (form_.kind.empty() ? "" : "+") + std::string(kind);
      form_.what += (form_.what.empty() ? "" : ", ") + std::move(what);
    };
    const int64_t inputs = from_.value(anchor_.inputs[0]).type.shape[1];
    if (plan_.merged > 1) {
      const int64_t groups = group() / plan_.merged;
      add("depthwise", fmt::format("block-diagonal conv2d, {} group{} of {} channels", groups,
                                   groups == 1 ? "" : "s", (inputs + plan_.more_inputs) / groups));
    }
    if (plan_.dense) add("dense", "dense as 1x1 conv2d");
    if (plan_.more_inputs + plan_.more_outputs > 0) {
      add("channels", fmt::format("channels {} -> {} filled up to {} -> {}", inputs, outputs(),
                                  inputs + plan_.more_inputs, outputs() + plan_.more_outputs));
    }
    if (plan_.pads != FormPlan{}.pads) {
      add("pads", fmt::format("explicit pad [{}, {}, {}, {}]", plan_.pads[0], plan_.pads[1],
                              plan_.pads[2], plan_.pads[3]));
    }
  }

  const Graph& from_;
  std::span<const NodeId> spine_;
  FormPlan plan_;
  const Node& anchor_;
  Legalised form_;
  std::map<ValueId, ValueId> borrowed_;
  bool failed_ = false;
};

}  // namespace

std::optional<Legalised> build_form(const Graph& graph, std::span<const NodeId> spine,
                                    const FormPlan& plan) {
  return FormBuilder(graph, spine, plan).build();
}

}  // namespace heddle
