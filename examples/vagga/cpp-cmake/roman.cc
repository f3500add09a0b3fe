#include "roman.hpp"

#include <array>
#include <utility>

std::string roman(int number) {
  constexpr std::array<std::pair<int, const char*>, 13> digits = {{{1000, "M"},
                                                                  {900, "CM"},
                                                                  {500, "D"},
                                                                  {400, "CD"},
                                                                  {100, "C"},
                                                                  {90, "XC"},
                                                                  {50, "L"},
                                                                  {40, "XL"},
                                                                  {10, "X"},
                                                                  {9, "IX"},
                                                                  {5, "V"},
                                                                  {4, "IV"},
                                                                  {1, "I"}}};
  std::string text;
  if (number < 1 || number > 3999) {
    return text;
  }
  for (const auto& [value, digit] : digits) {
    for (; number >= value; number -= value) {
      text += digit;
    }
  }
  return text;
}
