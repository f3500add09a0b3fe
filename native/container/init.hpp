// Process 1 of a container: reaps orphans, forwards signals, ends with the program or starts it again.
#pragma once

#include "container/child.hpp"

namespace stellwerk {

// Never returns. The status pipe gets the wait status (an int) of each end of the program: as pid 1 the init cannot die
// of the same signal. All signals are blocked. Async-signal-safe.
[[noreturn]] void runInit(const Prepared& prepared, int program) noexcept;

} // namespace stellwerk
