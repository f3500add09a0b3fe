// The byte code of samples within a block. Lossless for every 64-bit word.
//
// A block starts with the predictor's state (value and step before its first sample), so it decodes by itself.
// Then operations, each for one or more consecutive scans:
//
//   0x00…0x5f                residual symbol 1…96
//   0x60…0x7f                1…32 samples exactly as predicted
//   0x80…0xbf + 1 byte       symbol of 14 bits (offset 97)
//   0xc0…0xdf + 2 bytes      symbol of 21 bits
//   0xe0…0xef + 3 bytes      symbol of 28 bits
//   0xf0 + varint            n samples exactly as predicted
//   0xf1 + varint            n missing samples
//   0xf4…0xf8 + 4…8 bytes    symbol of that many bytes, little end first
//   0xf9 + 8 bytes           the 64-bit word itself
//
// The symbol is the zigzag of (word − prediction) >> shift in wrapping 64-bit arithmetic. In the XOR coder the bytes
// below 0x40 are instead (leading zero bytes × 8 + length − 1), followed by `length` middle bytes of word ^ last.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace stellwerk::codec {

enum class Coder : std::uint8_t {
  Integer = 0,
  Xor = 1,     // floats that are no short decimals (the Gorilla paper's idea, in whole bytes)
  Decimal = 2, // floats that are an integer / 10^exponent, as the kernel prints them
};

struct Mode {
  Coder coder = Coder::Integer;
  bool stepped = false;       // predicts last + step instead of last
  std::uint8_t exponent = 0;  // Decimal only

  std::uint8_t pack() const noexcept {
    return static_cast<std::uint8_t>(static_cast<unsigned>(coder) | (stepped ? 4u : 0u) | unsigned{exponent} << 3);
  }
  static Mode unpack(std::uint8_t byte) noexcept {
    return {static_cast<Coder>(byte & 3), (byte & 4) != 0, static_cast<std::uint8_t>(byte >> 3)};
  }
};

inline constexpr std::uint8_t kMaxExponent = 6;
inline constexpr std::array<double, kMaxExponent + 1> kPowers = {1, 10, 100, 1e3, 1e4, 1e5, 1e6};

// Longest operation: 0xf1 and a varint of 32 bits, or 0xf9 and 8 bytes.
struct Bytes {
  std::array<std::uint8_t, 10> data;
  std::uint8_t size = 0;

  void put(std::uint64_t byte) noexcept { data[size++] = static_cast<std::uint8_t>(byte); }
  void putLittle(std::uint64_t word, unsigned count) noexcept {
    for (unsigned i = 0; i < count; ++i) {
      put(word >> (8 * i));
    }
  }
};

inline std::uint64_t zigzag(std::uint64_t residual) noexcept {
  return (residual << 1) ^ static_cast<std::uint64_t>(static_cast<std::int64_t>(residual) >> 63);
}
inline std::uint64_t unzigzag(std::uint64_t symbol) noexcept { return (symbol >> 1) ^ (0 - (symbol & 1)); }

inline void putVarint(Bytes& to, std::uint64_t value) noexcept {
  while (value >= 0x80) {
    to.put(value | 0x80);
    value >>= 7;
  }
  to.put(value);
}

inline Bytes codeRun(std::uint32_t count) noexcept {
  Bytes op;
  if (count <= 32) {
    op.put(0x60 + count - 1);
  } else {
    op.put(0xf0);
    putVarint(op, count);
  }
  return op;
}

inline Bytes codeGap(std::uint32_t count) noexcept {
  Bytes op;
  op.put(0xf1);
  putVarint(op, count);
  return op;
}

inline Bytes codeWord(std::uint64_t word) noexcept {
  Bytes op;
  op.put(0xf9);
  op.putLittle(word, 8);
  return op;
}

// symbol >= 1
inline Bytes codeSymbol(std::uint64_t symbol) noexcept {
  Bytes op;
  if (symbol <= 96) {
    op.put(symbol - 1);
    return op;
  }
  std::uint64_t rest = symbol - 97;
  if (rest < 1u << 14) {
    op.put(0x80 | rest >> 8);
    op.put(rest);
  } else if (rest < 1u << 21) {
    op.put(0xc0 | rest >> 16);
    op.putLittle(rest, 2);
  } else if (rest < 1u << 28) {
    op.put(0xe0 | rest >> 24);
    op.putLittle(rest, 3);
  } else {
    unsigned count = (static_cast<unsigned>(std::bit_width(symbol)) + 7) / 8;
    count = count < 4 ? 4 : count;
    op.put(0xf0 + count);
    op.putLittle(symbol, count);
  }
  return op;
}

inline std::uint8_t symbolCost(std::uint64_t symbol) noexcept {
  if (symbol <= 96) {
    return symbol == 0 ? 0 : 1;
  }
  std::uint64_t rest = symbol - 97;
  return rest < 1u << 14 ? 2 : rest < 1u << 21 ? 3 : rest < 1u << 28 ? 4 : 8;
}

// difference != 0
inline Bytes codeXor(std::uint64_t difference) noexcept {
  unsigned leading = static_cast<unsigned>(std::countl_zero(difference)) / 8;
  unsigned trailing = static_cast<unsigned>(std::countr_zero(difference)) / 8;
  unsigned length = 8 - leading - trailing;
  Bytes op;
  op.put(leading * 8 + length - 1);
  op.putLittle(difference >> (8 * trailing), length);
  return op;
}

// The integer that, divided by 10^exponent, gives back exactly these bits.
inline bool toDecimal(std::uint64_t bits, std::uint8_t exponent, std::uint64_t& scaled) noexcept {
  auto value = std::bit_cast<double>(bits);
  double product = value * kPowers[exponent];
  if (!(std::fabs(product) < 9007199254740992.0)) { // 2^53; also refuses NaN and infinities
    return false;
  }
  auto rounded = static_cast<std::int64_t>(std::llrint(product));
  if (std::bit_cast<std::uint64_t>(static_cast<double>(rounded) / kPowers[exponent]) != bits) { // also refuses −0.0
    return false;
  }
  scaled = static_cast<std::uint64_t>(rounded);
  return true;
}

inline std::uint64_t fromDecimal(std::uint64_t scaled, std::uint8_t exponent) noexcept {
  return std::bit_cast<std::uint64_t>(static_cast<double>(static_cast<std::int64_t>(scaled)) / kPowers[exponent]);
}

// Reads what the functions above wrote; the store is the only writer, so the bytes are trusted.
struct Input {
  const std::uint8_t* at;

  std::uint64_t little(unsigned count) noexcept {
    std::uint64_t word = 0;
    for (unsigned i = 0; i < count; ++i) {
      word |= std::uint64_t{*at++} << (8 * i);
    }
    return word;
  }
  std::uint64_t varint() noexcept {
    std::uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      std::uint8_t byte = *at++;
      value |= std::uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) {
        return value;
      }
    }
  }
};

} // namespace stellwerk::codec
