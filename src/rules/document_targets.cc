#include "rules/document_targets.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.h"
#include "rules/reading.h"

namespace heddle {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kIntroduction = R"(# Accelerators, libraries and kernels

`heddle docs` prints this page from their rules; a test compares the two. A layer goes to a unit only if all conditions of a
rule hold; names and expressions are those of [SCHEMA.md](../rules/SCHEMA.md).
)";

// Text of a rule file inside a table or a sentence.
std::string plain(std::string_view text) {
  std::string result;
  for (const char c : terminal_text(text, 2000)) {
    if (c == '|') result += '\\';
    result += c;
  }
  return result;
}

std::string code(std::string_view text) { return "`" + plain(text) + "`"; }

class Page {
 public:
  Page(const Target& target, const fs::path& seen_from) : target_(target), seen_from_(seen_from) {}

  std::string text() {
    text_ = fmt::format("\n## {}\n\n{}: {}.", plain(target_.name), kind(), plain(target_.summary));
    std::error_code ignored;
    if (fs::is_regular_file(target_.folder / "README.md", ignored))
      text_ += fmt::format(" Details: [README]({}).", link(target_.folder / "README.md"));
    text_ += "\n";
    add_unit();
    for (const Rule& rule : target_.rules) add_rule(rule);
    if (target_.transfer) {
      line(fmt::format("A transfer takes {} cycles; its rows are multiples of {} bytes. It is `{}(struct {})`, then `{}()`.",
                       code(print_text(*target_.transfer_cycles)), target_.transfer_unit_bytes,
                       target_.transfer->call, target_.transfer->struct_name,
                       target_.transfer->wait));
    }
    return text_;
  }

 private:
  void line(const std::string& text) { text_ += "\n" + text + "\n"; }

  std::string link(const fs::path& file, int row = 0) const {
    std::error_code error;
    fs::path shown = fs::absolute(file, error).lexically_normal();
    if (!seen_from_.empty())
      shown = shown.lexically_relative(fs::absolute(seen_from_, error).lexically_normal());
    return shown.generic_string() + (row > 0 ? fmt::format("#L{}", row) : "");
  }

  std::string kind() const {
    std::string text(name_of(target_.kind));
    text[0] = 'A';
    return text;
  }

  void add_unit() {
    std::vector<std::string> facts;
    if (target_.register_bytes > 0)
      facts.push_back(fmt::format("registers: {} bytes from `{}`", target_.register_bytes,
                                  target_.base_macro));
    for (const Memory& memory : target_.memories)
      facts.push_back(fmt::format("memory `{}` of its own: {} bytes", memory.name,
                                  thousands(memory.bytes)));
    for (const auto& [key, value] : target_.constants)
      facts.push_back(fmt::format("constant `{}.{}`: {}, where the SoC says nothing else",
                                  target_.kind == TargetKind::cpu ? "cpu" : "unit", plain(key), value));
    for (const UnitOption& option : target_.options)
      facts.push_back(fmt::format("option `{}` of runs, {} to {}, default {}: {}", plain(option.name),
                                  option.lo, option.hi, option.standard, plain(option.why)));
    std::vector<std::string> files = target_.headers;
    files.insert(files.end(), target_.sources.begin(), target_.sources.end());
    files.insert(files.end(), target_.models.begin(), target_.models.end());
    if (!files.empty()) facts.push_back(fmt::format("files: {}", fmt::join(files, ", ")));
    if (!facts.empty()) text_ += "\n";
    for (const std::string& fact : facts) text_ += "* " + fact + "\n";
  }

  void add_rule(const Rule& rule) {
    text_ += fmt::format("\n### {}: rule {}\n\nTakes {} ([line {}]({}))", plain(target_.name), plain(rule.name),
                         code(rule.pattern.text), rule.place.line,
                         link(rule.place.file, rule.place.line));
    text_ += rule.when.empty() ? ", whatever it is.\n" : " where\n\n";
    for (const Condition& condition : rule.when)
      text_ += fmt::format("* {}: {}\n", plain(condition.why), code(condition.text));
    text_ += "\n| | |\n|---|---|\n";
    row("launch", code(print_text(rule.launch)) + " cycles");
    row("compute", code(print_text(rule.compute)) + " cycles");
    if (!rule.kernel.empty()) row("kernel", code(rule.kernel));
    if (rule.layout) row("layout", layout_text(*rule.layout));
    std::vector<std::string> homes;
    for (const OperandPlacement& placement : rule.operands)
      homes.push_back(fmt::format("`{}` in `{}`", plain(placement.operand), plain(placement.memory)));
    if (!homes.empty()) row("operands", fmt::format("{}", fmt::join(homes, ", ")));
    for (const Packing& packing : rule.packings) row("packed", packing_text(packing));
    add_tiles(rule);
    const std::vector<std::string> forms = forms_of(rule.legalise);
    if (!forms.empty()) row("other forms", fmt::format("{}", fmt::join(forms, "; ")));
    if (rule.job)
      row("call", fmt::format("`{}(struct {})`{}", rule.job->call, rule.job->struct_name,
                              rule.job->wait.empty() ? std::string()
                                                     : fmt::format(", then `{}()`", rule.job->wait)));
  }

  void row(std::string_view what, const std::string& text) {
    text_ += fmt::format("| {} | {} |\n", what, text);
  }

  static std::string layout_text(const BufferLayout& layout) {
    return fmt::format("{}, rows of multiples of {} elements, planes of multiples of {} bytes",
                       layout.order == DimOrder::channels_last ? "N, H, W, C" : "N, C, H, W",
                       layout.row, layout.plane);
  }

  static std::string part_text(const PackPart& part) {
    const bool bits = part.element_bits > 0;
    const int64_t size = bits ? part.element_bits : part.element_bytes;
    std::string text = fmt::format("`{}` ({} {}{}{}) by {}", plain(part.operand), size,
                                   bits ? "bit" : "byte", size == 1 ? "" : "s",
                                   part.absent == 0 ? "" : fmt::format(", {} if absent", part.absent),
                                   fmt::join(part.order, ", "));
    if (part.fill_bytes > 1) text += fmt::format(", up to a multiple of {} bytes", part.fill_bytes);
    return text;
  }

  static std::string packing_text(const Packing& packing) {
    std::vector<std::string> parts;
    for (const PackPart& part : packing.parts)
      parts.push_back(part_text(part));
    return fmt::format("`{}` in blocks of {} along `{}`, room for {}: {}", plain(packing.name),
                       packing.block_size, packing.block_axis, packing.block_pad,
                       fmt::join(parts, "; "));
  }

  void add_tiles(const Rule& rule) {
    if (target_.kind == TargetKind::cpu) return;
    std::vector<std::string> axes;
    for (const TileDomain& domain : rule.domains) {
      axes.push_back(fmt::format("`{}` {}", plain(domain.axis),
                                 domain.full                ? "whole"
                                 : domain.one               ? "one at a time"
                                 : domain.multiple_of == 1 ? "of any size"
                                                           : fmt::format("a multiple of {}, or whole",
                                                                         domain.multiple_of)));
    }
    row("tiles", axes.empty() ? "one job a layer" : fmt::format("{}", fmt::join(axes, ", ")));
    for (const Condition& condition : rule.require)
      row("of every tile", fmt::format("{}: {}", plain(condition.why), code(condition.text)));
    for (const Preference& preference : rule.prefer)
      row("rather", fmt::format("{}: least {}", plain(preference.why),
                                code(print_text(preference.expr))));
  }

  static std::vector<std::string> forms_of(const Legalise& legalise) {
    std::vector<std::string> forms;
    if (legalise.pads) forms.emplace_back("padding as an operator of the CPU's");
    if (legalise.dense) forms.emplace_back("a dense layer as a 1x1 convolution");
    if (legalise.depthwise_width > 0)
      forms.push_back(fmt::format("a depthwise convolution in groups of up to {} channels",
                                  legalise.depthwise_width));
    if (legalise.channel_multiple > 0)
      forms.push_back(fmt::format("channels padded to a multiple of {}", legalise.channel_multiple));
    return forms;
  }

  const Target& target_;
  const fs::path& seen_from_;
  std::string text_;
};

}  // namespace

std::string document_targets(std::span<const Target> targets, const fs::path& seen_from) {
  std::string text(kIntroduction);
  for (const Target& target : targets) text += Page(target, seen_from).text();
  return text;
}

}  // namespace heddle
