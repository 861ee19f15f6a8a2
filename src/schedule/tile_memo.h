// Tilings, each problem solved once: layers that look alike to the tiler share one.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tiler/tiling.h"

namespace heddle {

class TileMemo {
 public:
  // As solve_tiling(); null: no tile fits. A tiling that was found with fewer bytes taken is the
  // best here too if it still fits. The pointer stays good.
  const Tiling* find(const Graph& graph, const Soc& soc, const Match& match,
                     const StorageOf& storage, const Taken& taken = {});
  // The same with signature() of graph, SoC and match, for those who ask about many storages.
  const Tiling* find(const std::string& signed_as, const Graph& graph, const Soc& soc,
                     const Match& match, const StorageOf& storage, const Taken& taken);
  // Everything of the network that the tiler looks at, but how values are stored.
  static std::string signature(const Graph& graph, const Soc& soc, const Match& match);
  // That this tiling is known already, nothing else taken.
  void add(const Graph& graph, const Soc& soc, const Match& match, const StorageOf& storage,
           const Tiling& tiling);
  int64_t solved() const { return solved_; }  // by the tiler

 private:
  struct Entry {
    Taken taken;
    std::optional<Tiling> tiling;
  };
  std::map<std::string, std::vector<std::unique_ptr<Entry>>> known_;
  int64_t solved_ = 0;
};

// Bytes that a resident holds in its memory: offsets there are multiples of tile_alignment().
int64_t resident_bytes(const Soc& soc, const Storage& storage);

}  // namespace heddle
