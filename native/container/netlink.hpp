// Requests to the kernel's routing tables and interfaces. Kernel documents: netlink(7), rtnetlink(7).
#pragma once

#include "base/failure.hpp"
#include "base/fd.hpp"

#include <cstdint>
#include <linux/netlink.h>
#include <string_view>
#include <type_traits>

namespace stellwerk {

// One request of fixed size. What does not fit is remembered, and `transact` refuses to send a cut request.
class NetlinkRequest {
public:
  // `name` is the message's own name (RTM_NEWLINK), for the Failure. `flags` beside NLM_F_REQUEST and NLM_F_ACK.
  NetlinkRequest(const char* name, std::uint16_t type, std::uint16_t flags = 0) noexcept;

  // A fixed header: ifinfomsg, ifaddrmsg, rtmsg. Before the attributes, of the message or of a nest.
  template <class Header> void header(const Header& header) noexcept {
    static_assert(std::is_trivially_copyable_v<Header>);
    append(&header, sizeof header);
  }

  void bytes(std::uint16_t type, const void* data, std::size_t size) noexcept;
  // With its closing zero, as the kernel's NLA_NUL_STRING wants it.
  void text(std::uint16_t type, std::string_view value) noexcept;
  template <class Number> void number(std::uint16_t type, Number value) noexcept {
    static_assert(std::is_integral_v<Number>);
    bytes(type, &value, sizeof value);
  }

  // An attribute that holds what `fill()` adds.
  template <class Fill> void nested(std::uint16_t type, Fill fill) noexcept {
    const std::size_t start = open(type);
    fill();
    close(start);
  }

  bool fits() const noexcept { return fits_; }
  const char* name() const noexcept { return name_; }
  // The finished message. Its length counts every byte added so far.
  nlmsghdr* message(std::uint32_t sequence) noexcept;

private:
  static constexpr std::size_t kSize = 1024;

  void append(const void* data, std::size_t size) noexcept;
  std::size_t open(std::uint16_t type) noexcept;
  void close(std::size_t start) noexcept;

  alignas(nlmsghdr) char buffer_[kSize] = {};
  std::size_t used_ = 0;
  bool fits_ = true;
  const char* name_;
};

// A socket belongs for good to the network namespace of the thread that opened it.
struct NetlinkSocket {
  Fd fd;
  std::uint32_t sequence = 0;
};

// In the calling thread's network namespace.
Result<NetlinkSocket> openNetlink() noexcept;

// In another network namespace. The calling thread enters it for the length of one call and returns; no other
// thread moves. Needs CAP_SYS_ADMIN there and here (setns(2)).
Result<NetlinkSocket> openNetlinkIn(int netns) noexcept;

// Sends the request and waits for the kernel's answer. A refusal is a Failure with the kernel's errno, the message's
// name as its call, and the given step and subject. EMSGSIZE: the request was larger than its buffer.
Result<Done> transact(NetlinkSocket& socket, NetlinkRequest& request, const char* step, const char* subject) noexcept;

} // namespace stellwerk
