#include "container/test_network.hpp"

#include "container/netlink.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <string_view>
#include <sys/ioctl.h>

namespace stellwerk {
namespace {

constexpr const char* kOwn = "/proc/thread-self/ns/net";

// Of the thread's network. A kernel without the key, or a /proc/sys that is read-only: the network is then as any other.
void setKey(const char* path, std::string_view value) noexcept {
  const Fd file(open(path, O_WRONLY | O_CLOEXEC));
  if (file && write(file.get(), value.data(), value.size()) < 0) {
    return;
  }
}

Result<Done> addAddress(NetlinkSocket& socket, int index, const std::string& address, unsigned prefix) {
  in_addr bytes = {};
  if (inet_pton(AF_INET, address.c_str(), &bytes) != 1 || prefix == 0 || prefix > 32) {
    return Failure::of("create bridge", "address", address.c_str(), EINVAL);
  }
  NetlinkRequest request("RTM_NEWADDR", RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
  request.header(ifaddrmsg{.ifa_family = AF_INET,
                           .ifa_prefixlen = static_cast<unsigned char>(prefix),
                           .ifa_scope = RT_SCOPE_UNIVERSE,
                           .ifa_index = static_cast<unsigned>(index)});
  request.bytes(IFA_LOCAL, &bytes, sizeof bytes);
  request.bytes(IFA_ADDRESS, &bytes, sizeof bytes);
  return transact(socket, request, "add address", address.c_str());
}

Result<Done> raiseBridge(NetlinkSocket& socket, const std::string& name, const std::string& address, unsigned prefix) {
  ifreq wanted = {};
  memcpy(wanted.ifr_name, name.data(), name.size());
  if (ioctl(socket.fd.get(), SIOCGIFINDEX, &wanted) != 0) {
    return Failure::of("create bridge", "SIOCGIFINDEX", name.c_str());
  }
  const int index = wanted.ifr_ifindex;
  if (auto done = addAddress(socket, index, address, prefix); !done) {
    return done;
  }
  NetlinkRequest up("RTM_NEWLINK", RTM_NEWLINK);
  up.header(ifinfomsg{.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP});
  return transact(socket, up, "bring up interface", name.c_str());
}

} // namespace

Result<Visit> Visit::enter(int net) noexcept {
  constexpr const char* step = "enter network";
  Fd own(open(kOwn, O_RDONLY | O_CLOEXEC));
  if (!own) {
    return Failure::of(step, "open", kOwn);
  }
  if (setns(net, CLONE_NEWNET) != 0) {
    return Failure::of(step, "setns");
  }
  return Visit(std::move(own));
}

Result<Done> Visit::leave() noexcept {
  if (own_ && setns(own_.get(), CLONE_NEWNET) != 0) {
    return Failure::of("leave network", "setns", kOwn);
  }
  own_.reset();
  return Done{};
}

Result<Done> prepareGuest(int net) noexcept {
  auto visit = Visit::enter(net);
  if (!visit) {
    return visit.failure();
  }
  // The rules of a partition are of IPv4: by link-local addresses nodes would reach each other around them.
  setKey("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
  // A new network takes it over from the host.
  setKey("/proc/sys/net/ipv4/ip_forward", "0");
  // The network belongs to the user namespace of the run, not to those of the containers.
  setKey("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
  setKey("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
  return visit.value().leave();
}

Result<Done> createBridge(const std::string& name, const std::string& address, unsigned prefix) {
  if (name.empty() || name.size() >= IFNAMSIZ) {
    return Failure::of("create bridge", "interface name", name.c_str(), EINVAL);
  }
  auto socket = openNetlink();
  if (!socket) {
    return socket.failure();
  }
  NetlinkRequest create("RTM_NEWLINK", RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  create.header(ifinfomsg{});
  create.text(IFLA_IFNAME, name);
  create.nested(IFLA_LINKINFO, [&] { create.text(IFLA_INFO_KIND, "bridge"); });
  if (auto done = transact(socket.value(), create, "create bridge", name.c_str()); !done) {
    return done;
  }
  auto done = raiseBridge(socket.value(), name, address, prefix);
  if (!done) {
    NetlinkRequest remove("RTM_DELLINK", RTM_DELLINK);
    remove.header(ifinfomsg{});
    remove.text(IFLA_IFNAME, name);
    // The first failure is the one to tell.
    (void)transact(socket.value(), remove, "delete interface", name.c_str());
  }
  return done;
}

} // namespace stellwerk
