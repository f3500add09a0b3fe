// What a series counts, and with it how its 64-bit words are to be read.
#pragma once

#include <cstdint>

namespace stellwerk {

// The numbers are the bytes of `kinds` in a snapshot (src/native/scanner.ts).
enum class Kind : std::uint8_t {
  Counter = 0, // u64
  Integer = 1, // i64
  Float = 2,   // f64
};

} // namespace stellwerk
