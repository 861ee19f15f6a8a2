#include "report/simulation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace heddle {
namespace {

using sim::CycleSplit;
using sim::UnitKind;
using testing::HasSubstr;
using testing::Not;

sim::SimulationResult result_of(bool units) {
  sim::SimulationResult result;
  result.network = "net";
  result.soc = "bench";
  result.isa = "rv32imc";
  result.clock_hz = 260'000'000;
  result.cpu_cycles = {{"alu", 1}, {"div", 35}};
  result.cycles_source = "a manual";
  if (units) result.units = {{"mover", UnitKind::dma}, {"adder", UnitKind::accelerator}};
  sim::SampleResult sample;
  CycleSplit split{134'110'000, 100'000'000, 4'110'000, 30'000'000, 120'000'000, {}};
  if (units) split.units = {{90'000'000, 100}, {100'000'000, 50}};
  sample.layers = {{"a layer whose name is longer than a column has room \x1b[31m for",
                    units ? "adder" : "cpu", "conv2d", 1, 1, 1, 0, split}};
  sample.total = split;
  sample.outside = CycleSplit{0, 0, 0, 0, 0, split.units};
  result.samples = {sample, sample};
  result.samples[1].total.cycles += 5;
  result.exact_samples = 2;
  result.setup_cycles = 2600;
  result.footprint = {1000, 2000, 30, 4, 50'000, 8192, 512, 99};
  return result;
}

TEST(SimulationText, FitsAHundredColumnsAndEscapesNames) {
  for (const bool units : {false, true}) {
    const std::string text = simulation_text(result_of(units));
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100u) << line;
    EXPECT_THAT(text, Not(HasSubstr("\x1b")));
    EXPECT_THAT(text, HasSubstr("an inference: 134,110,000 cycles, 515.808 ms at 260 MHz; "
                                "120,000,000 instructions\n"));
    EXPECT_THAT(text, HasSubstr("samples: 2, 134,110,000 to 134,110,005 cycles\n"));
    EXPECT_THAT(text, HasSubstr("set-up: 2,600 cycles, 0.010 ms, from reset"));
    EXPECT_THAT(text, HasSubstr("ROM: 3,030 bytes (code 1,000, constants 2,000, data 30)\n"));
    EXPECT_THAT(text, HasSubstr("RAM: 50,546 bytes (data 34, arena 50,000, stack 512 measured of "
                                "8,192)\n"));
    EXPECT_THAT(text, HasSubstr("rv32imc at alu 1 div 35; a manual\n"));
    EXPECT_THAT(text, HasSubstr("bit-exact with the reference: 2 of 2\n"));
    EXPECT_EQ(text.find("DMA busy") != std::string::npos, units);
    EXPECT_THAT(text, Not(HasSubstr("energy")));
    EXPECT_THAT(text, Not(HasSubstr("MIPS")));
  }
}

TEST(SimulationText, EnergyAndSpeedWhereTheyAreKnown) {
  sim::SimulationResult result = result_of(true);
  result.energy = sim::EnergyDescription{"a data sheet", 10, {{"adder", 2}}};
  result.host = {0.5, 240};
  result.instructions = 120'000'000;
  const std::string text = simulation_text(result);
  EXPECT_THAT(text, HasSubstr("energy: 1541.100 uJ an inference; a data sheet\n"));
  EXPECT_THAT(text, HasSubstr("simulated 120,000,000 instructions in 0.50 s, 240 MIPS\n"));
}

// A run that ended before the first inference.
TEST(SimulationText, WithoutASample) {
  sim::SimulationResult result = result_of(true);
  result.samples.clear();
  result.exact_samples = 0;
  EXPECT_THAT(simulation_text(result), HasSubstr("bit-exact with the reference: 0 of 0\n"));
}

}  // namespace
}  // namespace heddle
