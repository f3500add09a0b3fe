#include "container/bridge.hpp"

#include "base/failure_text.hpp"
#include "container/listening.hpp"
#include "container/netlink.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <utility>
#include <vector>

using namespace stellwerk;

namespace {

constexpr const char* kOwnNetwork = "/proc/thread-self/ns/net";

Fd openOwnNetwork() { return Fd(open(kOwnNetwork, O_RDONLY | O_CLOEXEC)); }

ino_t ownNetworkInode() {
  struct stat status = {};
  stat(kOwnNetwork, &status);
  return status.st_ino;
}

// The thread is inside the namespace for as long as this lives.
class Inside {
public:
  explicit Inside(const Fd& netns) : before_(openOwnNetwork()) { EXPECT_EQ(setns(netns.get(), CLONE_NEWNET), 0); }
  ~Inside() { EXPECT_EQ(setns(before_.get(), CLONE_NEWNET), 0); }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

private:
  Fd before_;
};

Fd newNetwork() {
  const Fd before = openOwnNetwork();
  EXPECT_EQ(unshare(CLONE_NEWNET), 0);
  Fd made = openOwnNetwork();
  EXPECT_EQ(setns(before.get(), CLONE_NEWNET), 0);
  return made;
}

bool exists(const char* name) { return if_nametoindex(name) != 0; }

bool existsIn(const Fd& netns, const char* name) {
  const Inside inside(netns);
  return exists(name);
}

bool isUp(const char* name) {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = {};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  return ioctl(socket.get(), SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP) != 0;
}

// The lines of a file of /proc/thread-self/net that have the word.
std::string linesAbout(const char* file, const char* word) {
  std::ifstream input(std::string("/proc/thread-self/net/") + file);
  std::string found;
  for (std::string line; std::getline(input, line);) {
    if (line.find(word) != std::string::npos) {
      found += line + '\n';
    }
  }
  return found;
}

std::ptrdiff_t openDescriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
}

Fd listenIn(const Fd& netns, const char* host) {
  const Inside inside(netns);
  const std::vector<ListeningSocket> wanted = {{.host = host, .port = 4000}};
  auto opened = openListening(numberSockets(wanted).value()[0]);
  EXPECT_TRUE(opened) << describe(opened.failure());
  return opened ? std::move(opened).value() : Fd();
}

// Does a TCP connection from the namespace to host:4000 come about in this time?
bool connects(const Fd& from, const char* host, int milliseconds) {
  const Inside inside(from);
  const std::vector<ListeningSocket> wanted = {{.host = host, .port = 4000}};
  const NumberedSocket to = numberSockets(wanted).value()[0];
  const Fd client(socket(to.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (connect(client.get(), reinterpret_cast<const sockaddr*>(&to.address), to.size) == 0) {
    return true;
  }
  EXPECT_EQ(errno, EINPROGRESS) << strerror(errno);
  pollfd waiting = {.fd = client.get(), .events = POLLOUT, .revents = 0};
  int error = 0;
  socklen_t size = sizeof error;
  return poll(&waiting, 1, milliseconds) == 1 &&
         getsockopt(client.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
}

// Each test has a "host" network of its own, with a bridge br0 that is up and has an address of both families.
class Bridge : public testing::Test {
protected:
  void SetUp() override {
    before_ = openOwnNetwork();
    if (unshare(CLONE_NEWNET) != 0) {
      before_.reset();
      GTEST_SKIP() << "needs the right to make network namespaces: " << strerror(errno);
    }
    auto opened = openNetlink();
    ASSERT_TRUE(opened);
    host_ = std::move(opened).value();
    makeBridge();
    giveAddress("10.9.0.1", 24);
    giveAddress("fd09::1", 64);
  }

  void TearDown() override {
    if (before_) {
      ASSERT_EQ(setns(before_.get(), CLONE_NEWNET), 0);
    }
  }

  static BridgedNetwork network(const char* name, const char* address) {
    const bool four = strchr(address, '.') != nullptr;
    return {.bridge = "br0",
            .outer = std::string("li_") + name,
            .inner = std::string("li-") + name,
            .address = address,
            .prefix = four ? 24u : 64u,
            .gateway = four ? "10.9.0.1" : "fd09::1"};
  }

  static void connectIt(const BridgedNetwork& network, const Fd& netns) {
    const auto done = connectBridge(network, netns.get());
    ASSERT_TRUE(done) << describe(done.failure());
  }

  static Failure refusalOf(const BridgedNetwork& network, const Fd& netns) {
    const auto done = connectBridge(network, netns.get());
    EXPECT_FALSE(done) << network.address << ' ' << network.gateway << ' ' << network.outer;
    return done ? Failure{} : done.failure();
  }

  NetlinkSocket host_;

private:
  void makeBridge() {
    NetlinkRequest request("RTM_NEWLINK", RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    request.header(ifinfomsg{.ifi_flags = IFF_UP, .ifi_change = IFF_UP});
    request.text(IFLA_IFNAME, "br0");
    request.nested(IFLA_LINKINFO, [&] { request.text(IFLA_INFO_KIND, "bridge"); });
    ASSERT_TRUE(transact(host_, request, "test", "br0"));
  }

  void giveAddress(const char* text, unsigned char prefix) {
    unsigned char bytes[16] = {};
    const bool four = strchr(text, '.') != nullptr;
    ASSERT_EQ(inet_pton(four ? AF_INET : AF_INET6, text, bytes), 1);
    NetlinkRequest request("RTM_NEWADDR", RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
    request.header(ifaddrmsg{.ifa_family = static_cast<unsigned char>(four ? AF_INET : AF_INET6),
                             .ifa_prefixlen = prefix,
                             .ifa_flags = static_cast<unsigned char>(four ? 0 : IFA_F_NODAD),
                             .ifa_index = if_nametoindex("br0")});
    request.bytes(IFA_LOCAL, bytes, four ? 4 : 16);
    ASSERT_TRUE(transact(host_, request, "test", "br0"));
  }

  Fd before_;
};

TEST_F(Bridge, GivesTheContainerItsEndWithAddressAndRoute) {
  const Fd netns = newNetwork();
  connectIt(network("a", "10.9.0.2"), netns);
  EXPECT_TRUE(isUp("li_a"));
  EXPECT_FALSE(exists("li-a"));
  const Inside inside(netns);
  EXPECT_FALSE(exists("li_a"));
  EXPECT_TRUE(isUp("li-a"));
  EXPECT_TRUE(isUp("lo"));
  EXPECT_NE(linesAbout("fib_trie", "-- 10.9.0.2"), "");
  const std::string routes = linesAbout("route", "li-a");
  // 10.9.0.0 with 24 bits of mask, then destination 0 through 10.9.0.1, in the bytes' own order.
  EXPECT_NE(routes.find("li-a\t0000090A\t00000000\t0001\t0\t0\t0\t00FFFFFF"), std::string::npos) << routes;
  EXPECT_NE(routes.find("li-a\t00000000\t0100090A\t0003"), std::string::npos) << routes;
}

TEST_F(Bridge, LeavesTheRouteOutWithoutAGateway) {
  const Fd netns = newNetwork();
  BridgedNetwork wanted = network("a", "10.9.0.2");
  wanted.gateway = "";
  connectIt(wanted, netns);
  const Inside inside(netns);
  const std::string routes = linesAbout("route", "li-a");
  EXPECT_EQ(std::count(routes.begin(), routes.end(), '\n'), 1) << routes;
  EXPECT_NE(linesAbout("route", "li-a\t0000090A"), "");
}

TEST_F(Bridge, OnlyRaisesLoWithoutAnAddress) {
  const Fd netns = newNetwork();
  BridgedNetwork wanted = network("a", "10.9.0.2");
  wanted.address = "";
  connectIt(wanted, netns);
  EXPECT_FALSE(exists("li_a"));
  const Inside inside(netns);
  EXPECT_FALSE(exists("li-a"));
  EXPECT_TRUE(isUp("lo"));
}

TEST_F(Bridge, LetsTwoContainersReachEachOther) {
  const Fd one = newNetwork();
  const Fd two = newNetwork();
  connectIt(network("a", "10.9.0.2"), one);
  connectIt(network("b", "10.9.0.3"), two);
  const Fd server = listenIn(one, "10.9.0.2");
  EXPECT_TRUE(connects(two, "10.9.0.2", 5'000));
}

TEST_F(Bridge, KeepsIsolatedContainersApartButNotFromTheHost) {
  const Fd one = newNetwork();
  const Fd two = newNetwork();
  const Fd open = newNetwork();
  BridgedNetwork first = network("a", "10.9.0.2");
  BridgedNetwork second = network("b", "10.9.0.3");
  first.isolated = second.isolated = true;
  connectIt(first, one);
  connectIt(second, two);
  connectIt(network("c", "10.9.0.4"), open);
  const Fd onHost = listenIn(openOwnNetwork(), "10.9.0.1");
  const Fd server = listenIn(one, "10.9.0.2");
  EXPECT_TRUE(connects(one, "10.9.0.1", 5'000));
  EXPECT_TRUE(connects(two, "10.9.0.1", 5'000));
  EXPECT_TRUE(connects(open, "10.9.0.2", 5'000));
  EXPECT_FALSE(connects(two, "10.9.0.2", 1'500));
}

TEST_F(Bridge, WorksWithIpv6FromTheFirstMoment) {
  const Fd one = newNetwork();
  const Fd two = newNetwork();
  connectIt(network("a", "fd09::2"), one);
  connectIt(network("b", "fd09::3"), two);
  {
    const Inside inside(one);
    const std::string address = linesAbout("if_inet6", "fd090000000000000000000000000002");
    EXPECT_NE(address.find(" 40 00 82 "), std::string::npos) << address;
    EXPECT_NE(address.find("li-a"), std::string::npos) << address;
    const std::string routes = linesAbout("ipv6_route", "li-a");
    EXPECT_NE(routes.find("00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
                          "fd090000000000000000000000000001"),
              std::string::npos)
        << routes;
  }
  // A tentative address could not be bound.
  const Fd server = listenIn(one, "fd09::2");
  EXPECT_TRUE(connects(two, "fd09::2", 5'000));
}

TEST_F(Bridge, FindsTheGatewayEveryTimeBeforeTheLinkHasSettled) {
  for (const char* address : {"10.9.0.2", "fd09::2"}) {
    for (int round = 0; round < 25; ++round) {
      connectIt(network("a", address), newNetwork());
    }
  }
}

TEST_F(Bridge, ReplacesAnExistingOuterInterface) {
  const Fd one = newNetwork();
  const Fd two = newNetwork();
  connectIt(network("a", "10.9.0.2"), one);
  const unsigned first = if_nametoindex("li_a");
  connectIt(network("a", "10.9.0.2"), two);
  EXPECT_NE(if_nametoindex("li_a"), 0u);
  EXPECT_NE(if_nametoindex("li_a"), first);
  EXPECT_FALSE(existsIn(one, "li-a"));
  EXPECT_TRUE(existsIn(two, "li-a"));
}

TEST_F(Bridge, NamesAMissingBridgeAndLeavesNothing) {
  const Fd netns = newNetwork();
  BridgedNetwork wanted = network("a", "10.9.0.2");
  connectIt(wanted, newNetwork());
  wanted.bridge = "br7";
  const Failure failure = refusalOf(wanted, netns);
  EXPECT_STREQ(failure.step, "find bridge");
  EXPECT_STREQ(failure.subject, "br7");
  EXPECT_EQ(failure.error, ENODEV);
  EXPECT_FALSE(exists("li_a"));
  EXPECT_FALSE(existsIn(netns, "li-a"));
}

TEST_F(Bridge, LeavesNothingWhenItFailsHalfWay) {
  const Fd netns = newNetwork();
  const ino_t home = ownNetworkInode();
  BridgedNetwork noBridge = network("a", "10.9.0.2");
  noBridge.bridge = "lo";
  const Failure joining = refusalOf(noBridge, netns);
  EXPECT_STREQ(joining.step, "join bridge");
  EXPECT_STREQ(joining.subject, "lo");
  EXPECT_FALSE(exists("li_a"));
  BridgedNetwork farGateway = network("a", "10.9.0.2");
  farGateway.gateway = "192.0.2.1";
  EXPECT_EQ(describe(refusalOf(farGateway, netns)),
            "add default route: RTM_NEWROUTE: 192.0.2.1 through li-a: Network is unreachable");
  EXPECT_FALSE(exists("li_a"));
  EXPECT_FALSE(existsIn(netns, "li-a"));
  EXPECT_EQ(ownNetworkInode(), home);
}

TEST_F(Bridge, SaysWhenTheInnerNameIsTaken) {
  const Fd netns = newNetwork();
  connectIt(network("a", "10.9.0.2"), netns);
  BridgedNetwork wanted = network("b", "10.9.0.3");
  wanted.inner = "li-a";
  EXPECT_EQ(describe(refusalOf(wanted, netns)), "create interface: RTM_NEWLINK: li_b with peer li-a: File exists");
  EXPECT_FALSE(exists("li_b"));
  EXPECT_TRUE(exists("li_a"));
}

TEST_F(Bridge, RefusesWhatIsMalformedBeforeItTouchesAnything) {
  const Fd netns = newNetwork();
  connectIt(network("a", "10.9.0.2"), netns);
  const unsigned before = if_nametoindex("li_a");
  using Field = std::string BridgedNetwork::*;
  const std::vector<std::pair<Field, std::vector<std::string>>> cases = {
      // The last address is fine by itself, but its gateway is IPv4.
      {&BridgedNetwork::address,
       {"10.9.0", "10.9.0.256", "10.9.0.2/24", " 10.9.0.2", "fd09::2%eth0", "0.0.0.0", std::string("10.9.0.2\0x", 10),
        "fd09::2"}},
      {&BridgedNetwork::gateway, {"gateway", "0.0.0.0", "fd09::1"}},
      {&BridgedNetwork::outer, {"", "br0", "sixteen-letters."}},
      {&BridgedNetwork::inner, {"a/b", std::string("a\0b", 3)}},
      {&BridgedNetwork::bridge, {"two words", std::string(5'000, 'b')}},
  };
  for (const auto& [field, values] : cases) {
    for (const std::string& value : values) {
      BridgedNetwork wanted = network("a", "10.9.0.2");
      wanted.*field = value;
      const Failure failure = refusalOf(wanted, netns);
      EXPECT_STREQ(failure.step, "check spec") << value;
      EXPECT_EQ(failure.error, EINVAL) << value;
    }
  }
  for (const unsigned prefix : {0u, 33u, 280u}) {
    BridgedNetwork wanted = network("a", "10.9.0.2");
    wanted.prefix = prefix;
    EXPECT_EQ(refusalOf(wanted, netns).subject, "10.9.0.2/" + std::to_string(prefix));
  }
  EXPECT_TRUE(exists("br0"));
  EXPECT_EQ(if_nametoindex("li_a"), before);
}

TEST_F(Bridge, RefusesADescriptorThatIsNoNetwork) {
  const Fd file(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const Failure failure = refusalOf(network("a", "10.9.0.2"), file);
  EXPECT_STREQ(failure.step, "enter network");
  EXPECT_FALSE(exists("li_a"));
}

TEST_F(Bridge, ComesBackHomeAndClosesWhatItOpened) {
  const Fd netns = newNetwork();
  const ino_t home = ownNetworkInode();
  const std::ptrdiff_t descriptors = openDescriptors();
  connectIt(network("a", "10.9.0.2"), netns);
  EXPECT_EQ(ownNetworkInode(), home);
  EXPECT_EQ(openDescriptors(), descriptors);
}

TEST_F(Bridge, NeverSendsACutRequest) {
  NetlinkRequest many("RTM_DELLINK", RTM_DELLINK);
  many.header(ifinfomsg{});
  many.text(IFLA_IFNAME, "br0");
  for (int count = 0; count < 200; ++count) {
    many.number(IFLA_GROUP, 7u);
  }
  NetlinkRequest large("RTM_DELLINK", RTM_DELLINK);
  large.header(ifinfomsg{});
  large.text(IFLA_IFNAME, "br0");
  large.nested(IFLA_LINKINFO, [&] { large.text(IFLA_INFO_KIND, std::string(70'000, 'x')); });
  for (NetlinkRequest* request : {&many, &large}) {
    const auto done = transact(host_, *request, "test", "br0");
    ASSERT_FALSE(done);
    EXPECT_EQ(done.failure().error, EMSGSIZE);
  }
  EXPECT_TRUE(exists("br0"));
}

} // namespace
