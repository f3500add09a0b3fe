// What is in a folder: getdents64(2) with a large buffer. A listing of /proc costs the kernel a search from the start at each
// call, and readdir(3) asks for no more than 32 KiB at a time.
#pragma once

#include "base/fd.hpp"

#include <algorithm>
#include <cstdint>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace stellwerk {

// sink(name, type) of each entry, `.` and `..` too; type: DT_DIR and so on, readdir(3). False: it cannot be read (any more).
template <class Sink> bool listFolder(int directory, const char* path, std::vector<char>& buffer, Sink sink) {
  struct Entry { // linux_dirent64
    std::uint64_t inode;
    std::int64_t offset;
    std::uint16_t length;
    std::uint8_t type;
  };
  constexpr std::size_t kNameAt = 19;
  const Fd fd(openat(directory, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) {
    return false;
  }
  for (;;) {
    const auto got = syscall(SYS_getdents64, fd.get(), buffer.data(), buffer.size());
    if (got <= 0) {
      return got == 0;
    }
    for (std::size_t at = 0; at < static_cast<std::size_t>(got);) {
      Entry entry;
      __builtin_memcpy(&entry, buffer.data() + at, kNameAt);
      sink(std::string_view(buffer.data() + at + kNameAt), entry.type);
      at += entry.length;
    }
  }
}

// Sorted, without those that begin with a dot; empty where it cannot be read.
inline std::vector<std::string> namesIn(const std::string& path) {
  std::vector<std::string> names;
  std::vector<char> buffer(16 * 1024);
  listFolder(AT_FDCWD, path.c_str(), buffer, [&](std::string_view name, std::uint8_t) {
    if (!name.starts_with('.')) {
      names.emplace_back(name);
    }
  });
  std::sort(names.begin(), names.end());
  return names;
}

} // namespace stellwerk
