// Listening sockets that outlive the process which opened them: found among its own descriptors after an execve, or taken
// from another process that has them. Kernel documents: pidfd_getfd(2), socket(7), proc_pid_fd(5).
#pragma once

#include "base/failure.hpp"
#include "base/fd.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace stellwerk {

struct BoundAddress {
  std::string host; // as inet_ntop(3) words it
  std::uint16_t port = 0;
};

struct FoundSocket {
  Fd fd;
  BoundAddress address;
};

// Of a TCP socket that listens; nothing for any other descriptor.
std::optional<BoundAddress> listeningAddress(int fd) noexcept;

// This process's own, from 3 on. They are returned as they are, not as copies.
std::vector<FoundSocket> ownListening();

// Copies of another process's, from 3 on.
Result<std::vector<FoundSocket>> takeListening(pid_t pid, int pidfd);

} // namespace stellwerk
