#include "container/network.hpp"

#include "base/fd.hpp"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace stellwerk {

Result<Done> raiseLoopback() noexcept {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) {
    return Failure::of("bring up network", "socket");
  }
  ifreq request = {};
  memcpy(request.ifr_name, "lo", 3);
  request.ifr_flags = IFF_UP;
  if (ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) {
    return Failure::of("bring up network", "ioctl", "lo");
  }
  return Done{};
}

} // namespace stellwerk
