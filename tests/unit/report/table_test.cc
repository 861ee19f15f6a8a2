#include "report/table.h"

#include <gtest/gtest.h>

namespace heddle {
namespace {

TEST(Table, AlignsAndCuts) {
  const std::string text =
      format_table({{"layer", false, 8}, {"cycles", true}},
                   {{{"a", "1"}, ""}, {{"a long name", "123,456"}, "because of this"}});
  EXPECT_EQ(text,
            "layer      cycles\n"
            "a               1\n"
            "a lon...  123,456\n"
            "    because of this\n");
}

TEST(Table, WrapsAtSpacesAndIndents) {
  EXPECT_EQ(wrap("one two three four", 11, 2), "one two\n  three\n  four");
  EXPECT_EQ(wrap("averyveryverylongword b", 8, 2), "averyveryverylongword\n  b");
  EXPECT_EQ(wrap("", 8, 2), "");
}

}  // namespace
}  // namespace heddle
