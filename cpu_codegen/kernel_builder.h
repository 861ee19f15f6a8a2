// Builds one kernel from the loop nest of its anchor; only for kernel*.cc.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/text.h"
#include "cpu_codegen/affine.h"
#include "cpu_codegen/fused_maps.h"
#include "cpu_codegen/kernel.h"
#include "cpu_codegen/writer.h"
#include "ops/op.h"

namespace heddle {

// An operand as seen from the loops of the anchor.
struct Element {
  std::string pointer;             // name of the parameter
  std::string c_type;              // "const int8_t"
  std::vector<StridedIndex> dims;  // dimensions of one element are left out
  bool guarded = false;            // may lie outside: no pointer to its row is formed
  bool output = false;
  std::string looked_up{};         // "at * 16": the part of the index that is no affine function
};

// A loop over an axis of more than one index.
struct Loop {
  int axis = 0;
  std::string begin = "0";
  std::string end;
};

class KernelBuilder {
 public:
  KernelBuilder(const Graph& graph, const Match& match, const StorageOf& storage);

  // For a kernel whose loops somebody else writes: the output's index in terms of them.
  KernelBuilder(const Graph& graph, const Match& match, const StorageOf& storage,
                std::vector<Axis> loops, Access output, UniqueNames names);

  Kernel build(const std::string& function, bool unrolled = false);
  FusedMaps fuse(size_t first);

 private:
  std::string access(ValueId value, const Access& index, std::string_view name, bool output,
                     bool guarded);
  std::string array(ValueId value, std::string_view name);
  std::string look_up(size_t operand, int64_t extent);
  std::string reference(const Element& element);
  std::string hoisted(const Element& element, int innermost, const std::string& text);
  Storage storage_of(ValueId value) const;
  int depth_of(int axis) const;
  int deepest(const DimAccess& index) const;
  void merge_axes();
  void bound_reductions();
  void bound_axis(int axis, const DimAccess& index, const Range& range, int64_t extent);
  std::string operand_hole(const std::string& name);
  std::string cast(DType dtype, const std::string& text) const;
  void add_map(const Node& node, ValueId spine, std::vector<std::string>& statements);
  std::string fill_loops(const std::string& text);
  void print_body(CWriter& out, const std::string& store);
  int64_t copies_of(const Loop& loop) const;
  void print_accumulation(CWriter& out);
  void print_block(CWriter& out);

  const Graph& graph_;
  const Match& match_;
  const StorageOf& storage_;
  const Node& anchor_;
  LoopNest nest_;
  CBody body_;
  UniqueNames names_;
  std::set<int> joined_;  // axes that run over several dimensions, inside all operands
  size_t parallel_ = 0;  // loops over parallel axes
  std::vector<Loop> loops_;
  std::vector<std::vector<std::string>> at_depth_;  // lines where that many loops are open
  std::vector<std::string> guards_;                 // conditions of an update, joined by &&
  std::vector<std::string> counts_;                 // factors of $count
  std::vector<KernelArgument> arguments_;
  std::map<size_t, std::string> operands_;  // text of the anchor's operands
  std::vector<std::string> maps_;           // statements on `value_`
  std::string value_ = "value";             // the variable that holds the element
  bool unrolled_ = false;                   // elementwise operators: several elements a turn
};

}  // namespace heddle
