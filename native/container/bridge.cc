#include "container/bridge.hpp"

#include "container/netlink.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <optional>
#include <string_view>
#include <sys/ioctl.h>

namespace stellwerk {
namespace {

struct Address {
  unsigned char family = AF_UNSPEC;
  std::size_t size = 0;
  std::array<unsigned char, sizeof(in6_addr)> bytes = {};

  unsigned bits() const noexcept { return static_cast<unsigned>(size) * 8; }
};

// Nothing for text that is no address, and for the unspecified one: as a gateway the kernel reads it as none.
std::optional<Address> parseAddress(const std::string& text) noexcept {
  Address address;
  if (text.find('\0') != std::string::npos) {
    return std::nullopt;
  }
  if (inet_pton(AF_INET, text.c_str(), address.bytes.data()) == 1) {
    address.family = AF_INET;
    address.size = sizeof(in_addr);
  } else if (inet_pton(AF_INET6, text.c_str(), address.bytes.data()) == 1) {
    address.family = AF_INET6;
    address.size = sizeof(in6_addr);
  } else {
    return std::nullopt;
  }
  const bool unspecified = std::all_of(address.bytes.begin(), address.bytes.end(), [](auto byte) { return byte == 0; });
  return unspecified ? std::nullopt : std::optional(address);
}

// The kernel's rule for interface names (dev_valid_name), plus no zero byte.
bool validName(std::string_view name) noexcept {
  constexpr std::string_view kForbidden("/: \t\n\v\f\r\0", 9);
  return !name.empty() && name.size() < IFNAMSIZ && name != "." && name != ".." &&
         name.find_first_of(kForbidden) == std::string_view::npos;
}

struct Addresses {
  Address own;
  std::optional<Address> gateway;
};

Result<Addresses> check(const BridgedNetwork& network) {
  const auto wrong = [](const char* what, const std::string& subject) {
    return Failure::of("check spec", what, subject.c_str(), EINVAL);
  };
  for (const std::string* name : {&network.bridge, &network.outer, &network.inner}) {
    if (!validName(*name)) {
      return wrong("interface name", *name);
    }
  }
  if (network.outer == network.bridge) {
    // The outer interface is deleted first: that would be the bridge.
    return wrong("interface name is the bridge's", network.outer);
  }
  const auto own = parseAddress(network.address);
  if (!own) {
    return wrong("address", network.address);
  }
  if (network.prefix == 0 || network.prefix > own->bits()) {
    return wrong("prefix", network.address + '/' + std::to_string(network.prefix));
  }
  Addresses addresses = {.own = *own};
  if (!network.gateway.empty()) {
    addresses.gateway = parseAddress(network.gateway);
    if (!addresses.gateway || addresses.gateway->family != own->family) {
      return wrong("gateway", network.gateway);
    }
  }
  return addresses;
}

// Asked through the netlink socket, which answers for its own namespace (netdevice(7): any socket will do).
Result<int> indexOf(const NetlinkSocket& socket, const std::string& name, const char* step) noexcept {
  ifreq request = {};
  memcpy(request.ifr_name, name.data(), name.size());
  if (ioctl(socket.fd.get(), SIOCGIFINDEX, &request) != 0) {
    return Failure::of(step, "SIOCGIFINDEX", name.c_str());
  }
  return request.ifr_ifindex;
}

Result<Done> removeLink(NetlinkSocket& socket, const std::string& name) noexcept {
  NetlinkRequest request("RTM_DELLINK", RTM_DELLINK);
  request.header(ifinfomsg{});
  request.text(IFLA_IFNAME, name);
  auto done = transact(socket, request, "delete interface", name.c_str());
  return !done && done.failure().error == ENODEV ? Result<Done>(Done{}) : done;
}

Result<Done> createPair(NetlinkSocket& host, const BridgedNetwork& network, int netns) {
  NetlinkRequest request("RTM_NEWLINK", RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  request.header(ifinfomsg{});
  request.text(IFLA_IFNAME, network.outer);
  request.nested(IFLA_LINKINFO, [&] {
    request.text(IFLA_INFO_KIND, "veth");
    request.nested(IFLA_INFO_DATA, [&] {
      request.nested(VETH_INFO_PEER, [&] {
        request.header(ifinfomsg{});
        request.text(IFLA_IFNAME, network.inner);
        request.number(IFLA_NET_NS_FD, netns);
      });
    });
  });
  const std::string both = network.outer + " with peer " + network.inner;
  return transact(host, request, "create interface", both.c_str());
}

Result<Done> raise(NetlinkSocket& socket, int index, const std::string& name) noexcept {
  NetlinkRequest request("RTM_NEWLINK", RTM_NEWLINK);
  request.header(ifinfomsg{.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP});
  return transact(socket, request, "bring up interface", name.c_str());
}

Result<Done> raiseByName(NetlinkSocket& socket, const std::string& name) noexcept {
  const auto index = indexOf(socket, name, "bring up interface");
  return index ? raise(socket, index.value(), name) : Result<Done>(index.failure());
}

Result<Done> isolate(NetlinkSocket& host, int outer, const std::string& name) noexcept {
  NetlinkRequest request("RTM_SETLINK", RTM_SETLINK);
  request.header(ifinfomsg{.ifi_family = AF_BRIDGE, .ifi_index = outer});
  request.nested(IFLA_PROTINFO, [&] { request.number(IFLA_BRPORT_ISOLATED, std::uint8_t{1}); });
  return transact(host, request, "isolate port", name.c_str());
}

// Isolated before it is up: no frame passes in between.
Result<Done> plugOuter(NetlinkSocket& host, const BridgedNetwork& network, int bridge) noexcept {
  const auto outer = indexOf(host, network.outer, "join bridge");
  if (!outer) {
    return outer.failure();
  }
  NetlinkRequest join("RTM_NEWLINK", RTM_NEWLINK);
  join.header(ifinfomsg{.ifi_index = outer.value()});
  join.number(IFLA_MASTER, bridge);
  if (auto done = transact(host, join, "join bridge", network.bridge.c_str()); !done) {
    return done;
  }
  if (network.isolated) {
    if (auto done = isolate(host, outer.value(), network.outer); !done) {
      return done;
    }
  }
  return raise(host, outer.value(), network.outer);
}

Result<Done> addAddress(NetlinkSocket& inside, const BridgedNetwork& network, const Address& own, int index) {
  NetlinkRequest request("RTM_NEWADDR", RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
  // Without duplicate detection an IPv6 address can be bound at once, not a second or two after the start.
  request.header(ifaddrmsg{.ifa_family = own.family,
                           .ifa_prefixlen = static_cast<unsigned char>(network.prefix),
                           .ifa_flags = static_cast<unsigned char>(own.family == AF_INET6 ? IFA_F_NODAD : 0),
                           .ifa_scope = RT_SCOPE_UNIVERSE,
                           .ifa_index = static_cast<unsigned>(index)});
  request.bytes(IFA_LOCAL, own.bytes.data(), own.size);
  request.bytes(IFA_ADDRESS, own.bytes.data(), own.size);
  const std::string subject = network.address + '/' + std::to_string(network.prefix) + " on " + network.inner;
  return transact(inside, request, "add address", subject.c_str());
}

Result<Done> addDefaultRoute(NetlinkSocket& inside, const BridgedNetwork& network, const Address& gateway, int index) {
  NetlinkRequest request("RTM_NEWROUTE", RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
  request.header(rtmsg{.rtm_family = gateway.family,
                       .rtm_table = RT_TABLE_MAIN,
                       .rtm_protocol = RTPROT_STATIC,
                       .rtm_scope = RT_SCOPE_UNIVERSE,
                       .rtm_type = RTN_UNICAST});
  request.bytes(RTA_GATEWAY, gateway.bytes.data(), gateway.size);
  request.number(RTA_OIF, index);
  const std::string subject = network.gateway + " through " + network.inner;
  return transact(inside, request, "add default route", subject.c_str());
}

Result<Done> setUpInner(NetlinkSocket& inside, const BridgedNetwork& network, const Addresses& addresses) {
  if (auto done = raiseByName(inside, "lo"); !done) {
    return done;
  }
  const auto index = indexOf(inside, network.inner, "add address");
  if (!index) {
    return index.failure();
  }
  if (auto done = addAddress(inside, network, addresses.own, index.value()); !done) {
    return done;
  }
  if (auto done = raise(inside, index.value(), network.inner); !done) {
    return done;
  }
  return addresses.gateway ? addDefaultRoute(inside, network, *addresses.gateway, index.value()) : Done{};
}

Result<Done> createAndPlug(NetlinkSocket& host, const BridgedNetwork& network, int netns) {
  const auto bridge = indexOf(host, network.bridge, "find bridge");
  if (!bridge) {
    return bridge.failure();
  }
  if (auto done = createPair(host, network, netns); !done) {
    return done;
  }
  return plugOuter(host, network, bridge.value());
}

} // namespace

Result<Done> connectBridge(const BridgedNetwork& network, int netns) {
  if (network.address.empty()) {
    auto inside = openNetlinkIn(netns);
    return inside ? raiseByName(inside.value(), "lo") : Result<Done>(inside.failure());
  }
  const auto addresses = check(network);
  if (!addresses) {
    return addresses.failure();
  }
  auto host = openNetlink();
  if (!host) {
    return host.failure();
  }
  if (auto done = removeLink(host.value(), network.outer); !done) {
    return done;
  }
  auto inside = openNetlinkIn(netns);
  if (!inside) {
    return inside.failure();
  }
  auto done = createAndPlug(host.value(), network, netns);
  if (done) {
    done = setUpInner(inside.value(), network, addresses.value());
  }
  if (!done) {
    // Takes the inner end along. The first failure is the one to tell.
    (void)removeLink(host.value(), network.outer);
  }
  return done;
}

} // namespace stellwerk
