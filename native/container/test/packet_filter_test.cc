#include "container/packet_filter.hpp"

#include "base/failure_text.hpp"
#include "base/fd.hpp"
#include "container/network.hpp"
#include "container/test_network.hpp"

#include <arpa/inet.h>
#include <cstdio>
#include <fcntl.h>
#include <gtest/gtest.h>
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
                          "\tchain output {\n"
                          "\t\ttype filter hook output priority filter; policy accept;\n"
                          "\t\toifname \"lo\" accept\n"
                          "\t}\n\n"
                          "\tchain forward {\n"
                          "\t\ttype filter hook forward priority filter; policy drop;\n"
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
                               .output = {.accept = {address("172.23.0.254")}, .drop = {}, .lossPercent = 0, .pass = false}};
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
                       "\tchain output {\n"
                       "\t\ttype filter hook output priority filter; policy drop;\n"
                       "\t\toifname \"lo\" accept\n"
                       "\t\tip daddr 172.23.0.254 accept\n"
                       "\t}\n\n"
                       "\tchain forward {\n"
                       "\t\ttype filter hook forward priority filter; policy drop;\n"
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
    most.output.drop.push_back(most.input.drop.back());
  }
  for (const PacketFilter& filter : {PacketFilter{}, most, most, PacketFilter{}}) {
    const auto done = filterPackets(filter, own_.get());
    ASSERT_TRUE(done) << describe(done.failure());
    if (filter.input.drop.empty()) {
      EXPECT_EQ(ruleset(), kOpen);
    } else {
      EXPECT_NE(ruleset().find("ip daddr 172.23.0.253 drop"), std::string::npos);
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

TEST_F(Filter, LetsNothingThroughWhereNothingPasses) {
  ASSERT_TRUE(raiseLoopback());
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const sockaddr_in self = {.sin_family = AF_INET, .sin_port = htons(4000), .sin_addr = address("127.0.0.1")};
  const auto send = [&] {
    return sendto(socket.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&self), sizeof self);
  };
  // lo is open in any case; a bridge's own address is of lo too.
  ASSERT_TRUE(filterPackets({.input = {.pass = false}, .output = {.pass = false}}, own_.get()));
  EXPECT_EQ(send(), 1);
  ASSERT_TRUE(createBridge("children", "172.23.0.254", 24));
  const sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(4000), .sin_addr = address("172.23.0.1")};
  EXPECT_EQ(sendto(socket.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&peer), sizeof peer), -1);
  EXPECT_EQ(errno, EPERM);
  ASSERT_TRUE(filterPackets({.input = {.pass = false}, .output = {.accept = {peer.sin_addr}, .pass = false}}, own_.get()));
  EXPECT_EQ(sendto(socket.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&peer), sizeof peer), 1);
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
