#include "cpu_codegen/rv32/depthwise.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "base/checked.h"
#include "cpu_codegen/affine.h"
#include "cpu_codegen/fused_maps.h"
#include "cpu_codegen/writer.h"
#include "ops/check.h"
#include "ops/window.h"

namespace heddle::rv32 {
namespace {

// Of the filter: more do not fit into the registers of any RV32, and are better looped over.
constexpr int64_t kMostTaps = 25;
// Outputs written one by one at either end of a row, because their windows leave the image.
constexpr int64_t kMostEdges = 4;

// Rows and columns of one layer, counted as the image's; outputs [first, last) of a row take whole
// periods of `stride_w` columns inside the image.
struct Walk {
  Window window;
  Shape in, out;
  // Of a tall image the columns are walked down instead: all of this speaks of its transpose.
  bool transposed = false;
  int64_t sums = 1;      // outputs that a column can add to
  int64_t prologue = 0;  // columns of the first window before its last `stride_w`
  int64_t first = 0, last = 0;
  bool pads_rows = false;
  bool meets = false;  // a window has a column in the image

  // The first column of the period that completes output `ox`.
  int64_t column(int64_t ox) const { return ox * window.stride_w + prologue - window.pad_left; }
};

Walk walk_along(const OpView& op, bool transposed) {
  Walk walk{conv_window(op), op.input(0).shape, op.output().shape, transposed};
  Window& w = walk.window;
  if (transposed) {
    std::swap(w.kernel_h, w.kernel_w);
    std::swap(w.stride_h, w.stride_w);
    std::swap(w.dilation_h, w.dilation_w);
    std::swap(w.pad_top, w.pad_left);
    std::swap(w.pad_bottom, w.pad_right);
    std::swap(walk.in[2], walk.in[3]);
    std::swap(walk.out[2], walk.out[3]);
  }
  walk.sums = std::min((w.kernel_w + w.stride_w - 1) / w.stride_w, walk.out[3]);
  walk.prologue = std::max<int64_t>(w.kernel_w - w.stride_w, 0);
  const int64_t width = walk.in[3], outputs = walk.out[3];
  // A stride beyond the kernel leaves columns out: only kernel_w of each period are read.
  const int64_t read = std::min(w.kernel_w, w.stride_w);
  while (walk.first < outputs && walk.column(walk.first) < 0) ++walk.first;
  walk.last = outputs;
  while (walk.last > walk.first && walk.column(walk.last - 1) + read > width) --walk.last;
  walk.pads_rows =
      w.pad_top > 0 || (walk.out[2] - 1) * w.stride_h - w.pad_top + w.kernel_h > walk.in[2];
  for (int64_t ox = 0; ox < outputs; ++ox) {
    const int64_t left = ox * w.stride_w - w.pad_left;
    walk.meets = walk.meets || (left + w.kernel_w > 0 && left < width);
  }
  return walk;
}

bool short_edges(const Walk& walk) {
  return walk.first <= kMostEdges && walk.out[3] - walk.last <= kMostEdges;
}

// The ends of a row cost what an output or two do, so the long side of an image is walked along.
Walk walk_of(const OpView& op) {
  const Shape& out = op.output().shape;
  if (out[2] >= 2 * out[3]) {
    Walk down = walk_along(op, true);
    if (short_edges(down) && down.meets) return down;
  }
  return walk_along(op, false);
}

// Every partial sum of products of x itself, without its zero point, that starts at the bias less
// the zero point's share, must fit int32; the bias is the one that a bias_add behind would add.
struct Start {
  std::vector<int64_t> bias;  // one a channel
  bool fits = true;
  bool has_bias = false;  // the node behind is a bias_add whose bias it holds
};

Start start_of(const Graph& graph, const Match& match) {
  const OpView op{graph, graph.node(match.nodes.front())};
  const std::vector<int64_t> weights = op.constant(1)->to_ints();
  const int64_t channels = op.input(1).shape[0];
  const size_t taps = weights.size() / static_cast<size_t>(channels);
  const int64_t zero_point = op.attribute("x_zero_point");
  Start start;
  const Tensor* bias = nullptr;
  if (match.nodes.size() > 1) {
    const Node& next = graph.node(match.nodes[1]);
    const bool channelwise = next.op == "bias_add" && OpView{graph, next}.attribute("axis") == 1;
    if (channelwise) bias = &*graph.value(next.inputs[1]).constant;
  }
  start.has_bias = bias != nullptr;
  const Range x = united(op.input(0).range,
                         {std::min<int64_t>(zero_point, 0), std::max<int64_t>(zero_point, 0)});
  for (int64_t k = 0; k < channels; ++k) {
    Wide sum = 0, reach = 0;
    for (size_t i = 0; i < taps; ++i) {
      const Wide w = weights[static_cast<size_t>(k) * taps + i];
      sum += w;
      reach += (w < 0 ? -w : w) * std::max(-Wide{x.lo}, Wide{x.hi});
    }
    const Wide first = (bias == nullptr ? 0 : Wide{bias->at(k)}) - zero_point * sum;
    start.fits = start.fits && fits_int32(first - reach, first + reach);
    start.bias.push_back(start.fits ? static_cast<int64_t>(first) : 0);
  }
  return start;
}

std::vector<FailedCondition> refusals(const Graph& graph, const Match& match) {
  const OpView op{graph, graph.node(match.nodes.front())};
  std::vector<FailedCondition> failed;
  const auto need = [&](bool holds, const char* condition, const char* why, std::string values) {
    if (!holds) failed.push_back({condition, why, std::move(values)});
  };
  need(!op.is_real(), "integers", "float32 is summed in the order of the generic kernel",
       "x is float32");
  if (!failed.empty()) return failed;
  const Walk walk = walk_of(op);
  const Window& w = walk.window;
  need(w.dilation_h == 1 && w.dilation_w == 1, "dilation == 1",
       "neighbouring columns belong to neighbouring taps",
       fmt::format("the dilation is {} x {}", op.attribute("dilation_h"),
                   op.attribute("dilation_w")));
  need(w.kernel_h * w.kernel_w <= kMostTaps, "fy * fx <= 25", "larger filters are looped over",
       fmt::format("the filter is {} x {}", w.kernel_h, w.kernel_w));
  need(short_edges(walk), "at most 4 outputs at either end of a row reach into the padding",
       "each of them is written out",
       fmt::format("{} and {} do", walk.first, walk.out[3] - walk.last));
  need(walk.meets, "a window meets the image", "there is nothing to read",
       "all lie in the padding");
  const int64_t zero_point = op.attribute("x_zero_point");
  need(!w.padded() || range_of(op.input(0).dtype).contains({zero_point, zero_point}),
       "x can hold its zero point", "rows of padding are made of it",
       fmt::format("the zero point is {}", zero_point));
  need(start_of(graph, match).fits, "the zero point's share joins the bias",
       "the accumulator starts there", "the sums can leave int32");
  return failed;
}

// Writes the kernel of one layer.
struct Writer {
  const Walk walk;
  const int64_t zero_point;
  const Storage x;
  const FusedMaps maps;
  const std::string type;  // of x's elements
  const bool biased;
  CWriter out{};
  std::set<int64_t> taps{}, edges{};  // that have been used

  const char* down() const { return walk.transposed ? "ox" : "oy"; }
  const char* across() const { return walk.transposed ? "oy" : "ox"; }
  int64_t row_stride() const { return x.strides[walk.transposed ? 3 : 2]; }
  int64_t column_stride() const { return x.strides[walk.transposed ? 2 : 3]; }
  int64_t taps_high() const { return walk.window.kernel_h; }
  int64_t taps_wide() const { return walk.window.kernel_w; }

  void lines(const std::vector<std::string>& text) {
    for (const std::string& line : text) out.lines(line);
  }
  void at_depth(size_t depth) { lines(maps.at_depth[depth]); }

  // What column t of a period adds to its sums, of which `outputs` belong to outputs. `index`: of
  // the column in its row, "" for one in the padding.
  void column(int64_t t, const std::string& index, int64_t outputs) {
    std::vector<std::pair<int64_t, int64_t>> parts;  // sum, fx
    for (int64_t i = 0; i < std::min(walk.sums, outputs); ++i) {
      const int64_t fx = walk.prologue + t - i * walk.window.stride_w;
      if (fx >= 0 && fx < taps_wide()) parts.push_back({i, fx});
    }
    if (index.empty()) {
      for (const auto& [sum, fx] : parts) {
        if (zero_point == 0) continue;
        out.line(fmt::format("sum{} += edge{};", sum, fx));
        edges.insert(fx);
        for (int64_t fy = 0; fy < taps_high(); ++fy) taps.insert(fy * taps_wide() + fx);
      }
      return;
    }
    if (parts.empty()) return;
    out.open("");
    for (int64_t fy = 0; fy < taps_high(); ++fy)
      out.line(fmt::format("const int32_t v{0} = x{0}[{1}];", fy, index));
    for (const auto& [sum, fx] : parts) {
      for (int64_t fy = 0; fy < taps_high(); ++fy) {
        out.line(fmt::format("sum{} += v{} * w{};", sum, fy, fy * taps_wide() + fx));
        taps.insert(fy * taps_wide() + fx);
      }
    }
    out.close();
  }

  // One output and the columns that complete it; `known` where ox is a number.
  void period(std::optional<int64_t> known) {
    const int64_t stride = column_stride();
    for (int64_t t = 0; t < std::min(taps_wide(), walk.window.stride_w); ++t) {
      if (!known) {
        const std::vector<StridedIndex> index{
            {{{{0, walk.window.stride_w}}, walk.column(0) + t}, stride}};
        const std::vector<Axis> axes{{across(), walk.out[3]}};
        column(t, stride == 1 ? print_affine(index[0].index, axes) : print_index(index, axes),
               walk.sums);
      } else {
        const int64_t at = walk.column(*known) + t;
        const bool in_image = at >= 0 && at < walk.in[3];
        column(t, in_image ? fmt::format("{}", at * stride) : "", walk.out[3] - *known);
      }
    }
    out.open("");
    at_depth(4);
    out.line("int32_t value = sum0;");
    lines(maps.statements);
    out.line(maps.store);
    out.close();
    if (known && *known + 1 == walk.out[3]) return;
    for (int64_t i = 0; i + 1 < walk.sums; ++i) out.line(fmt::format("sum{} = sum{};", i, i + 1));
    out.line(fmt::format("sum{} = start;", walk.sums - 1));
  }

  // Pointers to the rows of the window under row oy of the outputs.
  void pointers() {
    const Window& w = walk.window;
    const std::vector<Axis> axes{{down(), walk.out[2]}};
    const auto row = [&](int64_t fy) {
      return simplified({{{0, w.stride_h}}, fy - w.pad_top}, axes);
    };
    const auto start = [&](int64_t fy) {
      return fmt::format("plane + {}", print_index({{row(fy), row_stride()}}, axes));
    };
    for (int64_t fy = 0; fy < taps_high(); ++fy) {
      const std::string iy = print_affine(row(fy), axes);
      std::vector<std::string> conditions;
      if (fy < w.pad_top) conditions.push_back(fmt::format("{} < 0", iy));
      if (fy - w.pad_top + (walk.out[2] - 1) * w.stride_h >= walk.in[2])
        conditions.push_back(fmt::format("{} >= {}", iy, walk.in[2]));
      out.line(fmt::format(
          "const {} *const x{} = {}{};", type, fy,
          conditions.empty() ? "" : fmt::format("{} ? padding : ", fmt::join(conditions, " || ")),
          start(fy)));
    }
  }

  // One row of outputs.
  void row() {
    const Window& w = walk.window;
    pointers();
    for (int64_t i = 0; i < walk.sums; ++i) out.line(fmt::format("int32_t sum{} = start;", i));
    for (int64_t c = 0; c < walk.prologue; ++c) {
      const int64_t at = c - w.pad_left;
      const bool in_image = at >= 0 && at < walk.in[3];
      column(c - walk.prologue, in_image ? fmt::format("{}", at * column_stride()) : "", walk.sums);
    }
    outputs();
  }

  void outputs() {
    const bool one = walk.out[3] == 1;
    const std::string next = fmt::format("++{};", across());
    if (!one) out.line(fmt::format("int32_t {} = 0;", across()));
    for (int64_t ox = 0; ox < walk.first; ++ox) {
      period(ox);
      if (!one) out.line(next);
    }
    // Two a turn: the counter and the pointers move half as often.
    constexpr int64_t unrolled = 2;
    const int64_t turns = (walk.last - walk.first) / unrolled;
    if (turns > 1) {
      out.open(fmt::format("while ({} < {})", across(), walk.first + unrolled * turns));
      for (int64_t i = 0; i < unrolled; ++i) {
        period(std::nullopt);
        out.line(next);
      }
      out.close();
    }
    for (int64_t ox = walk.first + (turns > 1 ? unrolled * turns : 0); ox < walk.out[3]; ++ox) {
      period(ox);
      if (ox + 1 < walk.out[3]) out.line(next);
    }
  }

  void body() {
    at_depth(0);
    if (walk.pads_rows) {
      out.line(fmt::format("{0} *const padding = ({0} *)scratch;", type));
      out.line(fmt::format("for (int32_t i = 0; i < {}; ++i) padding[{}] = {};", walk.in[3],
                           column_stride() == 1 ? "i" : fmt::format("i * {}", column_stride()),
                           c_literal(zero_point)));
    }
    const int64_t loops[] = {walk.out[0], walk.out[1], walk.out[2]};
    const char* const names[] = {"n", "k", down()};
    for (size_t d = 0; d < 3; ++d) {
      if (loops[d] > 1)
        out.open(fmt::format("for (int32_t {0} = 0; {0} < {1}; ++{0})", names[d], loops[d]));
      at_depth(d + 1);
      if (d == 1) channel();
    }
    row();
    for (size_t d = 0; d < 3; ++d) {
      if (loops[d] > 1) out.close();
    }
  }

  void channel() {
    const std::vector<Axis> axes{{"n", walk.out[0]}, {"k", walk.out[1]}};
    const auto at = [&](int axis, int64_t stride) {
      return StridedIndex{simplified({{{axis, 1}}, 0}, axes), stride};
    };
    out.line(fmt::format("const {} *const plane = x + {};", type,
                         print_index({at(0, x.strides[0]), at(1, x.strides[1])}, axes)));
    out.line(biased ? fmt::format("const int32_t start = bias[{}];", print_index({at(1, 1)}, axes))
                    : "const int32_t start = 0;");
    Writer after = *this;  // what the rows use is declared in front of them
    after.row();
    for (const int64_t i : after.taps) {
      const int64_t tap = walk.transposed ? i % taps_wide() * taps_high() + i / taps_wide() : i;
      const std::string index =
          print_index({at(1, taps_high() * taps_wide()), {{{}, tap}, 1}}, axes);
      out.line(fmt::format("const int32_t w{} = weights[{}];", i, index));
    }
    for (const int64_t fx : after.edges) {
      std::string sum;
      for (int64_t fy = 0; fy < taps_high(); ++fy)
        sum += fmt::format("{}w{}", fy == 0 ? "" : " + ", fy * taps_wide() + fx);
      out.line(fmt::format("const int32_t edge{} = ({}) * {};", fx, sum, c_literal(zero_point)));
    }
  }
};

Kernel make(const Graph& graph, const Match& match, const StorageOf& storage,
            const std::string& function) {
  const OpView op{graph, graph.node(match.nodes.front())};
  const Start start = start_of(graph, match);
  const Shape& shape = op.output().shape;
  UniqueNames names;
  for (const char* name : {"x", "weights", "bias", "scratch", "padding", "plane", "start", "i"})
    names.take(name);
  const Walk walk = walk_of(op);
  for (int64_t i = 0; i < walk.window.kernel_h * walk.window.kernel_w; ++i) {
    for (const char* name : {"x", "w", "v", "sum", "edge"})
      names.take(fmt::format("{}{}", name, i));
  }
  // Loops from the outermost one, and the output's index in terms of them.
  const bool down = walk.transposed;
  const std::vector<Axis> loops{{"n", shape[0]},
                                {"k", shape[1]},
                                {down ? "ox" : "oy", walk.out[2]},
                                {down ? "oy" : "ox", walk.out[3]}};
  const FusedMaps maps =
      fuse_maps(graph, match, storage, start.has_bias ? 2 : 1, loops,
                {along(0), along(1), along(down ? 3 : 2), along(down ? 2 : 3)}, names);
  const bool biased =
      std::any_of(start.bias.begin(), start.bias.end(), [](int64_t b) { return b != 0; });
  const ValueId x = op.node.inputs[0];
  const auto found = storage.find(x);
  Writer writer{.walk = walk,
                .zero_point = op.attribute("x_zero_point"),
                .x = found == storage.end() ? dense_storage(op.input(0)) : found->second,
                .maps = maps,
                .type = std::string(c_name_of(op.input(0).dtype)),
                .biased = biased};
  writer.out.indent();
  writer.body();
  std::vector<KernelArgument> arguments{{"x", op.input(0).dtype, x, false},
                                        {"weights", op.input(1).dtype, op.node.inputs[1], false}};
  if (biased) arguments.push_back({.name = "bias", .dtype = DType::int32, .value = {}, .table = 0});
  int64_t scratch = 0;
  if (walk.pads_rows) {
    scratch =
        round_up(((walk.in[3] - 1) * writer.column_stride() + 1) * bytes_of(op.input(0).dtype), 4);
    arguments.push_back({.name = "scratch", .dtype = DType::int32, .value = {}, .scratch = true});
  }
  arguments.insert(arguments.end(), maps.arguments.begin(), maps.arguments.end());
  Kernel kernel = wrap_kernel(function, writer.out.take(), std::move(arguments));
  if (biased) kernel.tables.push_back({"bias", Tensor::of(DType::int32, {shape[1]}, start.bias)});
  kernel.scratch_bytes = scratch;
  add_math(graph, match, kernel);
  return kernel;
}

}  // namespace

const KernelGenerator depthwise_conv2d = {
    "rv32_depthwise_conv2d", "a channel's filter in registers, every element of a row read once",
    refusals, make};

}  // namespace heddle::rv32
