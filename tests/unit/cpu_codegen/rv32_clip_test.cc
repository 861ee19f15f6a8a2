// Clamps of finished kernels as calls of heddle_rv32_clip.h.
#include "cpu_codegen/rv32/clip.h"

#include <gtest/gtest.h>

namespace heddle::rv32 {
namespace {

struct Case {
  const char* what;
  const char* text;
  const char* expected;        // on RV32IMC
  const char* with_xpulp = "";  // where it differs
};

const Case kCases[] = {
    {"both bounds", "  if (value < -128) value = -128;\n  if (value > 127) value = 127;\n",
     "  value = heddle_rv32_clip(value, 127);\n"},
    {"bounds that are not -hi - 1",
     "if (value < 0) value = 0;\nif (value > 255) value = 255;\n",
     "value = heddle_rv32_at_least(value, 0);\nvalue = heddle_rv32_at_most(value, 255);\n"},
    {"one bound", "    if (integer_2 > 7) integer_2 = 7;\n",
     "    integer_2 = heddle_rv32_at_most(integer_2, 7);\n"},
    {"bounds of two variables",
     "if (value < -8) value = -8;\nif (integer > 7) integer = 7;\n",
     "value = heddle_rv32_at_least(value, -8);\ninteger = heddle_rv32_at_most(integer, 7);\n"},
    {"the last line", "if (value < 3) value = 3;\n",
     "value = heddle_rv32_at_least(value, 3);\n"},
    {"wide and real numbers",
     "if (wide > 127) wide = 127;\nif (real > 127.0f) real = 127.0f;\nif (value > 1.0f) value = 1.0f;\n",
     "if (wide > 127) wide = 127;\nif (real > 127.0f) real = 127.0f;\nif (value > 1.0f) value = 1.0f;\n"},
    {"other branches", "if (rest) {\n  if (at < 0) at += 4;\n}\nif (value > 3) other = 3;\n",
     "if (rest) {\n  if (at < 0) at += 4;\n}\nif (value > 3) other = 3;\n"},
    {"the greatest", "if (v3 > value) value = v3;\n", "if (v3 > value) value = v3;\n",
     "value = heddle_rv32_at_least(value, v3);\n"},
};

TEST(Clips, TakeThePlaceOfClamps) {
  for (const Case& c : kCases) {
    for (const Isa isa : {Isa::rv32imc, Isa::rv32imc_xpulpv2, Isa::cortex_m4}) {
      std::string expected = is_cortex_m(isa) ? c.text : c.expected;
      if (isa == Isa::rv32imc_xpulpv2 && *c.with_xpulp != '\0') expected = c.with_xpulp;
      const Kernel kernel = with_clips({.text = c.text, .arguments = {}}, isa);
      EXPECT_EQ(kernel.text, expected) << c.what;
      EXPECT_EQ(kernel.headers.empty(), kernel.text == c.text) << c.what;
    }
  }
}

}  // namespace
}  // namespace heddle::rv32
