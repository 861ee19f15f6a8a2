// Raw, npy and npz files as samples of a graph.
#include "import/samples.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/files.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

Value value_of(const char* name, DType dtype, Shape shape, std::optional<Quantisation> q = {}) {
  Value value;
  value.name = name;
  value.type = {dtype, std::move(shape), dtype == DType::float32 ? Range{} : range_of(dtype)};
  value.quantisation = q;
  return value;
}

Graph with_inputs(std::vector<Value> values) {
  Graph graph;
  for (Value& value : values) graph.inputs.push_back(graph.add_value(std::move(value)));
  return graph;
}

// Writes files into a temporary folder and reads them as inputs.
class Raw : public testing::Test {
 protected:
  template <class T>
  fs::path write(const std::string& name, const std::vector<T>& elements) {
    const fs::path path = folder_.path() / name;
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(elements.data()),
               static_cast<std::streamsize>(elements.size() * sizeof(T)));
    return path;
  }

  // "[1, 2] [3]; [4, 5] [6]; ", or the errors.
  std::string read(const Graph& graph, const std::vector<fs::path>& files,
                   RawKind raw = RawKind::by_size) {
    const Result<std::vector<Sample>> samples = read_inputs(graph, files, raw);
    if (!samples.ok()) return format_diagnostics(samples.errors());
    std::string text;
    for (const Sample& sample : *samples) {
      for (const Tensor& tensor : sample) {
        text += to_string(as_integers(tensor).value_or(Tensor()).to_ints()) + " ";
      }
      text += "; ";
    }
    return text;
  }

 private:
  TemporaryFolder folder_;
};

TEST_F(Raw, FourBytesAnElementAreFloatsToBeQuantised) {
  const Graph graph = with_inputs({value_of("x", DType::int8, {1, 2}, Quantisation{0.5, 10})});
  EXPECT_EQ(read(graph, {write<float>("a", {1, -1000}), write<float>("b", {0.26f, 0})}),
            "[12, -128] ; [11, 10] ; ");
  EXPECT_EQ(read(with_inputs({value_of("x", DType::float32, {2})}), {write<float>("a", {1, -2})}),
            "[1, -2] ; ");
}

TEST_F(Raw, OneByteAnElementIsTheIntegerOrAPixel) {
  const fs::path file = write<uint8_t>("a", {0, 255});
  const auto with = [&](DType dtype, std::optional<Quantisation> q) {
    return read(with_inputs({value_of("x", dtype, {1, 2}, q)}), {file});
  };
  EXPECT_EQ(with(DType::int8, Quantisation{1, -128}), "[-128, 127] ; ");
  EXPECT_EQ(with(DType::int8, Quantisation{0.003921568859368563, -128}), "[-128, 127] ; ");
  EXPECT_EQ(with(DType::int8, Quantisation{0.1, -128}), "[0, -1] ; ");
  EXPECT_EQ(with(DType::int8, Quantisation{1, 0}), "[0, -1] ; ");
  EXPECT_EQ(with(DType::int8, std::nullopt), "[0, -1] ; ");
  EXPECT_EQ(with(DType::uint8, Quantisation{1, 0}), "[0, 255] ; ");
}

TEST_F(Raw, AStatedKindHoldsAnyNumberOfSamples) {
  const Graph graph = with_inputs({value_of("x", DType::int8, {1, 2}, Quantisation{0.1, -128})});
  const fs::path file = write<uint8_t>("a", {0, 255, 1, 2});
  EXPECT_EQ(read(graph, {file}, RawKind::uint8), "[-128, 127] ; [-127, -126] ; ");
  EXPECT_EQ(read(graph, {file}, RawKind::int8), "[0, -1] ; [1, 2] ; ");
  EXPECT_EQ(read(graph, {write<float>("b", {0, 0.1f, 0.2f, 0.3f})}, RawKind::float32),
            "[-128, -127] ; [-126, -125] ; ");
}

TEST_F(Raw, WiderIntegersAreTheirOwn) {
  EXPECT_EQ(read(with_inputs({value_of("x", DType::int16, {2})}), {write<int16_t>("a", {-5, 300})}),
            "[-5, 300] ; ");
}

TEST_F(Raw, FilesAreTakenInTheOrderOfTheInputs) {
  const Graph graph =
      with_inputs({value_of("x", DType::int8, {2}), value_of("u", DType::int8, {1})});
  const fs::path x = write<int8_t>("x", {1, 2}), u = write<int8_t>("u", {3});
  EXPECT_EQ(read(graph, {x, u, x, u}), "[1, 2] [3] ; [1, 2] [3] ; ");
  EXPECT_THAT(read(graph, {x, u, x}),
              HasSubstr("begins a sample of 2 files, one an input, and only 1 are left"));
  EXPECT_THAT(read(graph, {x, write<char>("z", {'P', 'K', 3, 4})}),
              HasSubstr("an archive stands where the file of input `u` was due"));
}

TEST_F(Raw, Refused) {
  const auto of = [&](DType dtype, std::optional<Quantisation> q, const fs::path& file,
                      RawKind raw = RawKind::by_size) {
    return read(with_inputs({value_of("x", dtype, {1, 2}, q)}), {file}, raw);
  };
  const fs::path three = write<int8_t>("three", {1, 2, 3}), two = write<int8_t>("two", {1, 2});
  const fs::path floats = write<float>("floats", {1, 2});
  EXPECT_THAT(
      of(DType::int8, std::nullopt, three),
      HasSubstr("3 bytes fit nothing of input `x` (int8 [1, 2], 2 elements)\n  help: give 8 "
                "bytes (float32) or 2 (int8); with `--raw KIND` a file may hold several "
                "samples"));
  EXPECT_THAT(of(DType::int8, std::nullopt, floats),
              HasSubstr("raw float32 for input `x` (int8 [1, 2], 2 elements), which has no scale"));
  EXPECT_THAT(of(DType::int32, std::nullopt, floats),
              HasSubstr("integers of 4 bytes belong in an npy or npz file"));
  EXPECT_THAT(of(DType::float32, std::nullopt, two), HasSubstr("help: give 8 bytes (float32);"));
  EXPECT_THAT(of(DType::float32, std::nullopt, two, RawKind::uint8),
              HasSubstr("raw bytes for input `x`"));
  EXPECT_THAT(
      of(DType::int8, Quantisation{1, 3}, two, RawKind::uint8),
      HasSubstr("raw uint8 for input `x` (int8 [1, 2], 2 elements), whose zero point is 3"));
  EXPECT_THAT(of(DType::int8, std::nullopt, three, RawKind::int8),
              HasSubstr("3 bytes do not fit input `x`"));
  EXPECT_THAT(of(DType::int8, std::nullopt, write<int8_t>("none", {})),
              HasSubstr("0 bytes fit nothing"));
}

TEST_F(Raw, ExpectedOutputsAreToldByTheirSize) {
  Graph graph;
  graph.outputs = {graph.add_value(value_of("y", DType::int8, {2}, Quantisation{1.0 / 255, -128}))};
  const auto read_one = [&](const fs::path& file) {
    Result<std::vector<Sample>> samples = read_expected(graph, {file});
    HEDDLE_CHECK(samples.ok(), format_diagnostics(samples.errors()));
    return *samples;
  };
  EXPECT_EQ(read_one(write<int8_t>("a", {1, -2}))[0][0].to_ints(), (std::vector<int64_t>{1, -2}));
  EXPECT_EQ(read_one(write<float>("b", {1, 2, 3, 4})).size(), 2u);
  EXPECT_EQ(read_one(write<float>("c", {1, 2}))[0][0].dtype(), DType::float32);
}

}  // namespace
}  // namespace heddle
