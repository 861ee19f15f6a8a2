#include "import/requant.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <map>
#include <tuple>

#include "base/checked.h"
#include "import/builder.h"
#include "import/chain.h"

namespace heddle {
namespace {

bool fits_int32(int64_t value) { return value == static_cast<int32_t>(value); }

bool all_are(const std::vector<int64_t>& values, int64_t wanted) {
  return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == wanted; });
}

// What becomes of one requant node.
struct Reduction {
  RequantForm form;
  std::vector<int64_t> bias;  // to add to the layer below; empty: nothing
};

int64_t rounding_term(const RequantForm& form) {
  return form.rounding == "half_up" && form.shift > 0 ? int64_t{1} << (form.shift - 1) : 0;
}

// Numbers without their common power of two.
RequantForm smallest_numbers(const RequantForm& given) {
  int64_t power = given.shift;
  for (int64_t m : given.mul) {
    if (m != 0) power = std::min<int64_t>(power, std::countr_zero(static_cast<uint64_t>(m)));
  }
  RequantForm form = given;
  int64_t divisor = int64_t{1} << power;
  for (int64_t& m : form.mul) m /= divisor;
  form.shift = given.shift - power;
  if (given.rounding == "half_up" && form.shift == 0)
    form.rounding = "floor";  // without a shift there is no rounding term
  int64_t term = rounding_term(given);
  for (int64_t& a : form.add) a = floor_div(a + term, divisor) - rounding_term(form);
  return form;
}

// Per channel `a + rounding term`, if it can join the sum that the requantisation reads: a layer
// (conv, dense) or its bias_add that nobody else sees, and int32 all the way.
std::vector<int64_t> bias_for(const Graph& graph, const Node& requant, const RequantForm& form) {
  const Value& x = graph.value(requant.inputs[0]);
  bool seen = x.consumers.size() > 1 || graph.is_output(requant.inputs[0]);
  if (seen || !x.producer.valid() || !all_are(form.mul, 1)) return {};
  const Node& below = graph.node(x.producer);
  bool biased = below.op == "bias_add" && is_mac(producer_op(graph, below.inputs[0]));
  if (!biased && !is_mac(below.op)) return {};
  int64_t axis = biased ? int_attribute(below, "axis") : 1;
  if (form.add.size() > 1 && form.axis != axis) return {};

  std::vector<int64_t> bias(static_cast<size_t>(x.type.shape[static_cast<size_t>(axis)]));
  for (size_t k = 0; k < bias.size(); ++k) {
    bias[k] = form.add[form.add.size() == 1 ? 0 : k] + rounding_term(form);
    int64_t whole =
        bias[k] + (biased ? graph.value(below.inputs[1]).constant->at(static_cast<int64_t>(k)) : 0);
    bool fits = fits_int32(bias[k]) && fits_int32(whole) && fits_int32(x.type.range.lo + bias[k]) &&
                fits_int32(x.type.range.hi + bias[k]);
    if (!fits) return {};
  }
  return bias;
}

Reduction reduce(const Graph& graph, const Node& node) {
  Reduction result{.form = smallest_numbers(requant_form(graph, node)), .bias = {}};
  RequantForm& form = result.form;
  bool addless = std::all_of(form.add.begin(), form.add.end(),
                             [&](int64_t a) { return a + rounding_term(form) == 0; });
  if (!all_are(form.mul, 1)) return result;
  if (!addless) result.bias = bias_for(graph, node, form);
  if (addless || !result.bias.empty()) {
    form.add = {0};
    form.rounding = "shift";
  }
  return result;
}

// The bias_add that takes `bias`, whose operands are in the new graph: an existing one gets new
// numbers, else one is made.
ValueId add_bias(Builder& builder, const std::string& name, const std::string& value_name,
                 ValueId x, const std::vector<int64_t>& bias, int64_t axis) {
  ValueId constant =
      add_int32_constant(builder, name + "_bias", {static_cast<int64_t>(bias.size())}, bias);
  return add_operator(builder, {.op = "bias_add",
                                .name = name,
                                .value_name = value_name,
                                .inputs = {x, constant},
                                .attributes = {{"axis", axis}}});
}

void copy_with_bias(Rebuild& rebuild, const Graph& graph, const Node& node,
                    std::vector<int64_t> bias) {
  const std::string& value_name = graph.value(node.output).name;
  if (node.op == "bias_add") {
    const Tensor& old = *graph.value(node.inputs[1]).constant;
    for (size_t k = 0; k < bias.size(); ++k) bias[k] += old.at(static_cast<int64_t>(k));
    rebuild.ids[static_cast<size_t>(node.output.index)] =
        add_bias(rebuild.to, node.name, value_name, copy_value(rebuild, graph, node.inputs[0]),
                 bias, int_attribute(node, "axis"));
    return;
  }
  copy_node(rebuild, graph, node);
  ValueId& id = rebuild.ids[static_cast<size_t>(node.output.index)];
  if (!id.valid()) return;
  rebuild.to.graph.value(id).name = value_name + "_acc";
  id = add_bias(rebuild.to, node.name + "_bias", value_name, id, bias, 1);
}

// Why a requantisation has the dialect that it ends with, in words; "" for `shift`, which needs no
// reason.
struct Reason {
  int kind = 0;
  std::string words;
};
Reason reason_for(const RequantForm& form) {
  if (form.rounding == "shift") return {0, ""};
  for (int64_t m : form.mul) {
    if (m == 1) continue;
    std::string factor =
        form.shift == 0 ? fmt::format("{}", m) : fmt::format("{}/{}", m, int64_t{1} << form.shift);
    return {1, fmt::format("multipliers such as {} are no shift to the right", factor)};
  }
  return {2, "no layer directly below can take the addend and the rounding term into its bias"};
}

// How many requantisations went from one dialect to which, by reason; the first example of each is
// shown.
struct Tally {
  int64_t all = 0;
  std::map<std::tuple<std::string, std::string, int>, std::pair<int64_t, std::string>> groups;
};

void count(Tally& tally, const std::string& before, const RequantForm& form) {
  ++tally.all;
  Reason reason = reason_for(form);
  auto& [number, words] = tally.groups[{before, form.rounding, reason.kind}];
  if (++number == 1) words = reason.words;
}

void add_notes(Graph& graph, const Tally& tally) {
  for (const auto& [group, entry] : tally.groups) {
    const auto& [before, after, kind] = group;
    const auto& [number, words] = entry;
    std::string what = before != after ? fmt::format("reduced from {} to {}", before, after)
                       : kind == 0     ? "are shift (x >> k, clip)"
                                       : "stay " + after;
    graph.notes.push_back(fmt::format("{} of {} requantisations {}{}{}", number, tally.all, what,
                                      words.empty() ? "" : ": ", words));
  }
}

}  // namespace

Result<Graph> reduce_requantisations(const Graph& graph, const std::string& file) {
  std::vector<Reduction> reductions(graph.nodes.size());
  std::vector<std::vector<int64_t>> biases(graph.nodes.size());  // by node below
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (node.op != "requant" || !is_plain_requant(graph, node)) continue;
    reductions[i] = reduce(graph, node);
    if (!reductions[i].bias.empty())
      biases[static_cast<size_t>(graph.value(node.inputs[0]).producer.index)] = reductions[i].bias;
  }
  Rebuild rebuild = start_rebuild(graph, file);
  Tally tally;
  for (size_t i = 0; i < graph.nodes.size() && rebuild.to.errors.empty(); ++i) {
    const Node& node = graph.nodes[i];
    if (node.op == "requant" && is_plain_requant(graph, node)) {
      ValueId y = add_requant(rebuild.to, node.name, graph.value(node.output).name,
                              copy_value(rebuild, graph, node.inputs[0]), reductions[i].form);
      rebuild.ids[static_cast<size_t>(node.output.index)] = y;
      if (y.valid())
        count(tally, string_attribute(node, "rounding"),
              requant_form(rebuild.to.graph, rebuild.to.graph.nodes.back()));
    } else if (!biases[i].empty()) {
      copy_with_bias(rebuild, graph, node, biases[i]);
    } else {
      copy_node(rebuild, graph, node);
    }
  }
  add_notes(rebuild.to.graph, tally);
  return finish_rebuild(std::move(rebuild), graph);
}

}  // namespace heddle
