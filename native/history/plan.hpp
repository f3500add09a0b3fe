// How samples become code in a block: chosen when it begins, from what the block before it holds.
#pragma once

#include "history/block.hpp"
#include "history/kind.hpp"
#include "history/walk.hpp"

#include <cstdint>

namespace stellwerk {

struct Plan {
  codec::Mode mode;
  std::uint8_t shift = 0;
  std::uint8_t order = 5; // of no consequence after some samples
  Track start;
};

Plan firstPlan(Kind kind, std::uint64_t word) noexcept;
// `before` is whole: no run of it is still open.
Plan planAfter(const Block& before, Kind kind) noexcept;

} // namespace stellwerk
