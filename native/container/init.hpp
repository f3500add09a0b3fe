// Process 1 of a container: reaps orphans, forwards signals, ends with the program.
#pragma once

namespace stellwerk {

// Never returns. `statusPipe` gets the program's wait status (an int): as pid 1 the init cannot die of the same signal.
// All signals are blocked. Async-signal-safe.
[[noreturn]] void runInit(int program, int statusPipe) noexcept;

} // namespace stellwerk
