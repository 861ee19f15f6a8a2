#include "sim/description.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace heddle::sim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kSoc = R"({
  "schema": 1, "name": "bench", "summary": "for tests", "clock_hz": 260000000,
  "main_memory": "l2", "constant_memory": "flash", "program_memory": "flash", "reserved_bytes": 0,
  "cpu": {"flavour": "generic", "isa": "rv32imc", "cycles": {"alu": 1, "div": 35},
          "cycles_source": "a manual"},
  "firmware": {"stack_bytes": 4096, "uart": 436207616, "finisher": 436211712,
               "vectors": {"base": 2147483648, "bytes": 65536}},
  "energy": {"source": "a data sheet", "cpu_pj_per_cycle": 12.5, "units": {"adder": 40}},
  "memories": [
    {"name": "l2", "base": 469762048, "bytes": 524288, "load_cycles": 4, "store_cycles": 2,
     "fetch_cycles": 1, "owner": ""},
    {"name": "flash", "base": 536870912, "bytes": 1048576, "owner": ""},
    {"name": "adder/own", "base": 268435456, "bytes": 1024, "owner": "adder"}],
  "units": [
    {"name": "mover", "kind": "dma", "base": 437256192, "register_bytes": 64, "interrupt": 16,
     "model_symbol": "mover_model", "reaches": ["l2", "flash", "adder/own"]},
    {"name": "adder", "kind": "accelerator", "base": 438304768, "register_bytes": 128,
     "interrupt": 17, "wait_register": 124, "model_symbol": "adder_model", "reaches": ["adder/own"]}]
})";

constexpr const char* kLayers = R"({
  "schema": 1, "network": "net", "run": "net_run", "layers": [
    {"index": 0, "name": "conv/1", "function": "net_layer_00_conv_1", "target": "adder",
     "rule": "conv2d", "operators": "conv2d requant", "macs": 1000, "modelled_cycles": 77, "tiles": 2,
     "buffers": [{"operand": "x", "memory": "adder/own", "address": 268435456, "bytes": 64, "copy": 0}]},
    {"index": 1, "name": "view", "function": "", "target": "cpu", "rule": "any", "operators": "reshape",
     "macs": 0, "modelled_cycles": 0, "tiles": 1, "buffers": []}]
})";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

// A layer of a library is the CPU's; it has no unit.
TEST(Description, Libraries) {
  const std::string layers = replaced(kLayers, R"("target": "cpu")", R"("target": "kernels")");
  const Result<Description> none = parse_description(kSoc, layers, "bundle");
  ASSERT_FALSE(none.ok());
  EXPECT_THAT(format_diagnostics(none.errors()),
              HasSubstr("`kernels`, which is neither `cpu` nor a unit of soc.json"));
  const Result<Description> d = parse_description(
      replaced(kSoc, R"("units": [)", R"("libraries": ["kernels"], "units": [)"), layers, "bundle");
  ASSERT_TRUE(d.ok()) << format_diagnostics(d.errors());
  EXPECT_THAT(d->libraries, ElementsAre("kernels"));
  EXPECT_FALSE(d->on_cpu(d->layers[0]));
  EXPECT_TRUE(d->on_cpu(d->layers[1]));
}

TEST(Description, IsRead) {
  const Result<Description> d = parse_description(kSoc, kLayers, "bundle");
  ASSERT_TRUE(d.ok()) << format_diagnostics(d.errors());
  EXPECT_EQ(d->soc, "bench");
  EXPECT_EQ(d->clock_hz, 260'000'000);
  EXPECT_EQ(d->isa, "rv32imc");
  EXPECT_THAT(d->cpu_cycles, ElementsAre(std::pair<std::string, int64_t>("alu", 1),
                                         std::pair<std::string, int64_t>("div", 35)));
  ASSERT_EQ(d->memories.size(), 3u);
  EXPECT_EQ(d->memories[0].memory.load_cycles, 4u);
  EXPECT_TRUE(d->memories[0].memory.writable);
  EXPECT_FALSE(d->memories[1].memory.writable);  // flash
  EXPECT_TRUE(d->memories[2].memory.writable);
  EXPECT_EQ(d->memories[2].owner, "adder");
  ASSERT_EQ(d->units.size(), 2u);
  EXPECT_EQ(d->units[0].kind, UnitKind::dma);
  EXPECT_EQ(d->units[0].wait_register, -1);
  EXPECT_EQ(d->units[1].wait_register, 124);
  EXPECT_THAT(d->units[1].reaches, ElementsAre(2u));
  EXPECT_EQ(d->stack_bytes, 4096);
  EXPECT_EQ(d->vectors_base, 0x80000000u);
  EXPECT_DOUBLE_EQ(d->energy->cpu_pj_per_cycle, 12.5);
  ASSERT_EQ(d->layers.size(), 2u);
  EXPECT_EQ(d->layers[0].buffers[0].region, (Region{0x10000000, 64}));
  EXPECT_EQ(d->layers[1].function, "");
}

struct Change {
  bool layers;  // of layers.json, not soc.json
  const char *from, *to, *message;
};

TEST(Description, WhatIsWrongIsSaidWithItsPath) {
  const std::vector<Change> changes = {
      {false, "\"schema\": 1", "\"schema\": 2", "`schema` is 2, but this Heddle reads 1"},
      {false, "\"schema\": 1, ", "", "`schema` is missing"},
      {false, "{", "[", "the file is no JSON object"},
      {false, "\"clock_hz\": 260000000", "\"clock_hz\": 0",
       "`clock_hz` is 0, but a whole number from 1 to"},
      {false, "\"clock_hz\": 260000000", "\"clock_hz\": 18446744073709551615",
       "`clock_hz` is 18446744073709551615, but"},
      {false, "\"clock_hz\": 260000000", "\"clock_hz\": 2.5", "`clock_hz` is 2.5, but a whole"},
      {false, "\"cpu\": {\"flavour\": \"generic\", \"isa\": \"rv32imc\"", "\"cpu\": {\"isa\": 7",
       "`cpu.isa` is 7, but a text stands here"},
      {false, "\"alu\": 1", "\"alu\": -1", "`cpu.cycles.alu` is -1, but a whole number from 0"},
      {false, "\"bytes\": 524288", "\"bytes\": 0", "`memories[0].bytes` is 0, but"},
      {false, "\"base\": 469762048", "\"base\": 4294967295", "`memories[0].bytes` leads past"},
      {false, "\"main_memory\": \"l2\"", "\"main_memory\": \"l3\"",
       "`main_memory` is `l3`, but no shared memory is called so"},
      {false, "\"kind\": \"dma\"", "\"kind\": \"fan\"", "`units[0].kind` is `fan`, but `dma` or"},
      {false, "\"interrupt\": 17", "\"interrupt\": 16", "`units[1].interrupt` is 16, as that of"},
      {false, "\"name\": \"adder\", \"kind\"", "\"name\": \"mover\", \"kind\"",
       "`units[1].name` `mover` stands twice"},
      {false, "\"wait_register\": 124", "\"wait_register\": 125",
       "`units[1].wait_register` is 125"},
      {false, "[\"adder/own\"]", "[\"l9\"]", "`units[1].reaches` names `l9`, which is no memory"},
      {false, "[\"adder/own\"]", "[3]", "`units[1].reaches` is [3], but a list of texts"},
      {false, "\"vectors\": {", "\"vectors\": 5, \"other\": {",
       "`firmware.vectors` is 5, but an object stands here"},
      {false, "\"adder\": 40", "\"adder\": \"much\"",
       "`energy.units.adder` is \"much\", but a number"},
      {true, "\"run\": \"net_run\"", "\"walk\": 1", "layers.json: error: `run` is missing"},
      {true, "\"target\": \"adder\"", "\"target\": \"fan\"",
       "`layers[0].target` is `fan`, which is neither `cpu` nor a unit of soc.json"},
      {true, "\"address\": 268435456", "\"address\": -1", "`layers[0].buffers[0].address` is -1"},
      {true, "{\"operand\": \"x\"", "7, {\"operand\": \"x\"",
       "`layers[0].buffers[0]` is 7, but an object stands here"},
      {true, "\"layers\": [", "\"layers\": 1, \"other\": [",
       "`layers` is 1, but a list stands here"},
  };
  for (const Change& change : changes) {
    const std::string soc = change.layers ? kSoc : replaced(kSoc, change.from, change.to);
    const std::string layers = change.layers ? replaced(kLayers, change.from, change.to) : kLayers;
    const Result<Description> d = parse_description(soc, layers, "bundle");
    ASSERT_FALSE(d.ok()) << change.message;
    const std::string text = format_diagnostics(d.errors());
    EXPECT_THAT(text, HasSubstr(change.message));
    EXPECT_THAT(text, HasSubstr("help: compile the bundle anew"));
  }
}

// What is missing at once is said at once, and what hangs on it is not said again.
TEST(Description, AllErrorsAtOnce) {
  const Result<Description> d =
      parse_description(R"({"schema": 1})", R"({"schema": 1, "layers": []})", "bundle");
  ASSERT_FALSE(d.ok());
  const std::string text = format_diagnostics(d.errors());
  for (const char* const key : {"name", "clock_hz", "cpu", "memories", "units", "firmware", "run"})
    EXPECT_THAT(text, HasSubstr("`" + std::string(key) + "` is missing"));
  EXPECT_THAT(text, testing::Not(HasSubstr("cpu.")));
}

TEST(Description, OfAnOldBundle) {
  const Result<Description> d = read_description("/nowhere");
  ASSERT_FALSE(d.ok());
  EXPECT_THAT(format_diagnostics(d.errors()), HasSubstr("/nowhere/soc.json"));
}

}  // namespace
}  // namespace heddle::sim
