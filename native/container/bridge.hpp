// A container's own network: a veth pair between a bridge of the host and the container's network namespace.
// Kernel documents: veth(4), rtnetlink(7), network_namespaces(7).
#pragma once

#include "base/failure.hpp"

#include <string>

namespace stellwerk {

struct BridgedNetwork {
  std::string bridge;    // a bridge of the host
  std::string outer;     // the pair's end on the host; an interface of this name is replaced
  std::string inner;     // the pair's end in the container
  std::string address;   // IPv4 or IPv6 as text; empty: only `lo` is set up
  unsigned prefix = 0;   // bits, 1 to 32 or 128
  std::string gateway;   // of the same family as the address; empty: no default route
  bool isolated = false; // the bridge passes nothing between two isolated ports
};

// Gives the namespace `netns` (an fd) its network. Host root, outside the child; may allocate.
// What is malformed is refused with EINVAL as "check spec" before anything is touched; a missing bridge is ENODEV
// about its name. A later failure leaves nothing that this call made, nor an older `outer` that could be deleted.
Result<Done> connectBridge(const BridgedNetwork& network, int netns);

} // namespace stellwerk
