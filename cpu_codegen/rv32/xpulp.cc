#include "cpu_codegen/rv32/xpulp.h"

#include <fmt/format.h>

#include <algorithm>

#include "cpu_codegen/fused_maps.h"
#include "cpu_codegen/rv32/anchor.h"
#include "cpu_codegen/rv32/pack_bytes.h"
#include "ops/check.h"

namespace heddle::rv32 {
namespace {

constexpr int64_t kBlock = 4;          // output channels at a time
constexpr int64_t kChunkBytes = 4096;  // of packed pixels, where a plane is one row
constexpr int64_t kMostTaps = 32;      // columns of a filter, whose packing is written out

constexpr Range kByte{-128, 127};

// A dense layer is the convolution of an image of one pixel.
class Xpulp {
 public:
  Xpulp(const Graph& graph, const Match& match, const StorageOf& storage);
  Kernel make(const std::string& function);

 private:
  std::vector<int64_t> weights() const;
  FusedMaps maps(UniqueNames names) const;
  void print_channels(CWriter& out, const FusedMaps& maps) const;
  std::vector<KernelArgument> arguments() const;
  bool one_chunk() const { return chunk_ >= pixels_; }
  int64_t blocks() const { return (channels_ + kBlock - 1) / kBlock; }
  int64_t block_words() const { return rows_.window.kernel_h * rows_.pixel_words() * kBlock; }

  const Graph& graph_;
  const Match& match_;
  const StorageOf& storage_;
  const Node& node_;
  OpView op_;
  Int8Sums sums_;
  ByteRows rows_;
  int64_t images_ = 1, channels_ = 1;       // of the output
  int64_t lines_ = 1, pixels_ = 1, chunk_;  // rows of the output, pixels of a row, of a chunk
};

Xpulp::Xpulp(const Graph& graph, const Match& match, const StorageOf& storage)
    : graph_(graph),
      match_(match),
      storage_(storage),
      node_(graph.node(match.nodes.front())),
      op_{graph, node_},
      sums_(int8_sums(graph, match)),
      chunk_(1) {
  const Shape& in = op_.input(0).shape;
  const Shape& out = op_.output().shape;
  images_ = out[0];
  channels_ = out[1];
  rows_.channels = in[1];
  rows_.offset = sums_.offset;
  rows_.padding = op_.attribute("x_zero_point") - sums_.offset;
  rows_.element = c_name_of(op_.input(0).dtype);
  rows_.strides = stored_as(graph, storage, node_.inputs[0]).strides;
  rows_.strides.resize(4, 1);
  if (images_ > 1) rows_.image = "image";
  if (in.size() == 4) {
    rows_.window = conv_window(op_);
    rows_.height = in[2];
    rows_.width = in[3];
    lines_ = out[2];
    chunk_ = pixels_ = out[3];
    if (out[3] > 1 && runs_over_rows(graph, match, storage, rows_.window, sums_.first_map)) {
      pixels_ = rows_.width = in[2] * in[3];
      lines_ = rows_.height = 1;
      const int64_t most = std::max<int64_t>(kChunkBytes / (4 * ((in[1] + 3) / 4)), 8);
      const int64_t chunks = (pixels_ + most - 1) / most;
      chunk_ = chunks == 1 ? pixels_ : ((pixels_ + chunks - 1) / chunks + 3) / 4 * 4;
    }
  }
  choose_columns(rows_, chunk_);
}

// Words in the order in which the inner loop reads them: block of channels, row of the filter, word
// of the run, channel. Bytes that stand for no tap are 0.
std::vector<int64_t> Xpulp::weights() const {
  const std::vector<int64_t> all = op_.constant(1)->to_ints();
  const Window& w = rows_.window;
  const auto weight = [&](int64_t k, int64_t fy, int64_t byte) -> int64_t {
    const int64_t in_column = byte % (4 * rows_.column_words());
    const int64_t fx = byte / (4 * rows_.column_words()) + in_column / rows_.channels;
    if (k >= channels_ || in_column >= rows_.taps * rows_.channels) return 0;
    const int64_t c = in_column % rows_.channels;
    const int64_t at = ((k * rows_.channels + c) * w.kernel_h + fy) * w.kernel_w + fx;
    return all[static_cast<size_t>(at)];
  };
  std::vector<int64_t> words;
  for (int64_t first = 0; first < channels_; first += kBlock) {
    for (int64_t fy = 0; fy < w.kernel_h; ++fy) {
      for (int64_t word = 0; word < rows_.pixel_words(); ++word) {
        for (int64_t k = first; k < first + kBlock; ++k) {
          uint32_t bits = 0;
          for (int64_t i = 0; i < 4; ++i)
            bits |= static_cast<uint32_t>(static_cast<uint8_t>(weight(k, fy, 4 * word + i)))
                    << (8 * i);
          words.push_back(static_cast<int32_t>(bits));
        }
      }
    }
  }
  return words;
}

enum Loops { kN, kOy, kOx, kK, kJ };

FusedMaps Xpulp::maps(UniqueNames names) const {
  const std::vector<Axis> loops = {{"n", images_},
                                   {"oy", lines_},
                                   {"ox", one_chunk() ? 1 : pixels_},
                                   {"k", channels_},
                                   {"j", chunk_}};
  Access index = {along(kN), along(kK), along(kOy), {{{kOx, 1}, {kJ, 1}}, 0}};
  index.resize(op_.output().shape.size());
  return fuse_maps(graph_, match_, storage_, sums_.first_map, loops, index, names);
}

// The sums of four channels at a time for the chunk, then the operators behind them.
void Xpulp::print_channels(CWriter& out, const FusedMaps& maps) const {
  const auto lines = [&](int loop) {
    for (const std::string& line : maps.at_depth[static_cast<size_t>(loop) + 1]) out.line(line);
  };
  out.open(fmt::format("for (int32_t block = 0; block < {}; ++block)", blocks()));
  out.call("heddle_xpulp_dot_4",
           {"rows", one_chunk() ? fmt::format("{}", chunk_) : "pixels", "&window",
            fmt::format("weights + block * {}", block_words()), "start + block * 4", "sums",
            fmt::format("{}", chunk_)},
           ";");
  out.open(fmt::format("for (int32_t k = block * 4; k < block * 4 + 4{}; ++k)",
                       channels_ % kBlock == 0 ? "" : fmt::format(" && k < {}", channels_)));
  out.line(fmt::format("const int32_t *sum = sums + (k - block * 4) * {};", chunk_));
  lines(kK);
  out.open(chunk_ == 1 ? ""
                       : fmt::format("for (int32_t j = 0; j < {}; ++j)",
                                     one_chunk() ? fmt::format("{}", chunk_) : "pixels"));
  lines(kJ);
  out.line(chunk_ == 1 ? "int32_t value = *sum;" : "int32_t value = sum[j];");
  for (const std::string& statement : maps.statements) out.lines(statement);
  out.line(maps.store);
  out.close();
  out.close();
  out.close();
}

std::vector<KernelArgument> Xpulp::arguments() const {
  return {{"x", op_.input(0).dtype, node_.inputs[0], false},
          {"weights", DType::int32, {}, false, 0},
          {"start", DType::int32, {}, false, 1},
          {"scratch", DType::int32, {}, false, -1, true}};
}

Kernel Xpulp::make(const std::string& function) {
  UniqueNames names;
  for (const char* name : {"x",      "weights", "start",  "scratch", "rows", "sums", "sum",
                           "window", "block",   "pixels", "image",   "run",  "to",   "row",
                           "from",   "at",      "left",   "iy",      "fy",   "c",    "i"})
    names.take(name);
  const FusedMaps fused = maps(names);

  CWriter out;
  out.indent();
  const auto lines = [&](int loop) {
    for (const std::string& line : fused.at_depth[static_cast<size_t>(loop + 1)]) out.line(line);
  };
  out.line(fmt::format("static const heddle_xpulp_window window = {{{}, {}, {}, {}}};",
                       rows_.window.kernel_h, rows_.pixel_words(), rows_.pitch(),
                       rows_.pixel_step()));
  out.line("uint32_t *const rows = scratch;");
  out.line(fmt::format("int32_t *const sums = (int32_t *)(scratch + {});", rows_.words()));
  lines(-1);
  print_padding(out, rows_);
  if (images_ > 1) {
    out.open(fmt::format("for (int32_t n = 0; n < {}; ++n)", images_));
    out.line(fmt::format("const {} *image = x + n * {};", rows_.element, rows_.strides[0]));
  }
  lines(kN);
  if (lines_ > 1)
    out.open(fmt::format("for (int32_t oy = 0; oy < {}; ++oy)", lines_));
  else if (rows_.window.pad_top > 0 || rows_.window.pad_bottom > 0 || rows_.height > 1)
    out.line("const int32_t oy = 0;");
  lines(kOy);
  if (!one_chunk()) {
    out.open(fmt::format("for (int32_t ox = 0; ox < {}; ox += {})", pixels_, chunk_));
    out.line(pixels_ % chunk_ == 0
                 ? fmt::format("const int32_t pixels = {};", chunk_)
                 : fmt::format("const int32_t pixels = ox + {0} <= {1} ? {0} : {1} - ox;", chunk_,
                               pixels_));
  }
  lines(kOx);
  print_packing(out, rows_, one_chunk() ? "" : "pixels");
  print_channels(out, fused);
  if (!one_chunk()) out.close();
  if (lines_ > 1) out.close();
  if (images_ > 1) out.close();

  std::vector<KernelArgument> all = arguments();
  all.insert(all.end(), fused.arguments.begin(), fused.arguments.end());
  Kernel kernel = wrap_kernel(function, out.take(), std::move(all));
  std::vector<int64_t> start = wrapped(sums_.bias);
  start.resize(static_cast<size_t>(kBlock * blocks()), 0);
  const std::vector<int64_t> words = weights();
  const Shape weights_shape{std::ssize(words)}, start_shape{std::ssize(start)};
  kernel.tables.push_back({"weights", Tensor::of(DType::int32, weights_shape, words)});
  kernel.tables.push_back({"start", Tensor::of(DType::int32, start_shape, start)});
  kernel.scratch_bytes = 4 * (rows_.words() + kBlock * chunk_);
  kernel.headers = {"heddle_xpulp.h"};
  add_math(graph_, match_, kernel);
  return kernel;
}

std::vector<FailedCondition> refusals(const Graph& graph, const Match& match,
                                      std::string_view name) {
  std::vector<FailedCondition> failed = refusals_of_sums(graph, match, name);
  if (!failed.empty()) return failed;
  const OpView op{graph, graph.node(match.nodes.front())};
  const Range x = int8_sums(graph, match).x, weights = op.constant(1)->min_max();
  if (!kByte.contains(x) || !kByte.contains(weights)) {
    failed.push_back({"signed bytes", "the core multiplies four signed bytes of a word",
                      fmt::format("weights in [{}, {}], x in [{}, {}] about its middle", weights.lo,
                                  weights.hi, x.lo, x.hi)});
  }
  return failed;
}

std::vector<FailedCondition> conv2d_refusals(const Graph& graph, const Match& match) {
  std::vector<FailedCondition> failed = refusals(graph, match, "conv2d");
  if (!failed.empty()) return failed;
  const OpView op{graph, graph.node(match.nodes.front())};
  if (op.attribute("group") != 1) {
    failed.push_back({"one group", "the kernel shares its packed pixels between all channels",
                      fmt::format("conv2d.group is {}", op.attribute("group"))});
  }
  if (const int64_t width = op.input(1).shape[3]; width > kMostTaps) {
    failed.push_back({fmt::format("fx <= {}", kMostTaps),
                      "the packing of every column of the filter is written out",
                      fmt::format("the filter has {}", width)});
  }
  return failed;
}

std::vector<FailedCondition> dense_refusals(const Graph& graph, const Match& match) {
  return refusals(graph, match, "dense");
}

Kernel make(const Graph& graph, const Match& match, const StorageOf& storage,
            const std::string& function) {
  return Xpulp(graph, match, storage).make(function);
}

}  // namespace

const KernelGenerator xpulp_conv2d = {
    "xpulp_conv2d", "conv2d in one group, four taps an instruction, 4 channels by 2 pixels",
    conv2d_refusals, make};

const KernelGenerator xpulp_dense = {"xpulp_dense",
                                     "dense, four products an instruction, 4 channels at a time",
                                     dense_refusals, make};

}  // namespace heddle::rv32
