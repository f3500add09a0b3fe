#include "scanner/socket_table.hpp"

#include "base/failure_text.hpp"
#include "base/fd.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <random>

namespace stellwerk {
namespace {

// A listener on a free port of 127.0.0.1.
std::pair<Fd, std::uint16_t> listening() {
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(listen(fd.get(), 16), 0);
  socklen_t length = sizeof address;
  EXPECT_EQ(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
  return {std::move(fd), ntohs(address.sin_port)};
}

TEST(SocketTable, HasListenersAndBothEndsOfAConnection) {
  const auto [listener, port] = listening();
  const Fd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  ASSERT_EQ(connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const Fd server(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(server);
  ASSERT_EQ(send(client.get(), "hello", 5, 0), 5);

  const auto table = readSocketTable();
  ASSERT_TRUE(table) << describe(table.failure());
  const auto& sockets = table.value();
  auto count = [&sockets, port = port](std::uint8_t state, bool local) {
    return std::count_if(sockets.begin(), sockets.end(), [&](const SocketRecord& socket) {
      return socket.protocol == IPPROTO_TCP && socket.family == 4 && socket.state == state &&
             (local ? socket.localPort : socket.remotePort) == port;
    });
  };
  EXPECT_EQ(count(10, true), 1);
  EXPECT_EQ(count(1, true), 1);
  EXPECT_EQ(count(1, false), 1);
  const auto found = std::find_if(sockets.begin(), sockets.end(), [port = port](const SocketRecord& socket) {
    return socket.state == 1 && socket.localPort == port;
  });
  EXPECT_EQ(found->receiveQueue, 5U);
  EXPECT_EQ(found->uid, getuid());
  const std::uint8_t loopback[4] = {127, 0, 0, 1};
  EXPECT_EQ(memcmp(found->local, loopback, 4), 0);
}

TEST(SocketTable, HasUdpSocketsWhereTheKernelTells) {
  const Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  socklen_t length = sizeof address;
  ASSERT_EQ(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
  const auto table = readSocketTable();
  ASSERT_TRUE(table) << describe(table.failure());
  const auto udp = std::count_if(table.value().begin(), table.value().end(),
                                 [](const SocketRecord& socket) { return socket.protocol == IPPROTO_UDP; });
  if (udp == 0) {
    GTEST_SKIP() << "this kernel has no udp_diag";
  }
  EXPECT_TRUE(std::any_of(table.value().begin(), table.value().end(), [&address](const SocketRecord& socket) {
    return socket.protocol == IPPROTO_UDP && socket.localPort == ntohs(address.sin_port);
  }));
}

TEST(SocketTable, OfAnyBytesReadsNothingBeyondThem) {
  std::mt19937 random(7);
  for (int round = 0; round < 20'000; ++round) {
    // On the heap and of just this size, so that the sanitizer sees each byte too many.
    std::vector<std::uint8_t> bytes(random() % 200);
    for (auto& byte : bytes) {
      byte = static_cast<std::uint8_t>(random() % 4 == 0 ? random() : 0);
    }
    if (bytes.size() >= sizeof(nlmsghdr) && round % 2 == 0) {
      const std::uint32_t length = static_cast<std::uint32_t>(random() % (bytes.size() + 8));
      memcpy(bytes.data(), &length, sizeof length);
    }
    std::vector<SocketRecord> sockets;
    int error = 0;
    takeSocketMessages(bytes.data(), bytes.size(), IPPROTO_TCP, sockets, error);
    EXPECT_LE(sockets.size(), bytes.size() / sizeof(nlmsghdr));
  }
}

} // namespace
} // namespace stellwerk
