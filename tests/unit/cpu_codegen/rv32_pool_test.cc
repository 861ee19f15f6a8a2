// Pools of the flavour rv32 against the reference interpreter: all kinds, windows, paddings, types
// and storages, alone and with maps behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/checked.h"
#include "cpu_codegen/generators.h"
#include "cpu_codegen/rv32/pool_windows.h"
#include "unit/cpu_codegen/program.h"

namespace heddle {
namespace {

using test::Random;
using testing::HasSubstr;

const KernelGenerator& generator() {
  const KernelGenerator* const found = find_generator("rv32_pool");
  HEDDLE_CHECK(found != nullptr, "no generator rv32_pool");
  return *found;
}

std::string reasons(const Graph& graph) {
  std::string text;
  for (const FailedCondition& failed : generator().refusals(graph, test::whole_match(graph)))
    text += failed.condition + ": " + failed.values;
  return text;
}

Attributes windows(int64_t kernel_h, int64_t kernel_w, int64_t stride_h, int64_t stride_w,
                   int64_t top = 0, int64_t left = 0, int64_t bottom = 0, int64_t right = 0) {
  return {{"kernel_h", kernel_h}, {"kernel_w", kernel_w}, {"stride_h", stride_h},
          {"stride_w", stride_w}, {"pad_top", top},       {"pad_left", left},
          {"pad_bottom", bottom}, {"pad_right", right}};
}

const Range kRanges[] = {{-128, 127},         {0, 255},     {-128, -1},
                         {-32768, 32767},     {17, 90},     {0, 65535},
                         {-1000000, 1000000}, {-100, 1000}, {INT32_MIN / 49, INT32_MAX / 50}};

Graph random_pool(Random& r) {
  const char* const kinds[] = {"max_pool", "average_pool", "sum_pool", "global_average_pool"};
  const std::string op = kinds[r.between(0, 3)];
  const Range x = kRanges[r.between(0, std::ssize(kRanges) - 1)];
  Shape shape{r.between(1, 2), r.between(1, 3), r.between(1, 11),
              r.coin() ? r.between(1, 9) : r.between(10, 45)};
  if (r.between(0, 5) == 0) std::swap(shape[2], shape[3]);
  Attributes attributes;
  if (op != "global_average_pool") {
    const auto pad = [&] { return r.between(0, 2) == 0 ? r.between(0, 3) : r.between(0, 1); };
    const int64_t kernel_h = r.between(1, r.between(0, 2) == 0 ? 9 : 3);
    const int64_t kernel_w = r.between(1, r.between(0, 2) == 0 ? 9 : 3);
    // Arguments would be drawn in the compiler's order.
    const int64_t right = pad(), bottom = pad(), left = pad(), top = pad();
    const int64_t stride_w = r.between(1, 3), stride_h = r.between(1, 3);
    attributes = windows(kernel_h, kernel_w, stride_h, stride_w, top, left, bottom, right);
    if (r.between(0, 5) == 0)  // one window for all
      attributes = windows(shape[2], shape[3], 1, 1);
  }
  if (op == "average_pool") {
    attributes["count_include_pad"] = r.between(0, 1);
    if (r.coin()) attributes["rounding"] = std::string("half_away");
  }
  if (op == "sum_pool" && r.coin()) attributes["x_zero_point"] = r.between(-300, 300);
  return test::graph_of(op, attributes, {test::activation(shape, x)});
}

TEST(Rv32, PoolsEqualTheReference) {
  Random random(31);
  int loops = 0, globals = 0, bands = 0, refused = 0, cases = 0;
  for (int part = 0; part < 3; ++part) {  // of a size that a compiler likes
    test::Program program;
    for (int i = 0; i < 180; ++i) {
      Graph graph = random_pool(random);
      if (!test::infer(graph).ok()) continue;
      graph = test::inferred(std::move(graph));
      if (!reasons(graph).empty()) {
        ++refused;
        continue;
      }
      const Range range = graph.value(graph.outputs[0]).type.range;
      if (random.coin() && range.lo > -9000000 && range.hi < 9000000)
        test::append_random_maps(random, graph);
      const StorageOf storage = test::image_storages(random, graph);
      const Kernel kernel =
          generator().make(graph, test::whole_match(graph), storage, program.next_function());
      const auto count = [&](const std::string& text) {
        return kernel.text.find(text) != std::string::npos ? 1 : 0;
      };
      loops += count("ox") * count("at +=");
      globals += (1 - count("ox")) * count("at +=");
      bands += count("const int32_t oy");
      program.add(kernel, graph, storage, test::random_inputs(random, graph));
    }
    cases += program.cases();
    EXPECT_EQ(program.run(), "");
  }
  EXPECT_GT(cases, 200);
  EXPECT_GT(refused, 0);
  EXPECT_GT(loops, 40);
  EXPECT_GT(globals, 15);
  EXPECT_GT(bands, 40);
}

// Every sum of a window, for every window of bytes that is written out and larger ones.
TEST(Rv32, QuotientsAreExact) {
  int exact = 0;
  for (int64_t count = 1; count <= 150; ++count) {
    for (const Range& x : {Range{-128, 127}, Range{0, 255}, Range{-128, -1}, Range{17, 90}}) {
      const Range sums{x.lo * count, x.hi * count};
      const std::optional<rv32::Quotient> q = rv32::quotient_of(sums, count);
      if (!q) continue;
      ++exact;
      for (int64_t sum = sums.lo; sum <= sums.hi; ++sum) {
        ASSERT_GE(sum + q->add, 0);
        ASSERT_LE((sum + q->add) * q->factor, int64_t{UINT32_MAX});
        ASSERT_EQ(((sum + q->add) * q->factor >> q->shift) - q->less,
                  floor_div(2 * sum + count, 2 * count))
            << sum << " / " << count;
      }
    }
  }
  EXPECT_GT(exact, 500);
  EXPECT_FALSE(rv32::quotient_of({INT32_MIN / 2, INT32_MAX / 2}, 9));
}

// Every element at one end of its range: sums as large as they were proven to be.
TEST(Rv32, PoolsOfExtremesDoNotOverflow) {
  Random random(32);
  test::Program program;
  for (const Range& range : {kRanges[0], kRanges[5], kRanges[8]}) {
    for (const char* op : {"max_pool", "average_pool", "sum_pool"}) {
      for (const bool highest : {false, true}) {
        Attributes attributes = windows(7, 7, 3, 2, 2, 2, 2, 2);
        if (std::string(op) == "average_pool") attributes["count_include_pad"] = int64_t{0};
        const Graph graph = test::inferred(
            test::graph_of(op, attributes, {test::activation({1, 1, 9, 23}, range)}));
        ASSERT_EQ(reasons(graph), "");
        Tensor x(graph.value(graph.inputs[0]).type.dtype, {1, 1, 9, 23});
        for (int64_t i = 0; i < x.elements(); ++i) x.set(i, highest ? range.hi : range.lo);
        const StorageOf storage = test::image_storages(random, graph);
        program.add(
            generator().make(graph, test::whole_match(graph), storage, program.next_function()),
            graph, storage, {x});
      }
    }
  }
  EXPECT_EQ(program.run(), "");
}

// A row of 3 x 3 windows two columns apart: each element is loaded once, in front of the store
// before it.
TEST(Rv32, PoolsLoadAColumnOnce) {
  const Graph graph = test::inferred(
      test::graph_of("max_pool", windows(3, 3, 2, 2), {test::activation({1, 1, 7, 7}, {-9, 9})}));
  const Value& x = graph.value(graph.inputs[0]);
  const Value& y = graph.value(graph.outputs[0]);
  const StorageOf storage{{graph.inputs[0], dense_storage(x.type)},
                          {graph.outputs[0], dense_storage(y.type)}};
  const std::string text =
      generator().make(graph, test::whole_match(graph), storage, "kernel").text;
  for (int64_t row = 0; row < 3; ++row) {
    for (int64_t column = 0; column < 7; ++column) {
      std::string element = "x0[" + std::to_string(column);
      if (row > 0) element += " + " + std::to_string(row * 7);
      element += "]";
      const size_t first = text.find(element);
      ASSERT_NE(first, std::string::npos) << element << "\n" << text;
      EXPECT_EQ(text.find(element, first + 1), std::string::npos) << element;
    }
  }
  EXPECT_LT(text.find("c4 = "), text.find("y_row[ox] = "));
}

TEST(Rv32, PoolsSayWhatTheyRefuse) {
  const auto refused = [&](const char* op, Attributes attributes, Range range,
                           const Shape& shape = {1, 1, 16, 16}) {
    return reasons(
        test::inferred(test::graph_of(op, attributes, {test::activation(shape, range)})));
  };
  EXPECT_EQ(refused("max_pool", windows(7, 7, 1, 1), {-128, 127}), "");
  EXPECT_EQ(refused("max_pool", windows(16, 16, 1, 1), {-128, 127}), "");  // one window
  EXPECT_EQ(refused("max_pool", windows(7, 8, 1, 1), {-128, 127}),
            "fy * fx <= 49: the window is 7 x 8");
  EXPECT_EQ(refused("max_pool", windows(1, 6, 1, 1, 0, 5, 0, 5), {-128, 127}),
            "at most 8 outputs of a row reach into the padding: 10 do");
  EXPECT_EQ(refused("max_pool", windows(6, 1, 1, 1, 5, 0, 5, 0), {-128, 127}),
            "at most 5 kinds of rows: the padding makes 11");
  Attributes shifted = windows(2, 2, 2, 2);
  shifted["x_zero_point"] = int64_t{65536};
  EXPECT_EQ(refused("sum_pool", shifted, {INT32_MAX / 4, INT32_MAX / 4 + 65535}),
            "the zero point's share is subtracted at the end: the sums can leave int32");
  Attributes scaled = windows(2, 2, 2, 2);
  scaled["scale"] = 0.5;
  EXPECT_EQ(refused("sum_pool", scaled, {-128, 127}), "integers: the sums are float32");
  EXPECT_EQ(reasons(test::inferred(test::graph_of("max_pool", windows(2, 2, 2, 2),
                                                  {test::real_activation({1, 1, 4, 4})}))),
            "integers: x is float32");
  EXPECT_EQ(refused("relu", {}, {-9, 9}),
            "a pool of sums or of greatest elements: the anchor is relu");
}

}  // namespace
}  // namespace heddle
