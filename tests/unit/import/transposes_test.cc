// Transposes that cancel, sink and fold; random graphs compute the same before and after.
#include "import/transposes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "import/normalise.h"
#include "support/network_builder.h"
#include "support/random.h"
#include "unit/import/test_model.h"

namespace heddle::test {
namespace {

using List = std::vector<int64_t>;

const List kToNchw{0, 3, 1, 2};
const List kToNhwc{0, 2, 3, 1};

struct Net : NetworkBuilder {
  ValueId transpose(ValueId x, const List& perm) { return node("transpose", {x}, {{"perm", perm}}); }
  ValueId weights(Shape shape, int64_t least = -3, int64_t span = 7) {
    Tensor tensor(DType::int8, std::move(shape));
    for (int64_t i = 0; i < tensor.elements(); ++i) tensor.set(i, least + (i * 5 + 1) % span);
    return constant(tensor);
  }
  // A convolution as a front end with NHWC tensors writes it.
  ValueId conv(ValueId x, int64_t k) {
    const ValueId nchw = transpose(x, kToNchw);
    Attributes attributes = window_attributes(1, 1, 1);
    attributes["group"] = int64_t{1};
    ValueId y = node("conv2d", {nchw, weights({k, shape(nchw)[1], 3, 3})}, attributes);
    y = node("bias_add", {y, weights({k})}, {{"axis", int64_t{1}}});
    return requant(transpose(y, kToNhwc), 4);
  }
  Graph done(ValueId y) {
    graph.outputs = {y};
    return graph;
  }
};

Graph sunk(const Graph& graph) {
  Result<Graph> result = sink_transposes(graph, "test");
  HEDDLE_CHECK(result.ok(), format_diagnostics(result.errors()));
  result = normalise(*result, "test");
  HEDDLE_CHECK(result.ok(), format_diagnostics(result.errors()));
  EXPECT_TRUE(verify_graph(*result).ok()) << format_diagnostics(verify_graph(*result).errors());
  return *result;
}

void expect_same(Random& random, const Graph& before, const Graph& after) {
  std::vector<Tensor> inputs;
  for (const ValueId id : before.inputs) {
    const TensorType& type = before.value(id).type;
    Tensor tensor(type.dtype, type.shape);
    for (int64_t i = 0; i < tensor.elements(); ++i) tensor.set(i, random.between(-128, 127));
    inputs.push_back(std::move(tensor));
  }
  const Result<std::vector<Tensor>> a = interpret(before, inputs), b = interpret(after, inputs);
  ASSERT_TRUE(a.ok() && b.ok());
  ASSERT_EQ(before.outputs.size(), after.outputs.size());
  for (size_t i = 0; i < before.outputs.size(); ++i) {
    const Tensor& x = (*a)[static_cast<size_t>(before.outputs[i].index)];
    const Tensor& y = (*b)[static_cast<size_t>(after.outputs[i].index)];
    ASSERT_EQ(x.shape(), y.shape());
    ASSERT_EQ(x.to_ints(), y.to_ints()) << dump(before) << dump(after);
    EXPECT_EQ(before.value(before.outputs[i]).name, after.value(after.outputs[i]).name);
  }
}

int64_t count(const Graph& graph, const std::string& op) {
  return std::count_if(graph.nodes.begin(), graph.nodes.end(),
                       [&](const Node& node) { return node.op == op; });
}

struct Row {
  const char* name;
  Graph graph;
  int64_t transposes;
};

TEST(Transposes, OfUsualPatternsVanish) {
  Random random(1);
  const auto row = [](const char* name, int64_t transposes, auto build) {
    Net net;
    const ValueId y = build(net);
    return Row{name, net.done(y), transposes};
  };
  const Row rows[] = {
      row("layers", 2,
          [](Net& n) { return n.conv(n.node("relu", {n.conv(n.input({1, 5, 4, 3}), 6)}), 2); }),
      row("residual", 2,
          [](Net& n) {
            const ValueId a = n.conv(n.input({1, 5, 4, 3}), 6), b = n.conv(a, 6);
            return n.conv(n.requant(n.node("add", {a, b}), 1), 3);
          }),
      row("scaled by a constant of the last dimension", 2,
          [](Net& n) {
            const ValueId a = n.conv(n.input({1, 5, 4, 3}), 6);
            return n.conv(n.requant(n.node("add", {a, n.weights({6})}), 1), 3);
          }),
      row("concat", 2,
          [](Net& n) {
            const ValueId a = n.conv(n.input({1, 5, 4, 3}), 6);
            const ValueId both = n.node("concat", {a, n.conv(a, 2), n.weights({1, 5, 4, 1})},
                                        {{"axis", int64_t{3}}});
            return n.conv(both, 3);
          }),
      row("slice", 2,
          [](Net& n) {
            const ValueId a = n.conv(n.input({1, 5, 4, 3}), 6);
            const ValueId part = n.node("slice", {a},
                                        {{"starts", List{0, 1, 3, 2}},
                                         {"ends", List{1, 5, -1, 5}},
                                         {"steps", List{1, 2, -1, 1}}});
            return n.conv(part, 3);
          }),
      row("gather", 2,
          [](Net& n) {
            const ValueId a = n.conv(n.input({1, 5, 4, 3}), 6);
            return n.conv(n.node("gather", {a, n.weights({4}, 0, 5)}, {{"axis", int64_t{3}}}), 3);
          }),
      row("flatten and dense", 1,
          [](Net& n) {
            const ValueId a = n.conv(n.input({2, 5, 4, 3}), 6);
            const ValueId flat = n.node("reshape", {a}, {{"shape", List{2, 120}}});
            return n.node("dense", {n.node("relu", {flat}), n.weights({7, 120})});
          }),
      row("flatten read elsewhere", 2,
          [](Net& n) {
            const ValueId a = n.conv(n.input({2, 5, 4, 3}), 6);
            const ValueId flat = n.node("reshape", {a}, {{"shape", List{2, 120}}});
            const ValueId y = n.node("dense", {flat, n.weights({120, 120})});
            return n.node("add", {flat, n.requant(y, 9)});
          }),
      row("global pool", 1,
          [](Net& n) {
            const ValueId a = n.conv(n.input({1, 5, 4, 3}), 6);
            const ValueId pool = n.node("global_average_pool", {n.transpose(a, kToNchw)});
            const ValueId flat =
                n.node("reshape", {n.transpose(pool, kToNhwc)}, {{"shape", List{1, 6}}});
            return n.node("dense", {flat, n.weights({7, 6})});
          }),
      row("a pair", 0,
          [](Net& n) {
            const ValueId x = n.node("relu", {n.input({1, 5, 4, 3})});
            return n.node("clip", {n.transpose(n.transpose(x, kToNchw), kToNhwc)},
                          {{"lo", int64_t{1}}, {"hi", int64_t{9}}});
          }),
      row("only ones move", 0,
          [](Net& n) { return n.node("relu", {n.transpose(n.input({1, 1, 7, 3}), {2, 0, 3, 1})}); }),
  };
  for (const Row& each : rows) {
    const Graph after = sunk(each.graph);
    EXPECT_EQ(count(after, "transpose"), each.transposes) << each.name << "\n" << dump(after);
    expect_same(random, each.graph, after);
  }
}

TEST(Transposes, RandomGraphsComputeTheSame) {
  Random random(2);
  const auto any_perm = [&](size_t rank) {
    if (rank == 4 && random.between(1, 2) == 1) return random.between(1, 2) == 1 ? kToNchw : kToNhwc;
    List perm;
    for (size_t d = 0; d < rank; ++d)
      perm.insert(perm.begin() + random.between(0, static_cast<int64_t>(d)), static_cast<int64_t>(d));
    return perm;
  };
  for (int round = 0; round < 400; ++round) {
    Net net;
    std::vector<ValueId> values{net.input({2, 3, 2, 4})};
    if (random.between(1, 2) == 1) values.push_back(net.input({2, 3, 2, 4}));
    for (int i = 0; i < 14; ++i) {
      const ValueId x = values[static_cast<size_t>(
          random.between(std::max<int64_t>(0, std::ssize(values) - 4), std::ssize(values) - 1))];
      const Shape shape = net.shape(x);
      const int64_t rank = std::ssize(shape);
      const int64_t axis = random.between(0, rank - 1);
      const int64_t channels = shape[static_cast<size_t>(axis)];
      switch (random.between(0, 9)) {
        case 0:
        case 1:
        case 2:
          values.push_back(net.transpose(x, any_perm(shape.size())));
          break;
        case 3:
          values.push_back(net.node("relu", {x}));
          break;
        case 4: {
          const ValueId sum = net.node("bias_add", {x, net.weights({channels})}, {{"axis", axis}});
          values.push_back(net.requant(sum, 1));
          break;
        }
        case 5: {
          for (const ValueId y : values) {
            if (net.shape(y) != shape) continue;
            values.push_back(net.requant(net.node("add", {x, y}), 1));
            break;
          }
          break;
        }
        case 6: {
          Shape own = shape;
          own[static_cast<size_t>(random.between(0, rank - 1))] = 1;
          own.erase(own.begin(), own.begin() + random.between(0, rank));
          values.push_back(net.requant(net.node("add", {net.weights(own), x}), 1));
          break;
        }
        case 7: {
          if (elements_of(shape) > 500) break;
          Shape own = shape;
          own[static_cast<size_t>(axis)] = 1;
          std::vector<ValueId> parts{x, net.weights(own)};
          if (random.between(1, 2) == 1) parts.push_back(x);
          values.push_back(net.node("concat", parts, {{"axis", axis}}));
          break;
        }
        case 8: {
          List starts(shape.size(), 0), ends = shape, steps(shape.size(), 1);
          starts[static_cast<size_t>(axis)] = channels - 1;
          ends[static_cast<size_t>(axis)] = -1;
          steps[static_cast<size_t>(axis)] = -random.between(1, 2);
          values.push_back(net.node(
              "slice", {x}, {{"starts", starts}, {"ends", ends}, {"steps", steps}}));
          break;
        }
        default: {
          const int64_t columns = elements_of(shape) / shape[0];
          const ValueId flat =
              net.node("reshape", {x}, {{"shape", List{shape[0], columns}}});
          const ValueId y = net.requant(net.node("dense", {flat, net.weights({6, columns})}), 5);
          values.push_back(net.node("reshape", {y}, {{"shape", List{1, 3, shape[0], 2}}}));
          break;
        }
      }
    }
    std::vector<ValueId> outputs;
    for (const ValueId id : values) {
      const bool last = net.graph.value(id).consumers.empty() && net.graph.value(id).producer.valid();
      if (last || (net.graph.value(id).producer.valid() && random.between(1, 5) == 1)) outputs.push_back(id);
    }
    if (outputs.empty()) continue;
    net.graph.outputs = outputs;
    const Graph after = sunk(net.graph);
    expect_same(random, net.graph, after);
    if (HasFatalFailure()) return;
  }
}

// What reads a value twice is looked at once: no time that doubles with every operator.
TEST(Transposes, LongChainsBehindAFlattenedImage) {
  Net net;
  const ValueId image = net.conv(net.input({1, 3, 4, 2}), 4);
  ValueId y = net.node("reshape", {image}, {{"shape", List{1, 48}}});
  for (int i = 0; i < 60; ++i) y = net.requant(net.node("add", {y, y}), 1);
  const Graph before = net.done(net.requant(net.node("dense", {y, net.weights({5, 48})}), 5));
  const Graph after = sunk(before);
  EXPECT_LE(count(after, "transpose"), 1);
  Random random(5);
  expect_same(random, before, after);
}

}  // namespace
}  // namespace heddle::test
