#include "container/packet_filter.hpp"

#include "container/netlink.hpp"
#include "container/test_network.hpp"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <string_view>
#include <sys/socket.h>

namespace stellwerk {
namespace {

constexpr const char* kStep = "filter packets";
constexpr std::string_view kFilterTable = "vagga";
constexpr std::string_view kAddressTable = "vagga-outside";
constexpr std::int32_t kSourceAddressPriority = 100; // NF_IP_PRI_NAT_SRC
constexpr std::uint32_t kPercent = 100;
// nf_tables.h has them as enumerators of several types.
constexpr std::uint32_t kRegister = NFT_REG_1;
constexpr std::uint32_t kSourceOffset = 12; // in the IPv4 header (RFC 791)

constexpr std::uint16_t ofTables(int message) noexcept {
  return static_cast<std::uint16_t>((NFNL_SUBSYS_NFTABLES << 8) | message);
}

// Messages that the kernel takes all or none of.
class Batch {
public:
  Batch() { boundary("NFNL_MSG_BATCH_BEGIN", NFNL_MSG_BATCH_BEGIN); }

  template <class Fill> void add(const char* name, int type, std::uint16_t flags, Fill fill) {
    NetlinkRequest request(name, ofTables(type), flags);
    request.header(nfgenmsg{.nfgen_family = NFPROTO_IPV4, .version = NFNETLINK_V0, .res_id = 0});
    fill(request);
    append(request);
  }

  // Of the last message alone: a refusal of any is told in any case, and hundreds of answers would not fit the socket.
  void acknowledge() noexcept {
    nlmsghdr header;
    memcpy(&header, bytes_.data() + last_, sizeof header);
    header.nlmsg_flags |= NLM_F_ACK;
    memcpy(bytes_.data() + last_, &header, sizeof header);
  }

  void end() { boundary("NFNL_MSG_BATCH_END", NFNL_MSG_BATCH_END); }
  bool fits() const noexcept { return fits_; }
  const std::vector<char>& bytes() const noexcept { return bytes_; }

private:
  void boundary(const char* name, std::uint16_t type) {
    NetlinkRequest request(name, type);
    request.header(nfgenmsg{.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES)});
    append(request);
  }

  void append(NetlinkRequest& request) {
    nlmsghdr* message = request.message(++sequence_);
    message->nlmsg_flags &= static_cast<std::uint16_t>(~NLM_F_ACK);
    fits_ = fits_ && request.fits();
    last_ = bytes_.size();
    const auto* from = reinterpret_cast<const char*>(message);
    bytes_.insert(bytes_.end(), from, from + message->nlmsg_len);
  }

  std::vector<char> bytes_;
  std::size_t last_ = 0; // where the last message begins
  std::uint32_t sequence_ = 0;
  bool fits_ = true;
};

void number(NetlinkRequest& request, std::uint16_t type, std::uint32_t value) noexcept {
  request.number(type, htonl(value));
}

template <class Fill> void expression(NetlinkRequest& request, std::string_view name, Fill fill) noexcept {
  request.nested(NFTA_LIST_ELEM, [&] {
    request.text(NFTA_EXPR_NAME, name);
    request.nested(NFTA_EXPR_DATA, fill);
  });
}

void compare(NetlinkRequest& request, std::uint32_t how, const void* data, std::size_t size) noexcept {
  expression(request, "cmp", [&] {
    number(request, NFTA_CMP_SREG, kRegister);
    number(request, NFTA_CMP_OP, how);
    request.nested(NFTA_CMP_DATA, [&] { request.bytes(NFTA_DATA_VALUE, data, size); });
  });
}

void verdict(NetlinkRequest& request, std::uint32_t code) noexcept {
  expression(request, "immediate", [&] {
    number(request, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    request.nested(NFTA_IMMEDIATE_DATA, [&] {
      request.nested(NFTA_DATA_VERDICT, [&] { number(request, NFTA_VERDICT_CODE, code); });
    });
  });
}

void matchInterface(NetlinkRequest& request, std::uint32_t key, std::string_view interface) noexcept {
  expression(request, "meta", [&] {
    number(request, NFTA_META_DREG, kRegister);
    number(request, NFTA_META_KEY, key);
  });
  char name[IFNAMSIZ] = {};
  interface.copy(name, sizeof name - 1);
  compare(request, NFT_CMP_EQ, name, sizeof name);
}

void matchSource(NetlinkRequest& request, in_addr address) noexcept {
  expression(request, "payload", [&] {
    number(request, NFTA_PAYLOAD_DREG, kRegister);
    number(request, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
    number(request, NFTA_PAYLOAD_OFFSET, kSourceOffset);
    number(request, NFTA_PAYLOAD_LEN, sizeof address);
  });
  compare(request, NFT_CMP_EQ, &address, sizeof address);
}

// Random numbers below 100 in the machine's order, made big-endian for the comparison.
void matchShare(NetlinkRequest& request, std::uint32_t percent) noexcept {
  expression(request, "numgen", [&] {
    number(request, NFTA_NG_DREG, kRegister);
    number(request, NFTA_NG_MODULUS, kPercent);
    number(request, NFTA_NG_TYPE, NFT_NG_RANDOM);
    number(request, NFTA_NG_OFFSET, 0);
  });
  expression(request, "byteorder", [&] {
    number(request, NFTA_BYTEORDER_SREG, kRegister);
    number(request, NFTA_BYTEORDER_DREG, kRegister);
    number(request, NFTA_BYTEORDER_OP, NFT_BYTEORDER_HTON);
    number(request, NFTA_BYTEORDER_LEN, sizeof(std::uint32_t));
    number(request, NFTA_BYTEORDER_SIZE, sizeof(std::uint32_t));
  });
  const std::uint32_t limit = htonl(percent);
  compare(request, NFT_CMP_LT, &limit, sizeof limit);
}

// A new table of this name, instead of what there was.
void table(Batch& batch, std::string_view table) {
  const auto add = [&](const char* name, int type, std::uint16_t flags) {
    batch.add(name, type, flags, [&](NetlinkRequest& request) { request.text(NFTA_TABLE_NAME, table); });
  };
  // There must be one to be deleted.
  add("NFT_MSG_NEWTABLE", NFT_MSG_NEWTABLE, NLM_F_CREATE);
  add("NFT_MSG_DELTABLE", NFT_MSG_DELTABLE, 0);
  add("NFT_MSG_NEWTABLE", NFT_MSG_NEWTABLE, NLM_F_CREATE);
}

struct ChainOf {
  std::string_view table;
  std::string_view name;
  std::string_view type;
  std::uint32_t hook;
  std::int32_t priority;
  bool pass;
};

void chain(Batch& batch, const ChainOf& chain) {
  batch.add("NFT_MSG_NEWCHAIN", NFT_MSG_NEWCHAIN, NLM_F_CREATE, [&](NetlinkRequest& request) {
    request.text(NFTA_CHAIN_TABLE, chain.table);
    request.text(NFTA_CHAIN_NAME, chain.name);
    request.nested(NFTA_CHAIN_HOOK, [&] {
      number(request, NFTA_HOOK_HOOKNUM, chain.hook);
      number(request, NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(chain.priority));
    });
    number(request, NFTA_CHAIN_POLICY, chain.pass ? NF_ACCEPT : NF_DROP);
    request.text(NFTA_CHAIN_TYPE, chain.type);
  });
}

template <class Fill>
void expressions(Batch& batch, std::string_view table, std::string_view chain, Fill fill) {
  batch.add("NFT_MSG_NEWRULE", NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, [&](NetlinkRequest& request) {
    request.text(NFTA_RULE_TABLE, table);
    request.text(NFTA_RULE_CHAIN, chain);
    request.nested(NFTA_RULE_EXPRESSIONS, [&] { fill(request); });
  });
}

template <class Fill> void rule(Batch& batch, std::string_view chain, std::uint32_t code, Fill match) {
  expressions(batch, kFilterTable, chain, [&](NetlinkRequest& request) {
    match(request);
    verdict(request, code);
  });
}

void fillChain(Batch& batch, std::string_view name, std::uint32_t hook, const PacketChain& wanted) {
  chain(batch, {.table = kFilterTable,
                .name = name,
                .type = "filter",
                .hook = hook,
                .priority = 0,
                .pass = wanted.pass});
  rule(batch, name, NF_ACCEPT, [](NetlinkRequest& request) { matchInterface(request, NFT_META_IIFNAME, "lo"); });
  const auto addresses = [&](const std::vector<in_addr>& list, std::uint32_t code) {
    for (const in_addr address : list) {
      rule(batch, name, code, [&](NetlinkRequest& request) { matchSource(request, address); });
    }
  };
  addresses(wanted.accept, NF_ACCEPT);
  addresses(wanted.drop, NF_DROP);
  if (wanted.lossPercent > 0) {
    rule(batch, name, NF_DROP, [&](NetlinkRequest& request) { matchShare(request, wanted.lossPercent); });
  }
}

Batch batchOf(const PacketFilter& filter) {
  Batch batch;
  table(batch, kFilterTable);
  fillChain(batch, "input", NF_INET_LOCAL_IN, filter.input);
  fillChain(batch, "forward", NF_INET_FORWARD, filter.forward);
  batch.acknowledge();
  batch.end();
  return batch;
}

// The first refusal among the answers of one datagram, a positive errno; 0: none. Counts the answers.
int firstRefusal(const char* data, std::size_t size, unsigned& answers) noexcept {
  std::size_t at = 0;
  while (size - at >= NLMSG_LENGTH(sizeof(nlmsgerr))) {
    nlmsghdr header;
    memcpy(&header, data + at, sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > size - at) {
      return 0;
    }
    if (header.nlmsg_type == NLMSG_ERROR && header.nlmsg_len >= NLMSG_LENGTH(sizeof(nlmsgerr))) {
      nlmsgerr answer;
      memcpy(&answer, data + at + NLMSG_HDRLEN, sizeof answer);
      answers++;
      if (answer.error != 0) {
        return -answer.error;
      }
    }
    const std::size_t step = NLMSG_ALIGN(header.nlmsg_len);
    if (step > size - at) {
      return 0;
    }
    at += step;
  }
  return 0;
}

// The kernel works while it is written to: its answers are all there afterwards.
Result<Done> readAnswers(int socket) noexcept {
  unsigned answers = 0;
  for (;;) {
    char answer[4096];
    sockaddr_nl sender = {};
    socklen_t senderSize = sizeof sender;
    const ssize_t size =
        recvfrom(socket, answer, sizeof answer, MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&sender), &senderSize);
    if (size < 0 && errno == EINTR) {
      continue;
    }
    if (size < 0 && errno == EAGAIN) {
      return answers > 0 ? Result<Done>(Done{}) : Failure::of(kStep, "recvfrom", "no answer", EPROTO);
    }
    if (size < 0) {
      return Failure::of(kStep, "recvfrom");
    }
    if (sender.nl_pid != 0) {
      continue;
    }
    if (const int error = firstRefusal(answer, static_cast<std::size_t>(size), answers); error != 0) {
      return Failure::of(kStep, "nf_tables", "", error);
    }
  }
}

Result<Fd> openNetfilter() noexcept {
  Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  return fd ? Result<Fd>(std::move(fd)) : Failure::of(kStep, "socket", "NETLINK_NETFILTER");
}

Result<Fd> openNetfilterIn(int netns) noexcept {
  auto visit = Visit::enter(netns);
  if (!visit) {
    return visit.failure();
  }
  auto opened = openNetfilter();
  if (auto done = visit.value().leave(); !done) {
    return done.failure();
  }
  return opened;
}

Result<Done> transactBatch(const Batch& batch, int fd) {
  if (!batch.fits()) {
    return Failure::of(kStep, "batch", "", EMSGSIZE);
  }
  // A refusal repeats no more than its header, so that it fits a small buffer.
  const int on = 1;
  const int room = 1 << 20;
  if (setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on) != 0 ||
      setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room) != 0) {
    return Failure::of(kStep, "setsockopt");
  }
  const sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  ssize_t sent = -1;
  do {
    sent = sendto(fd, batch.bytes().data(), batch.bytes().size(), 0, reinterpret_cast<const sockaddr*>(&kernel),
                  sizeof kernel);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? Result<Done>(Failure::of(kStep, "sendto")) : readAnswers(fd);
}

} // namespace

Result<Done> filterPackets(const PacketFilter& filter, int netns) {
  auto socket = openNetfilterIn(netns);
  return socket ? transactBatch(batchOf(filter), socket.value().get()) : Result<Done>(socket.failure());
}

Result<Done> masquerade(const std::string& interface) {
  constexpr std::string_view kChain = "postrouting";
  Batch batch;
  table(batch, kAddressTable);
  chain(batch, {.table = kAddressTable,
                .name = kChain,
                .type = "nat",
                .hook = NF_INET_POST_ROUTING,
                .priority = kSourceAddressPriority,
                .pass = true});
  expressions(batch, kAddressTable, kChain, [&](NetlinkRequest& request) {
    matchInterface(request, NFT_META_OIFNAME, interface);
    expression(request, "masq", [] {});
  });
  batch.acknowledge();
  batch.end();
  auto socket = openNetfilter();
  return socket ? transactBatch(batch, socket.value().get()) : Result<Done>(socket.failure());
}

} // namespace stellwerk
