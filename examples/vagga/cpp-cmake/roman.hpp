#pragma once

#include <string>

// Roman numeral of a number from 1 to 3999; empty for others.
std::string roman(int number);
