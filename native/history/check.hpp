// Whether a block is one that decode() may follow: a snapshot may come from a disk that failed, or from somebody else.
#pragma once

#include "history/walk.hpp"

#include <cstdint>
#include <optional>

namespace stellwerk {

// The number of scans that the block covers; nullopt where it is damaged.
inline std::optional<std::uint32_t> checkBlock(const Block& block) noexcept {
  using namespace codec;
  constexpr std::uint64_t kMostScans = 0x7fffffff;
  const Mode mode = Mode::unpack(block.mode);
  if (static_cast<unsigned>(mode.coder) > 2 || static_cast<unsigned>(mode.predictor) > 2 ||
      mode.exponent > kMaxExponent || block.shift > kMaxShift || block.order > kMaxOrder) {
    return std::nullopt;
  }
  struct Counter {
    std::uint64_t scans = 0;
    bool add(std::uint64_t count) { return (scans += count) <= kMostScans; }
    bool run(const Track&, std::uint32_t count) { return add(count); }
    bool gap(std::uint32_t count) { return add(count); }
    bool one(std::uint64_t) { return add(1); }
    bool literal(std::uint64_t) { return add(1); }
  } counter;
  if (!walk(block, counter).sound || counter.scans > kMostScans) {
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(counter.scans);
}

} // namespace stellwerk
