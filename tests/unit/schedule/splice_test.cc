// What becomes of the imported graph where candidates have another form, and where values are copied.
#include "schedule/splice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schedule/legalised.h"
#include "support/network_builder.h"

namespace heddle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Soc load_diana() {
  Result<Soc> soc = load_soc(std::string(HEDDLE_SOURCE_DIR) + "/rules/soc/diana.toml");
  HEDDLE_CHECK(soc.ok(), format_diagnostics(soc.errors()));
  for (SocUnit& unit : soc->accelerators) {
    for (Rule& rule : unit.target.rules) {
      if (rule.name == "conv2d") rule.legalise = {true, false, 0, 0};
    }
  }
  return *soc;
}

// conv2d requant, twice; the second one pads below and on the right only.
struct Network : NetworkBuilder {
  Network() {
    graph.name = "two";
    ValueId x = input({1, 16, 8, 8});
    x = conv(x, "first", 1, 1);
    x = conv(x, "second", 0, 1);
    graph.outputs = {x};
  }
  ValueId conv(ValueId x, const std::string& name, int64_t before, int64_t after) {
    Tensor weights(DType::int8, {16, 16, 3, 3});
    for (int64_t i = 0; i < weights.elements(); ++i) weights.set(i, i % 7 - 3);
    Attributes attributes = window_attributes(1, before, before);
    attributes["pad_bottom"] = attributes["pad_right"] = after;
    attributes["group"] = int64_t{1};
    const ValueId y = node("conv2d", {x, constant(weights)}, attributes);
    graph.nodes.back().name = name;
    return requant(y, 6);
  }
};

Result<Candidates> all_candidates(const Graph& graph, const Soc& soc) {
  const Matches matches = match_rules(graph, soc, Policy{});
  Result<Candidates> candidates = make_candidates(graph, soc, matches);
  if (!candidates.ok()) return candidates;
  return with_legalised(graph, soc, Policy{}, matches, std::move(*candidates), {});
}

const Candidate& of_kind(const Candidates& candidates, NodeId first, const std::string& kind) {
  for (const Candidate& each : candidates.usable) {
    const std::string has = each.legalised ? each.legalised->kind : "";
    if (each.match.target >= 0 && each.covers.front() == first && each.covers.size() == 2 &&
        has == kind)
      return each;
  }
  internal_error(__FILE__, __LINE__, "no candidate of kind " + kind);
}

std::vector<std::string> names_of(const Spliced& spliced) {
  std::vector<std::string> names;
  for (const Step& step : spliced.steps) names.push_back(step.name);
  return names;
}

void expect_same_outputs(const Graph& graph, const Graph& spliced) {
  ASSERT_TRUE(verify_graph(spliced).ok()) << format_diagnostics(verify_graph(spliced).errors());
  Tensor x(DType::int8, {1, 16, 8, 8});
  for (int64_t i = 0; i < x.elements(); ++i) x.set(i, (i * 37) % 251 - 125);
  const std::vector<Tensor> inputs{x};
  const Result<std::vector<Tensor>> a = interpret(graph, inputs), b = interpret(spliced, inputs);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ((*a)[static_cast<size_t>(graph.outputs[0].index)],
            (*b)[static_cast<size_t>(spliced.outputs[0].index)]);
}

TEST(Splice, NothingToSpliceChangesNothing) {
  const Soc soc = load_diana();
  const Network even;
  const Result<Candidates> candidates =
      make_candidates(even.graph, soc, match_rules(even.graph, soc, {}));
  ASSERT_TRUE(candidates.ok());
  std::vector<const Candidate*> chosen;
  for (const int first : {0, 2}) {
    for (const Candidate& each : candidates->usable) {
      if (each.covers == std::vector<NodeId>{NodeId{first}, NodeId{first + 1}} &&
          (each.match.target < 0) == (first == 2)) {
        chosen.push_back(&each);
        break;
      }
    }
  }
  ASSERT_EQ(chosen.size(), 2u);
  const Result<Spliced> spliced = splice(even.graph, soc, chosen);
  ASSERT_TRUE(spliced.ok());
  EXPECT_EQ(dump(spliced->graph), dump(even.graph));
  EXPECT_THAT(names_of(*spliced), ElementsAre("first", "second"));
  for (size_t v = 0; v < even.graph.values.size(); ++v)
    EXPECT_EQ(spliced->values[v].index, static_cast<int32_t>(v));
}

TEST(Splice, AnExplicitPadIsAStepOfItsOwn) {
  const Soc soc = load_diana();
  const Network net;
  const Result<Candidates> candidates = all_candidates(net.graph, soc);
  ASSERT_TRUE(candidates.ok()) << format_diagnostics(candidates.errors());
  const Candidate& first = of_kind(*candidates, NodeId{0}, "");
  const Candidate& second = of_kind(*candidates, NodeId{2}, "pads");
  EXPECT_EQ(second.legalised->what, "explicit pad [0, 0, 1, 1]");
  ASSERT_EQ(second.extras.size(), 1u);
  EXPECT_EQ(second.cycles, second.tiling->cost.total + second.extras[0].cycles);
  EXPECT_GT(second.extras[0].cycles, 0);

  const Result<Spliced> spliced = splice(net.graph, soc, {&first, &second});
  ASSERT_TRUE(spliced.ok());
  EXPECT_THAT(names_of(*spliced), ElementsAre("first", "second (pad)", "second"));
  expect_same_outputs(net.graph, spliced->graph);
  const Step& pad = spliced->steps[1];
  const Step& job = spliced->steps[2];
  EXPECT_EQ(pad.candidate.cycles, second.extras[0].cycles);
  EXPECT_EQ(job.candidate.cycles, second.tiling->cost.total);
  EXPECT_TRUE(job.candidate.tiling.has_value());
  EXPECT_FALSE(pad.candidate.tiling.has_value());
  for (const Step* step : {&pad, &job}) {
    EXPECT_THAT(step->candidate.covers, ElementsAre(NodeId{2}, NodeId{3}));
    EXPECT_TRUE(step->candidate.extras.empty());
  }
  EXPECT_EQ(spliced->graph.node(pad.candidate.match.anchor).op, "pad");
  EXPECT_EQ(spliced->graph.node(job.candidate.match.anchor).op, "conv2d");
  EXPECT_EQ(job.candidate.match.find("x"), pad.candidate.match.output(spliced->graph));
  // The weights are the imported ones; what the layer had inside is gone.
  const ValueId weights = net.graph.nodes[2].inputs[1];
  EXPECT_EQ(job.candidate.match.find("weights"), spliced->values[static_cast<size_t>(weights.index)]);
  EXPECT_FALSE(spliced->values[static_cast<size_t>(net.graph.nodes[2].output.index)].valid());
  const Value& out = spliced->graph.value(spliced->graph.outputs[0]);
  EXPECT_EQ(out.name, net.graph.value(net.graph.outputs[0]).name);
}

TEST(Splice, ACopyIsMadeBeforeItsFirstReader) {
  const Soc soc = load_diana();
  const Network net;
  const Result<Candidates> candidates = all_candidates(net.graph, soc);
  ASSERT_TRUE(candidates.ok());
  const Candidate& first = of_kind(*candidates, NodeId{0}, "");
  const Candidate& second = of_kind(*candidates, NodeId{2}, "pads");
  const ValueId between = net.graph.nodes[1].output;
  const TensorType& type = net.graph.value(between).type;
  const std::vector<Conversion> conversions = {
      {between, dense_storage(type), dense_storage(type), {1}}};
  const Result<Spliced> spliced = splice(net.graph, soc, {&first, &second}, conversions);
  ASSERT_TRUE(spliced.ok());
  ASSERT_EQ(spliced->steps.size(), 4u);
  expect_same_outputs(net.graph, spliced->graph);
  const Step& copy = spliced->steps[1];
  EXPECT_THAT(copy.name, HasSubstr("(copy)"));
  EXPECT_TRUE(copy.candidate.covers.empty());
  EXPECT_GT(copy.candidate.cycles, 0);
  EXPECT_EQ(copy.candidate.match.output(spliced->graph), spliced->copies[0]);
  EXPECT_EQ(spliced->steps[2].candidate.match.find("x"), spliced->copies[0]);
}

// The flavour has a kernel for bytes between rows and pixels, and another cost where strides are no words.
TEST(Splice, ACopyThatTurnsAnImageHasARuleOfItsOwn) {
  const Result<Soc> soc = load_soc(std::string(HEDDLE_SOURCE_DIR) + "/rules/soc/diana_rv32.toml");
  ASSERT_TRUE(soc.ok());
  const auto copied = [&](const TensorType& type, const Storage& from, const Storage& to) {
    const Result<Extra> copy = copy_kernel(*soc, type, from, to);
    EXPECT_TRUE(copy.ok());
    return std::pair(rule_of(*soc, copy->match).name, copy->cycles);
  };
  TensorType type{DType::int8, {1, 24, 5, 11}, {-128, 127}};
  const Storage rows = padded_storage(type, {16, 32});
  const Storage pixels = padded_storage(type, {64, 1, DimOrder::channels_last});
  const auto [rule, cycles] = copied(type, rows, pixels);
  EXPECT_EQ(rule, "turn");
  EXPECT_EQ(copied(type, pixels, rows), std::pair(rule, cycles));
  const auto [bytes_rule, bytes_cycles] = copied(type, dense_storage(type), pixels);
  EXPECT_EQ(bytes_rule, "turn");
  EXPECT_GT(bytes_cycles, cycles);
  EXPECT_EQ(copied(type, dense_storage(type), rows).first, "move");
  type.dtype = DType::int16;
  EXPECT_EQ(copied(type, dense_storage(type), padded_storage(type, {1, 1, DimOrder::channels_last})).first,
            "move");
}

TEST(Splice, StatesAndOutputsAreKept) {
  const Soc soc = load_diana();
  Network net;
  const ValueId held = net.input({1, 16, 7, 7});
  const ValueId sum = net.node("add", {net.graph.outputs[0], held});
  const ValueId kept = net.requant(sum, 1);
  net.graph.outputs.push_back(kept);
  net.graph.states = {{held, kept}};
  const Result<Candidates> candidates = all_candidates(net.graph, soc);
  ASSERT_TRUE(candidates.ok());
  const Candidate* last = nullptr;
  for (const Candidate& each : candidates->usable) {
    if (each.covers == std::vector<NodeId>{NodeId{4}, NodeId{5}}) last = &each;
  }
  ASSERT_NE(last, nullptr);
  const Result<Spliced> spliced =
      splice(net.graph, soc, {&of_kind(*candidates, NodeId{0}, ""), &of_kind(*candidates, NodeId{2}, "pads"), last});
  ASSERT_TRUE(spliced.ok());
  ASSERT_TRUE(verify_graph(spliced->graph).ok());
  ASSERT_EQ(spliced->graph.states.size(), 1u);
  EXPECT_EQ(spliced->graph.states[0].input, spliced->graph.inputs[1]);
  EXPECT_EQ(spliced->graph.states[0].output, spliced->graph.outputs[1]);
}

TEST(Legalised, APolicyMayForbidForms) {
  const Soc soc = load_diana();
  const Network net;
  const Matches matches = match_rules(net.graph, soc, Policy{});
  Policy policy;
  const auto forms = [&] {
    const Result<Candidates> offered = with_legalised(net.graph, soc, policy, matches, {}, {});
    return offered.ok() ? offered->usable.size() + offered->refused_forms.size() : 0;
  };
  EXPECT_GT(forms(), 0u);
  policy.legalise = false;
  EXPECT_EQ(forms(), 0u);
}

TEST(Legalised, RefusalsOfFormsAreKept) {
  Soc soc = load_diana();
  Network net;
  for (Node& node : net.graph.nodes) {
    if (node.op == "requant") node.attributes["rounding"] = std::string("floor");
  }
  const Matches matches = match_rules(net.graph, soc, Policy{});
  const Result<Candidates> candidates = with_legalised(net.graph, soc, Policy{}, matches, {}, {});
  ASSERT_TRUE(candidates.ok());
  EXPECT_TRUE(candidates->usable.empty());
  ASSERT_FALSE(candidates->refused_forms.empty());
  const RefusedForm& refused = candidates->refused_forms.back();
  EXPECT_EQ(refused.legalised->what, "explicit pad [0, 0, 1, 1]");
  ASSERT_EQ(refused.match.failed.size(), 1u);
  EXPECT_EQ(refused.match.failed[0].condition, "requant.rounding == 'shift'");
}

}  // namespace
}  // namespace heddle
