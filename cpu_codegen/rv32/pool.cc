#include "cpu_codegen/rv32/pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/checked.h"
#include "cpu_codegen/affine.h"
#include "cpu_codegen/fused_maps.h"
#include "cpu_codegen/rv32/anchor.h"
#include "cpu_codegen/rv32/pool_windows.h"
#include "cpu_codegen/writer.h"
#include "ops/pool.h"

namespace heddle::rv32 {
namespace {

// Elements of a window that are written out: more are better looped over.
constexpr int64_t kMostElements = 49;
// Outputs of a row, and kinds of rows, that are written out because their windows leave the image.
constexpr int64_t kMostEdges = 8;
constexpr int64_t kMostBands = 5;
// Of a turn of a loop: outputs, the same with operators behind the pool, elements read.
constexpr int64_t kMostOutputs = 8;
constexpr int64_t kMostMapped = 4;
constexpr int64_t kMostReads = 32;
// What an RV32 load adds to its register, in bytes: an int12.
constexpr int64_t kLongestOffset = 2047;

bool is_known(const std::string& op) {
  return op == "max_pool" || op == "average_pool" || op == "sum_pool" ||
         op == "global_average_pool";
}

std::vector<FailedCondition> refusals(const Graph& graph, const Match& match) {
  const OpView op{graph, graph.node(match.nodes.front())};
  std::vector<FailedCondition> failed;
  const auto need = [&](bool holds, const char* condition, const char* why, std::string values) {
    if (!holds) failed.push_back({condition, why, std::move(values)});
  };
  need(is_known(op.node.op), "a pool of sums or of greatest elements", "it folds nothing else",
       "the anchor is " + op.node.op);
  if (!failed.empty()) return failed;
  need(!op.is_real() && op.output().dtype != DType::float32, "integers",
       "float32 is summed in the order of the generic kernel",
       op.is_real() ? "x is float32" : "the sums are float32");
  if (!failed.empty()) return failed;
  const Pool pool = pool_of(op);
  const Window& w = pool.window;
  const int64_t elements = w.kernel_h * w.kernel_w;
  need(pool.global() || elements <= kMostElements, "fy * fx <= 49",
       "larger windows are looped over",
       fmt::format("the window is {} x {}", w.kernel_h, w.kernel_w));
  if (!failed.empty()) return failed;
  const int64_t edges = pool.out[3] - pool.interior().size();
  need(pool.global() || edges <= kMostEdges, "at most 8 outputs of a row reach into the padding",
       "each of them is written out", fmt::format("{} do", edges));
  const int64_t bands = std::ssize(pool.bands());
  need(bands <= kMostBands, "at most 5 kinds of rows", "each of them is written out",
       fmt::format("the padding makes {}", bands));
  const Range x = with_zero(pool.x);
  need(pool.most || fits_int32((Wide{x.lo} - std::max<int64_t>(pool.zero_point, 0)) * elements,
                               (Wide{x.hi} - std::min<int64_t>(pool.zero_point, 0)) * elements),
       "the zero point's share is subtracted at the end", "elements are summed as they are",
       "the sums can leave int32");
  return failed;
}

// The largest number of outputs (elements) a turn, at most `most`, that leaves nothing over if one
// of the upper half does.
int64_t a_turn(int64_t total, int64_t most) {
  for (int64_t n = most; n * 2 > most; --n) {
    if (total % n == 0) return n;
  }
  return most;
}

// The rows of a window that lie in the image; their pointers, one each where a load's offset does
// not reach all of them.
struct Rows {
  int64_t count = 1;
  bool one_pointer = false;
};

// Writes the kernel of one layer.
struct Writer {
  const Pool pool;
  const Storage x;
  const FusedMaps maps;
  const std::string type;  // of x's elements
  const int64_t bytes;     // of one of them
  CWriter out{};
  std::map<int64_t, std::string> columns{};  // of this row of windows: the variable of each

  int64_t row_stride() const { return x.strides[2]; }
  int64_t column_stride() const { return x.strides[3]; }

  void lines(const std::vector<std::string>& text) {
    for (const std::string& line : text) out.lines(line);
  }
  void fold(const std::string& into, const std::string& value) {
    out.line(pool.most ? fmt::format("if ({1} > {0}) {0} = {1};", into, value)
                       : fmt::format("{} += {};", into, value));
  }

  // `value` holds the folded window, of which `count` elements lie in the image.
  void finish(int64_t count) {
    if (pool.zero_point != 0)
      out.line(fmt::format("value {}= {};", pool.zero_point > 0 ? '-' : '+',
                           (pool.zero_point > 0 ? pool.zero_point : -pool.zero_point) * count));
    if (pool.average && count_of(pool, count) != 1)
      out.line(fmt::format("value = {};", mean_of(pool, count)));
    lines(maps.statements);
    out.line(maps.store);
  }

  struct Column {
    std::string name, index;
  };
  // An output: the columns that are new to the row of windows, and all of its window.
  struct Turn {
    std::vector<Column> fresh;
    std::vector<std::string> window;
    int64_t count = 0;  // elements in the image
    bool last = false;  // of its row
  };

  void load(const Turn& turn, const Rows& rows) {
    const auto element = [&](const Column& column, int64_t row) {
      const int64_t offset = rows.one_pointer ? row * row_stride() : 0;
      return fmt::format("x{}[{}{}]", rows.one_pointer ? 0 : row, column.index,
                         offset == 0 ? "" : fmt::format(" + {}", offset));
    };
    for (const Column& column : turn.fresh) {
      out.line(fmt::format("{}int32_t {} = {};", rows.count == 1 ? "const " : "", column.name,
                           element(column, 0)));
      for (int64_t i = 1; i < rows.count; ++i)
        out.line(fmt::format("const int32_t {}_{} = {};", column.name, i, element(column, i)));
    }
  }
  void fold(const Turn& turn, const Rows& rows) {
    for (const Column& column : turn.fresh) {
      for (int64_t i = 1; i < rows.count; ++i)
        fold(column.name, fmt::format("{}_{}", column.name, i));
    }
  }

  // The elements of an output are loaded in front of the store before it, over which no compiler
  // moves them: so none of them is waited for.
  void print(const std::vector<Turn>& turns, const Rows& rows) {
    if (!turns.empty()) load(turns.front(), rows);
    for (size_t i = 0; i < turns.size(); ++i) {
      const Turn& turn = turns[i];
      if (i + 1 < turns.size()) load(turns[i + 1], rows);
      fold(turn, rows);
      out.open("");
      lines(maps.at_depth[4]);
      out.line(fmt::format("int32_t value = {};", turn.window.front()));
      for (size_t j = 1; j < turn.window.size(); ++j) fold("value", turn.window[j]);
      finish(turn.count);
      out.close();
      if (!turn.last) out.line("++ox;");
    }
  }

  // The columns of a part of the row, by their place in the image.
  Turn need(const Part& part, const Rows& rows) {
    Turn turn;
    turn.count = part.size() * rows.count;
    for (int64_t c = part.begin; c < part.end; ++c) {
      if (!columns.contains(c)) {
        columns[c] = fmt::format("c{}", c);
        turn.fresh.push_back({columns[c], fmt::format("{}", c * column_stride())});
      }
      turn.window.push_back(columns[c]);
    }
    return turn;
  }

  // Turns of `n` outputs from `first` on. A turn leaves the columns that the next one shares in
  // `left*`.
  void loop(int64_t first, int64_t turns, int64_t n, const Rows& rows) {
    const Window& w = pool.window;
    const int64_t stride = column_stride();
    const int64_t begin = first * w.stride_w - w.pad_left, step = n * w.stride_w;
    const int64_t shared = std::max<int64_t>(w.kernel_w - w.stride_w, 0);
    const Turn before = need({begin, begin + shared}, rows);
    load(before, rows);
    fold(before, rows);
    std::map<int64_t, std::string> known;  // columns from the first one of the turn
    for (int64_t j = 0; j < shared; ++j) {
      known[j] = fmt::format("left{}", j);
      out.line(fmt::format("int32_t {} = {};", known[j], before.window[static_cast<size_t>(j)]));
    }
    std::vector<Turn> outputs;
    for (int64_t u = 0; u < n; ++u) {
      Turn turn;
      turn.count = rows.count * w.kernel_w;
      for (int64_t j = u * w.stride_w; j < u * w.stride_w + w.kernel_w; ++j) {
        if (!known.contains(j)) {
          known[j] = fmt::format("s{}", j);
          turn.fresh.push_back({known[j], j == 0 ? "at" : fmt::format("at + {}", j * stride)});
        }
        turn.window.push_back(known[j]);
      }
      outputs.push_back(std::move(turn));
    }
    out.open(fmt::format("for (int32_t at = {}; at < {}; at += {})", begin * stride,
                         (begin + turns * step) * stride, step * stride));
    print(outputs, rows);
    for (int64_t j = 0; j < shared; ++j)
      out.line(fmt::format("left{} = {};", j, known[n * w.stride_w + j]));
    out.close();
    for (int64_t j = 0; j < shared; ++j)
      columns[begin + turns * step + j] = fmt::format("left{}", j);
  }

  // The rows of outputs of a band; `oy` is known to be one of them.
  void row(const Band& band) {
    const Window& w = pool.window;
    Rows rows{band.part.size(), false};
    const Part interior = pool.interior();
    int64_t most = std::min(
        kMostOutputs,
        std::max<int64_t>(kMostReads / (rows.count * std::min(w.stride_w, w.kernel_w)), 1));
    if (!maps.statements.empty()) most = std::min(most, kMostMapped);
    const int64_t n = a_turn(interior.size(), most), turns = interior.size() / n;
    const int64_t last =
        (rows.count - 1) * row_stride() + (n * w.stride_w + w.kernel_w) * column_stride();
    rows.one_pointer = last * bytes <= kLongestOffset;
    const std::vector<Axis> axes{{"oy", pool.out[2]}};
    for (int64_t i = 0; i < (rows.one_pointer ? 1 : rows.count); ++i) {
      const DimAccess iy = simplified({{{0, w.stride_h}}, band.part.begin + i - w.pad_top}, axes);
      out.line(fmt::format("const {} *const x{} = plane + {};", type, i,
                           print_index({{iy, row_stride()}}, axes)));
    }
    columns.clear();
    if (pool.out[3] > 1) out.line("int32_t ox = 0;");
    std::vector<Turn> outputs;
    for (int64_t ox = 0; ox < pool.out[3];) {
      if (ox == interior.begin && turns > 1) {
        print(outputs, rows);
        outputs.clear();
        loop(ox, turns, n, rows);
        ox += n * turns;
        continue;
      }
      outputs.push_back(need(pool.columns(ox), rows));
      outputs.back().last = ++ox == pool.out[3];
    }
    print(outputs, rows);
  }

  void windows() {
    for (const Band& band : pool.bands()) {
      if (band.rows.size() > 1) {
        out.open(
            fmt::format("for (int32_t oy = {}; oy < {}; ++oy)", band.rows.begin, band.rows.end));
      } else {
        out.open("");
        if (pool.out[2] > 1) out.line(fmt::format("const int32_t oy = {};", band.rows.begin));
      }
      lines(maps.at_depth[3]);
      row(band);
      out.close();
    }
  }

  // `count` elements, `stride` from one to the next.
  void line_of(const char* pointer, int64_t count, int64_t stride) {
    const auto some = [&](const std::string& at, int64_t first, int64_t n) {
      for (int64_t i = 0; i < n; ++i) {
        const std::string offset = fmt::format("{}", (first + i) * stride);
        out.line(fmt::format("const int32_t v{} = {}[{}];", i, pointer,
                             at.empty() ? offset
                             : i == 0   ? at
                                        : at + " + " + offset));
      }
      for (int64_t i = 0; i < n; ++i) fold("value", fmt::format("v{}", i));
    };
    const int64_t n = count <= 2 * kMostOutputs ? count : a_turn(count, kMostOutputs);
    const int64_t looped = count / n * n;
    if (looped > n) {
      out.open(fmt::format("for (int32_t at = 0; at < {}; at += {})", looped * stride, n * stride));
      some("at", 0, n);
      out.close();
    }
    const int64_t done = looped > n ? looped : 0;
    if (done == count) return;
    out.open("");
    some("", done, count - done);
    out.close();
  }

  void whole_image() {
    const Part rows = pool.rows(0), part = pool.columns(0);
    lines(maps.at_depth[3]);
    lines(maps.at_depth[4]);
    out.line(fmt::format("int32_t value = {};", pool.most ? c_literal(pool.x.lo) : "0"));
    const int64_t start = rows.begin * row_stride() + part.begin * column_stride();
    if (start != 0) out.line(fmt::format("const {} *const image = plane + {};", type, start));
    const char* const image = start == 0 ? "plane" : "image";
    if (part.size() == 1) {
      line_of(image, rows.size(), row_stride());
    } else if (rows.size() == 1 || row_stride() == part.size() * column_stride()) {
      line_of(image, rows.size() * part.size(), column_stride());
    } else {
      out.open(fmt::format("for (int32_t iy = 0; iy < {}; ++iy)", rows.size()));
      out.line(fmt::format("const {} *const row = {} + iy * {};", type, image, row_stride()));
      line_of("row", part.size(), column_stride());
      out.close();
    }
    finish(rows.size() * part.size());
  }

  void body() {
    const std::vector<Axis> axes{{"n", pool.out[0]}, {"k", pool.out[1]}};
    lines(maps.at_depth[0]);
    for (size_t d = 0; d < 2; ++d) {
      if (axes[d].extent > 1) {
        out.open(
            fmt::format("for (int32_t {0} = 0; {0} < {1}; ++{0})", axes[d].name, axes[d].extent));
      }
      lines(maps.at_depth[d + 1]);
    }
    const auto at = [&](int axis) {
      return StridedIndex{simplified(along(axis), axes), x.strides[static_cast<size_t>(axis)]};
    };
    out.line(
        fmt::format("const {} *const plane = x + {};", type, print_index({at(0), at(1)}, axes)));
    if (pool.global()) {
      whole_image();
    } else {
      windows();
    }
    for (const Axis& axis : axes) {
      if (axis.extent > 1) out.close();
    }
  }
};

// What the kernel calls its variables, for maps to keep away from.
UniqueNames names_of(const Pool& pool) {
  UniqueNames names;
  for (const char* name : {"x", "plane", "at", "image", "row", "iy"}) names.take(name);
  for (int64_t i = 0; i < pool.in[3]; ++i) names.take(fmt::format("c{}", i));
  for (int64_t i = 0; i < kMostElements; ++i) {
    for (const char* name : {"x", "v", "left"}) names.take(fmt::format("{}{}", name, i));
  }
  for (int64_t i = 0; i < kMostOutputs * pool.window.stride_w + pool.window.kernel_w; ++i)
    names.take(fmt::format("s{}", i));
  return names;
}

Kernel make(const Graph& graph, const Match& match, const StorageOf& storage,
            const std::string& function) {
  const OpView op{graph, graph.node(match.nodes.front())};
  const Pool pool = pool_of(op);
  const Shape& shape = pool.out;
  const FusedMaps maps =
      fuse_maps(graph, match, storage, 1,
                {{"n", shape[0]}, {"k", shape[1]}, {"oy", shape[2]}, {"ox", shape[3]}},
                {along(0), along(1), along(2), along(3)}, names_of(pool));
  const ValueId x = op.node.inputs[0];
  Writer writer{.pool = pool,
                .x = stored_as(graph, storage, x),
                .maps = maps,
                .type = std::string(c_name_of(op.input(0).dtype)),
                .bytes = bytes_of(op.input(0).dtype)};
  writer.out.indent();
  writer.body();
  std::vector<KernelArgument> arguments{{"x", op.input(0).dtype, x, false}};
  arguments.insert(arguments.end(), maps.arguments.begin(), maps.arguments.end());
  Kernel kernel = wrap_kernel(function, writer.out.take(), std::move(arguments));
  add_math(graph, match, kernel);
  return kernel;
}

}  // namespace

const KernelGenerator pool = {"rv32_pool",
                              "windows written out, every element of a row of windows read once",
                              refusals, make};

}  // namespace heddle::rv32
