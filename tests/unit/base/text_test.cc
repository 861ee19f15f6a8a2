#include "base/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace heddle {
namespace {

struct Row {
  std::string in;
  std::string out;
};

TEST(Text, CIdentifier) {
  const std::vector<Row> rows = {
      {"", "unnamed"},
      {"conv1", "conv1"},
      {"/model/conv1/Conv", "model_conv1_Conv"},
      {"1x1", "n1x1"},
      {"__init__", "init"},
      {"a__b", "a_b"},
      {"***", "unnamed"},
      {"while", "while_"},
      {"class", "class_"},
      {"co_await", "co_await_"},
      {"_Bool", "Bool"},
      {"NULL", "NULL_"},
      {"main", "main_"},
      {"$(rm -rf /)", "rm_rf"},
      {"a*/b", "a_b"},
      {"line\nbreak", "line_break"},
      {"\xC3\xA9t\xC3\xA9", "t"},
      {"..", "unnamed"},
      {std::string("nul\0x", 5), "nul_x"},
      {std::string(100, 'q'), std::string(48, 'q')},
  };
  for (const Row& row : rows) EXPECT_EQ(c_identifier(row.in), row.out) << row.in;
}

TEST(Text, IsCIdentifier) {
  for (const char* good : {"a", "_a", "A9", "conv2d", "integer"})
    EXPECT_TRUE(is_c_identifier(good));
  for (const char* bad :
       {"", "9a", "a-b", "int", "namespace", "and", "xor_eq", "\xC3\xA9", "a b"}) {
    EXPECT_FALSE(is_c_identifier(bad)) << bad;
  }
}

// Every keyword is found: the table must be sorted for the search.
TEST(Text, KeywordsAreNoIdentifiers) {
  for (const char* keyword :
       {"_Alignas",  "_Decimal128",   "_Generic", "_Thread_local", "alignas",       "asm",
        "auto",      "bool",          "char8_t",  "co_yield",      "concept",       "const_cast",
        "constexpr", "default",       "double",   "export",        "goto",          "inline",
        "long",      "mutable",       "not_eq",   "nullptr",       "or_eq",         "register",
        "restrict",  "static_assert", "template", "thread_local",  "typeof_unqual", "unsigned",
        "virtual",   "wchar_t",       "xor"}) {
    EXPECT_FALSE(is_c_identifier(keyword)) << keyword;
  }
}

TEST(Text, CComment) {
  const std::vector<Row> rows = {
      {"plain", "plain"},
      {"a*/b", "a* /b"},
      {"a/*b", "a/ *b"},
      {"a//b", "a/ /b"},
      {"*/*/*/", "* / * / * ."},
      {"end\\", "end."},
      {"?\?/", "? ?."},
      {"a\nb\rc", "a.b.c"},
      {"x/", "x."},
      {std::string(200, 'z'), std::string(77, 'z') + "..."},
  };
  for (const Row& row : rows) EXPECT_EQ(c_comment(row.in), row.out) << row.in;
}

TEST(Text, CString) {
  const std::vector<Row> rows = {
      {"", "\"\""},
      {"say \"hi\"", "\"say \\\"hi\\\"\""},
      {"a\\b", "\"a\\\\b\""},
      {"?\?=", "\"\\?\\?=\""},
      {"\n7", "\"\\0127\""},
      {"\xFF", "\"\\377\""},
      {std::string("\0", 1), "\"\\000\""},
  };
  for (const Row& row : rows) EXPECT_EQ(c_string(row.in), row.out) << row.in;
}

TEST(Text, FileName) {
  const std::vector<Row> rows = {
      {"", "unnamed"},
      {"model.c", "model.c"},
      {"../../etc/passwd", "_._.._etc_passwd"},
      {"..", "_."},
      {"-rf", "_rf"},
      {".hidden", "_hidden"},
      {"a/b\\c:d", "a_b_c_d"},
      {"sp ace", "sp_ace"},
      {"\xC3\xA9", "_"},
      {std::string(99, 'x'), std::string(64, 'x')},
  };
  for (const Row& row : rows) EXPECT_EQ(file_name(row.in), row.out) << row.in;
}

TEST(Text, MakefileText) {
  const std::vector<Row> rows = {
      {"net-1.0", "net-1.0"}, {"$(shell id)", "_shell id_"},
      {"a#b", "a_b"},         {"a\n\tb", "a_b"},
      {"-rf", "_rf"},         {" lead", "_lead"},
      {"trail ", "trail_"},   {"`id`", "_id_"},
  };
  for (const Row& row : rows) EXPECT_EQ(makefile_text(row.in), row.out) << row.in;
}

TEST(Text, HtmlText) {
  EXPECT_EQ(html_text("<a href='x'>&\"</a>"), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;&lt;/a&gt;");
  EXPECT_EQ(html_text("a\nb\xFF"), "a\\x0Ab\\xFF");
  EXPECT_EQ(html_text("\xC3\xA9"), "\xC3\xA9");
}

TEST(Text, TerminalText) {
  const std::vector<Row> rows = {
      {"plain", "plain"},
      {"\x1B[31mred", "\\x1B[31mred"},
      {"a\nb", "a\\x0Ab"},
      {"caf\xC3\xA9", "caf\xC3\xA9"},
      {"\xC3", "\\xC3"},                    // cut short
      {"\xC0\xAF", "\\xC0\\xAF"},           // overlong
      {"\xED\xA0\x80", "\\xED\\xA0\\x80"},  // a surrogate
      {"\xC2\x9B", "\\xC2\\x9B"},           // a control character of C1
      {"\xE2\x80\xAE", "\\xE2\\x80\\xAE"},  // right to left
      {"\xF0\x9F\xA7\xB5", "\xF0\x9F\xA7\xB5"},
      {std::string(200, 'y'), std::string(77, 'y') + "..."},
  };
  for (const Row& row : rows) EXPECT_EQ(terminal_text(row.in), row.out);
  EXPECT_EQ(terminal_text("abcdef", 6), "abcdef");
  EXPECT_EQ(terminal_text("abcdefg", 6), "abc...");
  EXPECT_EQ(terminal_text("ab\xC3\xA9\xC3\xA9\xC3\xA9", 6), "ab...");  // never half a character
}

// Whatever the bytes are, each escaper keeps its promise.
TEST(Text, EscapersHoldForRandomBytes) {
  std::mt19937 random(1);
  const std::string spice = "*/\\?\"'$()#\n\r\t<>&.-_ \x80\xC3\xA9";
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    const size_t length = random() % (round % 100 == 0 ? 10000 : 40);
    for (size_t i = 0; i < length; ++i) {
      text +=
          random() % 2 == 0 ? spice[random() % spice.size()] : static_cast<char>(random() % 256);
    }
    const std::string identifier = c_identifier(text);
    EXPECT_TRUE(is_c_identifier(identifier)) << identifier;
    EXPECT_LE(identifier.size(), 49u);
    EXPECT_EQ(identifier.find("__"), std::string::npos);

    const std::string comment = c_comment(text);
    EXPECT_LE(comment.size(), 81u);
    for (const char* bad : {"*/", "/*", "//", "\\", "?\?", "\n"}) {
      EXPECT_EQ(comment.find(bad), std::string::npos) << comment;
    }
    EXPECT_EQ((comment + "*/").find("*/"), comment.size());

    const std::string string = c_string(text);
    for (size_t i = 1; i + 1 < string.size(); ++i) {
      EXPECT_TRUE(string[i] >= 0x20 && string[i] < 0x7F);
      if (string[i] == '\\') {
        ++i;
      } else {
        EXPECT_NE(string[i], '"');
      }
    }
    const std::string file = file_name(text);
    EXPECT_EQ(
        file.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"),
        std::string::npos);
    EXPECT_TRUE(file[0] != '.' && file[0] != '-');
    EXPECT_EQ(file_name(file), file);
    EXPECT_EQ(makefile_text(text).find_first_of("$#\n\\:=`%"), std::string::npos);
    EXPECT_EQ(html_text(text).find_first_of("<>\"'\n"), std::string::npos);
    for (const char c : terminal_text(text)) EXPECT_FALSE((c >= 0 && c < 0x20) || c == 0x7F);
  }
}

TEST(Text, UniqueNames) {
  UniqueNames names;
  EXPECT_EQ(names.take("conv"), "conv");
  EXPECT_EQ(names.take("conv"), "conv_2");
  EXPECT_EQ(names.take("conv"), "conv_3");
  EXPECT_EQ(names.take("CONV"), "CONV_4");  // file systems may ignore case
  EXPECT_EQ(names.take("conv_2"), "conv_2_2");
  EXPECT_EQ(names.take("*"), "unnamed");
  EXPECT_EQ(names.take("/"), "unnamed_2");
  const std::string longest(60, 'a');
  EXPECT_EQ(names.take(longest), std::string(48, 'a'));
  EXPECT_EQ(names.take(longest), std::string(46, 'a') + "_2");
}

TEST(Text, DidYouMean) {
  const std::vector<std::string> known = {"conv2d", "dense", "relu", "requant", "fx", "fy"};
  const std::vector<Row> rows = {
      {"conv2D", "; did you mean `conv2d`?"},
      {"con2d", "; did you mean `conv2d`?"},
      {"rleu", "; did you mean `relu`?"},
      {"requantize", "; did you mean `requant`?"},
      {"softmax", ""},
      {"fz", "; did you mean `fx`?"},
      {"q", ""},
      {"", ""},
      {std::string(1000, 'r'), ""},
  };
  for (const Row& row : rows) EXPECT_EQ(did_you_mean(row.in, known), row.out) << row.in;
}

TEST(Text, Thousands) {
  EXPECT_EQ(thousands(0), "0");
  EXPECT_EQ(thousands(999), "999");
  EXPECT_EQ(thousands(1000), "1,000");
  EXPECT_EQ(thousands(1234567), "1,234,567");
  EXPECT_EQ(thousands(-1234), "-1,234");
  EXPECT_EQ(thousands(-123), "-123");
  EXPECT_EQ(thousands(INT64_MIN), "-9,223,372,036,854,775,808");
}

}  // namespace
}  // namespace heddle
