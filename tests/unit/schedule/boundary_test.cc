// Copies at a network's boundary: how they are cut into runs, what they cost, and that the schedule
// weighs them.
#include "schedule/boundary.h"

#include <gtest/gtest.h>

#include "support/network_builder.h"
#include "schedule/policy.h"

namespace heddle {
namespace {

TensorType int8_type(const Shape& shape) { return {DType::int8, shape, {-128, 127}}; }

TEST(CopyRuns, AreAsLongAsBothSidesAllow) {
  const struct {
    Shape shape;
    BufferLayout layout;
    int64_t loops, run_bytes;
    bool words;
  } cases[] = {
      {{640}, {}, 0, 640, true},
      {{1, 3, 96, 96}, {16, 32}, 0, 27648, true},  // rows and planes have no padding here
      {{1, 3, 10, 48}, {16, 64}, 1, 480, true},    // planes have
      {{1, 3, 10, 52}, {16, 32}, 1, 52, true},     // 30 rows of 52 in 64 bytes
      {{1, 1, 10, 49}, {16, 32}, 1, 49, false},    // rows of the caller's begin anywhere
      {{1, 1, 10, 49}, {}, 0, 490, true},
      {{1, 3, 8, 8}, {1, 1, DimOrder::channels_last}, 2, 0, false},
      {{1, 1, 8, 8}, {1, 1, DimOrder::channels_last}, 0, 64, true},  // one channel: the same order
      {{1, 1, 10, 4}, {16, 32}, 2, 0, false},      // a call for 4 bytes would not pay
      {{}, {}, 0, 0, false},
  };
  for (const auto& c : cases) {
    const TensorType type = int8_type(c.shape);
    const CopyRuns runs = copy_runs(type, padded_storage(type, c.layout));
    EXPECT_EQ(static_cast<int64_t>(runs.loops.size()), c.loops) << to_string(c.shape);
    EXPECT_EQ(runs.run_bytes, c.run_bytes) << to_string(c.shape);
    EXPECT_EQ(runs.words, c.words) << to_string(c.shape);
    int64_t elements = std::max<int64_t>(runs.run_bytes, 1);
    for (const CopyRuns::Loop& loop : runs.loops) elements *= loop.extent;
    EXPECT_EQ(elements, elements_of(c.shape));
  }
}

TEST(CopyCycles, CountRunsAndTheirSteps) {
  Soc soc;
  const TensorType type = int8_type({1, 1, 10, 49});
  const Storage dense = dense_storage(type), padded = padded_storage(type, {16, 32});
  EXPECT_EQ(copy_cycles(soc, type, dense), 0);
  soc.cpu_constants = {{"copy_x10", 70}};
  EXPECT_EQ(copy_cycles(soc, type, dense), 3430);
  EXPECT_EQ(copy_cycles(soc, type, padded), 3430);
  soc.cpu_constants = {{"copy_x10", 70}, {"copy_row", 40}, {"copy_step_x10", 28}};
  EXPECT_EQ(copy_cycles(soc, type, dense), 40 + 123 * 28 / 10);
  EXPECT_EQ(copy_cycles(soc, type, padded), 10 * 40 + 490 * 28 / 10);
  soc.cpu_constants.emplace_back("copy_call", 90);
  EXPECT_EQ(copy_cycles(soc, type, dense), 90 + 40 + 123 * 28 / 10);
  soc.cpu_constants.pop_back();
  const TensorType image = int8_type({1, 3, 8, 8});
  EXPECT_EQ(copy_cycles(soc, image, padded_storage(image, {1, 1, DimOrder::channels_last})), 192 * 7);
}

// Rows of 49 are copied in one piece; the DMA gathers them. Rows of 64 are padded already.
TEST(Boundary, TheScheduleChoosesTheStorageOfInputsByTheirCopiesToo) {
  Result<Soc> soc = load_soc(std::string(HEDDLE_SOURCE_DIR) + "/rules/soc/diana.toml");
  ASSERT_TRUE(soc.ok());
  for (const int64_t width : {49, 64}) {
    NetworkBuilder n;
    const ValueId x = n.input({1, 1, 10, width});
    Tensor weights(DType::int8, {16, 1, 3, 3});
    for (int64_t i = 0; i < weights.elements(); ++i) weights.set(i, i % 7 - 3);
    Attributes attributes = window_attributes(1, 1, 1);
    attributes["group"] = int64_t{1};
    n.graph.outputs = {n.requant(n.node("conv2d", {x, n.constant(weights)}, attributes), 5)};
    const Policy policy{"test", "", Objective::latency, {}};
    const Matches matches = match_rules(n.graph, *soc, policy);
    const Result<Candidates> candidates = make_candidates(n.graph, *soc, matches);
    ASSERT_TRUE(candidates.ok());
    const Result<Schedule> schedule = make_schedule(n.graph, *soc, policy, matches, *candidates);
    ASSERT_TRUE(schedule.ok());
    EXPECT_EQ(schedule->storage.at(x), dense_storage(n.graph.value(x).type)) << width;
    EXPECT_EQ(schedule->proof.cost, schedule->cycles);
    EXPECT_GT(schedule->copy_cycles, 0);
  }
}

}  // namespace
}  // namespace heddle
