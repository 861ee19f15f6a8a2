// Quantities of a tile (sizes, offsets, pads) as C text over the indices of the tile loops.
//
// A quantity comes as its value for every tile, computed by tiler/geometry.h. The simplest C form
// that gives exactly these values is chosen: a number, an affine expression with exceptions for the
// first and the last tile of an axis, a small table by axis, at last a table by tile. Thus the
// emitted geometry cannot disagree with the tiler's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace heddle {

// One tile loop with more than one tile; outermost first.
struct TileLoop {
  std::string index;  // "oy_tile", or "t" if it is the only one
  int64_t count = 0;
};

class TileForms {
 public:
  explicit TileForms(std::vector<TileLoop> loops) : loops_(std::move(loops)) {}

  // `values` has one entry a tile, in execution order. The text is an expression of type uint32_t,
  // or int32_t where a value is negative; an operator in it is not parenthesised. Tables that it
  // needs are called after `name`.
  std::string form(const std::string& name, const std::vector<int64_t>& values);
  // A condition that is true where values[t] != 0; "" if it is always true.
  std::string condition(const std::vector<bool>& values);

  // Declarations since the last call: indices of tile loops that were used, then tables.
  std::vector<std::string> take_declarations();

 private:
  std::string use(const TileLoop& loop);
  std::string sequence(const std::string& name, const TileLoop& loop,
                       const std::vector<int64_t>& values);
  std::string table(const std::string& name, const std::string& index,
                    const std::vector<int64_t>& values);

  std::vector<TileLoop> loops_;
  std::vector<bool> used_ = std::vector<bool>(loops_.size(), false);
  std::vector<std::string> tables_;
};

// Whether the text needs parentheses as an operand.
std::string parenthesised(const std::string& text);
std::string unsigned_literal(int64_t value);  // "16u"; "-3" where it is negative

}  // namespace heddle
