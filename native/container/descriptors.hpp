// File descriptors across the clone. Async-signal-safe.
#pragma once

#include "base/failure.hpp"
#include "container/spec.hpp"

#include <array>
#include <span>

namespace stellwerk {

// Puts the three at 0, 1 and 2, in whatever order they are now; marks all others close-on-exec.
Result<Done> takeStdio(const std::array<int, 3>& stdio, int null) noexcept;

// Puts each `from` at its `to`, which execve leaves open; moves `channel` out of their way. After takeStdio. Changes the
// list's `from` on the way.
Result<Done> takePassed(std::span<PassedFd> passed, int& channel) noexcept;

// Closes all but those in `keep`, which are in ascending order.
void closeAllBut(std::span<const int> keep) noexcept;

} // namespace stellwerk
