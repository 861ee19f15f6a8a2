// Patterns of rules: parsed or refused; what is parsed has items and names.
#include <cstdlib>
#include <string_view>

#include "rules/names.h"
#include "rules/rules.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace heddle;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const Result<Pattern> pattern = parse_pattern(text, Place{});
  if (!pattern.ok()) {
    (void)format_diagnostics(pattern.errors());
    return 0;
  }
  if (pattern->items.empty() || pattern->text != text) std::abort();
  const RuleNames names = names_of(*pattern);
  for (const Scope scope : {Scope::layer, Scope::tile, Scope::job, Scope::transfer})
    (void)known_names(names, scope).size();
  return 0;
}
