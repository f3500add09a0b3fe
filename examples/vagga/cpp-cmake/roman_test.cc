#include "roman.hpp"

#include <gtest/gtest.h>

TEST(Roman, Subtracts) {
  EXPECT_EQ(roman(4), "IV");
  EXPECT_EQ(roman(1994), "MCMXCIV");
}

TEST(Roman, HasNothingBelowOneOrAboveItsLargest) {
  EXPECT_EQ(roman(0), "");
  EXPECT_EQ(roman(4000), "");
  EXPECT_EQ(roman(3999), "MMMCMXCIX");
}
