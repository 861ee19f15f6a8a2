// Arrays: the .npy format, archives, and which array is which input.
#include "import/npz.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zip.h>

#include <cmath>
#include <cstring>
#include <fstream>

#include "base/files.h"
#include "unit/import/test_model.h"

namespace heddle::test {
namespace {

std::string npy(const std::string& dict, const std::string& data, int version = 1) {
  std::string text = "\x93NUMPY";
  text += static_cast<char>(version);
  text += '\0';
  uint32_t size = static_cast<uint32_t>(dict.size());
  text.append(reinterpret_cast<const char*>(&size), version == 1 ? 2 : 4);
  return text + dict + data;
}

std::string dict(const std::string& type, const std::string& shape, bool fortran = false) {
  return "{'descr': '" + type + "', 'fortran_order': " + (fortran ? "True" : "False") +
         ", 'shape': " + shape + ", }\n";
}

template <class T>
std::string data(std::vector<T> values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

std::vector<int64_t> values_of(const std::string& bytes) {
  Result<Tensor> tensor = parse_npy(bytes, "a.npy");
  return tensor.ok() ? as_integers(*tensor)->to_ints() : std::vector<int64_t>{-999};
}

TEST(Npy, ElementTypes) {
  std::vector<int64_t> expected{0, 1, 2};
  EXPECT_EQ(values_of(npy(dict("|i1", "(3,)"), data<int8_t>({0, 1, 2}))), expected);
  EXPECT_EQ(values_of(npy(dict("<i2", "(3,)"), data<int16_t>({0, 1, 2}))), expected);
  EXPECT_EQ(values_of(npy(dict("<i4", "(3,)"), data<int32_t>({0, 1, 2}))), expected);
  EXPECT_EQ(values_of(npy(dict("<i8", "(3,)"), data<int64_t>({0, 1, 2}))), expected);
  EXPECT_EQ(values_of(npy(dict("|u1", "(3,)"), data<uint8_t>({0, 1, 2}))), expected);
  EXPECT_EQ(values_of(npy(dict("<u2", "(3,)"), data<uint16_t>({0, 1, 2}))), expected);
  EXPECT_EQ(values_of(npy(dict("<u4", "(3,)"), data<uint32_t>({0, 1, 2}))), expected);
  EXPECT_EQ(values_of(npy(dict("<u8", "(3,)"), data<uint64_t>({0, 1, 2}))), expected);
  EXPECT_EQ(values_of(npy(dict("<f4", "(3,)"), data<float>({0, 1, 2}))), expected);
  EXPECT_EQ(values_of(npy(dict("<f8", "(3,)"), data<double>({-0.0, 1, 2}))), expected);
  EXPECT_EQ(values_of(npy(dict("|b1", "(3,)"), data<uint8_t>({0, 1, 7}))),
            (std::vector<int64_t>{0, 1, 1}));
}

TEST(Npy, FloatsAreFloat32ButForLargeIntegers) {
  const auto parsed = [](const std::string& bytes) { return *parse_npy(bytes, "a.npy"); };
  const Tensor singles = parsed(npy(dict("<f4", "(2,)"), data<float>({1, -1.5})));
  EXPECT_EQ(singles.dtype(), DType::float32);
  EXPECT_EQ(singles.float_at(1), -1.5f);
  EXPECT_FALSE(as_integers(singles).has_value());
  const Tensor doubles = parsed(npy(dict("<f8", "(2, 2)", true), data<double>({1, 2, 2.5, 0.1})));
  EXPECT_EQ(doubles.dtype(), DType::float32);
  EXPECT_EQ(doubles.float_at(1), 2.5f);
  EXPECT_EQ(doubles.float_at(3), 0.1f);
  const Tensor large = parsed(npy(dict("<f8", "(2,)"), data<double>({16777217, 0})));
  EXPECT_EQ(large.dtype(), DType::int64);
  EXPECT_EQ(large.at(0), 16777217);
  EXPECT_FALSE(as_integers(parsed(npy(dict("<f4", "(1,)"), data<float>({NAN})))).has_value());
  EXPECT_FALSE(as_integers(parsed(npy(dict("<f4", "(1,)"), data<float>({1e30f})))).has_value());
}

TEST(Npy, VersionsOrdersShapes) {
  for (int version : {1, 2, 3}) {
    EXPECT_EQ(values_of(npy(dict("|i1", "(2, 3)"), data<int8_t>({1, 2, 3, 4, 5, 6}), version)),
              (std::vector<int64_t>{1, 2, 3, 4, 5, 6}));
  }
  EXPECT_EQ(values_of(npy(dict("|i1", "(2, 3)", true), data<int8_t>({1, 4, 2, 5, 3, 6}))),
            (std::vector<int64_t>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(values_of(npy(dict("|i1", "()"), data<int8_t>({-7}))), (std::vector<int64_t>{-7}));
  EXPECT_EQ(values_of(npy(dict("|i1", "(0, 4)"), "")), std::vector<int64_t>{});
}

struct Bad {
  std::string bytes;
  const char* message;
};

TEST(Npy, Rejected) {
  const std::vector<Bad> table = {
      {"", "not a .npy array"},
      {npy(dict("|i1", "(3,)"), "abc", 9), "version 9 of the .npy format is not supported"},
      {npy(dict("|i1", "(3,)"), "abc").substr(0, 30), "the .npy header is cut short"},
      {npy("{'descr': '|i1'}", "abc"), "the .npy header lacks `descr`, `fortran_order` or `shape`"},
      {npy(dict(">i4", "(3,)"), "abc"), "element type `>i4` is not supported"},
      {npy(dict("|O", "(3,)"), "abc"), "element type `|O` is not supported"},
      {npy("{'descr': '|i1', 'fortran_order': Maybe, 'shape': (3,)}", "abc"),
       "neither True nor False"},
      {npy(dict("|i1", "(3, -1)"), "abc"), "`shape` in the .npy header is no tuple of sizes"},
      {npy(dict("|i1", "(99999999999999999999, 3)"), "abc"), "no tuple of sizes"},
      {npy(dict("|i1", "(1099511627776, 1099511627776)"), "abc"), "no tuple of sizes"},
      {npy(dict("|i1", "(3"), "abc"), "no tuple of sizes"},
      {npy(dict("<i8", "(3,)"), "abc"), "shape [3] needs 24 bytes of data, the file has 3"},
      {npy(dict("<u8", "(1,)"), data<uint64_t>({UINT64_MAX})),
       "element 0 is 18446744073709551615, more than an int64 holds"},
  };
  for (const Bad& bad : table) {
    Result<Tensor> tensor = parse_npy(bad.bytes, "a.npy");
    ASSERT_FALSE(tensor.ok()) << bad.message;
    EXPECT_NE(format_diagnostics(tensor.errors()).find(bad.message), std::string::npos)
        << format_diagnostics(tensor.errors());
  }
}

// No byte of a header may crash the reader: every truncation, and every single-byte change.
TEST(Npy, HostileHeaders) {
  std::string good = npy(dict("<i4", "(2, 3)", true), data<int32_t>({1, 2, 3, 4, 5, 6}));
  for (size_t i = 0; i <= good.size(); ++i) (void)parse_npy(good.substr(0, i), "a");
  for (size_t i = 0; i < good.size(); ++i) {
    for (int c = 0; c < 256; ++c) {
      std::string changed = good;
      changed[i] = static_cast<char>(c);
      (void)parse_npy(changed, "a");
    }
  }
}

std::filesystem::path write(const TemporaryFolder& folder, const std::string& name,
                            const std::string& bytes) {
  std::filesystem::path path = folder.path() / name;
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

std::filesystem::path write_npz(const TemporaryFolder& folder,
                                const std::vector<std::pair<std::string, std::string>>& entries) {
  std::filesystem::path path = folder.path() / "a.npz";
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
  for (const auto& [name, bytes] : entries) {
    zip_file_add(archive, name.c_str(), zip_source_buffer(archive, bytes.data(), bytes.size(), 0),
                 0);
  }
  zip_close(archive);
  return path;
}

std::string read_errors(const std::filesystem::path& path) {
  Result<Arrays> arrays = read_arrays(path);
  return arrays.ok() ? "read" : format_diagnostics(arrays.errors());
}

TEST(Npz, ArchiveOrder) {
  TemporaryFolder folder;
  std::string one = npy(dict("|i1", "(1,)"), data<int8_t>({1}));
  std::string many = npy(dict("|i1", "(1000,)"), std::string(1000, '\2'));  // deflated
  Result<Arrays> arrays =
      read_arrays(write_npz(folder, {{"z.npy", one}, {"readme.txt", "x"}, {"a.npy", many}}));
  ASSERT_TRUE(arrays.ok());
  ASSERT_EQ(arrays->size(), 2u);
  EXPECT_EQ((*arrays)[0].first, "z");
  EXPECT_EQ((*arrays)[1].first, "a");
  EXPECT_EQ((*arrays)[1].second.to_ints(), std::vector<int64_t>(1000, 2));
  Result<Arrays> lone = read_arrays(write(folder, "one.npy", one));
  ASSERT_TRUE(lone.ok());
  EXPECT_EQ((*lone)[0].first, "");
}

TEST(Npz, Rejected) {
  TemporaryFolder folder;
  EXPECT_NE(
      read_errors(write(folder, "x", "hello")).find("neither a .npy array nor an .npz archive"),
      std::string::npos);
  EXPECT_NE(read_errors(write(folder, "x", "PK hello")).find("not a readable .npz archive"),
            std::string::npos);
  std::string large = npy(dict("<u8", "(1,)"), data<uint64_t>({UINT64_MAX}));
  std::string errors = read_errors(write_npz(folder, {{"a.npy", large}, {"b.npy", "junk"}}));
  EXPECT_NE(errors.find("a.npz[a]: error: element 0 is 18446744073709551615"), std::string::npos)
      << errors;
  EXPECT_NE(errors.find("a.npz[b]: error: not a .npy array"), std::string::npos) << errors;
}

TEST(Npz, HostileArchives) {
  TemporaryFolder folder;
  std::filesystem::path path =
      write_npz(folder, {{"a.npy", npy(dict("|i1", "(1000,)"), std::string(1000, '\2'))}});
  std::string good = read_file(path).value();
  for (size_t i = 0; i < good.size(); ++i) {
    (void)read_arrays(write(folder, "cut.npz", good.substr(0, i)));
    std::string changed = good;
    changed[i] = static_cast<char>(changed[i] ^ 0xff);
    (void)read_arrays(write(folder, "cut.npz", changed));
  }
}

// ---- binding

Graph two_inputs() {
  TestModel model{.inputs = {{"x", {1, 2}, kInt8}, {"u", {1, 4}, kInt8}},
                  .outputs = {"y"},
                  .constants = {},
                  .nodes = {{"Flatten", {"u"}, {"f"}, {{"axis", int64_t{0}}}},
                            {"MatMul", {"f", "w"}, {"g"}},
                            {"Add", {"x", "g"}, {"y"}}}};
  model.constants = {{.name = "w", .dims = {4, 2}, .values = {1, 2, 3, 4, 5, 6, 7, 8}}};
  return must_import(model);
}
Graph one_input() {
  return must_import({.inputs = {{"x", {1, 2}, kInt8}},
                      .outputs = {"y"},
                      .constants = {},
                      .nodes = {{"Add", {"x", "x"}, {"y"}}}});
}

Tensor tensor(Shape shape, const std::vector<int64_t>& values) {
  return Tensor::of(DType::int64, std::move(shape), values);
}

std::string bound(const Graph& graph, const Arrays& arrays) {
  Result<std::vector<Sample>> samples = match_inputs(graph, arrays, "f.npz");
  if (!samples.ok()) return format_diagnostics(samples.errors());
  std::string text;
  for (const Sample& sample : *samples) {
    for (const Tensor& t : sample) {
      text += std::string(name_of(t.dtype())) + to_string(t.shape()) + "=" +
              to_string(t.to_ints()) + " ";
    }
    text += "; ";
  }
  return text;
}

TEST(Binding, Keys) {
  const Tensor a = tensor({1, 2}, {1, 2});
  const Tensor b = tensor({1, 4}, {3, 4, 5, 6});
  const std::string both = "int8[1, 2]=[1, 2] int8[1, 4]=[3, 4, 5, 6] ; ";
  EXPECT_EQ(bound(two_inputs(), {{"u", b}, {"x", a}}), both);
  EXPECT_EQ(bound(two_inputs(), {{"input_0", a}, {"input_1", b}}), both);
  EXPECT_EQ(bound(two_inputs(), {{"arr_0", a}, {"arr_1", b}}), both);
  for (const char* key : {"x", "input", "inputs", "input_0", "arr_0", ""}) {
    EXPECT_EQ(bound(one_input(), {{key, a}}), "int8[1, 2]=[1, 2] ; ") << key;
  }
  EXPECT_EQ(bound(one_input(), {{"input", a}, {"labels", b}}), "int8[1, 2]=[1, 2] ; ");
}

TEST(Binding, SamplesAndTiling) {
  EXPECT_EQ(bound(one_input(), {{"x", tensor({3, 2}, {1, 2, 3, 4, 5, 6})}}),
            "int8[1, 2]=[1, 2] ; int8[1, 2]=[3, 4] ; int8[1, 2]=[5, 6] ; ");
  EXPECT_EQ(bound(one_input(), {{"x", tensor({2, 1, 2}, {1, 2, 3, 4})}}),
            "int8[1, 2]=[1, 2] ; int8[1, 2]=[3, 4] ; ");
  EXPECT_EQ(bound(one_input(), {{"x", tensor({1}, {7})}}), "int8[1, 2]=[7, 7] ; ");
  EXPECT_EQ(
      bound(two_inputs(), {{"x", tensor({2, 2}, {1, 2, 3, 4})}, {"u", tensor({2}, {8, 9})}}),
      "int8[1, 2]=[1, 2] int8[1, 4]=[8, 9, 8, 9] ; int8[1, 2]=[3, 4] int8[1, 4]=[8, 9, 8, 9] ; ");
}

TEST(Binding, AConstantMayBeFedToo) {
  Tensor weights = tensor({4, 2}, {1, 3, 5, 7, 2, 4, 6, 8});  // [K, C] in the graph
  Arrays arrays{{"arr_0", tensor({1, 2}, {1, 2})},
                {"arr_1", tensor({1, 4}, {3, 4, 5, 6})},
                {"arr_2", weights}};
  EXPECT_EQ(bound(two_inputs(), arrays), "int8[1, 2]=[1, 2] int8[1, 4]=[3, 4, 5, 6] ; ");
}

TEST(Binding, Rejected) {
  const Tensor a = tensor({1, 2}, {1, 2});
  auto expect = [](const std::string& text, const std::string& message) {
    EXPECT_NE(text.find(message), std::string::npos) << text;
  };
  expect(bound(one_input(), {{"q", a}, {"r", a}}), "no array for input `x`; the file has `q`, `r`");
  expect(bound(one_input(), {{"q", a}}), "help: name it `x`, `input_0` or `arr_0`");
  expect(bound(one_input(), {{"x", tensor({3}, {1, 2, 3})}}),
         "the array for input `x` has shape [3], which does not fit [1, 2]");
  expect(bound(one_input(), {{"x", tensor({0, 2}, {})}}),
         "has shape [0, 2], which does not fit [1, 2]");
  expect(bound(one_input(), {{"x", tensor({1, 2}, {1, 200})}}),
         "element 1 for input `x` is 200, outside its range [-128, 127]");
  expect(bound(one_input(), {{"x", a}, {"arr_1", a}}),
         "array `arr_1` belongs to no input of the graph, which has 1");
  expect(bound(two_inputs(), {{"x", tensor({2, 2}, {1, 2, 3, 4})},
                              {"u", tensor({3, 4}, std::vector<int64_t>(12, 1))}}),
         "the array for input `u` holds 3 samples, another one 2");
}

Tensor reals(Shape shape, const std::vector<float>& values) {
  Tensor tensor(DType::float32, std::move(shape));
  for (size_t i = 0; i < values.size(); ++i) tensor.set_float(static_cast<int64_t>(i), values[i]);
  return tensor;
}

TEST(Binding, FloatsAreRealNumbersWhereTheScaleIsKnown) {
  Graph graph = one_input();
  EXPECT_EQ(bound(graph, {{"x", reals({1, 2}, {1, -7})}}), "int8[1, 2]=[1, -7] ; ");
  EXPECT_THAT(bound(graph, {{"x", reals({1, 2}, {1, 1.5})}}),
              testing::HasSubstr("element 1 for input `x` is 1.5, which is no integer\n"
                                 "  help: the input has no scale: quantise the array first"));
  EXPECT_THAT(bound(graph, {{"x", reals({1, 2}, {1, 1e30f})}}), testing::HasSubstr("is 1e+30"));
  graph.value(graph.inputs[0]).quantisation = {0.5, 3};
  EXPECT_EQ(bound(graph, {{"x", reals({1, 2}, {1, -7})}}), "int8[1, 2]=[5, -11] ; ");
  EXPECT_EQ(bound(graph, {{"x", reals({1, 2}, {0.25, -0.25})}}), "int8[1, 2]=[4, 2] ; ");
  EXPECT_EQ(bound(graph, {{"x", reals({1, 2}, {INFINITY, -1e30f})}}), "int8[1, 2]=[127, -128] ; ");
  EXPECT_THAT(bound(graph, {{"x", reals({1, 2}, {NAN, 0})}}), testing::HasSubstr("is nan"));
  EXPECT_EQ(bound(graph, {{"x", tensor({1, 2}, {1, -7})}}), "int8[1, 2]=[1, -7] ; ");
}

TEST(Binding, ExpectedRealsStayReal) {
  Graph graph = one_input();
  const auto type_of = [&](const Tensor& array) {
    return (*match_outputs(graph, {{"y", array}}, "f"))[0][0].dtype();
  };
  EXPECT_EQ(type_of(reals({1, 2}, {1, 2})), DType::int64);
  EXPECT_EQ(type_of(reals({1, 2}, {1, 2.5})), DType::float32);
  graph.value(graph.outputs[0]).quantisation = {0.5, 3};
  EXPECT_EQ(type_of(reals({1, 2}, {1, 2})), DType::float32);
  EXPECT_EQ(type_of(tensor({1, 2}, {1, 2})), DType::int64);
}

TEST(Binding, OutputsAreUnchecked) {
  Result<std::vector<Sample>> outputs =
      match_outputs(one_input(), {{"output", tensor({2, 2}, {1, 2, 3, 100000})}}, "f");
  ASSERT_TRUE(outputs.ok());
  ASSERT_EQ(outputs->size(), 2u);
  EXPECT_EQ((*outputs)[1][0].to_ints(), (std::vector<int64_t>{3, 100000}));
}

}  // namespace
}  // namespace heddle::test
