#include "compile/qemu.h"

#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/files.h"
#include "base/text.h"
#include "sim/build.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct Range {
  int64_t base = 0;
  int64_t bytes = 0;
};

// A machine of QEMU: hw/riscv/virt.c, hw/arm/mps2.c, hw/arm/mps2-tz.c (seen from secure state).
struct Machine {
  std::string_view isa, soc;  // the SoC of rules/soc that has its memory map
  std::string_view program, package, name;
  std::vector<std::string> arguments;
  std::vector<Range> memories;
  int64_t uart = 0;
  std::optional<int64_t> finisher;
};

const std::vector<Machine>& machines() {
  constexpr int64_t kMiB = int64_t{1} << 20;
  const std::string semihosting = "-semihosting-config";
  static const std::vector<Machine> all = {
      {"rv32imc",
       "qemu_virt",
       "qemu-system-riscv32",
       "qemu-system-misc",
       "virt",
       {"-bios", "none", "-icount", "shift=0"},
       {{0x80000000, 128 * kMiB}},
       0x10000000,
       0x00100000},
      {"cortex-m4",
       "cortex_m4",
       "qemu-system-arm",
       "qemu-system-arm",
       "mps2-an386",
       {"-icount", "shift=7", semihosting, "enable=on,target=native"},
       {{0x00000000, 4 * kMiB}, {0x20000000, 4 * kMiB}, {0x21000000, 16 * kMiB}},
       0x40004000,
       std::nullopt},
      {"cortex-m55",
       "cortex_m55",
       "qemu-system-arm",
       "qemu-system-arm",
       "mps3-an547",
       {"-icount", "shift=7", semihosting, "enable=on,target=native"},
       {{0x00000000, kMiB / 2},
        {0x11000000, 2 * kMiB},
        {0x31000000, 4 * kMiB},
        {0x70000000, 256 * kMiB}},
       0x59303000,
       std::nullopt},
  };
  return all;
}

Result<Json> read_json(const fs::path& file) {
  Result<std::string> text = read_file(file);
  if (!text.ok()) return text.errors();
  Json json = Json::parse(*text, nullptr, false);
  if (json.is_discarded())
    return error_at(in_file(file.string()), "no JSON", "compile the bundle again");
  return json;
}

Diagnostic wrong_map(const fs::path& bundle, const Machine& machine, const std::string& what) {
  return error_at(in_file((bundle / "soc.json").string()),
                  fmt::format("{} is where QEMU's machine `{}` has none", what, machine.name),
                  fmt::format("compile for `--soc {}`, or run it `--on soc`", machine.soc));
}

// The machine whose memory map is that of the bundle.
Result<const Machine*> machine_for(const fs::path& bundle, const Json& soc) try {
  const Place place = in_file((bundle / "soc.json").string());
  const std::string isa = soc.at("cpu").at("isa");
  const Machine* machine = nullptr;
  for (const Machine& known : machines()) {
    if (known.isa == isa) machine = &known;
  }
  if (machine == nullptr)
    return error_at(place, fmt::format("QEMU has no processor `{}`", terminal_text(isa)),
                    "run it `--on soc`");
  if (!soc.at("units").empty()) {
    const std::string unit = soc.at("units").front().at("name");
    return error_at(place, fmt::format("QEMU has no unit `{}`", terminal_text(unit)),
                    "compile with `--policy cpu`, or run it `--on soc`");
  }
  const auto inside = [&](int64_t base, int64_t bytes) {
    for (const Range& range : machine->memories) {
      if (base >= range.base && base + bytes <= range.base + range.bytes) return true;
    }
    return false;
  };
  for (const Json& memory : soc.at("memories")) {
    const std::string name = memory.at("name");
    const bool used = name == soc.at("main_memory") || name == soc.at("constant_memory") ||
                      name == soc.at("program_memory");
    if (used && !inside(memory.at("base"), memory.at("bytes")))
      return wrong_map(bundle, *machine, fmt::format("the memory `{}`", terminal_text(name)));
  }
  const Json& bench = soc.at("firmware");
  const Json& vectors = bench.at("vectors");
  if (!inside(vectors.at("base"), vectors.at("bytes")))
    return wrong_map(bundle, *machine, "the memory of golden vectors");
  if (bench.at("uart") != machine->uart) return wrong_map(bundle, *machine, "the UART");
  if (machine->finisher && bench.at("finisher") != *machine->finisher)
    return wrong_map(bundle, *machine, "the finisher");
  return machine;
} catch (const Json::exception&) {
  return error_at(in_file((bundle / "soc.json").string()), "a value is missing or odd",
                  "compile the bundle again");
}

// What `make rom` says.
Status read_footprint(const fs::path& bundle, const ProcessLimits& limits, QemuRun& run) {
  const Result<ProcessOutcome> outcome = run_process({"make", "-s", "rom"}, bundle, limits);
  if (!outcome.ok()) return outcome.errors();
  std::istringstream words(outcome->out);
  std::string key;
  for (int64_t bytes = 0; words >> key >> bytes;) {
    if (key == "code") run.code = bytes;
    if (key == "constants") run.constants = bytes;
    if (key == "data") run.data = bytes;
    if (key == "arena") run.arena = bytes;
  }
  return Unit{};
}

void read_console(QemuRun& run) {
  std::istringstream lines(run.console);
  for (std::string line; std::getline(lines, line);) {
    unsigned long long number = 0, checksum = 0, instructions = 0;
    long long used = 0, bytes = 0;
    if (std::sscanf(line.c_str(), "sample %llu: exact, checksum 0x%8llx, instructions %llu",
                    &number, &checksum, &instructions) == 3) {
      run.samples.push_back(
          {true, static_cast<uint32_t>(checksum), static_cast<int64_t>(instructions), line});
    } else if (line.starts_with("sample ")) {
      run.samples.push_back({false, 0, 0, line});
    } else if (std::sscanf(line.c_str(), "stack %lld of %lld bytes", &used, &bytes) == 2) {
      run.stack_used = used;
      run.stack_bytes = bytes;
    }
  }
}

}  // namespace

Result<QemuRun> run_on_qemu(const fs::path& bundle, const ProcessLimits& limits) {
  const Result<Json> soc = read_json(bundle / "soc.json");
  const Result<Json> layers = read_json(bundle / "layers.json");
  if (!soc.ok()) return soc.errors();
  if (!layers.ok()) return layers.errors();
  const Result<const Machine*> machine = machine_for(bundle, *soc);
  if (!machine.ok()) return machine.errors();
  if (Status built = sim::build_in(bundle, {"build/firmware.elf"}, limits); !built.ok())
    return built.errors();
  QemuRun run;
  run.network = layers->value("network", "");
  run.machine = (*machine)->name;
  if (Status read = read_footprint(bundle, limits, run); !read.ok()) return read.errors();

  std::vector<std::string> command = {std::string((*machine)->program), "-M",
                                      std::string((*machine)->name), "-nographic"};
  command.insert(command.end(), (*machine)->arguments.begin(), (*machine)->arguments.end());
  command.insert(command.end(), {"-kernel", "build/firmware.elf"});
  ProcessLimits own = limits;
  own.memory_bytes = 0;  // of address space: QEMU reserves more than it uses
  const Result<ProcessOutcome> outcome = run_process(command, bundle, own);
  if (!outcome.ok()) {
    Diagnostics errors = outcome.errors();
    errors.back().remedy = fmt::format("apt-get install {}", (*machine)->package);
    return errors;
  }
  run.console = outcome->out;
  read_console(run);
  // The firmware ends with 0 or 1; whatever else ends QEMU says so on stderr.
  if (outcome->exit_status < 0 || outcome->exit_status > 1 || !outcome->ended_because.empty() ||
      (outcome->exit_status == 1 && run.console.empty())) {
    const std::string why = sim::line_at(outcome->err, 0);
    return error_at(in_file(std::string((*machine)->program)),
                    fmt::format("{}{}{}", sim::how_it_ended(*outcome), why.empty() ? "" : ": ",
                                terminal_text(why, 200)),
                    "run the bundle `--on soc`, whose errors say more");
  }
  run.passed = outcome->exit_status == 0;
  return run;
}

std::string qemu_text(const QemuRun& run) {
  std::string text = fmt::format("{} on QEMU's machine {}\n", run.network, run.machine);
  int64_t exact = 0, least = 0, most = 0;
  for (const QemuSample& sample : run.samples) {
    text += "  " + terminal_text(sample.said) + "\n";
    if (!sample.exact) continue;
    least = exact == 0 ? sample.instructions : std::min(least, sample.instructions);
    most = std::max(most, sample.instructions);
    ++exact;
  }
  if (exact > 0) {
    text += fmt::format("an inference: {}{} instructions, every one counted\n",
                        least == most ? "" : thousands(least) + " to ", thousands(most));
  }
  text += fmt::format("ROM: {} bytes (code {}, constants {})\n",
                      thousands(run.code + run.constants + run.data), thousands(run.code),
                      thousands(run.constants));
  text += fmt::format("RAM: {} bytes (data {}, arena {}, stack {} measured of {})\n",
                      thousands(run.data + run.arena + run.stack_used), thousands(run.data),
                      thousands(run.arena), thousands(run.stack_used), thousands(run.stack_bytes));
  return text + fmt::format("bit-exact with the reference: {} of {}\n", exact, run.samples.size());
}

std::string qemu_json(const QemuRun& run) {
  Json json = {{"schema", 1}, {"network", run.network}, {"machine", run.machine}};
  json["passed"] = run.passed;
  json["samples"] = Json::array();
  for (const QemuSample& sample : run.samples) {
    Json entry = {{"exact", sample.exact}};
    if (sample.exact) {
      entry["checksum"] = fmt::format("0x{:08x}", sample.checksum);
      entry["instructions"] = sample.instructions;
    } else {
      entry["said"] = terminal_text(sample.said);
    }
    json["samples"].push_back(std::move(entry));
  }
  json["rom"] = {{"code", run.code}, {"constants", run.constants}, {"data", run.data}};
  json["ram"] = {{"data", run.data},
                 {"arena", run.arena},
                 {"stack", run.stack_used},
                 {"stack_reserved", run.stack_bytes}};
  return json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n";
}

}  // namespace heddle
