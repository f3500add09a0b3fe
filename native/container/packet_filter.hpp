// Which packets a node of a test network lets in and out: one nftables table, written as a whole.
// Kernel documents: nft(8), include/uapi/linux/netfilter/nf_tables.h, nfnetlink.h.
#pragma once

#include "base/failure.hpp"

#include <cstdint>
#include <netinet/in.h>
#include <string>
#include <vector>

namespace stellwerk {

// In this order: what is to be accepted, what is to be dropped, a share that is lost, and the rest.
struct PacketChain {
  std::vector<in_addr> accept; // where it comes from
  std::vector<in_addr> drop;
  unsigned lossPercent = 0; // 0 to 100
  bool pass = true;         // the rest
};

// Nothing is dropped where it leaves: the sender would be told (EPERM), which a network that is cut does not do.
struct PacketFilter {
  PacketChain input;
  PacketChain forward;
};

// The filter of the network namespace `netns` (an fd) is this one alone, from one packet to the next; `lo` is always
// open. A failure leaves the filter that there was. EOPNOTSUPP or EPROTONOSUPPORT: the kernel has no nf_tables.
Result<Done> filterPackets(const PacketFilter& filter, int netns);

// What the calling thread's network forwards out of the interface has the interface's own address as its source: one
// nftables table, written as a whole.
Result<Done> masquerade(const std::string& interface);

} // namespace stellwerk
