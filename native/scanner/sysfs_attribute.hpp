// What a file or link below /sys says: Documentation/filesystems/sysfs.rst. One value per file.
#pragma once

#include "scanner/kept_file.hpp"

#include <fcntl.h>
#include <string>
#include <unistd.h>

namespace stellwerk {

// Without blanks at either end; empty: not there.
inline std::string readAttribute(Reader& reader, const std::string& path) {
  KeptFile file;
  std::string_view text;
  if (!file.read(reader, AT_FDCWD, path.c_str(), text)) {
    return {};
  }
  constexpr std::string_view kBlank = " \t\n";
  const std::size_t from = text.find_first_not_of(kBlank);
  return from == std::string_view::npos ? std::string()
                                        : std::string(text.substr(from, text.find_last_not_of(kBlank) + 1 - from));
}

// Empty: no link.
inline std::string linkTarget(const std::string& path) {
  char target[512];
  const ssize_t length = readlink(path.c_str(), target, sizeof target);
  return length > 0 ? std::string(target, static_cast<std::size_t>(length)) : std::string();
}

} // namespace stellwerk
