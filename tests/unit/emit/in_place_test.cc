// Values that lie inside others: views, parts of concats, states. What is emitted computes the same,
// and moves no more than it must.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schedule/in_place.h"
#include "unit/emit/bundles.h"

namespace heddle {
namespace {

using testing::HasSubstr;
using testing::Not;
using test::GraphBuilder;
using test::Random;
using List = std::vector<int64_t>;

const std::string kSanitized = "CFLAGS=-O1 -fsanitize=address,undefined -fno-sanitize-recover=all";

struct Net : GraphBuilder {
  ValueId transpose(ValueId x, const List& perm) { return next("transpose", {{"perm", perm}}, {x}); }
  ValueId reshape(ValueId x, const Shape& shape) { return next("reshape", {{"shape", shape}}, {x}); }
  ValueId concat(const std::vector<ValueId>& parts, int64_t axis) {
    return next("concat", {{"axis", axis}}, parts);
  }
  ValueId slice(ValueId x, int64_t axis, int64_t start, int64_t end, int64_t step = 1) {
    const Shape& shape = graph.value(x).type.shape;
    List starts(shape.size(), 0), ends = shape, steps(shape.size(), 1);
    starts[static_cast<size_t>(axis)] = start;
    ends[static_cast<size_t>(axis)] = end;
    steps[static_cast<size_t>(axis)] = step;
    return next("slice", {{"starts", starts}, {"ends", ends}, {"steps", steps}}, {x});
  }
  ValueId relu(ValueId x) { return next("relu", {}, {x}); }
  ValueId halved(ValueId x) { return next("requant", test::requant("shift", 1), {x}); }
  ValueId next(const std::string& op, Attributes attributes, const std::vector<ValueId>& inputs) {
    return node(op + std::to_string(graph.nodes.size()), op, std::move(attributes), inputs);
  }
  const Shape& shape(ValueId id) const { return graph.value(id).type.shape; }
};

int64_t steps_with_code(const Graph& graph, const test::Compiled& c) {
  int64_t count = 0;
  for (const Step& step : c.schedule.steps)
    count += needs_no_code(graph, c.schedule.aliases, step.candidate.match) ? 0 : 1;
  return count;
}

TEST(InPlace, ReshapedStrides) {
  using Strides = std::optional<List>;
  EXPECT_EQ(reshaped_strides({2, 3, 4}, {12, 4, 1}, {6, 4}), Strides(List{4, 1}));
  EXPECT_EQ(reshaped_strides({2, 3, 4}, {24, 8, 2}, {24}), Strides(List{2}));
  EXPECT_EQ(reshaped_strides({24}, {3}, {2, 1, 12}), Strides(List{36, 36, 3}));
  EXPECT_EQ(reshaped_strides({2, 3, 4}, {16, 4, 1}, {2, 12}), Strides(List{16, 1}));
  EXPECT_EQ(reshaped_strides({2, 3, 4}, {16, 4, 1}, {6, 4}), std::nullopt);
  EXPECT_EQ(reshaped_strides({4, 3}, {1, 4}, {12}), std::nullopt);
  EXPECT_EQ(reshaped_strides({4, 3}, {1, 4}, {2, 2, 1, 3}), Strides(List{2, 1, 12, 4}));
  EXPECT_EQ(reshaped_strides({1, 1}, {7, 9}, {}), Strides(List{}));
}

// x in NHWC through a convolution back to NHWC: nothing is copied between the boundary copies.
TEST(InPlace, TransposesCostNothing) {
  Random random(1);
  Net net;
  const ValueId x = net.transpose(net.input("x", {1, 8, 9, 3}), {0, 3, 1, 2});
  net.output(net.transpose(net.conv(random, "conv", x, 4, 3, 1, 1), {0, 2, 3, 1}));
  const test::Compiled c = test::compile(random, "nhwc", net.graph, test::load("cpu_only"));
  EXPECT_EQ(steps_with_code(net.graph, c), 1);
  EXPECT_THAT(test::make(c.files, {"test", kSanitized}),
              HasSubstr("golden vectors: 2 of 2 bit-exact"));
}

// A slice is read where it lies; parts of a concat are computed into it.
TEST(InPlace, SlicesAndPartsCostNothing) {
  Random random(2);
  Net net;
  const ValueId x = net.input("x", {1, 6, 5, 4});
  const ValueId a = net.conv(random, "a", net.slice(x, 1, 0, 4), 3, 3, 1, 1);
  const ValueId b = net.conv(random, "b", net.slice(x, 1, 2, 6, 2), 2, 1, 1, 0);
  net.output(net.halved(net.concat({a, b, net.relu(a)}, 1)));
  const test::Compiled c = test::compile(random, "parts", net.graph, test::load("cpu_only"));
  EXPECT_EQ(steps_with_code(net.graph, c), 4);
  EXPECT_THAT(test::make(c.files, {"test", kSanitized}),
              HasSubstr("golden vectors: 2 of 2 bit-exact"));
}

// Branches of random moves, layers and operators on rows; on DIANA padded storages are among them.
TEST(InPlace, RandomMovesComputeTheSame) {
  for (const char* soc : {"cpu_only", "diana"}) {
    Random random(3);
    Net net;
    for (int branch = 0; branch < 24; ++branch) {
      std::vector<ValueId> values{net.input("x" + std::to_string(branch), {1, 16, 4, 6})};
      for (int i = 0; i < 7; ++i) {
        const ValueId x = values[static_cast<size_t>(
            random.between(std::max<int64_t>(0, std::ssize(values) - 3), std::ssize(values) - 1))];
        const Shape shape = net.shape(x);
        const int64_t rank = std::ssize(shape);
        const int64_t axis = random.between(0, rank - 1);
        const int64_t extent = shape[static_cast<size_t>(axis)];
        switch (random.between(0, 7)) {
          case 0:
          case 1: {
            List perm;
            for (int64_t d = 0; d < rank; ++d) perm.insert(perm.begin() + random.between(0, d), d);
            values.push_back(net.transpose(x, perm));
            break;
          }
          case 2: {
            Shape other = shape;
            if (rank > 2) {
              other[1] *= other[0];
              other.erase(other.begin());
            } else {
              other.insert(other.begin(), 1);
            }
            values.push_back(net.reshape(x, other));
            break;
          }
          case 3:
            values.push_back(net.slice(x, axis, extent / 3, extent, random.between(1, 2)));
            break;
          case 4:
            if (elements_of(shape) < 2000)
              values.push_back(net.concat({x, values.back() == x ? x : net.halved(x), net.relu(x)}, axis));
            break;
          case 5:
            values.push_back(net.halved(x));
            break;
          case 6:
            if (rank == 4 && shape[1] <= 32)
              values.push_back(net.conv(random, "conv" + std::to_string(net.graph.nodes.size()), x,
                                        16, 1, 1, 0));
            break;
          default:
            values.push_back(net.relu(x));
        }
      }
      net.output(net.halved(values.back()));
      if (net.graph.value(values[values.size() / 2]).producer.valid() &&
          !net.graph.is_output(values[values.size() / 2]))
        net.output(values[values.size() / 2]);
    }
    const test::Compiled c = test::compile(random, "moves", net.graph, test::load(soc));
    EXPECT_LT(steps_with_code(net.graph, c), std::ssize(c.schedule.steps));
    EXPECT_THAT(test::make(c.files, {"test", kSanitized}),
                HasSubstr("golden vectors: 2 of 2 bit-exact"))
        << soc;
  }
}

int64_t moved(const Graph& graph, const test::Compiled& c) {
  int64_t bytes = 0;
  for (const State& state : graph.states)
    bytes += kept_place(graph, c.schedule.aliases, c.schedule.storage, state).bytes_moved;
  return bytes;
}

// The input of a cache lies in its concat, new rows are computed right behind it, and one move
// makes room for the next run.
TEST(States, CachesAreAppendedInPlace) {
  Random random(4);
  Net net;
  const ValueId x = net.input("x", {1, 2, 1, 4}), cache = net.input("cache", {1, 2, 5, 4});
  const ValueId grown = net.concat({cache, net.relu(x)}, 2);
  net.output(net.halved(net.next("max_pool", test::with(test::pool(1), {{"kernel_h", int64_t{6}}}), {grown})));
  net.output(grown);
  net.graph.states = {{cache, grown}};
  const test::Compiled c = test::compile(random, "cache", net.graph, test::load("cpu_only"), 9);
  EXPECT_EQ(moved(net.graph, c), 40);
  EXPECT_EQ(steps_with_code(net.graph, c), 2);
  const std::string& header = c.files.at("include/cache.h");
  EXPECT_THAT(header, HasSubstr("int cache_reset(void *arena);"));
  EXPECT_THAT(header, HasSubstr("40 bytes moved after a run"));
  EXPECT_THAT(header, Not(HasSubstr("*cache;")));
  EXPECT_THAT(test::make(c.files, {"test", kSanitized}),
              HasSubstr("golden vectors: 9 of 9 bit-exact"));
}

// h' = f(h, x): the new state is written where the old one was, after its last reader.
TEST(States, EqualShapesAreOneMemory) {
  Random random(5);
  Net net;
  const ValueId x = net.input("x", {1, 4, 3, 3}), h = net.input("h", {1, 4, 3, 3});
  const ValueId sum = net.conv(random, "mix", net.halved(net.next("add", {}, {x, h})), 6, 3, 1, 1);
  const ValueId next = net.conv(random, "next", sum, 4, 1, 1, 0);
  net.output(next);
  net.output(net.relu(sum));
  net.graph.states = {{h, next}};
  const test::Compiled c = test::compile(random, "recurrent", net.graph, test::load("cpu_only"), 9);
  EXPECT_EQ(moved(net.graph, c), 0);
  EXPECT_THAT(c.files.at("include/recurrent.h"), HasSubstr("kept in place"));
  EXPECT_THAT(test::make(c.files, {"test", kSanitized}),
              HasSubstr("golden vectors: 9 of 9 bit-exact"));
}

// The old state is read after the new one is known: it is copied at the end.
TEST(States, ALaterReaderCostsACopy) {
  Random random(6);
  Net net;
  const ValueId x = net.input("x", {1, 4, 3, 3}), h = net.input("h", {1, 4, 3, 3});
  const ValueId next = net.conv(random, "next", net.halved(net.next("add", {}, {x, h})), 4, 1, 1, 0);
  net.output(next);
  net.output(net.halved(net.next("add", {}, {net.conv(random, "late", next, 4, 1, 1, 0), h})));
  net.graph.states = {{h, next}};
  const test::Compiled c = test::compile(random, "late", net.graph, test::load("cpu_only"), 9);
  EXPECT_EQ(moved(net.graph, c), 36);
  EXPECT_THAT(test::make(c.files, {"test", kSanitized}),
              HasSubstr("golden vectors: 9 of 9 bit-exact"));
}

// A streaming convolution: the last frames are a ring buffer of equal shape, which its concat shifts
// in place; on both SoCs.
TEST(States, AStreamingConvolution) {
  for (const char* soc : {"cpu_only", "diana"}) {
    Random random(7);
    Net net;
    const ValueId frame = net.input("frame", {1, 3, 1, 8}), past = net.input("past", {1, 3, 4, 8});
    const ValueId window = net.concat({net.slice(past, 2, 1, 4), frame}, 2);
    net.output(net.conv(random, "conv", window, 16, 3, 1, 0));
    net.output(window);
    net.graph.states = {{past, window}};
    const test::Compiled c = test::compile(random, "stream", net.graph, test::load(soc), 9);
    if (std::string(soc) == "cpu_only") {
      EXPECT_EQ(moved(net.graph, c), 0);
    }
    EXPECT_THAT(test::make(c.files, {"test", kSanitized}),
                HasSubstr("golden vectors: 9 of 9 bit-exact"));
  }
}

}  // namespace
}  // namespace heddle
