// Opening what lies below a folder, without ever leaving it or following a symbolic link on the way.
#pragma once

#include "base/fd.hpp"
#include "base/failure.hpp"

#include <string>

namespace stellwerk {

// The folder `below` (relative; empty for `root` itself), to open others from. Symbolic links on the way to it are
// followed as long as they stay within `root`: a project may have such.
Result<Fd> openFolderWithin(const std::string& root, const std::string& below, const char* step);

// openat2(2) with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS; -1 with errno. Where the kernel has no openat2 (or a filter
// refuses it) openat with O_NOFOLLOW, which guards the last name only.
int openBeneathFolder(int folder, const char* path, int flags) noexcept;

} // namespace stellwerk
