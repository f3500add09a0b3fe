// What a fresh network namespace needs.
#pragma once

#include "base/failure.hpp"

namespace stellwerk {

// Brings `lo` up. Kernel document: netdevice(7). Async-signal-safe.
Result<Done> raiseLoopback() noexcept;

} // namespace stellwerk
