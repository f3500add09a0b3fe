#include "container/netlink.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>

namespace stellwerk {
namespace {

constexpr const char* kEnterStep = "enter network";

// The kernel's own address: port 0.
constexpr sockaddr_nl kKernel = {.nl_family = AF_NETLINK};

Result<Done> send(const NetlinkSocket& socket, const nlmsghdr* message, const char* step,
                  const char* subject) noexcept {
  ssize_t sent = -1;
  do {
    sent = sendto(socket.fd.get(), message, message->nlmsg_len, 0, reinterpret_cast<const sockaddr*>(&kKernel),
                  sizeof kKernel);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? Result<Done>(Failure::of(step, "sendto", subject)) : Done{};
}

// The kernel's verdict on one sequence number: 0 or a positive errno. Nothing when the datagram has none.
struct Verdict {
  bool found = false;
  int error = 0;
};

Verdict findVerdict(const char* data, std::size_t size, std::uint32_t sequence) noexcept {
  std::size_t at = 0;
  while (size - at >= sizeof(nlmsghdr)) {
    nlmsghdr header;
    memcpy(&header, data + at, sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > size - at) {
      return {};
    }
    if (header.nlmsg_type == NLMSG_ERROR && header.nlmsg_seq == sequence &&
        header.nlmsg_len >= NLMSG_LENGTH(sizeof(nlmsgerr))) {
      nlmsgerr answer;
      memcpy(&answer, data + at + NLMSG_HDRLEN, sizeof answer);
      return {.found = true, .error = -answer.error};
    }
    const std::size_t step = NLMSG_ALIGN(header.nlmsg_len);
    if (step > size - at) {
      return {};
    }
    at += step;
  }
  return {};
}

} // namespace

NetlinkRequest::NetlinkRequest(const char* name, std::uint16_t type, std::uint16_t flags) noexcept : name_(name) {
  nlmsghdr start = {};
  start.nlmsg_type = type;
  start.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
  append(&start, sizeof start);
}

void NetlinkRequest::append(const void* data, std::size_t size) noexcept {
  if (!fits_ || NLMSG_ALIGN(size) > kSize - used_) {
    fits_ = false;
    return;
  }
  memcpy(buffer_ + used_, data, size);
  // The gap up to the next boundary is already zero.
  used_ += NLMSG_ALIGN(size);
}

void NetlinkRequest::bytes(std::uint16_t type, const void* data, std::size_t size) noexcept {
  if (size > kSize) {
    fits_ = false;
    return;
  }
  const nlattr start = {.nla_len = static_cast<std::uint16_t>(NLA_HDRLEN + size), .nla_type = type};
  append(&start, sizeof start);
  append(data, size);
}

void NetlinkRequest::text(std::uint16_t type, std::string_view value) noexcept {
  if (value.size() >= kSize) {
    fits_ = false;
    return;
  }
  const nlattr start = {.nla_len = static_cast<std::uint16_t>(NLA_HDRLEN + value.size() + 1), .nla_type = type};
  append(&start, sizeof start);
  // One copy of text and zero: two appends would be aligned one by one.
  char closed[kSize] = {};
  memcpy(closed, value.data(), value.size());
  append(closed, value.size() + 1);
}

std::size_t NetlinkRequest::open(std::uint16_t type) noexcept {
  const std::size_t start = used_;
  // The bridge's port options are read as a bare state byte without this flag.
  const nlattr empty = {.nla_len = NLA_HDRLEN, .nla_type = static_cast<std::uint16_t>(type | NLA_F_NESTED)};
  append(&empty, sizeof empty);
  return start;
}

void NetlinkRequest::close(std::size_t start) noexcept {
  if (fits_) {
    const auto length = static_cast<std::uint16_t>(used_ - start);
    memcpy(buffer_ + start + offsetof(nlattr, nla_len), &length, sizeof length);
  }
}

nlmsghdr* NetlinkRequest::message(std::uint32_t sequence) noexcept {
  auto* start = reinterpret_cast<nlmsghdr*>(buffer_);
  start->nlmsg_len = static_cast<std::uint32_t>(used_);
  start->nlmsg_seq = sequence;
  return start;
}

Result<NetlinkSocket> openNetlink() noexcept {
  Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd) {
    return Failure::of("open netlink", "socket", "NETLINK_ROUTE");
  }
  // A refusal then repeats only the request's header, so that every answer fits a small buffer.
  const int on = 1;
  if (setsockopt(fd.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on) != 0) {
    return Failure::of("open netlink", "setsockopt", "NETLINK_CAP_ACK");
  }
  return NetlinkSocket{.fd = std::move(fd)};
}

Result<NetlinkSocket> openNetlinkIn(int netns) noexcept {
  constexpr const char* kOwn = "/proc/thread-self/ns/net";
  const Fd own(open(kOwn, O_RDONLY | O_CLOEXEC));
  if (!own) {
    return Failure::of(kEnterStep, "open", kOwn);
  }
  if (setns(netns, CLONE_NEWNET) != 0) {
    return Failure::of(kEnterStep, "setns");
  }
  auto socket = openNetlink();
  if (setns(own.get(), CLONE_NEWNET) != 0) {
    return Failure::of("leave network", "setns", kOwn);
  }
  return socket;
}

Result<Done> transact(NetlinkSocket& socket, NetlinkRequest& request, const char* step, const char* subject) noexcept {
  if (!request.fits()) {
    return Failure::of(step, request.name(), subject, EMSGSIZE);
  }
  const std::uint32_t sequence = ++socket.sequence;
  if (auto done = send(socket, request.message(sequence), step, subject); !done) {
    return done;
  }
  for (;;) {
    char answer[1024];
    sockaddr_nl sender = {};
    socklen_t senderSize = sizeof sender;
    const ssize_t size = recvfrom(socket.fd.get(), answer, sizeof answer, 0, reinterpret_cast<sockaddr*>(&sender),
                                  &senderSize);
    if (size < 0 && errno == EINTR) {
      continue;
    }
    if (size < 0) {
      return Failure::of(step, "recvfrom", subject);
    }
    // Any process may write to this socket's port; only the kernel's answers count.
    if (sender.nl_pid != 0) {
      continue;
    }
    const Verdict verdict = findVerdict(answer, static_cast<std::size_t>(size), sequence);
    if (verdict.found) {
      return verdict.error == 0 ? Result<Done>(Done{}) : Failure::of(step, request.name(), subject, verdict.error);
    }
  }
}

} // namespace stellwerk
