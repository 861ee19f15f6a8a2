// Small ONNX models for tests, as plain data; test_model.cc knows protobuf.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "graph/graph.h"
#include "import/import.h"

namespace heddle::test {

enum Type : int32_t {
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kHalf = 10,
  kDouble = 11
};

struct TestTensor {
  std::string name{};
  std::vector<int64_t> dims{};
  std::vector<double> values{};
  int32_t type = kFloat;
  bool raw = true;        // raw_data, else the typed arrays
  bool external = false;  // says that its data is in another file
  bool segment = false;
  int64_t missing_bytes = 0;  // of raw_data
  std::string location = "../weights.bin";       // of external data,
  std::map<std::string, std::string> entries{};  // and what else is said about it
};

struct SubGraph {};  // an empty graph, as If and Loop have

struct TestAttribute {
  std::string name;
  std::variant<int64_t, double, std::string, std::vector<int64_t>, TestTensor, SubGraph> value;
};

struct TestNode {
  std::string op{};
  std::vector<std::string> inputs{};
  std::vector<std::string> outputs{};
  std::vector<TestAttribute> attributes{};
  std::string name{};  // "": as the first output
  std::string domain{};
};

struct TestInput {
  std::string name{};
  std::vector<int64_t> dims{};  // -1: symbolic
  int32_t type = kFloat;
  bool shaped = true;
  std::vector<std::string> symbols{};  // of the dimensions that are -1, in order; then "unk__1"
};

struct TestModel {
  std::vector<TestInput> inputs{};
  std::vector<std::string> outputs{};
  std::vector<TestTensor> constants{};
  std::vector<TestNode> nodes{};
  int64_t opset = 13;
  bool sparse = false;  // with a sparse initialiser
};

std::string serialise(const TestModel& model);

TestTensor scalar(std::string name, double value);
TestTensor vec(std::string name, std::vector<double> values);
TestTensor int64s(std::string name, std::vector<int64_t> values);
// RequantShift of x to y, with attributes as PULP's exporter writes them.
TestNode requant_shift(std::string x, std::string mul, std::string add, std::string y, double div,
                       double levels, bool is_signed);

Result<Graph> import_test(const TestModel& model, const ImportOptions& options = {});
Graph must_import(const TestModel& model, const ImportOptions& options = {});  // throws the errors
std::string errors_of(const TestModel& model,
                      const ImportOptions& options = {});  // "imported" if there are none

// The nodes in one line each: "requant(add:v, mul=[2, 4]) hi=127 lo=-128 rounding=floor shift=3".
// Operands that are constants are shown by value, others by the operator that made them; attributes
// that are 0 are left out.
std::string sketch(const Graph& graph);

}  // namespace heddle::test
