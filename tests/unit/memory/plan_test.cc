// Memory plans of schedules made by hand: lifetimes, constants, tile memories, and the budget.
#include "memory/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace heddle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// relu -> dense -> bias_add -> flatten -> relu, every operator a step of the CPU.
struct Network {
  Graph graph;
  Soc soc;
  Schedule schedule;

  ValueId value(std::string name, Shape shape, DType dtype = DType::int8) {
    Value made;
    made.name = std::move(name);
    made.type = {dtype, std::move(shape), range_of(dtype)};
    return graph.add_value(std::move(made));
  }
  ValueId constant(std::string name, Shape shape, DType dtype) {
    const ValueId id = value(std::move(name), std::move(shape), dtype);
    graph.value(id).constant = Tensor(dtype, graph.value(id).type.shape);
    return id;
  }
  ValueId step(const std::string& op, std::vector<ValueId> inputs, Shape shape,
               DType dtype = DType::int8) {
    Node node;
    node.name = op + std::to_string(graph.nodes.size());
    node.op = op;
    node.inputs = inputs;
    node.output = value("y" + std::to_string(graph.nodes.size()), std::move(shape), dtype);
    if (op == "bias_add") node.attributes["axis"] = int64_t{1};
    if (op == "flatten") node.attributes["axis"] = int64_t{1};
    const ValueId output = node.output;
    const NodeId id = graph.add_node(std::move(node));
    Step made;
    made.candidate.match.nodes = {id};
    made.candidate.match.anchor = id;
    made.name = graph.node(id).name;
    schedule.steps.push_back(std::move(made));
    schedule.materialised.push_back(output);
    schedule.storage[output] = dense_storage(graph.value(output).type);
    return output;
  }

  explicit Network(int64_t memory_bytes, bool flash = false) {
    soc.name = "small";
    soc.main_memory = "ram";
    soc.constant_memory = flash ? "flash" : "ram";
    soc.reserved_bytes = 100;
    soc.memories = {{"ram", memory_bytes, 0}, {"flash", 4096, 0x1000000}};
    graph.name = "net";
    const ValueId x = value("x", {1, 40});
    graph.inputs = {x};
    schedule.materialised = {x};
    schedule.storage[x] = dense_storage(graph.value(x).type);
    const ValueId a = step("relu", {x}, {1, 40});
    const ValueId weights = constant("w", {100, 40}, DType::int8);
    const ValueId b = step("dense", {a, weights}, {1, 100}, DType::int32);
    const ValueId bias = constant("b", {100}, DType::int32);
    const ValueId c = step("bias_add", {b, bias}, {1, 100}, DType::int32);
    const ValueId d = step("flatten", {c}, {1, 100}, DType::int32);
    const ValueId one = constant("one", {1}, DType::int32);
    const ValueId e = step("bias_add", {d, one}, {1, 100}, DType::int32);
    graph.outputs = {e, a};
    std::vector<const Match*> matches;
    for (const Step& made : schedule.steps) matches.push_back(&made.candidate.match);
    schedule.aliases = place_in_others(graph, matches, schedule.storage);
  }
};

TEST(Plan, LivesAreFromTheProducerToTheLastConsumer) {
  const Network network(1 << 20);
  const Result<MemoryPlan> plan = plan_memory(network.graph, network.soc, network.schedule);
  ASSERT_TRUE(plan.ok()) << format_diagnostics(plan.errors());
  EXPECT_THAT(check_placement(plan->main), IsEmpty());
  std::vector<std::string> lives;
  for (const Buffer& buffer : plan->main.buffers) {
    lives.push_back(buffer.name + " " + std::to_string(buffer.first) + ".." +
                    std::to_string(buffer.last));
  }
  // The graph's outputs y0 and y4 stay until the end.
  EXPECT_THAT(lives, ElementsAre("x 0..0", "y0 0..4", "y1 1..2", "y2 2..3", "y3 3..4", "y4 4..4"));
  EXPECT_EQ(plan->main.buffers[3].offset, plan->main.buffers[4].offset);  // flatten reads in place
  EXPECT_EQ(plan->main.lower_bound_bytes, 40 + 400 + 400);
  EXPECT_EQ(plan->main.peak_bytes, 40 + 400 + 400);  // the uppermost buffer is not rounded up
  EXPECT_EQ(plan->arena_bytes, 848);
}

TEST(Plan, CountsEachConstantTableOnce) {
  Network network(1 << 20);
  network.step("bias_add", {network.graph.outputs[0], network.graph.node(NodeId{2}).inputs[1]},
               {1, 100}, DType::int32);
  const Result<MemoryPlan> plan = plan_memory(network.graph, network.soc, network.schedule);
  ASSERT_TRUE(plan.ok()) << format_diagnostics(plan.errors());
  ASSERT_EQ(plan->constants.size(), 2u);  // the one of a single element is a literal
  EXPECT_EQ(network.graph.value(plan->constants[0]).name, "w");
  EXPECT_EQ(network.graph.value(plan->constants[1]).name, "b");
  EXPECT_EQ(plan->constant_bytes, 4000 + 416);
  EXPECT_EQ(plan->required_bytes, plan->arena_bytes + 100 + plan->constant_bytes);
}

// Scratch memory lives during its step only; constants made for a kernel take the place of those
// that nothing else reads.
TEST(Plan, HoldsWhatKernelsNeed) {
  const Network network(1 << 20);
  std::vector<KernelNeeds> needs(network.schedule.steps.size());
  needs[1] = {500, {5000, 20}, std::vector<ValueId>{}};  // the dense reads no constant of the graph
  needs[3].scratch_bytes = 10;
  const Result<MemoryPlan> plan = plan_memory(network.graph, network.soc, network.schedule, needs);
  ASSERT_TRUE(plan.ok()) << format_diagnostics(plan.errors());
  EXPECT_THAT(check_placement(plan->main), IsEmpty());
  ASSERT_EQ(plan->constants.size(), 1u);
  EXPECT_EQ(network.graph.value(plan->constants[0]).name, "b");
  EXPECT_EQ(plan->constant_bytes, 5024 + 32 + 416);
  const std::vector<Buffer>& buffers = plan->main.buffers;
  ASSERT_EQ(buffers.size(), 8u);
  EXPECT_FALSE(buffers[6].value.valid());
  EXPECT_EQ(buffers[6].name, "scratch of dense1");
  EXPECT_EQ(buffers[6].bytes, 500);
  EXPECT_EQ(buffers[6].first, 1);
  EXPECT_EQ(buffers[6].last, 1);
  EXPECT_EQ(buffers[7].first, 3);
  EXPECT_EQ(plan->main.lower_bound_bytes, 48 + 400 + 500);
  EXPECT_THAT(dump(network.graph, *plan), HasSubstr("  scratch of dense1 at "));
}

TEST(Plan, IsDumpedInFull) {
  const Network network(8192);
  const Result<MemoryPlan> plan = plan_memory(network.graph, network.soc, network.schedule);
  ASSERT_TRUE(plan.ok()) << format_diagnostics(plan.errors());
  EXPECT_EQ(dump(network.graph, *plan), R"(arena 848 bytes: peak 840 in step 2, lower bound 840
  v0 x at 0 bytes 40 steps 0..0
  v1 y0 at 800 bytes 40 steps 0..4
  v3 y1 at 400 bytes 400 steps 1..2
  v5 y2 at 0 bytes 400 steps 2..3
  v6 y3 at 0 bytes 400 steps 3..4 in place of v5
  v8 y4 at 400 bytes 400 steps 4..4
constants 4416 bytes
  v2 w int8 [100, 40]
  v4 b int32 [100]
tile memories 0 0
main memory 5364 of 8192 bytes
)");
}

TEST(Plan, RefusesWhatDoesNotFit) {
  const struct {
    int64_t bytes;
    bool flash;
    const char* message;
  } cases[] = {
      {5363, false,
       "the network does not fit into memory `ram` of SoC `small`: 5,364 bytes are required, 5,363 "
       "are available, 1 too many "
       "(arena 848, reserved 100, constants 4,416; most of the arena is live in `bias_add2`, "
       "`bias_add4`)"},
      {900, true,
       "948 bytes are required, 900 are available, 48 too many (arena 848, reserved 100; most"},
      {948, true,
       "memory `flash` of SoC `small`: 4,416 bytes are required, 4,096 are available, 320 too many "
       "(constants)"},
  };
  for (const auto& c : cases) {
    const Network network(c.bytes, c.flash);
    const Result<MemoryPlan> plan = plan_memory(network.graph, network.soc, network.schedule);
    ASSERT_FALSE(plan.ok()) << c.message;
    EXPECT_THAT(format_diagnostics(plan.errors()), HasSubstr(c.message));
  }
  EXPECT_TRUE(plan_memory(Network(5364).graph, Network(5364).soc, Network(5364).schedule).ok());
}

TEST(Plan, RemembersTheHighestUseOfEachTileMemory) {
  Network network(1 << 20);
  network.soc.memories.push_back({"l1", 65536, 0x2000000});
  SocUnit unit;
  unit.target.memories = {{"weights", 1024, 0}};
  unit.target.rules.emplace_back();
  network.soc.accelerators = {unit, unit};
  for (const int step : {1, 2}) {
    Candidate& candidate = network.schedule.steps[static_cast<size_t>(step)].candidate;
    candidate.match.target = step - 1;
    candidate.tiling.emplace();
    candidate.tiling->buffers = {{"x", "l1", 64, 32, step}, {"weights", "weights", 0, 96, 1}};
  }
  const Result<MemoryPlan> plan = plan_memory(network.graph, network.soc, network.schedule);
  ASSERT_TRUE(plan.ok()) << format_diagnostics(plan.errors());
  EXPECT_THAT(plan->tile_bytes, ElementsAre(0, 0, 128, 96, 96));
}

TEST(Plan, AnArenaIsNeverEmpty) {
  Network network(1 << 20);
  network.graph = {};
  network.schedule = {};
  const Result<MemoryPlan> plan = plan_memory(network.graph, network.soc, network.schedule);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->arena_bytes, 16);
}

}  // namespace
}  // namespace heddle
