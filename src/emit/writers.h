// The files of a bundle, each a pure function of the named network.
#pragma once

#include <span>
#include <string>

#include "base/files.h"
#include "emit/bundle.h"
#include "emit/names.h"

namespace heddle {

// network_header.cc
std::string emit_header(const Network& network);  // include/NAME.h
// network_source.cc
Result<std::string> emit_source(const Network& network);  // src/NAME.c
// weights.cc
std::string emit_weights_header(const Network& network);  // src/NAME_weights.h
std::string emit_weights_source(const Network& network);  // src/NAME_weights.c
// soc_files.cc
std::string emit_soc_header(const Network& network);  // src/heddle_soc.h
std::string emit_soc_host(const Network& network);    // src/heddle_soc_host.c
std::string emit_soc_json(const Network& network);    // soc.json
// firmware_files.cc
std::string emit_linker_script(const Network& network);  // src/heddle_soc.ld
std::string emit_bench_memory(const Network& network);   // test/firmware.c
// layers_json.cc
std::string emit_layers_json(const Network& network);  // layers.json
// test_files.cc
std::string emit_golden_header(const Network& network, std::span<const GoldenVector> golden);
std::string emit_golden_source(const Network& network, std::span<const GoldenVector> golden);
std::string emit_test_network(const Network& network, std::span<const GoldenVector> golden);
std::string emit_test_layers(const Network& network);
// project_files.cc
std::string emit_makefile(const Network& network);
std::string emit_cmake(const Network& network);
std::string emit_readme(const Network& network);

// Every `hole` in the text by the value, which may hold the hole.
std::string replaced(std::string text, const std::string& hole, const std::string& value);
// Files of runtime/ that a bundle for this processor carries beside those that all do.
std::vector<std::string> board_sources(Isa isa);

}  // namespace heddle
