#include "report/measured.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "base/text.h"

namespace heddle {
namespace {

constexpr int64_t kMaxCycles = int64_t{1} << 40;  // sums over a network's layers stay far from 2^63
constexpr int64_t kMaxTile = int64_t{1} << 32;
constexpr const char* kHeader = "layer,tile,cycles";

struct Field {
  std::string text;
  int column = 1;
};

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

class Reader {
 public:
  Reader(const std::string& text, const std::string& file) : text_(text), file_(file) {}

  Result<Measured> read() {
    size_t begin = 0;
    for (int line = 1; begin < text_.size(); ++line) {
      const size_t end = std::min(text_.find('\n', begin), text_.size());
      std::string content = text_.substr(begin, end - begin);
      if (content.ends_with('\r')) content.pop_back();
      if (line == 1 && content.starts_with("\xEF\xBB\xBF")) content.erase(0, 3);
      read_line(content, line);
      begin = end + 1;
    }
    if (!header_seen_ && errors_.empty())
      errors_.push_back(error_at(in_file(file_), "the file has no header",
                                 fmt::format("its first line must be `{}`", kHeader)));
    if (errors_.empty() && measured_.rows.empty())
      errors_.push_back(error_at(in_file(file_), "the file has no measurement",
                                 "write a line `layer,tile,cycles` for each layer"));
    if (!errors_.empty()) return errors_;
    return measured_;
  }

 private:
  void error(int line, int column, const std::string& content, std::string message,
             std::string remedy = "") {
    errors_.push_back(
        error_at({file_, line, column, content, ""}, std::move(message), std::move(remedy)));
  }

  void read_line(const std::string& content, int line) {
    if (trimmed(content).empty()) return;
    if (content.front() == '#') {
      read_comment(content);
    } else if (!header_seen_) {
      header_seen_ = true;
      std::string header;
      for (const char c : content)
        if (c != ' ' && c != '\t') header += c;
      if (header != kHeader)
        error(line, 1, content, fmt::format("the header is not `{}`", kHeader),
              "name these three columns, in this order");
    } else {
      read_row(content, line);
    }
  }

  // "# model: digits.onnx"; anything else is a comment.
  void read_comment(const std::string& content) {
    const std::string_view inside = trimmed(std::string_view(content).substr(1));
    const size_t colon = inside.find(':');
    if (colon == std::string_view::npos) return;
    const std::string_view key = trimmed(inside.substr(0, colon));
    const std::string value(trimmed(inside.substr(colon + 1)));
    if (key == "model") measured_.model = value;
    if (key == "soc") measured_.soc = value;
    if (key == "policy") measured_.policy = value;
  }

  void read_row(const std::string& content, int line) {
    const std::optional<std::vector<Field>> fields = split(content, line);
    if (!fields) return;
    if (fields->size() != 3) {
      error(line, (*fields)[std::min<size_t>(fields->size() - 1, 3)].column, content,
            fmt::format("{} field{} where the header has 3", fields->size(),
                        fields->size() == 1 ? "" : "s"),
            "names with a comma stand in double quotes");
      return;
    }
    const auto& [name, tile, cycles] = std::tie((*fields)[0], (*fields)[1], (*fields)[2]);
    MeasuredRow row;
    row.layer = terminal_text(name.text);
    row.place = {file_, line, name.column, content, ""};
    if (!tile.text.empty()) {
      row.tile = number(tile, kMaxTile, content, line, "the tile",
                        "number the tiles of a layer from 0, or leave the field empty");
    }
    const std::optional<int64_t> counted =
        number(cycles, kMaxCycles, content, line, "the number of cycles", "write a whole number");
    row.cycles = counted.value_or(0);
    measured_.rows.push_back(std::move(row));
  }

  std::optional<int64_t> number(const Field& field, int64_t limit, const std::string& content,
                                int line, const char* what, const char* remedy) {
    int64_t value = 0;
    const char* const end = field.text.data() + field.text.size();
    const auto [stop, problem] = std::from_chars(field.text.data(), end, value);
    if (!field.text.empty() && stop == end && problem == std::errc() && value >= 0 && value < limit)
      return value;
    error(line, field.column, content,
          field.text.empty() ? fmt::format("{} is missing", what)
                             : fmt::format("{} is `{}`, but it must be an integer in 0 to {}", what,
                                           terminal_text(field.text), thousands(limit - 1)),
          remedy);
    return std::nullopt;
  }

  // Blanks around a field do not count, except within quotes.
  std::optional<std::vector<Field>> split(const std::string& content, int line) {
    std::vector<Field> fields;
    size_t at = 0;
    for (;;) {
      while (at < content.size() && (content[at] == ' ' || content[at] == '\t')) ++at;
      Field field{"", static_cast<int>(at) + 1};
      if (at < content.size() && content[at] == '"') {
        bool open = true;
        for (++at; open && at < content.size(); ++at) {
          if (content[at] != '"') {
            field.text += content[at];
          } else if (at + 1 < content.size() && content[at + 1] == '"') {
            field.text += content[at++];
          } else {
            open = false;
          }
        }
        while (!open && at < content.size() && (content[at] == ' ' || content[at] == '\t')) ++at;
        if (open || (at < content.size() && content[at] != ',')) {
          error(line, field.column, content,
                open ? "the quote does not end in this line" : "text follows the closing quote",
                "double the quotes inside of a quoted field");
          return std::nullopt;
        }
      } else {
        const size_t end = std::min(content.find(',', at), content.size());
        field.text = trimmed(std::string_view(content).substr(at, end - at));
        at = end;
      }
      fields.push_back(std::move(field));
      if (at >= content.size()) return fields;
      ++at;  // the comma
    }
  }

  const std::string& text_;
  const std::string& file_;
  bool header_seen_ = false;
  Measured measured_;
  Diagnostics errors_;
};

std::string csv_field(const std::string& text) {
  const bool plain = text.find_first_of("\",") == std::string::npos && !text.starts_with('#') &&
                     trimmed(text) == text;
  if (plain) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

}  // namespace

Result<Measured> parse_measured(const std::string& text, const std::string& file) {
  return Reader(text, file).read();
}

std::string measured_csv(const Measured& measured) {
  std::string text;
  const std::array<std::pair<const char*, const std::string*>, 3> comments = {
      {{"model", &measured.model}, {"soc", &measured.soc}, {"policy", &measured.policy}}};
  for (const auto& [key, value] : comments) {
    if (!value->empty()) text += fmt::format("# {}: {}\n", key, terminal_text(*value, 1000));
  }
  text += fmt::format("{}\n", kHeader);
  for (const MeasuredRow& row : measured.rows) {
    text += fmt::format("{},{},{}\n", csv_field(row.layer),
                        row.tile ? fmt::to_string(*row.tile) : "", row.cycles);
  }
  return text;
}

Result<std::vector<std::optional<int64_t>>> cycles_of_layers(const Measured& measured,
                                                             std::span<const std::string> layers) {
  std::map<std::string, std::vector<size_t>> places;
  for (size_t i = 0; i < layers.size(); ++i) places[layers[i]].push_back(i);
  std::vector<std::string> names;
  for (const auto& [name, indices] : places) names.push_back(name);

  std::vector<std::optional<int64_t>> cycles(layers.size());
  std::map<std::string, size_t> taken;
  Diagnostics errors;
  const MeasuredRow* before = nullptr;
  for (const MeasuredRow& row : measured.rows) {
    const auto found = places.find(row.layer);
    if (found == places.end()) {
      errors.push_back(error_at(
          row.place,
          fmt::format("the network has no layer `{}`{}", row.layer, did_you_mean(row.layer, names)),
          "name the layers as `heddle compile` prints them"));
      continue;
    }
    const bool same = before != nullptr && before->layer == row.layer && row.tile && before->tile &&
                      *row.tile > *before->tile;
    before = &row;
    size_t& count = taken[row.layer];
    if (!same) ++count;
    if (count > found->second.size()) {
      errors.push_back(error_at(
          row.place,
          fmt::format("a further measurement of `{}`, which the network has {}", row.layer,
                      found->second.size() == 1 ? std::string("once")
                                                : fmt::format("{} times", found->second.size())),
          "leave one measurement of each layer; its tiles are numbered from 0 upwards"));
      continue;
    }
    std::optional<int64_t>& sum = cycles[found->second[count - 1]];
    sum = sum.value_or(0) + row.cycles;
  }
  if (!errors.empty()) return errors;
  return cycles;
}

}  // namespace heddle
