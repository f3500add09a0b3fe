// Listening TCP sockets of a container's own network. Kernel documents: socket(7), tcp(7), ip(7), ipv6(7).
#pragma once

#include "base/failure.hpp"
#include "base/fd.hpp"
#include "container/spec.hpp"

#include <sys/socket.h>
#include <vector>

namespace stellwerk {

// Parsed before the clone: the child may not parse.
struct NumberedSocket {
  sockaddr_storage address;
  socklen_t size = 0;
  const ListeningSocket* socket = nullptr;
};

Result<std::vector<NumberedSocket>> numberSockets(const std::vector<ListeningSocket>& sockets);

// Async-signal-safe. IPv6 sockets take IPv6 only, so that `::` and `0.0.0.0` may both have a port.
Result<Fd> openListening(const NumberedSocket& wanted) noexcept;

} // namespace stellwerk
