// Files made to hurt: each is refused with a reason, in bounded memory and time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zip.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>

#include "base/files.h"
#include "base/sanitizer.h"
#include "import/npz.h"
#include "unit/import/test_model.h"

namespace heddle::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

// What `work` printed, from a child process with 1.5 GiB and 20 seconds of processor time; how it
// ended where it did not end well.
std::string within_limits(const std::function<std::string()>& work) {
  int pipes[2];
  if (pipe(pipes) != 0) return "no pipe";
  const pid_t child = fork();
  if (child == 0) {
    const rlimit seconds{20, 20};
    setrlimit(RLIMIT_CPU, &seconds);
    const rlimit bytes{rlim_t{3} << 29, rlim_t{3} << 29};
    if (!kAddressSanitizer) setrlimit(RLIMIT_AS, &bytes);
    const std::string text = work().substr(0, 2000);
    const ssize_t written = write(pipes[1], text.data(), text.size());
    _exit(written == static_cast<ssize_t>(text.size()) ? 0 : 3);
  }
  close(pipes[1]);
  std::string text;
  char buffer[512];
  for (ssize_t got = 0; (got = read(pipes[0], buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<size_t>(got));
  close(pipes[0]);
  int status = 0;
  rusage usage{};
  wait4(child, &status, 0, &usage);
  if (status != 0) return "ended with status " + std::to_string(status);
  constexpr long kKilobytes = 3L << 19;  // 1.5 GiB
  if (usage.ru_maxrss > kKilobytes) return "took " + std::to_string(usage.ru_maxrss) + " kB";
  return text;
}

TestModel image(std::vector<TestNode> nodes, std::vector<TestTensor> constants = {}) {
  return {.inputs = {{"x", {1, 2, 4, 4}, kInt8}},
          .outputs = {"y"},
          .constants = std::move(constants),
          .nodes = std::move(nodes)};
}

std::string errors_of_bytes(const std::string& bytes) {
  const Result<Graph> graph = import_onnx(bytes, "hostile.onnx", {});
  return graph.ok() ? "imported" : format_diagnostics(graph.errors());
}

// A length-delimited field of protobuf.
std::string field(int number, const std::string& content) {
  std::string text(1, static_cast<char>(number << 3 | 2));
  size_t length = content.size();
  for (; length >= 128; length >>= 7) text += static_cast<char>((length & 127) | 128);
  return text + static_cast<char>(length) + content;
}

// ---- graphs

TEST(Hostile, LongCyclesAreOneError) {
  TestModel model = image({{"Relu", {"x"}, {"y"}}});
  for (int i = 0; i < 1000; ++i)
    model.nodes.push_back(
        {"Add", {"x", "c" + std::to_string((i + 1) % 1000)}, {"c" + std::to_string(i)}});
  EXPECT_THAT(errors_of(model),
              HasSubstr("1000 nodes wait for each other in a cycle: `c0`, `c1`, `c2`"));
}

TEST(Hostile, ANodeThatReadsItself) {
  EXPECT_THAT(errors_of(image({{"Add", {"x", "y"}, {"y"}}})),
              HasSubstr("1 nodes wait for each other in a cycle: `y`"));
}

TEST(Hostile, NamesAreTakenOnce) {
  const TestTensor w{.name = "w", .dims = {1}, .values = {1}};
  EXPECT_THAT(errors_of(image({{"Add", {"x", "w"}, {"y"}}}, {w, w})),
              HasSubstr("tensor `w` is defined twice"));
  EXPECT_THAT(errors_of(image({{"Add", {"x", "w"}, {"w"}}, {"Relu", {"w"}, {"y"}}}, {w})),
              HasSubstr("w (Add): error: tensor `w` is defined twice"));
  TestModel inputs = image({{"Relu", {"x"}, {"y"}}});
  inputs.inputs.push_back(inputs.inputs[0]);
  EXPECT_THAT(errors_of(inputs), HasSubstr("tensor `x` is defined twice"));
}

TEST(Hostile, ControlCharactersStayOutOfTheTerminal) {
  const std::string name = "a\x1b[2J\r\n\x07\xff`";
  TestModel model = image({{.op = "Od\x1b[1md", .inputs = {"x"}, .outputs = {"y"}, .name = name},
                           {.op = "Add", .inputs = {"x", name}, .outputs = {"z"}, .name = name}});
  model.outputs = {"y", "\x1b]0;title\x07"};
  const std::string errors = errors_of(model);
  for (const char c : errors) EXPECT_TRUE(c == '\n' || (c >= 32 && c < 127)) << errors;
  EXPECT_THAT(errors, HasSubstr("which nothing defines"));
}

// ---- unsupported operators

TEST(Hostile, EveryUnsupportedOperatorIsListedWithItsNodes) {
  TestModel model = image({{"Foo", {"x"}, {"a"}}, {"Foo", {"a"}, {"b"}}, {"Bar", {"b"}, {"y"}}});
  model.nodes[2].domain = "far.away";
  const std::string errors = errors_of(model);
  EXPECT_THAT(errors,
              HasSubstr("operator `Foo` is not supported (2 nodes): `a` of [1, 2, 4, 4], `b`"));
  EXPECT_THAT(errors, HasSubstr("operator `far.away::Bar` is not supported (1 node): `y`"));
}

TEST(Hostile, OtherErrorsDoNotHideThem) {
  const TestNode foo{"Foo", {"x"}, {"f"}};
  for (const TestNode& wrong :
       {TestNode{"Add", {"x", "nowhere"}, {"y"}}, TestNode{"Relu", {"x"}, {"x"}},
        TestNode{"Add", {"y", "x"}, {"y"}}, TestNode{"MaxPool", {"x"}, {"y"}}}) {
    EXPECT_THAT(errors_of(image({wrong, foo})), HasSubstr("operator `Foo` is not supported"))
        << wrong.op;
  }
  // In a float network, too.
  TestModel real =
      image({foo, {"Sigmoid", {"x"}, {"s"}}, {"Mul", {"s", "h"}, {"y"}}}, {scalar("h", 0.5)});
  real.inputs[0].type = kFloat;
  real.nodes.push_back({"Add", {"s", "missing"}, {"z"}});
  EXPECT_THAT(errors_of(real), HasSubstr("operator `Foo` is not supported (1 node): `f`"));
}

// ---- shapes and sizes

TEST(Hostile, SizesBeyondReason) {
  const int64_t huge = INT64_MAX;
  for (const std::vector<int64_t>& dims :
       {std::vector<int64_t>{1, huge}, {1, int64_t{1} << 62, 4}, {1, 65536, 65536, 65536}}) {
    TestModel model = image({{"Relu", {"x"}, {"y"}}});
    model.inputs[0].dims = dims;
    EXPECT_THAT(errors_of(model), HasSubstr("is too large")) << to_string(dims);
  }
  for (const std::vector<int64_t>& dims :
       {std::vector<int64_t>{huge}, {huge, huge}, {-1}, {INT64_MIN}, {0, huge}, {huge, 0}}) {
    const std::string errors = errors_of(
        image({{"Add", {"x", "w"}, {"y"}}}, {{.name = "w", .dims = dims, .values = {1}}}));
    EXPECT_THAT(errors, HasSubstr("tensor `w` has impossible dimensions " + to_string(dims)));
  }
  TestModel deep = image({{"Relu", {"x"}, {"y"}}});
  deep.inputs[0].dims = std::vector<int64_t>(1000, 1);
  EXPECT_THAT(errors_of(deep), HasSubstr("graph input `x` has 1000 dimensions"));
}

TEST(Hostile, AttributesBeyondReason) {
  using Ints = std::vector<int64_t>;
  const TestTensor w{.name = "w", .dims = {2, 2, 1, 1}, .values = {1, 2, 3, 4}};
  for (const int64_t value : {int64_t{0}, int64_t{-1}, INT64_MIN, INT64_MAX, int64_t{1} << 40}) {
    for (const char* const name : {"strides", "dilations", "pads", "kernel_shape", "group"}) {
      TestNode node{"Conv", {"x", "w"}, {"y"}};
      const std::string attribute = name;
      if (attribute == "group") node.attributes = {{name, value}};
      if (attribute == "pads") node.attributes = {{name, Ints{value, value, value, value}}};
      if (node.attributes.empty()) node.attributes = {{name, Ints{value, value}}};
      if (attribute == "pads" && value == 0) continue;
      EXPECT_THAT(errors_of(image({node}, {w})), Not(HasSubstr("imported"))) << name << value;
    }
    TestNode pool{"MaxPool", {"x"}, {"y"}, {{"kernel_shape", Ints{value, 2}}}};
    EXPECT_THAT(errors_of(image({pool})), HasSubstr("y (MaxPool): error")) << value;
    EXPECT_THAT(errors_of(image({{"Reshape", {"x", "s"}, {"y"}}}, {int64s("s", {value, 3})})),
                HasSubstr("y (Reshape): error"))
        << value;
  }
}

TEST(Hostile, OpsetsOfTheFuture) {
  for (const int64_t opset : {int64_t{-1}, int64_t{999}, INT64_MAX, INT64_MIN}) {
    TestModel model = image({{"Relu", {"x"}, {"y"}}});
    model.opset = opset;
    EXPECT_THAT(errors_of(model), HasSubstr("the model is of opset " + std::to_string(opset)));
  }
}

TEST(Hostile, ScalesThatAreNoNumbers) {
  const double inf = std::numeric_limits<double>::infinity();
  for (const double scale : {std::nan(""), inf, -inf, 0.0, -1.0}) {
    TestModel model = image(
        {{"QuantizeLinear", {"x", "s", "z"}, {"q"}}, {"DequantizeLinear", {"q", "s", "z"}, {"y"}}},
        {scalar("s", scale), {.name = "z", .dims = {}, .values = {0}, .type = kInt8}});
    model.inputs[0].type = kFloat;
    EXPECT_THAT(errors_of(model), Not(HasSubstr("imported"))) << scale;
    TestModel sum = image({{"Add", {"x", "s"}, {"y"}}}, {scalar("s", scale == 0 ? inf : scale)});
    if (scale == -1.0) continue;  // a number like others
    EXPECT_THAT(errors_of(sum), HasSubstr("y (Add): error")) << scale;
  }
}

TEST(Hostile, TheSharedModelWithoutScalesIsRefused) {
  const fs::path file = fs::path(HEDDLE_SOURCE_DIR).parent_path() / "shared" / "models" /
                        "hostile" / "int8_without_scales.onnx";
  if (!fs::exists(file)) GTEST_SKIP() << "no " << file;
  const Result<Graph> graph = import_model(file, {});
  ASSERT_FALSE(graph.ok());
  EXPECT_THAT(format_diagnostics(graph.errors()),
              HasSubstr("multiply 8-bit tensors, but the model has neither scales"));
}

// ---- encodings

TEST(Hostile, DeepNestingIsRefused) {
  const std::string errors = within_limits([] {
    std::string graph = "\x12\x01g";
    // attribute of a node (5) with a graph (6) in a node (1) of a graph, and so on.
    for (int i = 0; i < 3'000; ++i) graph = field(1, field(5, field(6, graph)));
    return errors_of_bytes(field(7, graph));
  });
  EXPECT_THAT(errors, HasSubstr("its protobuf does not parse"));
}

TEST(Hostile, EveryTruncationIsRefused) {
  const std::string whole = serialise(
      image({{"Conv", {"x", "w"}, {"c"}}, requant_shift("c", "m", "a", "y", 8, 256, true)},
            {{.name = "w", .dims = {2, 2, 1, 1}, .values = {1, 2, 3, 4}},
             scalar("m", 3),
             scalar("a", 1)}));
  ASSERT_EQ(errors_of_bytes(whole), "imported");
  for (size_t length = 0; length < whole.size(); ++length) {
    // Cut at the end of its last field, the opset, the model is still one.
    const std::string errors = errors_of_bytes(whole.substr(0, length));
    if (length > 2 && length + 8 > whole.size()) continue;
    EXPECT_NE(errors, "imported") << length;
  }
}

// ---- external data

TestModel external(const std::string& location, std::map<std::string, std::string> more = {}) {
  TestTensor w{.name = "w", .dims = {2, 2, 1, 1}, .external = true};
  w.location = location;
  w.entries = std::move(more);
  return image({{"Conv", {"x", "w"}, {"y"}}}, {w});
}

struct ExternalData : testing::Test {
  TemporaryFolder folder;
  fs::path model = folder.path() / "model" / "m.onnx";
  void SetUp() override {
    fs::create_directories(folder.path() / "model" / "data");
    const float values[] = {9, 1, 2, 3, 4};
    const std::string bytes(reinterpret_cast<const char*>(values), sizeof values);
    for (const char* const file : {"model/w.bin", "model/data/w.bin", "secret.bin"})
      std::ofstream(folder.path() / file, std::ios::binary) << bytes;
  }
  std::string import(const TestModel& test) const {
    std::ofstream(model, std::ios::binary) << serialise(test);
    const Result<Graph> graph = import_model(model, {});
    return graph.ok() ? sketch(*graph) : format_diagnostics(graph.errors());
  }
};

TEST_F(ExternalData, BesideTheModelIsRead) {
  for (const char* const location : {"w.bin", "data/w.bin", "./data/../w.bin"}) {
    EXPECT_THAT(import(external(location, {{"offset", "4"}, {"length", "16"}})),
                HasSubstr("weights=[1, 2, 3, 4]"))
        << location;
  }
}

TEST_F(ExternalData, OutsideTheModelsFolderIsNot) {
  fs::create_symlink(folder.path() / "secret.bin", folder.path() / "model" / "link.bin");
  fs::create_directory_symlink(folder.path(), folder.path() / "model" / "up");
  const std::string secret = (folder.path() / "secret.bin").string();
  for (const std::string& location :
       {std::string("../secret.bin"), secret, std::string("data/../../secret.bin"),
        std::string("link.bin"), std::string("up/secret.bin"), std::string(""),
        std::string("/etc/passwd"), std::string("w.bin\0x", 7)}) {
    EXPECT_THAT(import(external(location)), HasSubstr("which is not in the model's folder"))
        << location;
  }
}

TEST_F(ExternalData, MustBeThereInFull) {
  EXPECT_THAT(import(external("none.bin")), HasSubstr("which is no file in the model's folder"));
  EXPECT_THAT(import(external("data")), HasSubstr("which is no file in the model's folder"));
  EXPECT_THAT(import(external("w.bin", {{"offset", "8"}})),
              HasSubstr("needs 16 bytes at byte 8 of `w.bin`, which has 20"));
  EXPECT_THAT(import(external("w.bin", {{"offset", "9223372036854775807"}})),
              HasSubstr("needs 16 bytes at byte 9223372036854775807 of `w.bin`, which has 20"));
  EXPECT_THAT(import(external("w.bin", {{"offset", "-4"}})), HasSubstr("at byte -4 of"));
  EXPECT_THAT(import(external("w.bin", {{"length", "17"}})), HasSubstr("17 bytes, but needs 16"));
  TestModel huge = external("w.bin");
  huge.constants[0].dims = {1 << 20, 1 << 20};
  EXPECT_THAT(import(huge), HasSubstr("all tensors together may take 67,108,864"));
}

// ---- little that becomes much

std::string bomb(const std::function<TestModel()>& make) {
  return within_limits([&] { return errors_of(make()); });
}

TEST(HostileBomb, CopiesOfAConstant) {
  EXPECT_THAT(bomb([] {
                TestModel model = image({});
                model.constants = {{.name = "k0", .dims = {1 << 20}, .values = {}, .type = kInt8}};
                model.constants[0].values.assign(1 << 20, 1.0);
                for (int i = 0; i < 3000; ++i)
                  model.nodes.push_back(
                      {"Identity", {"k" + std::to_string(i)}, {"k" + std::to_string(i + 1)}});
                model.nodes.push_back({"Add", {"x", "k3000"}, {"y"}});
                return model;
              }),
              HasSubstr("the nodes before it make more than 268,435,456 bytes of constants"));
}

TEST(HostileBomb, DoublingConstants) {
  EXPECT_THAT(
      bomb([] {
        TestModel model = image({}, {int64s("k0", {1, 2})});
        for (int i = 0; i < 60; ++i) {
          const std::string from = "k" + std::to_string(std::min(i, 22));
          model.nodes.push_back(
              {"Concat", {from, from}, {"k" + std::to_string(i + 1)}, {{"axis", int64_t{0}}}});
        }
        model.nodes.push_back({"Add", {"x", "k60"}, {"y"}});
        return model;
      }),
      HasSubstr("of constants"));
}

TEST(HostileBomb, ManyNodes) {
  EXPECT_THAT(bomb([] {
                TestModel model = image({});
                for (int i = 0; i < 200'000; ++i)
                  model.nodes.push_back({"Foo", {"x"}, {"n" + std::to_string(i)}});
                return model;
              }),
              HasSubstr("operator `Foo` is not supported (200000 nodes): `n0`"));
}

// ---- archives


// An archive of `entries` arrays of `elements` bytes, all zeros.
void write_archive(const fs::path& file, int entries, int64_t elements) {
  std::string header =
      "{'descr': '|i1', 'fortran_order': False, 'shape': (" + std::to_string(elements) + ",), }\n";
  std::string array = std::string("\x93NUMPY\x01\x00", 8);
  array += static_cast<char>(header.size());
  array += '\0';
  array += header;
  array.resize(array.size() + static_cast<size_t>(elements));
  zip_t* archive = zip_open(file.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
  for (int i = 0; i < entries; ++i) {
    zip_source_t* source = zip_source_buffer(archive, array.data(), array.size(), 0);
    zip_file_add(archive, ("arr_" + std::to_string(i) + ".npy").c_str(), source, 0);
  }
  zip_close(archive);
}

std::string errors_of_archive(const fs::path& file) {
  return within_limits([&] {
    const Result<Arrays> arrays = read_arrays(file);
    return arrays.ok() ? std::string("read") : format_diagnostics(arrays.errors());
  });
}

TEST(HostileArchive, ZipBombs) {
  const TemporaryFolder folder;
  write_archive(folder.path() / "one.npz", 1, int64_t{300} << 20);
  EXPECT_LT(fs::file_size(folder.path() / "one.npz"), 1u << 20);
  EXPECT_THAT(errors_of_archive(folder.path() / "one.npz"),
              HasSubstr("the archive unpacks to more than 268,435,456 bytes"));
  write_archive(folder.path() / "wide.npz", 1, int64_t{100} << 20);
  EXPECT_THAT(errors_of_archive(folder.path() / "wide.npz"),
              HasSubstr("has 104,857,600 elements, at most 67,108,864 are read"));
  write_archive(folder.path() / "many.npz", 5, int64_t{20} << 20);
  EXPECT_THAT(errors_of_archive(folder.path() / "many.npz"),
              HasSubstr("the archive holds more than 67,108,864 elements"));
}

}  // namespace
}  // namespace heddle::test
