#include "container/channel.hpp"

#include <sys/socket.h>

namespace stellwerk {
namespace {

constexpr char kGo = 'g';

template <class Call> auto again(Call call) noexcept {
  auto result = call();
  while (result < 0 && errno == EINTR) {
    result = call();
  }
  return result;
}

} // namespace

Result<Channel> openChannel() noexcept {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    return Failure::of("prepare", "socketpair");
  }
  Channel channel = {Fd(pair[0]), Fd(pair[1])};
  const int on = 1;
  if (setsockopt(channel.starter.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0) {
    return Failure::of("prepare", "setsockopt", "SO_PASSCRED");
  }
  return channel;
}

bool awaitGo(int child) noexcept {
  char word = 0;
  return again([&] { return recv(child, &word, 1, 0); }) == 1 && word == kGo;
}

bool starterLives(int child) noexcept {
  char word = 0;
  return again([&] { return recv(child, &word, 1, MSG_PEEK | MSG_DONTWAIT); }) != 0;
}

void sendHello(int child) noexcept {
  const char word = 'h';
  again([&] { return send(child, &word, 1, MSG_NOSIGNAL); });
}

void sendFailure(int child, const Failure& failure) noexcept {
  again([&] { return send(child, &failure, sizeof failure, MSG_NOSIGNAL); });
}

bool sendGo(int starter) noexcept {
  return again([&] { return send(starter, &kGo, 1, MSG_NOSIGNAL); }) == 1;
}

Result<pid_t> awaitProgram(int starter) noexcept {
  pid_t program = -1;
  for (;;) {
    Failure failure;
    iovec part = {.iov_base = &failure, .iov_len = sizeof failure};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))];
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t got = again([&] { return recvmsg(starter, &message, MSG_CMSG_CLOEXEC); });
    if (got < 0) {
      return Failure::of("start", "recvmsg");
    }
    if (got == static_cast<ssize_t>(sizeof failure)) {
      return failure;
    }
    if (got == 0) {
      return program > 0 ? Result<pid_t>(program) : Failure::of("start", "clone3", "the child died", ECHILD);
    }
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
      if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_CREDENTIALS) {
        ucred credentials;
        memcpy(&credentials, CMSG_DATA(header), sizeof credentials);
        program = credentials.pid;
      }
    }
  }
}

} // namespace stellwerk
