#include "container/sockets.hpp"

#include "base/number.hpp"
#include "container/kernel.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <netinet/in.h>
#include <sys/socket.h>

namespace stellwerk {
namespace {

constexpr int kFirst = 3;

// The numbers of a /proc/PID/fd folder.
std::vector<int> descriptorsOf(const std::string& folder) {
  std::vector<int> numbers;
  const auto close = [](DIR* open) { closedir(open); };
  const std::unique_ptr<DIR, decltype(close)> list(opendir(folder.c_str()), close);
  if (!list) {
    return numbers;
  }
  for (const dirent* entry = readdir(list.get()); entry != nullptr; entry = readdir(list.get())) {
    std::uint64_t number = 0;
    if (parseUnsigned(entry->d_name, number) && number >= kFirst) {
      numbers.push_back(static_cast<int>(number));
    }
  }
  return numbers;
}

} // namespace

std::optional<BoundAddress> listeningAddress(int fd) noexcept {
  int listening = 0;
  int type = 0;
  socklen_t size = sizeof listening;
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || listening == 0 ||
      getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM) {
    return std::nullopt;
  }
  sockaddr_storage address = {};
  socklen_t length = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return std::nullopt;
  }
  char text[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET) {
    const auto* four = reinterpret_cast<const sockaddr_in*>(&address);
    inet_ntop(AF_INET, &four->sin_addr, text, sizeof text);
    return BoundAddress{text, ntohs(four->sin_port)};
  }
  if (address.ss_family == AF_INET6) {
    const auto* six = reinterpret_cast<const sockaddr_in6*>(&address);
    inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof text);
    return BoundAddress{text, ntohs(six->sin6_port)};
  }
  return std::nullopt;
}

std::vector<FoundSocket> ownListening() {
  std::vector<FoundSocket> found;
  for (const int number : descriptorsOf("/proc/self/fd")) {
    if (auto address = listeningAddress(number)) {
      found.push_back({Fd(number), std::move(*address)});
    }
  }
  return found;
}

Result<std::vector<FoundSocket>> takeListening(pid_t pid, int pidfd) {
  std::vector<FoundSocket> found;
  for (const int number : descriptorsOf("/proc/" + std::to_string(pid) + "/fd")) {
    Fd copy(kernel::pidfdGetFd(pidfd, number));
    if (!copy) {
      if (errno == EBADF) {
        continue; // closed meanwhile
      }
      return Failure::of("take sockets", "pidfd_getfd", std::to_string(pid).c_str());
    }
    if (auto address = listeningAddress(copy.get())) {
      found.push_back({std::move(copy), std::move(*address)});
    }
  }
  return found;
}

} // namespace stellwerk
