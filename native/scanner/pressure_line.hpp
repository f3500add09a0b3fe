// The lines of a pressure file, machine-wide or of a cgroup: Documentation/accounting/psi.rst.
#pragma once

#include "base/number.hpp"

#include <optional>

namespace stellwerk {

struct PressureTotals {
  std::optional<std::uint64_t> some; // µs
  std::optional<std::uint64_t> full;
};

inline PressureTotals parsePressure(std::string_view text) noexcept {
  PressureTotals totals;
  Cursor cursor(text);
  while (!cursor.done()) {
    std::string_view line = cursor.line();
    std::size_t at = line.find(" total=");
    std::uint64_t value = 0;
    if (at == std::string_view::npos || !Cursor(line.substr(at + 7)).readUnsigned(value)) {
      continue;
    }
    if (line.starts_with("some ")) {
      totals.some = value;
    } else if (line.starts_with("full ")) {
      totals.full = value;
    }
  }
  return totals;
}

} // namespace stellwerk
