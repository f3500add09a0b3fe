#include "hash/beneath.hpp"

#include "container/kernel.hpp"

#include <fcntl.h>

namespace stellwerk {
namespace {

bool without(int error) noexcept { return error == ENOSYS || error == EPERM; }

} // namespace

Result<Fd> openFolderWithin(const std::string& root, const std::string& below, const char* step) {
  Fd folder(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder) {
    return Failure::of(step, "open", root.c_str());
  }
  if (below.empty()) {
    return folder;
  }
  constexpr int kFlags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  Fd inner(kernel::openat2(folder.get(), below.c_str(), {.flags = kFlags, .resolve = kernel::kResolveBeneath}));
  if (!inner && without(errno)) {
    inner.reset(openat(folder.get(), below.c_str(), kFlags));
  }
  if (!inner) {
    return Failure::of(step, "openat2", (root + "/" + below).c_str());
  }
  return inner;
}

int openBeneathFolder(int folder, const char* path, int flags) noexcept {
  const auto all = static_cast<std::uint64_t>(flags | O_NOFOLLOW | O_CLOEXEC);
  const int fd = kernel::openat2(
      folder, path, {.flags = all, .resolve = kernel::kResolveBeneath | kernel::kResolveNoSymlinks});
  if (fd < 0 && without(errno)) {
    return openat(folder, path, flags | O_NOFOLLOW | O_CLOEXEC);
  }
  return fd;
}

} // namespace stellwerk
