// File descriptors across the clone. Async-signal-safe.
#pragma once

#include "base/failure.hpp"

#include <array>

namespace stellwerk {

// Puts the three at 0, 1 and 2, in whatever order they are now; marks all others close-on-exec.
Result<Done> takeStdio(const std::array<int, 3>& stdio, int null) noexcept;

// Closes all but `keep`.
void closeAllBut(int keep) noexcept;

} // namespace stellwerk
