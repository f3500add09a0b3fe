#include "container/listening.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

namespace stellwerk {
namespace {

constexpr const char* kStep = "open sockets";

} // namespace

Result<std::vector<NumberedSocket>> numberSockets(const std::vector<ListeningSocket>& sockets) {
  std::vector<NumberedSocket> numbered;
  for (const ListeningSocket& socket : sockets) {
    NumberedSocket entry = {.address = {}, .size = 0, .socket = &socket};
    auto* four = reinterpret_cast<sockaddr_in*>(&entry.address);
    auto* six = reinterpret_cast<sockaddr_in6*>(&entry.address);
    if (inet_pton(AF_INET, socket.host.c_str(), &four->sin_addr) == 1) {
      four->sin_family = AF_INET;
      four->sin_port = htons(socket.port);
      entry.size = sizeof *four;
    } else if (inet_pton(AF_INET6, socket.host.c_str(), &six->sin6_addr) == 1) {
      six->sin6_family = AF_INET6;
      six->sin6_port = htons(socket.port);
      entry.size = sizeof *six;
    } else {
      return Failure::of("check spec", "listen", socket.host.c_str(), EINVAL);
    }
    numbered.push_back(entry);
  }
  return numbered;
}

Result<Fd> openListening(const NumberedSocket& wanted) noexcept {
  const ListeningSocket& how = *wanted.socket;
  const char* host = how.host.c_str();
  Fd fd(socket(wanted.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | (how.nonBlocking ? SOCK_NONBLOCK : 0), 0));
  if (!fd) {
    return Failure::of(kStep, "socket", host);
  }
  const int on = 1;
  const auto set = [&](int level, int option) { return setsockopt(fd.get(), level, option, &on, sizeof on) == 0; };
  if ((how.reuseAddress && !set(SOL_SOCKET, SO_REUSEADDR)) || (how.reusePort && !set(SOL_SOCKET, SO_REUSEPORT)) ||
      (wanted.address.ss_family == AF_INET6 && !set(IPPROTO_IPV6, IPV6_V6ONLY))) {
    return Failure::of(kStep, "setsockopt", host);
  }
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&wanted.address), wanted.size) != 0) {
    return Failure::of(kStep, "bind", host);
  }
  if (listen(fd.get(), how.backlog) != 0) {
    return Failure::of(kStep, "listen", host);
  }
  return fd;
}

} // namespace stellwerk
