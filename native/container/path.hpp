// Paths inside a root that somebody else has filled.
#pragma once

#include "base/failure.hpp"
#include "base/fd.hpp"

namespace stellwerk {

// Opens (O_PATH) `path`, which lies at or below `base`: openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS, so that
// nobody who may write beneath `base` can lead elsewhere. `base` itself may be reached through links: it is the operator's.
Result<Fd> openBeneath(const char* base, const char* path, const char* step) noexcept;

// Opens (O_PATH) what `path` names when `root` is `/`: a symlink or `..` in it cannot lead outside (openat2(2)
// RESOLVE_IN_ROOT). Kernels before 5.6 lack openat2: there symlinks in the path are refused with ELOOP.
// Async-signal-safe.
// Opens `path` (O_PATH), which lies at or below `base`, as openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS: what
// others may write to beneath `base` cannot lead elsewhere.
Result<Fd> openBeneath(const char* base, const char* path, const char* step) noexcept;

Result<Fd> openInRoot(int root, const char* path, const char* step) noexcept;

// The fallback, apart so that it is tested on every kernel.
int openWithoutSymlinks(int root, const char* path) noexcept;

} // namespace stellwerk
