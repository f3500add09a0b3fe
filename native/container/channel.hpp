// The line between starter and child: a pair of sequenced-packet unix sockets, closed by the program's execve.
#pragma once

#include "base/failure.hpp"
#include "base/fd.hpp"

#include <sys/types.h>

namespace stellwerk {

struct Channel {
  Fd starter;
  Fd child;
};

Result<Channel> openChannel() noexcept;

// Child: waits until the starter has written maps and cgroups. False: the starter is gone. Async-signal-safe.
bool awaitGo(int child) noexcept;
bool starterLives(int child) noexcept;
// The kernel adds the sender's pid as the receiver sees it (unix(7), SCM_CREDENTIALS).
void sendHello(int child) noexcept;
void sendFailure(int child, const Failure& failure) noexcept;

bool sendGo(int starter) noexcept;

// What a later program of the same container says of itself: its pid, a failure, or nothing (EAGAIN).
Result<pid_t> takeHello(int starter) noexcept;

// Reads until the execve closes the line. pid of the program; a Failure that the child sent; or one of our own where it
// died without a word.
Result<pid_t> awaitProgram(int starter) noexcept;

} // namespace stellwerk
