#include "scanner/kept_file.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace stellwerk {

namespace {

// Left to Node, sockets and files of the rest of the process.
constexpr rlim_t kReserve = 1024;
// 20 000 processes or 8 000 cgroups with all their files; the kernel keeps about 1 KiB for each.
constexpr rlim_t kMost = 100'000;

ssize_t readFrom(int fd, std::vector<char>& buffer, ReadWhole whole) {
  std::size_t size = 0;
  for (;;) {
    ssize_t count = pread(fd, buffer.data() + size, buffer.size() - size, static_cast<off_t>(size));
    if (count < 0) {
      if (errno == EINTR) {
        continue;
      }
      return -1;
    }
    size += static_cast<std::size_t>(count);
    bool full = size == buffer.size();
    if (count == 0 || (whole == ReadWhole::Once && !full)) {
      return static_cast<ssize_t>(size);
    }
    if (full) {
      buffer.resize(buffer.size() * 2);
    }
  }
}

} // namespace

FdBudget FdBudget::ofProcess() noexcept {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return FdBudget(0);
  }
  // Beyond the hard limit only with CAP_SYS_RESOURCE.
  const rlim_t wanted = kMost + kReserve;
  for (const rlimit raised : {rlimit{std::max(limit.rlim_cur, wanted), std::max(limit.rlim_max, wanted)},
                              rlimit{std::max(limit.rlim_cur, std::min(limit.rlim_max, wanted)), limit.rlim_max}}) {
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) {
      limit = raised;
      break;
    }
  }
  rlim_t room = limit.rlim_cur > 2 * kReserve ? limit.rlim_cur - kReserve : limit.rlim_cur / 2;
  return FdBudget(static_cast<std::size_t>(room < kMost ? room : kMost));
}

bool KeptFile::read(Reader& reader, int directory, const char* path, std::string_view& text, ReadWhole whole) {
  if (!fd_) {
    fd_.reset(openat(directory, path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!fd_) {
      return false;
    }
    budget_ = reader.budget.take() ? &reader.budget : nullptr;
  }
  ++reader.filesRead;
  ssize_t size = readFrom(fd_.get(), reader.buffer, whole);
  int error = errno;
  if (size < 0 || budget_ == nullptr) {
    close();
  }
  if (size < 0) {
    errno = error;
    return false;
  }
  text = {reader.buffer.data(), static_cast<std::size_t>(size)};
  return true;
}

void KeptFile::close() noexcept {
  fd_.reset();
  if (budget_ != nullptr) {
    budget_->give();
    budget_ = nullptr;
  }
}

} // namespace stellwerk
