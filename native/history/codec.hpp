// The bit code of samples within a block. Lossless for every 64-bit word.
//
// A block starts with the predictor's state (value and step before its first sample), so it decodes by itself.
// Then operations, each for one or more consecutive scans, the first bit in the lowest place:
//
//   0 + residual         one sample that is not as predicted
//   10 + count           so many samples exactly as predicted
//   110 + count          so many missing samples
//   111 + 64 bits        the word itself
//
// A residual is the zigzag of (word − prediction) >> shift in wrapping 64-bit arithmetic, less one, as an exponential
// Golomb code (Teuhola 1978) whose order follows the residuals so far: both sides learn it as they go. In the XOR coder
// it is instead, as in the Gorilla paper (Pelkonen et al., VLDB 2015, 4.1), 0 and the bits of word ^ last within the
// last window, or 1, six bits of leading zeros, six of the window's length less one, and the bits.
// A count is the exponential Golomb code of order 1 of itself less one.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace stellwerk::codec {

enum class Coder : std::uint8_t {
  Integer = 0,
  Xor = 1,     // floats that are no short decimals
  Decimal = 2, // floats that are an integer / 10^exponent, as the kernel prints them
};

enum class Predictor : std::uint8_t {
  Last = 0,      // the value before
  Line = 1,      // goes on as from the one before to the last
  FixedStep = 2, // rises by the mean of the former block: half a bit better than Line where steps only scatter
};

struct Mode {
  Coder coder = Coder::Integer;
  Predictor predictor = Predictor::Last;
  std::uint8_t exponent = 0; // Decimal only

  std::uint8_t pack() const noexcept {
    return static_cast<std::uint8_t>(static_cast<unsigned>(coder) | static_cast<unsigned>(predictor) << 2 |
                                     unsigned{exponent} << 4);
  }
  static Mode unpack(std::uint8_t byte) noexcept {
    return {static_cast<Coder>(byte & 3), static_cast<Predictor>(byte >> 2 & 3), static_cast<std::uint8_t>(byte >> 4)};
  }
};

inline constexpr std::uint8_t kMaxExponent = 9;
inline constexpr std::array<double, kMaxExponent + 1> kPowers = {1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};
inline constexpr unsigned kMaxShift = 63;
inline constexpr unsigned kMaxOrder = 27;
inline constexpr unsigned kLiteralBits = 3 + 64;
inline constexpr unsigned kCountOrder = 1;
inline constexpr unsigned kStepOrder = 8;
// What is not below it goes as the word itself.
inline constexpr std::uint64_t kMostResidual = std::uint64_t{1} << 40;

inline std::uint64_t zigzag(std::uint64_t residual) noexcept {
  return (residual << 1) ^ static_cast<std::uint64_t>(static_cast<std::int64_t>(residual) >> 63);
}
inline std::uint64_t unzigzag(std::uint64_t symbol) noexcept { return (symbol >> 1) ^ (0 - (symbol & 1)); }

inline std::uint64_t lowBits(std::uint64_t word, unsigned count) noexcept {
  return count >= 64 ? word : word & ((std::uint64_t{1} << count) - 1);
}

// One operation, at most 128 bits.
struct Bits {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  unsigned size = 0;

  void put(std::uint64_t value, unsigned count) noexcept {
    value = lowBits(value, count);
    if (size < 64) {
      low |= value << size;
      high |= size == 0 ? 0 : value >> (64 - size);
    } else {
      high |= value << (size - 64);
    }
    size += count;
  }
};

// value < kMostResidual
inline void putGolomb(Bits& to, std::uint64_t value, unsigned order) noexcept {
  const std::uint64_t raised = value + (std::uint64_t{1} << order);
  const unsigned more = static_cast<unsigned>(std::bit_width(raised)) - 1 - order;
  to.put(lowBits(~std::uint64_t{0}, more), more + 1); // so many ones, and a zero
  to.put(raised, order + more);
}

inline Bits codeRun(std::uint32_t count) noexcept {
  Bits op;
  op.put(0b01, 2);
  putGolomb(op, count - 1, kCountOrder);
  return op;
}

inline Bits codeGap(std::uint32_t count) noexcept {
  Bits op;
  op.put(0b011, 3);
  putGolomb(op, count - 1, kCountOrder);
  return op;
}

inline Bits codeWord(std::uint64_t word) noexcept {
  Bits op;
  op.put(0b111, 3);
  op.put(word, 64);
  return op;
}

// In front of the operations where there is a step: 0 + its zigzag as a Golomb code, or 1 + 64 bits.
inline Bits codeStep(std::uint64_t step) noexcept {
  const std::uint64_t symbol = zigzag(step);
  Bits op;
  op.put(symbol < kMostResidual ? 0 : 1, 1);
  if (symbol < kMostResidual) {
    putGolomb(op, symbol, kStepOrder);
  } else {
    op.put(step, 64);
  }
  return op;
}

// The order of the residuals' code: follows their mean, a bit below it as most are smaller.
class Order {
public:
  explicit Order(unsigned start = 0) noexcept : mean_(std::uint32_t{1} << (std::min(start, kMost) + kScale)) {}

  unsigned value() const noexcept {
    const auto width = static_cast<unsigned>(std::bit_width(mean_ >> kScale));
    return width < 2 ? 0 : width - 2;
  }
  void learn(std::uint64_t residual) noexcept {
    const auto capped = static_cast<std::uint32_t>(std::min<std::uint64_t>(residual, std::uint64_t{1} << kMost));
    mean_ = mean_ - (mean_ >> kScale) + capped;
  }

private:
  static constexpr unsigned kScale = 4;
  static constexpr unsigned kMost = kMaxOrder;
  std::uint32_t mean_; // 2^kScale times the mean, of about the last 2^kScale
};

inline Bits codeResidual(std::uint64_t residual, unsigned order) noexcept {
  Bits op;
  op.put(0, 1);
  putGolomb(op, residual, order);
  return op;
}

struct Window {
  std::uint8_t leading = 0;
  std::uint8_t length = 0; // 0: none yet
};

// difference != 0
inline Bits codeXor(std::uint64_t difference, Window& window) noexcept {
  const auto leading = static_cast<unsigned>(std::countl_zero(difference));
  const unsigned length = 64 - leading - static_cast<unsigned>(std::countr_zero(difference));
  constexpr unsigned kNewWindow = 12; // bits that a new one costs
  Bits op;
  op.put(0, 1);
  if (leading >= window.leading && leading + length <= 0u + window.leading + window.length &&
      window.length <= length + kNewWindow) {
    op.put(0, 1);
  } else {
    window = {static_cast<std::uint8_t>(leading), static_cast<std::uint8_t>(length)};
    op.put(1, 1);
    op.put(leading, 6);
    op.put(length - 1, 6);
  }
  op.put(difference >> (64 - window.leading - window.length), window.length);
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

inline void writeBits(std::uint8_t* bytes, unsigned at, const Bits& op) noexcept {
  std::uint64_t low = op.low;
  std::uint64_t high = op.high;
  for (unsigned left = op.size; left > 0;) {
    const unsigned place = at & 7;
    const unsigned count = std::min(8 - place, left);
    bytes[at >> 3] = static_cast<std::uint8_t>(bytes[at >> 3] | lowBits(low, count) << place);
    low = low >> count | high << (64 - count);
    high >>= count;
    at += count;
    left -= count;
  }
}

// Of `count` bits, whoever wrote them: behind the end come zeros, and broken() tells of it.
class BitReader {
public:
  BitReader(const std::uint8_t* bytes, unsigned count) noexcept
      : at_(bytes), end_(bytes + (count + 7) / 8), left_(static_cast<int>(count)) {}

  bool done() const noexcept { return left_ <= 0; }
  bool broken() const noexcept { return left_ < 0; }

  // count <= 56
  std::uint64_t take(unsigned count) noexcept {
    fill();
    const std::uint64_t value = lowBits(buffer_, count);
    drop(count);
    return value;
  }
  std::uint64_t word() noexcept {
    const std::uint64_t low = take(32);
    return low | take(32) << 32;
  }
  std::uint64_t golomb(unsigned order) noexcept {
    fill();
    const auto more = static_cast<unsigned>(std::countr_one(buffer_));
    if (more > 55 || order + more > 63) {
      left_ = -1;
      return 0;
    }
    drop(more + 1);
    const unsigned count = order + more;
    std::uint64_t value = take(std::min(count, 32u));
    if (count > 32) {
      value |= take(count - 32) << 32;
    }
    return value + (std::uint64_t{1} << count) - (std::uint64_t{1} << order);
  }

private:
  void fill() noexcept {
    if (end_ - at_ >= 8 && std::endian::native == std::endian::little) {
      std::uint64_t next = 0;
      std::memcpy(&next, at_, sizeof next);
      buffer_ |= next << have_;
      const unsigned bytes = (63 - have_) >> 3;
      at_ += bytes;
      have_ += bytes * 8;
      return;
    }
    while (have_ <= 56 && at_ != end_) {
      buffer_ |= std::uint64_t{*at_++} << have_;
      have_ += 8;
    }
  }
  void drop(unsigned count) noexcept {
    buffer_ = count >= 64 ? 0 : buffer_ >> count;
    have_ = have_ > count ? have_ - count : 0;
    left_ -= static_cast<int>(count);
  }

  const std::uint8_t* at_;
  const std::uint8_t* end_;
  std::uint64_t buffer_ = 0;
  unsigned have_ = 0;
  int left_;
};

} // namespace stellwerk::codec
