// Which forms a layer has. How one is built: form.cc.
#include "legalise/legalise.h"

#include <algorithm>

#include "legalise/form.h"
#include "ops/op.h"

namespace heddle {
namespace {

int64_t rounded_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

int64_t largest_divisor(int64_t value, int64_t most) {
  int64_t best = 1;
  for (int64_t d = 1; d <= std::min(value, most); ++d) best = value % d == 0 ? d : best;
  return best;
}

bool convolves(const Node& node) { return node.op == "conv2d" || node.op == "depthwise_conv2d"; }

class Forms {
 public:
  Forms(const Graph& graph, std::span<const NodeId> spine, const Legalise& allowed)
      : graph_(graph), spine_(spine), allowed_(allowed), anchor_(graph.node(spine.front())) {}

  std::vector<std::shared_ptr<const Legalised>> all() {
    FormPlan first, channels;
    const bool has_first = add_first(first), has_channels = add_channels(channels);
    FormPlan both = channels;
    const bool has_both = has_channels && add_first(both);
    const std::vector<FormPlan> pads = pad_plans();
    if (has_first) keep_padded(first, pads);
    for (const FormPlan& pad : pads) keep(pad);
    if (has_channels) keep_padded(channels, pads);
    if (has_both) keep(both);
    // Fewer changes first: a caller may stop at the first form that a rule takes.
    std::stable_sort(forms_.begin(), forms_.end(), [](const auto& a, const auto& b) {
      return std::count(a->kind.begin(), a->kind.end(), '+') <
             std::count(b->kind.begin(), b->kind.end(), '+');
    });
    return std::move(forms_);
  }

 private:
  const Shape& x() const { return graph_.value(anchor_.inputs[0]).type.shape; }
  const Shape& weights() const { return graph_.value(anchor_.inputs[1]).type.shape; }

  // The form that makes another operator of it: depthwise or dense.
  bool add_first(FormPlan& plan) const {
    if (anchor_.op == "dense") return plan.dense = allowed_.dense;
    if (!convolves(anchor_) || allowed_.depthwise_width < 1) return false;
    const int64_t group =
        anchor_.op == "conv2d" ? int_attribute(anchor_, "group") : x()[1] + plan.more_inputs;
    const int64_t each = anchor_.op == "conv2d" ? weights()[1] : 1;
    if (group == 1) return false;
    plan.merged = largest_divisor(group, std::max<int64_t>(allowed_.depthwise_width / each, 1));
    return plan.merged > 1;
  }

  bool add_channels(FormPlan& plan) const {
    const int64_t multiple = allowed_.channel_multiple;
    if (multiple < 2 || x()[0] != 1) return false;
    if (anchor_.op == "conv2d" && int_attribute(anchor_, "group") != 1) return false;
    plan.more_inputs = rounded_up(x()[1], multiple) - x()[1];
    plan.more_outputs = rounded_up(weights()[0], multiple) - weights()[0];
    return plan.more_inputs + plan.more_outputs > 0;
  }

  // All of the padding, and what one side has more than the other.
  std::vector<FormPlan> pad_plans() const {
    std::vector<FormPlan> plans;
    if (!convolves(anchor_) || !allowed_.pads) return plans;
    FormPlan all;
    all.pads = {int_attribute(anchor_, "pad_top"), int_attribute(anchor_, "pad_left"),
                int_attribute(anchor_, "pad_bottom"), int_attribute(anchor_, "pad_right")};
    FormPlan uneven = all;
    for (const size_t side : {size_t{0}, size_t{1}}) {
      const int64_t both = std::min(all.pads[side], all.pads[side + 2]);
      uneven.pads[side] -= both;
      uneven.pads[side + 2] -= both;
    }
    if (uneven.pads != FormPlan{}.pads) plans.push_back(uneven);
    if (all.pads != FormPlan{}.pads && all.pads != uneven.pads) plans.push_back(all);
    return plans;
  }

  // The form, and it together with each of these pads.
  void keep_padded(const FormPlan& plan, const std::vector<FormPlan>& pads) {
    keep(plan);
    for (const FormPlan& pad : pads) {
      FormPlan both = plan;
      both.pads = pad.pads;
      keep(both);
    }
  }
  void keep(const FormPlan& plan) {
    if (std::optional<Legalised> form = build_form(graph_, spine_, plan))
      forms_.push_back(std::make_shared<const Legalised>(std::move(*form)));
  }

  const Graph& graph_;
  std::span<const NodeId> spine_;
  const Legalise& allowed_;
  const Node& anchor_;
  std::vector<std::shared_ptr<const Legalised>> forms_;
};

bool is_layer(const Graph& graph, const Node& node) {
  if (!convolves(node) && node.op != "dense") return false;
  return graph.value(node.inputs[0]).type.dtype != DType::float32;
}

}  // namespace

std::vector<std::shared_ptr<const Legalised>> legalisations(const Graph& graph,
                                                            std::span<const NodeId> spine,
                                                            const Legalise& allowed) {
  if (!is_layer(graph, graph.node(spine.front()))) return {};
  return Forms(graph, spine, allowed).all();
}

std::vector<std::string> legalised_ops(const Node& node, const Legalise& allowed) {
  std::vector<std::string> ops;
  if (node.op == "dense") {
    if (allowed.dense) ops.emplace_back("conv2d");
    if (allowed.channel_multiple > 1) ops.push_back(node.op);
  } else if (convolves(node)) {
    if (allowed.depthwise_width > 0 || node.op == "conv2d") ops.emplace_back("conv2d");
    if (node.op != "conv2d") ops.push_back(node.op);
  }
  return ops;
}

}  // namespace heddle
