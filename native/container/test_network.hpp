// The bridge and the nodes of a test network.
// Kernel documents: network_namespaces(7), setns(2), networking/ip-sysctl.rst.
#pragma once

#include "base/failure.hpp"
#include "base/fd.hpp"

#include <string>

namespace stellwerk {

// The calling thread is in another network namespace for as long as this lives; no other thread moves.
class Visit {
public:
  // Needs CAP_SYS_ADMIN there and here.
  static Result<Visit> enter(int net) noexcept;
  Visit(Visit&&) noexcept = default;
  Visit& operator=(Visit&&) = delete;
  ~Visit() { (void)leave(); }

  // After a failure the thread must not go on: what it does next would be done to the wrong network.
  Result<Done> leave() noexcept;

private:
  explicit Visit(Fd&& own) noexcept : own_(std::move(own)) {}
  Fd own_;
};

// A bridge that is up, with an IPv4 address, in the calling thread's network. A later failure leaves nothing.
Result<Done> createBridge(const std::string& name, const std::string& address, unsigned prefix);

// Before the network `net` has an interface beside lo: it will have IPv4 alone, route nothing, and let every user use
// every port and send pings.
Result<Done> prepareGuest(int net) noexcept;

} // namespace stellwerk
