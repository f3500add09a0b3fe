#include "container/packet_filter.hpp"

#include "base/failure_text.hpp"
#include "base/fd.hpp"
#include "container/bridge.hpp"
#include "container/test_network.hpp"

#include <arpa/inet.h>
#include <cstdio>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <string>
#include <sys/socket.h>

using namespace stellwerk;

namespace {

in_addr address(const char* text) {
  in_addr bytes = {};
  EXPECT_EQ(inet_pton(AF_INET, text, &bytes), 1);
  return bytes;
}

constexpr std::uint16_t kPort = 4000;

sockaddr_in at(const char* host) { return {.sin_family = AF_INET, .sin_port = htons(kPort), .sin_addr = address(host)}; }

Fd newNetwork() {
  const Fd before(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(unshare(CLONE_NEWNET), 0);
  Fd made(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(setns(before.get(), CLONE_NEWNET), 0);
  return made;
}

Fd receive(const Fd& netns, const char* host) {
  auto visit = Visit::enter(netns.get());
  EXPECT_TRUE(visit);
  Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const sockaddr_in self = at(host);
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&self), sizeof self), 0);
  return fd;
}

// Out of this thread's network. The sender is never told that it does not arrive.
void sendTo(const char* host) {
  const Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const sockaddr_in peer = at(host);
  EXPECT_EQ(sendto(fd.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&peer), sizeof peer), 1);
}

// Takes it. What arrives is there within a moment; what is dropped is not waited for long.
bool hasPacket(const Fd& receiver) {
  pollfd waiting = {.fd = receiver.get(), .events = POLLIN, .revents = 0};
  char byte = 0;
  return poll(&waiting, 1, 300) == 1 && recv(receiver.get(), &byte, 1, 0) == 1;
}

// What nft(8) makes of the rules in this thread's network.
std::string ruleset() {
  std::string text;
  FILE* pipe = popen("nft list ruleset 2>&1", "r");
  char part[512];
  while (pipe != nullptr && fgets(part, sizeof part, pipe) != nullptr) {
    text += part;
  }
  if (pipe != nullptr) {
    pclose(pipe);
  }
  return text;
}

// Each test is in a network of its own.
class Filter : public testing::Test {
protected:
  void SetUp() override {
    before_ = Fd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (unshare(CLONE_NEWNET) != 0) {
      before_.reset();
      GTEST_SKIP() << "needs the right to make network namespaces: " << strerror(errno);
    }
    own_ = Fd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  }
  void TearDown() override {
    if (before_) {
      ASSERT_EQ(setns(before_.get(), CLONE_NEWNET), 0);
    }
  }
  // nft(8) is not needed for the work, only to look at it.
  static bool withoutNft() { return system("command -v nft > /dev/null") != 0; }

  Fd before_;
  Fd own_;
};

const std::string kOpen = "table ip vagga {\n"
                          "\tchain input {\n"
                          "\t\ttype filter hook input priority filter; policy accept;\n"
                          "\t\tiifname \"lo\" accept\n"
                          "\t}\n\n"
                          "\tchain forward {\n"
                          "\t\ttype filter hook forward priority filter; policy accept;\n"
                          "\t\tiifname \"lo\" accept\n"
                          "\t}\n"
                          "}\n";

TEST_F(Filter, IsWhatNftReads) {
  if (withoutNft()) {
    GTEST_SKIP() << "nft is missing (apt-get install nftables)";
  }
  const PacketFilter filter = {.input = {.accept = {address("172.23.0.254")},
                                         .drop = {address("172.23.0.2"), address("172.23.0.3")},
                                         .lossPercent = 30,
                                         .pass = true},
                               .forward = {.accept = {address("172.23.0.254")}, .drop = {}, .lossPercent = 0, .pass = false}};
  const auto done = filterPackets(filter, own_.get());
  ASSERT_TRUE(done) << describe(done.failure());
  EXPECT_EQ(ruleset(), "table ip vagga {\n"
                       "\tchain input {\n"
                       "\t\ttype filter hook input priority filter; policy accept;\n"
                       "\t\tiifname \"lo\" accept\n"
                       "\t\tip saddr 172.23.0.254 accept\n"
                       "\t\tip saddr 172.23.0.2 drop\n"
                       "\t\tip saddr 172.23.0.3 drop\n"
                       "\t\tnumgen random mod 100 < 30 drop\n"
                       "\t}\n\n"
                       "\tchain forward {\n"
                       "\t\ttype filter hook forward priority filter; policy drop;\n"
                       "\t\tiifname \"lo\" accept\n"
                       "\t\tip saddr 172.23.0.254 accept\n"
                       "\t}\n"
                       "}\n");
}

TEST_F(Filter, ReplacesItselfAsAWhole) {
  if (withoutNft()) {
    GTEST_SKIP() << "nft is missing (apt-get install nftables)";
  }
  PacketFilter most;
  for (int last = 1; last <= 253; last++) {
    most.input.drop.push_back(address(("172.23.0." + std::to_string(last)).c_str()));
    most.forward.drop.push_back(most.input.drop.back());
  }
  for (const PacketFilter& filter : {PacketFilter{}, most, most, PacketFilter{}}) {
    const auto done = filterPackets(filter, own_.get());
    ASSERT_TRUE(done) << describe(done.failure());
    if (filter.input.drop.empty()) {
      EXPECT_EQ(ruleset(), kOpen);
    } else {
      EXPECT_NE(ruleset().find("ip saddr 172.23.0.253 drop"), std::string::npos);
    }
  }
}

TEST_F(Filter, HasATableOfItsOwnForTheWayOutside) {
  if (withoutNft()) {
    GTEST_SKIP() << "nft is missing (apt-get install nftables)";
  }
  ASSERT_TRUE(filterPackets({}, own_.get()));
  for (int times = 0; times < 2; times++) {
    const auto done = masquerade("tap0");
    ASSERT_TRUE(done) << describe(done.failure());
  }
  EXPECT_EQ(ruleset(), kOpen + "table ip vagga-outside {\n"
                               "\tchain postrouting {\n"
                               "\t\ttype nat hook postrouting priority srcnat; policy accept;\n"
                               "\t\toifname \"tap0\" masquerade\n"
                               "\t}\n"
                               "}\n");
}

TEST_F(Filter, RefusesADescriptorThatIsNoNetwork) {
  const Fd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto done = filterPackets({}, null.get());
  ASSERT_FALSE(done);
  EXPECT_STREQ(done.failure().step, "enter network");
}

TEST_F(Filter, IsOfOneNetworkAloneAndItsLoStaysOpen) {
  const Fd inner = newNetwork();
  ASSERT_TRUE(createBridge("children", "172.23.0.254", 24));
  ASSERT_TRUE(connectBridge({.bridge = "children",
                             .outer = "ch1",
                             .inner = "eth0",
                             .address = "172.23.0.1",
                             .prefix = 24,
                             .gateway = "172.23.0.254"},
                            inner.get()));
  const Fd receiver = receive(inner, "172.23.0.1");
  const Fd ofLoopback = receive(inner, "127.0.0.1");
  const auto arrives = [&] {
    sendTo("172.23.0.1");
    return hasPacket(receiver);
  };
  EXPECT_TRUE(arrives());
  ASSERT_TRUE(filterPackets({.input = {.pass = false}, .forward = {}}, inner.get()));
  EXPECT_FALSE(arrives());
  {
    auto visit = Visit::enter(inner.get());
    ASSERT_TRUE(visit);
    sendTo("127.0.0.1");
    EXPECT_TRUE(hasPacket(ofLoopback));
  }
  ASSERT_TRUE(filterPackets({.input = {.accept = {address("172.23.0.254")}, .pass = false}, .forward = {}}, inner.get()));
  EXPECT_TRUE(arrives());
  ASSERT_TRUE(filterPackets({.input = {.drop = {address("172.23.0.254")}}, .forward = {}}, inner.get()));
  EXPECT_FALSE(arrives());
  ASSERT_TRUE(filterPackets({.input = {.lossPercent = 100}, .forward = {}}, inner.get()));
  EXPECT_FALSE(arrives());
  ASSERT_TRUE(filterPackets({}, inner.get()));
  EXPECT_TRUE(arrives());
}

TEST_F(Filter, BridgeIsRefusedWithWhatIsWrong) {
  EXPECT_FALSE(createBridge("", "172.23.0.254", 24));
  EXPECT_FALSE(createBridge("a-name-that-is-too-long", "172.23.0.254", 24));
  const auto wrong = createBridge("children", "172.23.0", 24);
  ASSERT_FALSE(wrong);
  EXPECT_STREQ(wrong.failure().subject, "172.23.0");
  // Nothing is left that would be in the way.
  EXPECT_TRUE(createBridge("children", "172.23.0.254", 24));
  EXPECT_FALSE(createBridge("children", "172.23.0.254", 24));
}

} // namespace
