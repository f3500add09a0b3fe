// The TCP and UDP sockets of this network namespace, asked of the kernel by sock_diag(7): one dump instead of a text of
// 150 bytes per socket. Taken when somebody looks, not at each scan.
#pragma once

#include "base/failure.hpp"

#include <cstdint>
#include <vector>

namespace stellwerk {

// As it crosses to TypeScript (src/native/scanner.ts, readSockets): 56 bytes in the host's byte order.
struct SocketRecord {
  std::uint8_t local[16] = {}; // network byte order; IPv4 in the first 4
  std::uint8_t remote[16] = {};
  std::uint16_t localPort = 0; // host byte order
  std::uint16_t remotePort = 0;
  std::uint8_t family = 0;   // 4 or 6
  std::uint8_t protocol = 0; // IPPROTO_TCP, IPPROTO_UDP
  std::uint8_t state = 0;    // TCP_ESTABLISHED = 1 … TCP_CLOSING = 11, as in /proc/net/tcp
  std::uint8_t unused = 0;
  std::uint32_t receiveQueue = 0; // bytes; of a listener: connections waiting
  std::uint32_t sendQueue = 0;
  std::uint32_t uid = 0;
  std::uint32_t inode = 0;
};
static_assert(sizeof(SocketRecord) == 56);

// A kernel without udp_diag has no UDP sockets to tell of; without netlink at all it is a failure.
Result<std::vector<SocketRecord>> readSocketTable();

// What one datagram of a dump says. False when the dump is over; `error` is the kernel's errno, or EBADMSG for what is
// no message. Apart, because it reads bytes from outside.
bool takeSocketMessages(const std::uint8_t* data, std::size_t size, std::uint8_t protocol,
                        std::vector<SocketRecord>& sockets, int& error);

} // namespace stellwerk
