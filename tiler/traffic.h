// The transfers of one tile in sum, for the cost: what transfers_of() lists one by one.
#pragma once

#include "tiler/geometry.h"

namespace heddle {

struct Transfers {
  Transfer first;             // all others differ from it in their offsets only
  int64_t count = 1;
  int64_t tile_bytes = 0;     // tile_extent_bytes() of all of them
  int64_t storage_bytes = 0;  // OperandTile::storage.bytes
};
// Of an operand that is moved (not in place), a tile of which is not empty.
Transfers transfers_together(const Region& region, const RegionOperand& operand,
                             const TileBox& box);

}  // namespace heddle
