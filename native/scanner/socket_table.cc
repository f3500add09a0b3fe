#include "scanner/socket_table.hpp"

#include "base/fd.hpp"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace stellwerk {
namespace {

constexpr const char* kStep = "socket table";
constexpr std::size_t kBufferBytes = 128 * 1024;
// TCP_ESTABLISHED to TCP_NEW_SYN_RECV. Not those that are only bound (Linux 6.8): for them the kernel searches all bound
// sockets anew for each datagram, which takes seconds where there are many.
constexpr std::uint32_t kAllStates = (1U << 13) - 2;

struct Question {
  nlmsghdr header;
  inet_diag_req_v2 body;
};

SocketRecord recordOf(const inet_diag_msg& said, std::uint8_t protocol) {
  SocketRecord socket;
  socket.family = said.idiag_family == AF_INET6 ? 6 : 4;
  const std::size_t length = socket.family == 6 ? 16 : 4;
  memcpy(socket.local, said.id.idiag_src, length);
  memcpy(socket.remote, said.id.idiag_dst, length);
  socket.localPort = ntohs(said.id.idiag_sport);
  socket.remotePort = ntohs(said.id.idiag_dport);
  socket.protocol = protocol;
  socket.state = said.idiag_state;
  socket.receiveQueue = said.idiag_rqueue;
  socket.sendQueue = said.idiag_wqueue;
  socket.uid = said.idiag_uid;
  socket.inode = said.idiag_inode;
  return socket;
}

Result<Done> dump(const Fd& netlink, std::uint8_t family, std::uint8_t protocol, std::vector<std::uint8_t>& buffer,
                  std::vector<SocketRecord>& sockets) {
  Question question = {};
  question.header.nlmsg_len = sizeof question;
  question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  question.body.sdiag_family = family;
  question.body.sdiag_protocol = protocol;
  question.body.idiag_states = kAllStates;
  const sockaddr_nl kernel = {.nl_family = AF_NETLINK, .nl_pad = 0, .nl_pid = 0, .nl_groups = 0};
  if (sendto(netlink.get(), &question, sizeof question, 0, reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel) <
      0) {
    return Failure::of(kStep, "sendto");
  }
  for (;;) {
    const ssize_t got = recv(netlink.get(), buffer.data(), buffer.size(), 0);
    if (got < 0) {
      if (errno == EINTR) {
        continue;
      }
      return Failure::of(kStep, "recv");
    }
    int error = 0;
    if (takeSocketMessages(buffer.data(), static_cast<std::size_t>(got), protocol, sockets, error)) {
      continue;
    }
    // No such protocol or family in this kernel: then there are no such sockets.
    if (error == 0 || error == ENOENT || error == EPROTONOSUPPORT || error == EAFNOSUPPORT) {
      return Done{};
    }
    return Failure::of(kStep, "sock_diag", "", error);
  }
}

} // namespace

bool takeSocketMessages(const std::uint8_t* data, std::size_t size, std::uint8_t protocol,
                        std::vector<SocketRecord>& sockets, int& error) {
  std::size_t at = 0;
  while (size - at >= sizeof(nlmsghdr)) {
    nlmsghdr header;
    memcpy(&header, data + at, sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > size - at) {
      error = EBADMSG;
      return false;
    }
    const std::size_t body = header.nlmsg_len - NLMSG_HDRLEN;
    if (header.nlmsg_type == NLMSG_DONE) {
      return false;
    }
    if (header.nlmsg_type == NLMSG_ERROR) {
      nlmsgerr answer = {};
      error = EBADMSG;
      if (body >= sizeof answer) {
        memcpy(&answer, data + at + NLMSG_HDRLEN, sizeof answer);
        error = -answer.error;
      }
      return false;
    }
    if (header.nlmsg_type == SOCK_DIAG_BY_FAMILY && body >= sizeof(inet_diag_msg)) {
      inet_diag_msg said;
      memcpy(&said, data + at + NLMSG_HDRLEN, sizeof said);
      sockets.push_back(recordOf(said, protocol));
    }
    const std::size_t step = NLMSG_ALIGN(header.nlmsg_len);
    if (step >= size - at) {
      break;
    }
    at += step;
  }
  return true;
}

Result<std::vector<SocketRecord>> readSocketTable() {
  const Fd netlink(socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!netlink) {
    return Failure::of(kStep, "socket");
  }
  std::vector<std::uint8_t> buffer(kBufferBytes);
  std::vector<SocketRecord> sockets;
  for (const std::uint8_t protocol : {IPPROTO_TCP, IPPROTO_UDP}) {
    for (const std::uint8_t family : {AF_INET, AF_INET6}) {
      if (const auto done = dump(netlink, family, protocol, buffer, sockets); !done) {
        return done.failure();
      }
    }
  }
  return sockets;
}

} // namespace stellwerk
