#include "vagga/accounts.hpp"

#include <gtest/gtest.h>
#include <random>

using namespace stellwerk::vagga;

namespace {

TEST(Accounts, AreNamedByTheFirstLineThatHasTheNumber) {
  const char* passwd = "root:x:0:0:root:/root:/bin/sh\n# a:x:7:\nann:x:7:7::/:\nbob:x:7:7::/:\nshort:x\n";
  EXPECT_EQ(accountName(passwd, 7), "ann");
  EXPECT_EQ(accountName(passwd, 8), std::nullopt);
  EXPECT_EQ(accountName("", 0), std::nullopt);
}

TEST(Grants, AreThoseOfTheAccountByNameOrNumber) {
  const char* text = "ann:100000:65536\n\n  # bob:1:2\nbob:165536:10 # more\n7:300000:5\nann:1:0\n";
  EXPECT_EQ(grantsOf(text, "ann", 7), "100000:65536\n300000:5\n");
  EXPECT_EQ(grantsOf(text, "carl", 8), "");
  EXPECT_EQ(grantsOf(std::string(text) + "carl:5:5\n", "ann", 7), grantsOf(text, "ann", 7));
}

TEST(Grants, AreUnknownWhereAnyLineIsWrong) {
  for (const char* line : {"x", "x:1", "x:1:", "x::1", ":1:1", "x:1:1:1", "x:-1:1", "x:1:y", "x:4294967295:1", "x:4294967294:2",
                           "x y:1:1", "x:00000000001:1"}) {
    EXPECT_EQ(grantsOf(line, "ann", 7), std::nullopt) << line;
  }
}

TEST(Grants, SurviveRandomBytes) {
  std::mt19937 random(1);
  constexpr std::string_view letters = "a:1 9#\n\t\xff";
  for (int round = 0; round < 50000; round++) {
    std::string text;
    for (unsigned count = random() % 30; count > 0; count--) {
      text += letters[random() % letters.size()];
    }
    const auto grants = grantsOf(text, "a", 1);
    EXPECT_TRUE(!grants || grants->size() <= 12 * text.size());
    accountName(text, 1);
  }
}

} // namespace
