// The four columns of a network of four operators: two layers with an accelerator, one of them for
// two operators; on the CPU alone the last two are fused.
#include "report/columns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace heddle {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

Step step(std::vector<int> nodes, int anchor, int64_t cycles, std::optional<TilingCost> cost = {}) {
  Step made;
  for (const int node : nodes) made.candidate.match.nodes.push_back(NodeId{node});
  made.candidate.match.anchor = NodeId{anchor};
  made.candidate.cycles = cycles;
  if (cost) made.candidate.tiling.emplace().cost = *cost;
  return made;
}

sim::LayerResult ran(uint64_t compute, uint64_t driver, uint64_t waiting, uint64_t dma,
                     uint64_t accelerator) {
  sim::LayerResult layer;
  layer.split = {compute + driver + waiting,  compute, driver, waiting, 0,
                 {{dma, 1}, {accelerator, 1}}};
  return layer;
}

Columns columns() {
  Report report;
  report.network = "net";
  report.soc = "soc";
  report.policy = "latency";
  report.clock_hz = 200'000'000;
  report.main_memory = "ram";
  report.required_bytes = 12'345;
  report.available_bytes = 65'536;
  report.layers.resize(3);
  const char* const names[] = {"conv", "a layer with a very long name", "pool, \"1\""};
  const char* const where[] = {"array/conv2d", "array/a_rule_of_some_length", "rv32/pool"};
  for (size_t l = 0; l < 3; ++l) {
    report.layers[l].layer = names[l];
    report.layers[l].where = where[l];
  }
  Schedule schedule, cpu;
  TilingCost cost;
  cost.compute = 1'000;
  cost.dma = 400;
  cost.driver = 100;
  schedule.steps = {step({0}, 0, 1'500, cost), step({1, 2}, 1, 1'500, cost), step({3}, 3, 700)};
  cpu.steps = {step({0}, 0, 0), step({1}, 1, 0), step({2, 3}, 3, 0)};

  sim::SimulationResult measured;
  measured.footprint.code = 4'000;
  measured.footprint.constants = 2'000;
  measured.units = {{"mover", sim::UnitKind::dma}, {"array", sim::UnitKind::accelerator}};
  sim::SampleResult& sample = measured.samples.emplace_back();
  sample.layers = {ran(0, 140, 1'400, 400, 1'000), ran(0, 1'300, 1'400, 400, 1'000),
                   ran(800, 0, 0, 0, 0)};
  sample.outside = ran(120, 0, 0, 0, 0).split;
  sim::SampleResult free = sample;
  free.layers = {ran(0, 150, 0, 0, 0), ran(0, 1'310, 0, 0, 0), ran(800, 0, 0, 0, 0)};
  sim::SampleResult alone;
  alone.layers = {ran(50'000, 0, 0, 0, 0), ran(60'000, 0, 0, 0, 0), ran(900, 0, 0, 0, 0)};
  alone.outside = sample.outside;
  return make_columns(report, schedule, cpu, alone, free, measured);
}

TEST(Columns, LayersOfTheCpuGoWhereTheirAnchorIs) {
  const Columns made = columns();
  ASSERT_EQ(made.layers.size(), 4u);
  EXPECT_EQ(made.layers[0].cpu_only, 50'000);
  EXPECT_EQ(made.layers[1].cpu_only, 60'000);
  EXPECT_EQ(made.layers[2].cpu_only,
            900);  // with operator 2, which the accelerator fuses elsewhere
  EXPECT_EQ(made.layers[3].measured, 120);
  EXPECT_EQ(made.total.cpu_only, 50'000 + 60'000 + 900 + 120);
  EXPECT_EQ(made.total.free_units, 150 + 1'310 + 800 + 120);
  EXPECT_EQ(made.total.modelled, 3'700);
  EXPECT_EQ(made.total.measured, 1'540 + 2'700 + 800 + 120);
}

TEST(Columns, TheTermThatIsOffIsNamed) {
  const Columns made = columns();
  EXPECT_THAT(made.layers[0].off, IsEmpty());  // 2.6 %
  EXPECT_EQ(made.layers[1].off, "driver on the CPU: modelled 100, measured 1,300 cycles");
  EXPECT_EQ(made.layers[2].off, "CPU kernel: modelled 700, measured 800 cycles");
  EXPECT_EQ(made.layers[3].off, "CPU kernel: modelled 0, measured 120 cycles");
}

TEST(Columns, Texts) {
  EXPECT_EQ(columns_text(columns()),
            R"(net on SoC soc, policy latency: cycles at 200 MHz

layer              where                  CPU only  free units  modelled  measured   % off
conv               array/conv2d             50,000         150     1,500     1,540    -2.6
a layer with a...  array/a_rule_of_so...    60,000       1,310     1,500     2,700   -44.4
    driver on the CPU: modelled 100, measured 1,300 cycles
pool, "1"          rv32/pool                   900         800       700       800   -12.5
    CPU kernel: modelled 700, measured 800 cycles
(outside)          copies of in/outputs        120         120         0       120  -100.0
    CPU kernel: modelled 0, measured 120 cycles
total                                      111,020       2,380     3,700     5,160   -28.3
    driver on the CPU: modelled 200, measured 1,440 cycles
ms                                           0.555       0.012     0.018     0.026

CPU only, free units (accelerators and DMA take no time) and measured: firmware on the virtual
SoC; % off: modelled against measured
3 of 4 layers are off by more than 5 %: the term below each of them
0.026 ms; ram needs 12,345 of 65,536 B; code and constants 6,000 B
)");
  Columns labelled = columns();
  labelled.accuracy = Accuracy{199, 200};
  EXPECT_THAT(columns_text(labelled), HasSubstr("6,000 B\naccuracy: 199 of 200 right (99.5 %)\n"));
  EXPECT_THAT(columns_json(labelled), HasSubstr("\"percent\": 99.5"));
  EXPECT_EQ(columns_csv(columns()),
            "layer,where,cpu_only,free_units,modelled,measured\n"
            "conv,array/conv2d,50000,150,1500,1540\n"
            "a layer with a very long name,array/a_rule_of_some_length,60000,1310,1500,2700\n"
            "\"pool, \"\"1\"\"\",rv32/pool,900,800,700,800\n"
            "(outside),copies of in/outputs,120,120,0,120\n");
  EXPECT_THAT(columns_json(columns()), HasSubstr("\"percent_off\": -44.44"));
}

}  // namespace
}  // namespace heddle
