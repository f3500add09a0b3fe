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

namespace {

struct Word {
  ssize_t size = 0;
  pid_t sender = -1; // as the receiver sees it; -1: none was told
  Failure failure;
};

Word receive(int starter, int flags) noexcept {
  Word word;
  iovec part = {.iov_base = &word.failure, .iov_len = sizeof word.failure};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))];
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  word.size = again([&] { return recvmsg(starter, &message, MSG_CMSG_CLOEXEC | flags); });
  if (word.size <= 0) {
    return word;
  }
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_CREDENTIALS) {
      ucred credentials;
      memcpy(&credentials, CMSG_DATA(header), sizeof credentials);
      word.sender = credentials.pid;
    }
  }
  return word;
}

} // namespace

Result<pid_t> takeHello(int starter) noexcept {
  const Word word = receive(starter, MSG_DONTWAIT);
  if (word.size == static_cast<ssize_t>(sizeof word.failure)) {
    return word.failure;
  }
  if (word.size <= 0) {
    return Failure::of("start again", "recvmsg", "", word.size == 0 ? EPIPE : errno);
  }
  return word.sender;
}

Result<pid_t> awaitProgram(int starter) noexcept {
  pid_t program = -1;
  for (;;) {
    const Word word = receive(starter, 0);
    if (word.size < 0) {
      return Failure::of("start", "recvmsg");
    }
    if (word.size == static_cast<ssize_t>(sizeof word.failure)) {
      return word.failure;
    }
    if (word.size == 0) {
      return program > 0 ? Result<pid_t>(program) : Failure::of("start", "clone3", "the child died", ECHILD);
    }
    program = word.sender;
  }
}

} // namespace stellwerk
