// The life of one container: start it, keep its output, pass SIGTERM once, kill it when it takes too long, record how it
// ended.
#pragma once

#include "knot/plan.hpp"

namespace stellwerk::knot {

// Exit codes of the knot.
inline constexpr int kStopped = 0; // ended by SIGTERM, or with a normal exit code
inline constexpr int kSetUpFailed = 1;
inline constexpr int kAbnormal = 2;
inline constexpr int kHadToBeKilled = 3;
inline constexpr int kAlreadyRunning = 75;

// With `foreground` the exit code is the program's own, 128 + N where signal N ended it, and 1 where it did not start.
// Secrets are taken into the environment, and wiped from this process once the program has them.
int supervise(Plan& plan);

} // namespace stellwerk::knot
