#include "cpu_codegen/rv32/conv2d.h"

#include <fmt/format.h>

#include <algorithm>

#include "cpu_codegen/fused_maps.h"
#include "cpu_codegen/rv32/anchor.h"
#include "cpu_codegen/rv32/dot_program.h"
#include "cpu_codegen/rv32/pack_pixels.h"
#include "ops/check.h"

namespace heddle::rv32 {
namespace {

constexpr int64_t kStripBytes = 4096;  // of a chunk, where one group of pixels does not need more
constexpr int64_t kChunkGroups = 20;   // 120 pixels: the sums of a chunk take 960 bytes

// How the pixels of a row are computed: groups of 3 words, the last ones of 2 or 1.
struct Groups {
  int64_t three = 0, two = 0, one = 0;
  int64_t in_chunk =
      1;  // groups of 3 words in a chunk; the rest of the row goes with the last chunk

  int64_t pixels_of_three() const { return 6 * three; }
  int64_t rest_words() const { return 2 * two + one; }
  int64_t chunk_words() const { return 3 * std::min(in_chunk, three) + rest_words(); }
};

Groups groups_of(int64_t pixels, int64_t taps) {
  const int64_t words = (pixels + 1) / 2;
  Groups groups;
  groups.three = words / 3;
  if (words % 3 == 1 && words > 1) {  // 2 + 2 words cost less than 3 + 1
    --groups.three;
    groups.two = 2;
  } else {
    groups.two = words % 3 / 2;
    groups.one = words % 3 % 2;
  }
  const int64_t most = std::clamp<int64_t>(kStripBytes / (12 * taps), 1, kChunkGroups);
  const int64_t chunks = std::max<int64_t>((groups.three + most - 1) / most, 1);
  groups.in_chunk = std::max<int64_t>((groups.three + chunks - 1) / chunks, 1);
  return groups;
}

// Exchanges rows and columns.
void turn(PixelRow& row) {
  Window& w = row.window;
  std::swap(w.kernel_h, w.kernel_w);
  std::swap(w.stride_h, w.stride_w);
  std::swap(w.dilation_h, w.dilation_w);
  std::swap(w.pad_top, w.pad_left);
  std::swap(w.pad_bottom, w.pad_right);
  std::swap(row.height, row.width);
  std::swap(row.strides[2], row.strides[3]);
}

class Conv2d {
 public:
  Conv2d(const Graph& graph, const Match& match, const StorageOf& storage)
      : graph_(graph),
        match_(match),
        storage_(storage),
        node_(graph.node(match.nodes.front())),
        op_{graph, node_},
        sums_(int8_sums(graph, match)) {
    const Shape& in = op_.input(0).shape;
    const Shape& out = op_.output().shape;
    row_.window = conv_window(op_);
    row_.strides = stored_as(graph, storage, node_.inputs[0]).strides;
    row_.channels = in[1];
    row_.height = in[2];
    row_.width = in[3];
    row_.pixels = out[3];
    row_.offset = sums_.offset;
    row_.padding = op_.attribute("x_zero_point") - sums_.offset;
    row_.element = c_name_of(op_.input(0).dtype);
    if (in[0] > 1) row_.image = "image";
    rows_ = out[2];
    if (upright_ = out[3] == 1; upright_) {
      turn(row_);
      std::swap(rows_, row_.pixels);
    } else if (runs_over_rows(graph, match, storage, row_.window, sums_.first_map)) {
      row_.pixels = out[2] * out[3];
      row_.width = in[2] * in[3];
      row_.height = rows_ = 1;
    }
    groups_ = groups_of(row_.pixels, row_.taps());
  }

  Kernel make(const std::string& function);

 private:
  std::vector<std::vector<int64_t>> weights() const;
  FusedMaps maps(UniqueNames names) const;
  void print_strips(CWriter& out) const;
  void print_channels(CWriter& out, const FusedMaps& maps) const;
  int64_t chunk_pixels() const { return 2 * groups_.chunk_words(); }

  const Graph& graph_;
  const Match& match_;
  const StorageOf& storage_;
  const Node& node_;
  OpView op_;
  Int8Sums sums_;
  PixelRow row_;
  Groups groups_;
  int64_t rows_ = 1;
  bool upright_ = false;  // neighbouring pixels are those of a column
};

// In the order in which the strips hold the taps: c, then rows of the window, turned or not.
std::vector<std::vector<int64_t>> Conv2d::weights() const {
  const std::vector<int64_t> all = op_.constant(1)->to_ints();
  const int64_t height = op_.input(1).shape[2], width = op_.input(1).shape[3];
  std::vector<std::vector<int64_t>> result;
  for (auto at = all.begin(); at != all.end(); at += row_.taps()) {
    std::vector<int64_t>& channel = result.emplace_back(at, at + row_.taps());
    for (int64_t tap = 0; upright_ && tap < row_.taps(); ++tap) {
      const int64_t plane = tap / (height * width) * height * width;
      const int64_t fx = tap % (height * width) / height, fy = tap % height;
      channel[static_cast<size_t>(tap)] = at[plane + fy * width + fx];
    }
  }
  return result;
}

enum Loops { kN, kOy, kOx, kK, kJ };

FusedMaps Conv2d::maps(UniqueNames names) const {
  const Shape& out = op_.output().shape;
  const std::vector<Axis> loops = {{"n", out[0]},
                                   {"oy", rows_},
                                   {"ox", groups_.three <= groups_.in_chunk ? 1 : row_.pixels},
                                   {"k", out[1]},
                                   {"j", chunk_pixels()}};
  Access index = {along(kN), along(kK), along(kOy), {{{kOx, 1}, {kJ, 1}}, 0}};
  if (upright_) std::swap(index[2], index[3]);
  return fuse_maps(graph_, match_, storage_, sums_.first_map, loops, index, names);
}

// The strips of a chunk that begins at pixel `ox`.
void Conv2d::print_strips(CWriter& out) const {
  const bool one_chunk = groups_.three <= groups_.in_chunk;
  if (groups_.three > 0) {
    const int64_t end = groups_.pixels_of_three();
    const std::string begin = one_chunk ? "0" : "ox";
    const bool loops = groups_.in_chunk > 1;
    out.open(loops ? fmt::format("for (int32_t first = {0}; first < {1}; first += 6)", begin,
                                 one_chunk ? fmt::format("{}", end) : "ox + 6 * groups")
                   : "");
    print_packing(out, row_, 3, loops ? "first" : begin, 0, end);
    out.close();
  }
  const auto rest = [&](int64_t groups, int64_t words, int64_t begin) {
    for (int64_t i = 0; i < groups; ++i, begin += 2 * words) {
      out.open("");
      print_packing(out, row_, words, fmt::format("{}", begin), begin, begin + 1);
      out.close();
    }
  };
  if (groups_.rest_words() == 0) return;
  if (!one_chunk) out.open("if (rest)");
  rest(groups_.two, 2, groups_.pixels_of_three());
  rest(groups_.one, 1, groups_.pixels_of_three() + 4 * groups_.two);
  if (!one_chunk) out.close();
}

// The sums of two channels at a time for the chunk, then the operators behind them.
void Conv2d::print_channels(CWriter& out, const FusedMaps& maps) const {
  const int64_t channels = op_.output().shape[1];
  const int64_t taps = row_.taps();
  const bool one_chunk = groups_.three <= groups_.in_chunk;
  const auto lines = [&](int loop) {
    for (const std::string& line : maps.at_depth[static_cast<size_t>(loop) + 1]) out.line(line);
  };
  out.line("const int8_t *program = weights;");
  out.open(fmt::format("for (int32_t pair = 0; pair < {}; pair += 2)", channels));
  const std::string start = "start + 2 * pair";
  if (groups_.three > 0) {
    out.line("const int8_t *next = program;");
    out.call("next = heddle_rv32_dot_2x3",
             {"strips", one_chunk ? fmt::format("{}", groups_.three) : "groups", "program", start,
              "sums", fmt::format("{}", chunk_pixels())},
             ";");
  } else {
    out.line("const int8_t *next = program;");
  }
  const auto rest = [&](int64_t groups, int64_t words, int64_t two_before) {
    if (groups == 0) return;
    const std::string before = one_chunk ? fmt::format("{}", groups_.three) : "groups";
    const auto at = [&](const char* name, int64_t by_three, int64_t by_two) {
      return one_chunk
                 ? fmt::format("{} + {}", name, groups_.three * by_three + two_before * by_two)
                 : fmt::format("{} + {} * groups + {}", name, by_three, two_before * by_two);
    };
    if (!one_chunk) out.open("if (rest)");
    out.call(fmt::format("next = heddle_rv32_dot_2x{}", words),
             {at("strips", 3 * taps, 2 * taps), fmt::format("{}", groups), "program", start,
              at("sums", 6, 4), fmt::format("{}", chunk_pixels())},
             ";");
    if (!one_chunk) out.close();
  };
  rest(groups_.two, 2, 0);
  rest(groups_.one, 1, groups_.two);
  out.line("program = next;");
  out.open(fmt::format("for (int32_t k = pair; k < pair + 2{}; ++k)",
                       channels % 2 == 0 ? "" : fmt::format(" && k < {}", channels)));
  out.line(fmt::format("const int32_t *sum = sums + (k - pair) * {};", chunk_pixels()));
  lines(kK);
  out.open(fmt::format("for (int32_t j = 0; j < {}; ++j)",
                       one_chunk ? fmt::format("{}", row_.pixels) : "pixels"));
  lines(kJ);
  out.line("int32_t value = sum[j];");
  for (const std::string& statement : maps.statements) out.lines(statement);
  out.line(maps.store);
  out.close();
  out.close();
  out.close();
}

Kernel Conv2d::make(const std::string& function) {
  const std::vector<std::vector<int64_t>> channels = weights();
  DotProgram program = make_dot_program(channels, sums_.bias, sums_.x);
  UniqueNames names;
  for (const char* name :
       {"x",    "weights", "start",  "scratch", "strip", "strips", "sums", "sum", "program",
        "next", "pair",    "groups", "pixels",  "rest",  "first",  "ix",   "iy",  "plane",
        "row",  "c",       "fy",     "fx",      "i",     "word",   "low",  "high"})
    names.take(name);
  const FusedMaps fused = maps(names);

  CWriter out;
  out.indent();
  const auto lines = [&](int loop) {
    for (const std::string& line : fused.at_depth[static_cast<size_t>(loop + 1)]) out.line(line);
  };
  const int64_t strip_words = row_.taps() * groups_.chunk_words();
  out.line("uint32_t *const strips = scratch;");
  out.line(fmt::format("int32_t *const sums = (int32_t *)(scratch + {});", strip_words));
  lines(-1);
  const int64_t images = op_.output().shape[0];
  if (images > 1) {
    out.open(fmt::format("for (int32_t n = 0; n < {}; ++n)", images));
    out.line(fmt::format("const {} *image = x + n * {};", row_.element, row_.strides[0]));
  }
  lines(kN);
  if (rows_ > 1)
    out.open(fmt::format("for (int32_t oy = 0; oy < {}; ++oy)", rows_));
  else if (row_.window.pad_top > 0 || row_.window.pad_bottom > 0 || row_.height > 1)
    out.line("const int32_t oy = 0;");
  lines(kOy);
  const bool one_chunk = groups_.three <= groups_.in_chunk;
  if (!one_chunk) {
    const int64_t step = 6 * groups_.in_chunk, end = groups_.pixels_of_three();
    out.open(fmt::format("for (int32_t ox = 0; ox < {}; ox += {})", end, step));
    const bool even = end % step == 0;
    out.line(even ? fmt::format("const int32_t groups = {};", groups_.in_chunk)
                  : fmt::format("const int32_t groups = ox + {} <= {} ? {} : {};", step, end,
                                groups_.in_chunk, end % step / 6));
    if (groups_.rest_words() > 0) {
      out.line(fmt::format("const int32_t rest = ox + {} >= {};", step, end));
      out.line(fmt::format("const int32_t pixels = rest ? {} - ox : 6 * groups;", row_.pixels));
    } else {
      out.line(fmt::format(
          "const int32_t pixels = {};",
          row_.pixels % 6 == 0
              ? "6 * groups"
              : fmt::format("ox + 6 * groups < {0} ? 6 * groups : {0} - ox", row_.pixels)));
    }
  }
  lines(kOx);
  out.line("uint32_t *strip = strips;");
  print_strips(out);
  print_channels(out, fused);
  if (!one_chunk) out.close();
  if (rows_ > 1) out.close();
  if (images > 1) out.close();

  std::vector<KernelArgument> arguments = {{"x", op_.input(0).dtype, node_.inputs[0], false},
                                           {"weights", DType::int8, {}, false, 0},
                                           {"start", DType::int32, {}, false, 1},
                                           {"scratch", DType::int32, {}, false, -1, true}};
  arguments.insert(arguments.end(), fused.arguments.begin(), fused.arguments.end());
  Kernel kernel = wrap_kernel(function, out.take(), std::move(arguments));
  const Shape bytes{std::ssize(program.program)}, starts{std::ssize(program.start)};
  kernel.tables.push_back({"weights", Tensor::of(DType::int8, bytes, program.program)});
  kernel.tables.push_back({"start", Tensor::of(DType::int32, starts, program.start)});
  kernel.scratch_bytes = 4 * (strip_words + 2 * chunk_pixels());
  kernel.headers = {"heddle_rv32.h", "heddle_rv32_dot.h"};
  add_math(graph_, match_, kernel);
  return kernel;
}

std::vector<FailedCondition> refusals(const Graph& graph, const Match& match) {
  std::vector<FailedCondition> failed = refusals_of_sums(graph, match, "conv2d");
  if (!failed.empty()) return failed;
  const OpView op{graph, graph.node(match.nodes.front())};
  if (op.attribute("group") != 1) {
    failed.push_back({"one group",
                      "the kernel shares its packed pixels between all output channels",
                      fmt::format("conv2d.group is {}", op.attribute("group"))});
  }
  const Shape& out = op.output().shape;
  if (out[2] * out[3] == 1) {
    failed.push_back({"two pixels", "the kernel computes two neighbouring pixels at a time",
                      "the output has one"});
  }
  return failed;
}

Kernel make(const Graph& graph, const Match& match, const StorageOf& storage,
            const std::string& function) {
  return Conv2d(graph, match, storage).make(function);
}

}  // namespace

const KernelGenerator conv2d = {
    "rv32_conv2d", "conv2d in one group, two pixels in a word, 2 channels by 6 pixels in registers",
    refusals, make};

}  // namespace heddle::rv32
