// One series as plain numbers, for sums and rates over many: no stamps, no copies, no 64-bit words.
#pragma once

#include "history/history.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <span>

namespace stellwerk {

// The samples from the scan stamped `newest` back, newest first, into all of `into`; NaN: missing, or older than what is
// kept. False, and `into` is not to be used: no scan has that stamp, or a whole number is beyond what a double holds exactly.
inline bool readFloats(const History& history, std::uint32_t id, Kind kind, double newest, std::span<double> into) {
  constexpr std::int64_t kMostExact = (std::int64_t{1} << 53) - 1;
  std::fill(into.begin(), into.end(), std::numeric_limits<double>::quiet_NaN());
  const Timeline& timeline = history.timeline();
  std::uint32_t end = timeline.end();
  while (end != timeline.first() && static_cast<double>(timeline.at(end - 1)) > newest) {
    --end;
  }
  if (end == timeline.first() || static_cast<double>(timeline.at(end - 1)) != newest) {
    return false;
  }
  const auto count = static_cast<std::uint32_t>(std::min<std::size_t>(into.size(), end - timeline.first()));
  if (count == 0) {
    return true;
  }
  double* const first = into.data();
  bool exact = true;
  const std::uint32_t last = end - 1;
  switch (kind) {
  case Kind::Counter:
    history.read(id, end - count, end, [&](std::uint32_t scan, std::uint64_t word) {
      exact = exact && word <= static_cast<std::uint64_t>(kMostExact);
      first[last - scan] = static_cast<double>(static_cast<std::int64_t>(word));
    });
    break;
  case Kind::Integer:
    history.read(id, end - count, end, [&](std::uint32_t scan, std::uint64_t word) {
      const auto value = static_cast<std::int64_t>(word);
      exact = exact && value <= kMostExact && value >= -kMostExact;
      first[last - scan] = static_cast<double>(value);
    });
    break;
  case Kind::Float:
    history.read(id, end - count, end,
                 [&](std::uint32_t scan, std::uint64_t word) { first[last - scan] = std::bit_cast<double>(word); });
    break;
  }
  return exact;
}

} // namespace stellwerk
