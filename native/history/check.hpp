// Whether a block's bytes are operations that decode() may follow: it trusts what the store wrote itself.
#pragma once

#include "history/block.hpp"
#include "history/codec.hpp"

#include <cstdint>
#include <optional>

namespace stellwerk {

// The number of scans that the block covers; nullopt where it is damaged.
inline std::optional<std::uint32_t> checkBlock(const Block& block) noexcept {
  using namespace codec;
  constexpr std::uint64_t kMostScans = 0x7fffffff;
  constexpr unsigned kMostShift = 32;
  const Mode mode = Mode::unpack(block.mode);
  if ((block.mode & 3) > 2 || mode.exponent > kMaxExponent || block.shift > kMostShift ||
      block.used > block.bytes.size() || block.used < 8) {
    return std::nullopt;
  }
  std::size_t at = 8;
  const std::size_t end = block.used;
  auto varint = [&](std::uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at == end) {
        return false;
      }
      const std::uint8_t byte = block.bytes[at++];
      value |= std::uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) {
        return true;
      }
    }
    return false;
  };
  std::uint64_t number = 0;
  if (mode.stepped && !varint(number)) {
    return std::nullopt;
  }
  std::uint64_t scans = 0;
  while (at < end) {
    const std::uint8_t head = block.bytes[at++];
    std::size_t size = 0;
    std::uint64_t covers = 1;
    if (head >= 0x60 && head < 0x80) {
      covers = head - 0x60u + 1;
    } else if (head == 0xf0 || head == 0xf1) {
      if (!varint(covers)) {
        return std::nullopt;
      }
    } else if (head == 0xf9) {
      size = 8;
    } else if (mode.coder == Coder::Xor) {
      const unsigned leading = head >> 3;
      size = (head & 7u) + 1;
      if (head >= 0x40 || leading + size > 8) {
        return std::nullopt;
      }
    } else if (head < 0x60) {
      size = 0;
    } else if (head < 0xc0) {
      size = 1;
    } else if (head < 0xe0) {
      size = 2;
    } else if (head < 0xf0) {
      size = 3;
    } else if (head >= 0xf4 && head <= 0xf8) {
      size = head - 0xf0u;
    } else {
      return std::nullopt;
    }
    if (size > end - at || covers > kMostScans || scans + covers > kMostScans) {
      return std::nullopt;
    }
    at += size;
    scans += covers;
  }
  return static_cast<std::uint32_t>(scans);
}

} // namespace stellwerk
