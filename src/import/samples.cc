#include "import/samples.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include "base/files.h"
#include "base/text.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxRawBytes = int64_t{1} << 30;

// Inputs or outputs of a graph.
struct Side {
  const Graph& graph;
  std::vector<ValueId> ids;
  const char* kind;  // "input"
  RawKind raw;
  bool is_input;
};

std::string describe(const Side& side, const Value& value) {
  return fmt::format("{} `{}` ({} {}, {} elements)", side.kind, terminal_text(value.name),
                     name_of(value.type.dtype), to_string(value.type.shape),
                     thousands(elements_of(value.type.shape)));
}

bool is_archive(const std::string& bytes) { return bytes.starts_with("PK\x03\x04"); }

// A leading dimension for several samples.
Shape batched(const Shape& shape, int64_t samples) {
  Shape all = shape;
  if (samples != 1) all.insert(all.begin(), samples);
  return all;
}

Tensor floats_of(const std::string& bytes, const Shape& shape, int64_t samples) {
  Tensor tensor(DType::float32, batched(shape, samples));
  std::memcpy(tensor.bytes().data(), bytes.data(), bytes.size());
  return tensor;
}

Tensor integers_of(const std::string& bytes, DType dtype, int64_t add, const Shape& shape,
                   int64_t samples) {
  Tensor stored(dtype, batched(shape, samples));
  std::memcpy(stored.bytes().data(), bytes.data(), bytes.size());
  Tensor tensor(DType::int64, stored.shape());
  for (int64_t i = 0; i < stored.elements(); ++i) tensor.set(i, stored.at(i) + add);
  return tensor;
}

// How the bytes of a raw file are read.
struct Reading {
  DType dtype = DType::float32;
  int64_t add = 0;  // pixel - 128
};

Result<Reading> reading_of(const Side& side, const Value& value, int64_t bytes,
                           const std::string& file) {
  const DType dtype = value.type.dtype;
  const int64_t elements = elements_of(value.type.shape);
  const bool real = dtype == DType::float32;
  const auto fail = [&](std::string message, std::string remedy) {
    return error_at(in_file(file), std::move(message), std::move(remedy));
  };
  const auto multiple = [&](int64_t width) { return bytes > 0 && bytes % (elements * width) == 0; };
  // A stated kind, and an expected output of any number of samples, may hold several.
  const bool several = side.raw != RawKind::by_size || !side.is_input;
  const auto fits = [&](int64_t width) {
    return elements > 0 && (several ? multiple(width) : bytes == elements * width);
  };
  const int64_t own = bytes_of(dtype);
  if (elements == 0 && bytes == 0) return Reading{};

  if (side.raw == RawKind::int8 || side.raw == RawKind::uint8) {
    const bool pixels = side.raw == RawKind::uint8 && dtype == DType::int8;
    if (real) {
      return fail(fmt::format("raw bytes for {}", describe(side, value)),
                  "give `--raw float32`, or an npy file");
    }
    if (pixels && !(value.quantisation && value.quantisation->zero_point == -128)) {
      return fail(
          fmt::format("raw uint8 for {}, whose zero point is {}", describe(side, value),
                      value.quantisation ? std::to_string(value.quantisation->zero_point)
                                         : std::string("unknown")),
          "unsigned bytes need the zero point -128; `--raw int8` takes the integers themselves");
    }
    if (!fits(1)) {
      return fail(fmt::format("{} bytes do not fit {}", thousands(bytes), describe(side, value)),
                  fmt::format("give {} bytes, or a multiple", thousands(elements)));
    }
    return Reading{side.raw == RawKind::int8 ? DType::int8 : DType::uint8, pixels ? -128 : 0};
  }
  if (fits(4)) {
    if (!real && !value.quantisation) {
      return fail(fmt::format("raw float32 for {}, which has no scale", describe(side, value)),
                  own == 4 ? "integers of 4 bytes belong in an npy or npz file"
                           : "quantise the data first, or store integers in an npy or npz file");
    }
    return Reading{};
  }
  if (!real && own <= 2 && fits(own) && side.raw == RawKind::by_size) {
    const bool pixels = side.is_input && is_pixel_input(value);
    return pixels ? Reading{DType::uint8, -128} : Reading{dtype, 0};
  }
  std::string sizes = fmt::format("{} bytes (float32)", thousands(elements * 4));
  if (!real && own <= 2 && side.raw == RawKind::by_size)
    sizes += fmt::format(" or {} ({})", thousands(elements * own), name_of(dtype));
  return fail(fmt::format("{} bytes fit nothing of {}", thousands(bytes), describe(side, value)),
              fmt::format("give {}{}", sizes,
                          several ? ", or a multiple"
                                  : "; with `--raw KIND` a file may hold several samples"));
}

// One npy or raw file.
Result<Tensor> read_single(const Side& side, const Value& value, const fs::path& path,
                           const std::string& bytes) {
  const std::string file = path.string();
  if (bytes.starts_with("\x93NUMPY")) return parse_npy(bytes, file);
  const int64_t size = static_cast<int64_t>(bytes.size());
  Result<Reading> reading = reading_of(side, value, size, file);
  if (!reading.ok()) return reading.errors();
  const Shape& shape = value.type.shape;
  const int64_t sample_bytes = elements_of(shape) * bytes_of(reading->dtype);
  const int64_t samples = sample_bytes == 0 ? 1 : size / sample_bytes;
  if (reading->dtype == DType::float32) return floats_of(bytes, shape, samples);
  return integers_of(bytes, reading->dtype, reading->add, shape, samples);
}

Result<std::vector<Sample>> bind_side(const Side& side, const Arrays& arrays, const std::string& file) {
  return side.is_input ? match_inputs(side.graph, arrays, file)
                         : match_outputs(side.graph, arrays, file);
}

Result<std::vector<Sample>> read(const Side& side, const std::vector<fs::path>& files) {
  std::vector<Sample> samples;
  const auto append = [&](Result<std::vector<Sample>> some) -> Status {
    if (!some.ok()) return some.errors();
    std::move(some->begin(), some->end(), std::back_inserter(samples));
    return Unit{};
  };
  for (size_t f = 0; f < files.size();) {
    Result<std::string> bytes = read_file(files[f], kMaxRawBytes);
    if (!bytes.ok()) return bytes.errors();
    Arrays arrays;
    const std::string first = files[f].string();
    if (is_archive(*bytes)) {
      Result<Arrays> entries = read_arrays(files[f++]);
      if (!entries.ok()) return entries.errors();
      arrays = std::move(*entries);
    } else {
      for (size_t i = 0; i < side.ids.size(); ++i, ++f) {
        if (f == files.size()) {
          return error_at(
              in_file(first),
              fmt::format("it begins a sample of {} files, one an {}, and only {} are left",
                          side.ids.size(), side.kind, i),
              fmt::format("give npy and raw files in the order of the graph's {}s", side.kind));
        }
        if (i > 0) bytes = read_file(files[f], kMaxRawBytes);
        if (!bytes.ok()) return bytes.errors();
        if (is_archive(*bytes)) {
          return error_at(in_file(files[f].string()),
                          fmt::format("an archive stands where the file of {} `{}` was due",
                                      side.kind, terminal_text(side.graph.value(side.ids[i]).name)),
                          "do not mix npz with npy or raw files within one sample");
        }
        Result<Tensor> tensor = read_single(side, side.graph.value(side.ids[i]), files[f], *bytes);
        if (!tensor.ok()) return tensor.errors();
        arrays.emplace_back(side.graph.value(side.ids[i]).name, std::move(*tensor));
      }
    }
    const Status added = append(bind_side(side, arrays, first));
    if (!added.ok()) return added.errors();
  }
  return samples;
}

}  // namespace

RawKind raw_kind_of(std::string_view name) {
  if (name == "float32") return RawKind::float32;
  if (name == "int8") return RawKind::int8;
  return name == "uint8" ? RawKind::uint8 : RawKind::by_size;
}

bool is_pixel_input(const Value& value) {
  if (value.type.dtype != DType::int8 || !value.quantisation) return false;
  if (value.quantisation->zero_point != -128) return false;
  const double scale = value.quantisation->scale;
  const auto near = [&](double other) { return std::fabs(scale / other - 1) < 1e-5; };
  return near(1) || near(1.0 / 255) || near(1.0 / 256);
}

Result<std::vector<Sample>> read_inputs(const Graph& graph, const std::vector<fs::path>& files,
                                        RawKind raw) {
  return read({graph, graph.given_inputs(), "input", raw, true}, files);
}

Result<std::vector<Sample>> read_expected(const Graph& graph, const std::vector<fs::path>& files) {
  return read({graph, graph.returned_outputs(), "output", RawKind::by_size, false}, files);
}

Result<std::vector<int64_t>> read_labels(const std::filesystem::path& file, size_t samples) {
  Result<Arrays> arrays = read_arrays(file);
  if (!arrays.ok()) return arrays.errors();
  for (const auto& [key, array] : *arrays) {
    if (key != "labels" && arrays->size() != 1) continue;
    const std::optional<Tensor> labels = as_integers(array);
    if (!labels) return error_at(in_file(file.string()), "the labels are no integers");
    if (static_cast<size_t>(labels->elements()) == samples) return labels->to_ints();
    return error_at(in_file(file.string()),
                    fmt::format("{} labels for {} samples", labels->elements(), samples),
                    "give one label a sample");
  }
  return error_at(in_file(file.string()),
                  "no array `labels` among its " + std::to_string(arrays->size()) + " arrays",
                  "name the array of right classes `labels`");
}

}  // namespace heddle
