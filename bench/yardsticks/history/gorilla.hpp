// Yardstick: the coding of "Gorilla: A Fast, Scalable, In-Memory Time Series Database" (Pelkonen et al., VLDB 2015,
// section 4.1), written straight from the paper: stamps as deltas of deltas, values as XOR with the one before, bit by
// bit, in blocks of two hours. Each series has its own stamps, in seconds; every value is a double, as there.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace stellwerk::bench {

class Gorilla {
public:
  void append(std::int64_t seconds, double value) {
    const auto bits = std::bit_cast<std::uint64_t>(value);
    if (count_++ == 0) {
      put(static_cast<std::uint64_t>(seconds), 64); // the block's header, aligned to its start
      put(bits, 64);
    } else {
      appendStamp(seconds);
      appendValue(bits);
    }
    seconds_ = seconds;
    bits_ = bits;
  }
  std::size_t bytes() const noexcept { return bytes_.size(); }

  // sink(seconds, value), oldest first.
  template <class Sink> void decode(Sink sink) const {
    std::size_t at = 0;
    auto take = [&](unsigned count) {
      std::uint64_t value = 0;
      for (; count > 0; --count, ++at) {
        value = value << 1 | (bytes_[at / 8] >> (7 - at % 8) & 1u);
      }
      return value;
    };
    std::int64_t seconds = 0;
    std::int64_t delta = 0;
    std::uint64_t bits = 0;
    unsigned leading = 0;
    unsigned length = 0;
    for (std::uint64_t i = 0; i < count_; ++i) {
      if (i == 0) {
        seconds = static_cast<std::int64_t>(take(64));
        bits = take(64);
      } else {
        unsigned ones = 0;
        while (ones < 4 && take(1) == 1) {
          ++ones;
        }
        if (ones > 0) {
          const unsigned width = kWidths[ones - 1];
          delta += static_cast<std::int64_t>(take(width) << (64 - width)) >> (64 - width);
        }
        seconds += delta;
        if (take(1) == 1) {
          if (take(1) == 1) {
            leading = static_cast<unsigned>(take(5));
            length = static_cast<unsigned>(take(6)) + 1;
          }
          bits ^= take(length) << (64 - leading - length);
        }
      }
      sink(seconds, std::bit_cast<double>(bits));
    }
  }

private:
  // After '10', '110', '1110' and '1111'.
  static constexpr unsigned kWidths[] = {7, 9, 12, 32};

  void appendStamp(std::int64_t seconds) {
    const std::int64_t delta = seconds - seconds_;
    const std::int64_t second = delta - delta_;
    delta_ = delta;
    const auto word = static_cast<std::uint64_t>(second);
    if (second == 0) {
      put(0, 1);
    } else if (second >= -64 && second < 64) {
      put(0b10, 2);
      put(word, 7);
    } else if (second >= -256 && second < 256) {
      put(0b110, 3);
      put(word, 9);
    } else if (second >= -2048 && second < 2048) {
      put(0b1110, 4);
      put(word, 12);
    } else {
      put(0b1111, 4);
      put(word, 32);
    }
  }

  void appendValue(std::uint64_t bits) {
    const std::uint64_t difference = bits ^ bits_;
    if (difference == 0) {
      put(0, 1);
      return;
    }
    const unsigned leading = std::min(31u, static_cast<unsigned>(std::countl_zero(difference)));
    const auto trailing = static_cast<unsigned>(std::countr_zero(difference));
    if (length_ > 0 && leading >= leading_ && trailing >= 64 - leading_ - length_) {
      put(0b10, 2);
    } else {
      leading_ = leading;
      length_ = 64 - leading - trailing;
      put(0b11, 2);
      put(leading_, 5);
      put(length_ - 1, 6);
    }
    put(difference >> (64 - leading_ - length_), length_);
  }

  void put(std::uint64_t value, unsigned count) {
    for (; count > 0; --count, ++bit_) {
      if (bit_ % 8 == 0) {
        bytes_.push_back(0);
      }
      bytes_.back() = static_cast<std::uint8_t>(bytes_.back() | (value >> (count - 1) & 1u) << (7 - bit_ % 8));
    }
  }

  std::vector<std::uint8_t> bytes_;
  std::uint64_t bit_ = 0;
  std::uint64_t count_ = 0;
  std::int64_t seconds_ = 0;
  std::int64_t delta_ = 0;
  std::uint64_t bits_ = 0;
  unsigned leading_ = 0;
  unsigned length_ = 0;
};

} // namespace stellwerk::bench
