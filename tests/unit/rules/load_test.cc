// The files that ship, and what the loaders make of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <random>
#include <sstream>

#include "base/files.h"
#include "base/text.h"
#include "rules/rules.h"
#include "rules/schema.h"
#include "rules/toml.h"

namespace heddle {
namespace fs = std::filesystem;
namespace {

const fs::path kRoot = HEDDLE_SOURCE_DIR;

template <class T>
T loaded(Result<T> result) {
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : format_diagnostics(result.errors()));
  return std::move(result).value();
}

TEST(Load, Diana) {
  const Soc soc = loaded(load_soc(kRoot / "rules/soc/diana.toml"));
  EXPECT_EQ(soc.name, "diana");
  EXPECT_EQ(soc.clock_hz, 260'000'000);
  EXPECT_EQ(soc.main_memory, "l2");
  EXPECT_EQ(soc.constant_memory, "l2");
  EXPECT_EQ(soc.reserved_bytes, 65536);
  ASSERT_NE(soc.find_memory("l1"), nullptr);
  EXPECT_EQ(soc.find_memory("l1")->bytes, 262144);
  EXPECT_EQ(soc.find_memory("l1")->base, 0x10000000u);
  EXPECT_EQ(soc.find_memory("weights"), nullptr);  // private
  EXPECT_EQ(soc.cpu.kind, TargetKind::cpu);
  ASSERT_FALSE(soc.cpu_constants.empty());
  EXPECT_EQ(soc.cpu_constants[0], (std::pair<std::string, int64_t>("driver_call", 23)));
  ASSERT_TRUE(soc.dma);
  EXPECT_EQ(soc.dma->base, 0x1A100000u);
  EXPECT_EQ(soc.dma->target.transfer_unit_bytes, 32);
  ASSERT_EQ(soc.accelerators.size(), 2u);
  const Target& digital = soc.accelerators[0].target;
  EXPECT_EQ(digital.name, "diana_digital");
  EXPECT_EQ(digital.kind, TargetKind::accelerator);
  ASSERT_EQ(digital.memories.size(), 1u);
  EXPECT_EQ(digital.memories[0].base, 0x12000000u);
  EXPECT_EQ(digital.headers, std::vector<std::string>{"driver.h"});

  const Rule& conv = digital.rules[0];
  EXPECT_EQ(conv.name, "conv2d");
  EXPECT_EQ(conv.pattern.items.size(), 4u);
  EXPECT_EQ(conv.layout, (BufferLayout{16, 32}));
  ASSERT_EQ(conv.packings.size(), 1u);
  EXPECT_EQ(conv.packings[0].block_axis, "k");
  EXPECT_EQ(conv.packings[0].block_size, 16);
  ASSERT_EQ(conv.packings[0].parts.size(), 2u);
  EXPECT_EQ(conv.packings[0].parts[0].operand, "bias");
  EXPECT_EQ(conv.packings[0].parts[0].element_bytes, 4);
  EXPECT_EQ(conv.packings[0].parts[1].order, (std::vector<std::string>{"c", "fy", "fx", "k"}));
  const Target& analog = soc.accelerators[1].target;
  ASSERT_EQ(analog.options.size(), 2u);
  EXPECT_EQ(analog.options[0].name, "noise_x100");
  EXPECT_EQ(analog.options[0].register_offset, 0xF0);
  EXPECT_EQ(analog.options[0].hi, 10000);
  ASSERT_EQ(analog.rules[0].packings.size(), 2u);
  EXPECT_EQ(analog.rules[0].packings[0].parts[0].bits(), 2);
  EXPECT_EQ(analog.rules[0].packings[0].parts[0].fill_bytes, 9216);
  EXPECT_EQ(analog.rules[0].packings[1].parts[0].absent, 1);
  EXPECT_EQ(analog.rules[0].packings[1].parts[1].bits(), 16);

  // The order of the file is kept: it is the order of the tile loops and of the job's fields.
  ASSERT_EQ(conv.domains.size(), 4u);
  EXPECT_EQ(conv.domains[0].axis, "g");
  EXPECT_TRUE(conv.domains[0].one);
  EXPECT_EQ(conv.domains[1].axis, "k");
  EXPECT_EQ(conv.domains[1].multiple_of, 16);
  EXPECT_EQ(conv.domains[2].axis, "oy");
  EXPECT_EQ(conv.domains[2].multiple_of, 1);
  EXPECT_EQ(conv.domains[3].axis, "ox");
  ASSERT_TRUE(conv.job);
  EXPECT_EQ(conv.job->struct_name, "diana_digital_conv2d_job");
  ASSERT_GT(conv.job->fields.size(), 3u);
  EXPECT_EQ(conv.job->fields[0].name, "x");
  EXPECT_EQ(conv.job->fields[1].name, "x_pitch");
  EXPECT_FALSE(conv.when[0].why.empty());
  EXPECT_EQ(conv.when[0].place.line, conv.place.line + 4);
}

TEST(Load, WhatFirmwareNeedsOfDiana) {
  const Soc soc = loaded(load_soc(kRoot / "rules/soc/diana.toml"));
  EXPECT_EQ(soc.program_memory, "l2");
  EXPECT_EQ(soc.isa, Isa::rv32imc);
  ASSERT_EQ(soc.cpu_cycles.size(), kCycleClasses.size());
  const auto cycles = [&](std::string_view name) {
    for (const auto& [key, value] : soc.cpu_cycles) {
      if (key == name) return value;
    }
    return int64_t{-1};
  };
  EXPECT_EQ(cycles("alu"), 1);
  EXPECT_EQ(cycles("mulh"), 5);
  EXPECT_EQ(cycles("branch_taken"), 3);
  EXPECT_THAT(soc.cpu_cycles_source, testing::HasSubstr("RI5CY"));
  EXPECT_EQ(soc.firmware.stack_bytes, 8192);
  EXPECT_EQ(soc.firmware.uart, 0x1B000000u);
  EXPECT_EQ(soc.firmware.vectors_base, 0x80000000u);
  EXPECT_FALSE(soc.energy);
  EXPECT_THAT(dump(soc), testing::HasSubstr("program in l2, isa rv32imc, stack of 8192 bytes"));
}

// A SoC that says nothing of firmware: cycles as in the table, the test bench where nothing else
// is.
TEST(Load, TheTestBenchKeepsOutOfTheWay) {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "soc.toml")
      << "schema = 1\nname = \"bare\"\nsummary = \"s\"\nclock_hz = 1\nmain_memory = \"ram\"\n"
         "constant_memory = \"flash\"\n"
         "[[memory]]\nname = \"ram\"\nbytes = 0x20000000\nbase = 0x80000000\nload_cycles = 2\n"
         "[[memory]]\nname = \"flash\"\nbytes = 0x10000\nbase = 0x10000000\nfetch_cycles = 3\n"
         "[cpu]\nisa = \"cortex-m55\"\nflavour = \""
      << (kRoot / "cpu_codegen/generic").string()
      << "\"\n[cpu.constants]\nmac_x10 = 1\ndepthwise_mac_x10 = 1\nmap_x10 = 1\nmove_x10 = 1\n"
         "kernel = 1\n[energy]\nsource = \"a data sheet\"\ncpu_pj_per_cycle = 12\n";
  const Soc soc = loaded(load_soc(folder.path() / "soc.toml"));
  EXPECT_EQ(soc.program_memory, "flash");
  EXPECT_EQ(soc.isa, Isa::cortex_m55);
  EXPECT_EQ(soc.find_memory("ram")->load_cycles, 2);
  EXPECT_EQ(soc.find_memory("flash")->fetch_cycles, 3);
  EXPECT_EQ(soc.find_memory("flash")->store_cycles, 0);
  for (const auto& [name, value] : soc.cpu_cycles) EXPECT_EQ(value, name == "div" ? 35 : 1) << name;
  EXPECT_EQ(soc.cpu_cycles_source, "");
  EXPECT_EQ(soc.firmware.vectors_base, 0xA0000000u);
  EXPECT_EQ(soc.firmware.vectors_bytes, 16 << 20);
  EXPECT_EQ(soc.firmware.uart, 0x10010000u);
  EXPECT_EQ(soc.firmware.finisher, 0x00100000u);
  ASSERT_TRUE(soc.energy);
  EXPECT_EQ(soc.energy->cpu_pj_per_cycle, 12);
  EXPECT_EQ(soc.energy->source, "a data sheet");
}

TEST(Load, AtMostSixteenUnits) {
  const TemporaryFolder folder;
  const fs::path from = kRoot / "tests/rejects/soc_overlap";
  std::string toml = *read_file(kRoot / "tests/rejects/soc_memory_cycles/soc.toml");
  toml = toml.substr(0, toml.find("load_cycles")) + toml.substr(toml.find("\n[cpu]"));
  toml.resize(toml.find("[[accelerator]]"));
  for (const char* unit : {"cpu", "dma"})
    fs::copy(from / unit, folder.path() / unit, fs::copy_options::recursive);
  for (int i = 0; i < 16; ++i) {
    const std::string name = "unit" + std::to_string(i);
    fs::create_directory(folder.path() / name);
    std::string text = *read_file(from / "unit/accelerator.toml");
    text.replace(text.find("\"unit\""), 6, '"' + name + '"');
    std::ofstream(folder.path() / name / "accelerator.toml") << text;
    toml += "[[accelerator]]\nunit = \"" + name +
            "\"\nbase = " + std::to_string(0x30000000 + i * 0x1000) +
            "\nmemory = { weights = " + std::to_string(0x40000000 + i * 0x1000) + " }\n";
  }
  std::ofstream(folder.path() / "soc.toml") << toml;
  const Result<Soc> soc = load_soc(folder.path() / "soc.toml");
  ASSERT_FALSE(soc.ok());
  EXPECT_THAT(format_diagnostics(soc.errors()),
              testing::HasSubstr("16 accelerators and a DMA, but a SoC has at most 16 units"));
  toml.resize(toml.rfind("[[accelerator]]"));
  std::ofstream(folder.path() / "soc.toml") << toml;
  EXPECT_EQ(loaded(load_soc(folder.path() / "soc.toml")).accelerators.size(), 15u);
}

// A SoC may set a unit's constants and say which of its memories the unit's rules mean; then the
// unit needs neither DMA nor L1.
TEST(Load, ConstantsAndUses) {
  const Soc soc = loaded(load_soc(kRoot / "rules/soc/qvanilla.toml"));
  EXPECT_FALSE(soc.dma);
  const Target& unit = soc.accelerators[0].target;
  for (const OperandPlacement& placement : unit.rules[0].operands) {
    EXPECT_EQ(placement.memory, "ram") << placement.operand;
    EXPECT_TRUE(soc.in_place(placement, unit.rules[0].packs(placement.operand)));
  }
  EXPECT_THAT(dump(soc), testing::HasSubstr("  unit.cycles_per_1000_macs = 0\n"));
  EXPECT_THAT(dump(soc), testing::HasSubstr("  activations is memory ram\n"));

  const TemporaryFolder temporary;
  std::ostringstream file;
  file << std::ifstream(kRoot / "rules/soc/qvanilla.toml").rdbuf();
  std::string text = file.str();
  const auto replace = [&](const std::string& from, const std::string& to) {
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
  };
  const auto load = [&] {
    std::ofstream(temporary.path() / "soc.toml") << text;
    return load_soc(temporary.path() / "soc.toml", {kRoot / "accelerators", kRoot / "cpu_codegen"});
  };
  replace("cycles_per_1000_macs = 0", "cycles_per_1000_macs = 62");
  const Soc slower = loaded(load());
  EXPECT_THAT(dump(slower), testing::HasSubstr("  unit.cycles_per_1000_macs = 62\n"));
  // Constants elsewhere: a job would have to have them moved.
  replace("constant_memory = \"ram\"", "constant_memory = \"flash\"");
  replace("[cpu]", "[[memory]]\nname = \"flash\"\nbytes = 4096\nbase = 0x30000000\n[cpu]");
  const Result<Soc> moved = load();
  ASSERT_FALSE(moved.ok());
  EXPECT_THAT(format_diagnostics(moved.errors()), testing::HasSubstr("accelerators need a DMA"));
  replace("constants = \"ram\"", "constants = \"flash\"");
  EXPECT_EQ(loaded(load()).accelerators[0].target.rules[0].operands[1].memory, "flash");
}

// No device: neither registers nor a wait, and a call is the rule's launch alone.
TEST(Load, ALibrary) {
  const Target library =
      loaded(load_target(kRoot / "tests/rejects/soc_library_is_no_accelerator/library"));
  EXPECT_EQ(library.kind, TargetKind::library);
  EXPECT_EQ(library.register_bytes, 0);
  EXPECT_EQ(library.base_macro, "");
  const Rule& rule = library.rules.at(0);
  EXPECT_EQ(rule.layout, BufferLayout{});
  EXPECT_TRUE(rule.domains.empty());
  EXPECT_EQ(rule.job->wait, "");
  Soc soc = loaded(load_soc(kRoot / "rules/soc/diana.toml"));
  EXPECT_EQ(soc.driver_cycles(*rule.job), 0);
  EXPECT_GT(soc.driver_cycles(*soc.accelerators[0].target.rules[0].job), 0);
  soc.accelerators.push_back({library, 0});
  EXPECT_THAT(dump(soc), testing::HasSubstr("library kernels: a library for tests\n  files:  | \n"));
  EXPECT_THAT(dump(soc), testing::HasSubstr("    job kernels_pointwise(struct kernels_job)\n"));
}

TEST(Load, EverySocAndPolicyThatShips) {
  for (const char* folder : {"rules/soc", "rules/policy"}) {
    for (const auto& entry : fs::directory_iterator(kRoot / folder)) {
      if (entry.path().extension() != ".toml") continue;
      if (std::string(folder) == "rules/soc") {
        EXPECT_EQ(loaded(load_soc(entry.path())).name, entry.path().stem());
      } else {
        EXPECT_EQ(loaded(load_policy(entry.path())).name, entry.path().stem());
      }
    }
  }
  const Policy cpu = loaded(load_policy(kRoot / "rules/policy/cpu.toml"));
  EXPECT_EQ(cpu.avoid, std::vector<std::string>{"*"});
  EXPECT_EQ(loaded(load_policy(kRoot / "rules/policy/first_match.toml")).objective,
            Objective::first_match);
  EXPECT_TRUE(cpu.residents && cpu.legalise);
  const Policy htvm = loaded(load_policy(kRoot / "rules/policy/htvm.toml"));
  EXPECT_FALSE(htvm.residents || htvm.legalise);
  EXPECT_FALSE(loaded(load_soc(kRoot / "rules/soc/cpu_only.toml")).dma);
}

TEST(Load, DumpIsTheSameTwiceAndHasNoPaths) {
  const Soc soc = loaded(load_soc(kRoot / "rules/soc/diana.toml"));
  EXPECT_EQ(dump(soc), dump(loaded(load_soc(kRoot / "rules/soc/../soc/diana.toml"))));
  EXPECT_THAT(dump(soc), testing::Not(testing::HasSubstr(kRoot.string())));
  EXPECT_THAT(dump(soc), testing::HasSubstr("  rule conv2d: conv2d bias_add? requant relu?\n"));
  EXPECT_THAT(dump(soc),
              testing::HasSubstr("    tile k: multiple of 16 or full\n    tile oy: any\n"));
  EXPECT_THAT(dump(soc),
              testing::HasSubstr("  private memory weights: 65536 bytes at 0x12000000\n"));
}

// A file that extends another one says what differs: tables and their lists are merged.
TEST(Load, Extends) {
  const TemporaryFolder temporary;
  const fs::path file = temporary.path() / "half.toml";
  const std::string base = (kRoot / "rules/soc/diana.toml").string();
  const auto write = [&](const std::string& text) {
    std::ofstream(file) << "schema = 1\nname = \"half\"\nsummary = \"own\"\nextends = \"" << base << "\"\n" << text;
  };
  write("[[memory]]\nname = \"l1\"\nbytes = 131072\n[cpu.constants]\nmac_x10 = 33\n"
        "[[accelerator]]\nunit = \"diana_digital\"\nbase = 0x1A400000\n");
  const Soc diana = loaded(load_soc(base));
  const Soc half = loaded(load_soc(file));
  EXPECT_EQ(half.name, "half");
  EXPECT_EQ(half.find_memory("l1")->bytes, 131072);
  EXPECT_EQ(half.find_memory("l1")->base, diana.find_memory("l1")->base);
  EXPECT_EQ(half.accelerators.size(), diana.accelerators.size());
  EXPECT_EQ(half.accelerators[0].base, 0x1A400000u);
  const auto constant = [](const Soc& soc, std::string_view name) {
    for (const auto& [key, value] : soc.cpu_constants)
      if (key == name) return value;
    return int64_t{-1};
  };
  EXPECT_EQ(constant(half, "mac_x10"), 33);
  EXPECT_EQ(constant(half, "copy_x10"), constant(diana, "copy_x10"));

  // Another flavour, other costs; folders are relative to the file that names them.
  write("[cpu]\nflavour = \"" + (kRoot / "cpu_codegen/rv32").string() + "\"\n");
  const Soc fast = loaded(load_soc(file));
  EXPECT_EQ(fast.summary, "own");
  EXPECT_EQ(fast.cpu.name, "rv32");
  EXPECT_EQ(constant(fast, "copy_x10"), -1);

  // An error in what is inherited is reported where it stands.
  write("main_memory = \"l3\"\n[[memory]]\nname = \"l2\"\nbase = 0x10000000\n");
  const Result<Soc> wrong = load_soc(file);
  ASSERT_EQ(wrong.errors().size(), 2u) << format_diagnostics(wrong.errors());
  EXPECT_EQ(wrong.errors()[0].place.file, file.string());
  EXPECT_THAT(wrong.errors()[0].message, testing::HasSubstr("there is no such memory"));
  EXPECT_EQ(wrong.errors()[1].place.file, base);
}

// A unit that is not beside the SoC's file is looked for by its last part in the further folders.
TEST(Load, SearchFolders) {
  const TemporaryFolder temporary;
  std::string soc = read_file(kRoot / "rules/soc/diana.toml").value();
  const std::string cpu = "../../cpu_codegen/generic";
  soc.replace(soc.find(cpu), cpu.size(), (kRoot / "cpu_codegen/generic").string());
  const fs::path file = temporary.path() / "soc.toml";
  std::ofstream(file) << soc;
  const Result<Soc> lost = load_soc(file);
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.errors()[0].message, "there is no folder `../../accelerators/diana_dma`");
  EXPECT_EQ(loaded(load_soc(file, {temporary.path(), kRoot / "accelerators"})).accelerators.size(),
            2u);
}

TEST(Load, MissingFilesAndFolders) {
  EXPECT_EQ(load_soc("/no/such.toml").errors()[0].message, "there is no such file");
  EXPECT_EQ(load_policy("/no/such.toml").errors()[0].message, "there is no such file");
  EXPECT_EQ(load_target("/no/such").errors()[0].message, "there is no such folder");
  const TemporaryFolder temporary;
  EXPECT_EQ(load_target(temporary.path()).errors()[0].message,
            "the folder has no `accelerator.toml`, `dma.toml`, `library.toml` or `cpu.toml`");
  std::ofstream(temporary.path() / "cpu.toml") << "# " << std::string(300 * 1024, 'x');
  EXPECT_THAT(load_target(temporary.path()).errors()[0].message,
              testing::HasSubstr("larger than the limit"));
}

TEST(Pattern, Items) {
  const auto show = [](const std::string& text) {
    std::string shown;
    for (const PatternItem& item : loaded(parse_pattern(text, {})).items) {
      shown += shown.empty() ? "" : " ";
      for (const std::string& name : item.alternatives) shown += name + ",";
      shown += item.bound.empty() ? "" : "<" + item.bound + ">";
      shown += item.repeat == PatternItem::Repeat::optional ? "?"
               : item.repeat == PatternItem::Repeat::star   ? "*"
                                                            : "";
    }
    return shown;
  };
  EXPECT_EQ(show("conv2d bias_add? requant relu?"), "conv2d, bias_add,? requant, relu,?");
  EXPECT_EQ(show("(conv2d | dense) map*"), "conv2d,dense, map,*");
  EXPECT_EQ(show("(conv2d|dense)map*"), "conv2d,dense, map,*");
  EXPECT_EQ(show("add(residual) requant"), "add,<residual> requant,");
  EXPECT_EQ(show("conv2d ( add | bias_add )( residual )? relu"),
            "conv2d, add,bias_add,<residual>? relu,");
  EXPECT_EQ(show(" any\t"), "any,");
}

TEST(Toml, PlacesOfValues) {
  const std::string text =
      "a = 1\n[t]\n  b = \"hi\"\nc = '''\nline'''\nlist = [1, { d = 'x' }]\n[[r]]\n[r.s]\ne = "
      "true\n";
  const TomlValue root = loaded(parse_toml(text, "f.toml"));
  const auto shown = [](const Place& place) {
    return std::to_string(place.line) + ":" + std::to_string(place.column);
  };
  EXPECT_EQ(shown(root.place), "0:0");
  EXPECT_EQ(shown(root.find("a")->place), "1:5");
  const TomlValue& t = *root.find("t");
  EXPECT_EQ(shown(t.place), "2:1");
  EXPECT_EQ(shown(t.find("b")->place), "3:8");  // after the quote
  EXPECT_EQ(shown(t.find("c")->place), "5:1");  // TOML drops the line break
  EXPECT_EQ(t.find("c")->place.source_line, "line'''");
  EXPECT_EQ(shown(t.find("list")->items[1].find("d")->place), "6:19");
  EXPECT_EQ(shown(root.find("r")->items[0].find("s")->place), "8:1");
  EXPECT_EQ(shown(t.members[0].key_place), "3:3");
  EXPECT_EQ(shown(root.members[1].key_place), "2:2");
  EXPECT_EQ(root.find("missing"), nullptr);
}

TEST(Toml, Numbers) {
  const TomlValue root =
      loaded(parse_toml("a = 0xFFFF_FFFF\nb = -9223372036854775808\nc = 0b101\n"
                        "d = 0o17\ne = 1_000\nf = +3\ng = 9223372036854775807\n",
                        "f.toml"));
  std::vector<int64_t> values;
  for (const TomlMember& member : root.members) values.push_back(member.value.integer);
  EXPECT_THAT(values, testing::ElementsAre(0xFFFFFFFF, INT64_MIN, 5, 15, 1000, 3, INT64_MAX));
  EXPECT_FALSE(parse_toml("a = 9223372036854775808\n", "f.toml").ok());
}

TEST(Schema, DocumentIsUpToDate) {
  const fs::path file = kRoot / "rules/SCHEMA.md";
  if (std::getenv("HEDDLE_REWRITE") != nullptr) std::ofstream(file) << document_schema();
  EXPECT_EQ(read_file(file).value(), document_schema()) << "HEDDLE_REWRITE=1 rewrites it";
}

// A table of the schema is well formed: every key has a parent that can hold it.
TEST(Schema, PathsHaveParents) {
  for (const Schema& schema : all_schemas()) {
    for (const KeyDef& def : schema.keys) {
      const size_t dot = def.path.rfind('.');
      if (dot == std::string_view::npos) continue;
      std::string_view parent = def.path.substr(0, dot);
      const bool list = parent.ends_with("[]");
      if (list) parent.remove_suffix(2);
      const bool found =
          std::any_of(schema.keys.begin(), schema.keys.end(), [&](const KeyDef& other) {
            return other.path == parent &&
                   other.type == (list ? KeyType::table_list : KeyType::table);
          });
      EXPECT_TRUE(found) << def.path;
    }
  }
}

// Files with random damage: the loaders may refuse them, but never crash, and every error says
// where.
TEST(Load, SurvivesDamage) {
  const TemporaryFolder temporary;
  const auto copy = [&](const char* from, const char* to) {
    fs::copy(kRoot / from, temporary.path() / to, fs::copy_options::recursive);
  };
  copy("accelerators/diana_digital", "digital");
  copy("accelerators/diana_analog", "analog");
  copy("accelerators/diana_dma", "dma");
  copy("cpu_codegen/generic", "cpu");
  const auto put = [&](const char* name, const std::string& text) {
    std::ofstream(temporary.path() / name) << text;
  };
  std::string soc = read_file(kRoot / "rules/soc/diana.toml").value();
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"../../cpu_codegen/generic", "cpu"},
           {"../../accelerators/diana_dma", "dma"},
           {"../../accelerators/diana_digital", "digital"},
           {"../../accelerators/diana_analog", "analog"}}) {
    soc.replace(soc.find(from), from.size(), to);
  }
  put("soc.toml", soc);
  ASSERT_TRUE(load_soc(temporary.path() / "soc.toml").ok());

  std::mt19937 random(7);
  const std::vector<std::string> pieces = {"\"",
                                           "'",
                                           "[",
                                           "]",
                                           "{",
                                           "}",
                                           "=",
                                           "\n",
                                           "(",
                                           ")",
                                           ".",
                                           ",",
                                           "0",
                                           "-1",
                                           "99999999999999999999",
                                           "\xFF",
                                           "\\",
                                           "#",
                                           "[[",
                                           "]]",
                                           "\"\"\"",
                                           " ",
                                           "true",
                                           "1.5",
                                           "[[rule]]\n",
                                           "x",
                                           "|",
                                           "*",
                                           "?",
                                           "1979-05-27",
                                           "\t",
                                           std::string(1, '\0'),
                                           "\xC3\xA9"};
  const std::vector<const char*> files = {"soc.toml", "digital/accelerator.toml", "dma/dma.toml",
                                          "cpu/cpu.toml"};
  int refused = 0;
  for (int round = 0; round < 240; ++round) {
    const char* file = files[static_cast<size_t>(round) % files.size()];
    const std::string whole = read_file(temporary.path() / file).value();
    std::string text = whole;
    for (size_t edits = 1 + random() % 3; edits > 0; --edits) {
      const size_t at = random() % text.size();
      const size_t length = std::min<size_t>(random() % 20, text.size() - at);
      switch (random() % 4) {
        case 0:
          text.erase(at, length);
          break;
        case 1:
          text.insert(at, pieces[random() % pieces.size()]);
          break;
        case 2:
          text.insert(random() % text.size(), text.substr(at, length * 4));
          break;
        default:
          text.replace(at, std::min<size_t>(1, length), pieces[random() % pieces.size()]);
          break;
      }
    }
    put(file, text);
    const fs::path damaged = temporary.path() / file;
    const bool is_soc = damaged.filename() == "soc.toml";
    const Result<Target> target = is_soc ? error_at({}, "") : load_target(damaged.parent_path());
    // What a target accepts, the SoC that holds it must get through as well.
    const Result<Soc> result = is_soc || target.ok() ? load_soc(temporary.path() / "soc.toml")
                                                     : Result<Soc>(target.errors());
    if (!result.ok()) {
      ++refused;
      for (const Diagnostic& error : result.errors()) {
        EXPECT_FALSE(error.message.empty());
        EXPECT_THAT(error.place.file, testing::HasSubstr(temporary.path().string()));
      }
      EXPECT_FALSE(format_diagnostics(result.errors()).empty());
    } else {
      EXPECT_FALSE(dump(*result).empty());
    }
    put(file, whole);
  }
  EXPECT_GT(refused, 120);
}

}  // namespace
}  // namespace heddle
