// `--option UNIT.NAME=VALUE` against the options that the SoC's units declare.
#include <fmt/format.h>

#include <charconv>

#include "base/text.h"
#include "main/common.h"

namespace heddle {
namespace {

struct Reader {
  std::vector<const Target*> units;  // devices
  Diagnostics errors;

  void refuse(const std::string& text, const std::string& message, const std::string& remedy) {
    errors.push_back(error_at(in_file("--option " + terminal_text(text)), message, remedy));
  }

  std::string units_with_options() const {
    std::string names;
    for (const Target* unit : units) {
      for (const UnitOption& option : unit->options)
        names += fmt::format("{}`{}.{}`", names.empty() ? "" : ", ", unit->name, option.name);
    }
    return names.empty() ? "no unit of the SoC has options" : "the SoC's units have " + names;
  }

  const Target* unit_called(const std::string& text, const std::string& name) {
    std::vector<std::string> known;
    for (const Target* unit : units) {
      if (unit->name == name) return unit;
      known.push_back(unit->name);
    }
    refuse(text, fmt::format("the SoC has no unit `{}`{}", terminal_text(name), did_you_mean(name, known)),
           units_with_options());
    return nullptr;
  }

  const UnitOption* option_called(const std::string& text, const Target& unit, const std::string& name) {
    std::vector<std::string> known;
    for (const UnitOption& option : unit.options) {
      if (option.name == name) return &option;
      known.push_back(option.name);
    }
    refuse(text,
           fmt::format("the unit `{}` has no option `{}`{}", unit.name, terminal_text(name),
                       did_you_mean(name, known)),
           units_with_options());
    return nullptr;
  }

  std::optional<UnitSetting> read(const std::string& text) {
    const size_t equals = text.find('=');
    const size_t dot = text.find('.');
    if (equals == std::string::npos || dot == std::string::npos || dot == 0 || dot + 1 >= equals) {
      refuse(text, "no option of a unit", "write UNIT.NAME=VALUE; " + units_with_options());
      return std::nullopt;
    }
    const Target* const unit = unit_called(text, text.substr(0, dot));
    if (unit == nullptr) return std::nullopt;
    const UnitOption* const option = option_called(text, *unit, text.substr(dot + 1, equals - dot - 1));
    if (option == nullptr) return std::nullopt;
    const std::string digits = text.substr(equals + 1);
    int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) {
      refuse(text, fmt::format("`{}` is no whole number", terminal_text(digits)),
             fmt::format("{}: {} to {}, {} if nothing is said", option->why, option->lo, option->hi,
                         option->standard));
      return std::nullopt;
    }
    if (value < option->lo || value > option->hi) {
      refuse(text, fmt::format("{} is not in [{}, {}]", value, option->lo, option->hi), option->why);
      return std::nullopt;
    }
    if (value == option->standard) return std::nullopt;
    return UnitSetting{unit->name, option->register_offset, value};
  }
};

}  // namespace

Result<std::vector<UnitSetting>> unit_settings(const std::vector<std::string>& texts, const Soc& soc) {
  Reader reader;
  if (soc.dma) reader.units.push_back(&soc.dma->target);
  for (const SocUnit& unit : soc.accelerators) {
    if (unit.target.kind == TargetKind::accelerator) reader.units.push_back(&unit.target);
  }
  std::vector<UnitSetting> settings;
  for (const std::string& text : texts) {
    if (std::optional<UnitSetting> setting = reader.read(text)) settings.push_back(std::move(*setting));
  }
  if (!reader.errors.empty()) return reader.errors;
  return settings;
}

}  // namespace heddle
