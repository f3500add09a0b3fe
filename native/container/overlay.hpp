// Overlay mounts (Linux Documentation/filesystems/overlayfs.rst), made by the root of a user namespace: marks are kept in
// user.overlay.* attributes (mount option userxattr, Linux 5.11). Everything here is async-signal-safe.
#pragma once

#include "base/failure.hpp"

#include <cstddef>

namespace stellwerk {

struct OverlayFolders {
  const int* lowers = nullptr; // descriptors, the uppermost first; at least one
  std::size_t lowerCount = 0;
  int upper = -1; // of one file system with `work`; -1: nothing can be written
  int work = -1;
};

// So many fit into the page that mount(2) takes.
inline constexpr std::size_t kMostLowers = 150;

// Mounts over the working folder. The descriptors are looked up in /proc/self/fd: paths need no escapes and may be long.
Result<Done> mountOverlayHere(const OverlayFolders& folders, const char* subject) noexcept;

// One lower folder: the upper one gets its mode and owner, which those of the merged folder are.
Result<Done> mountOverlayOver(int lower, int upper, int work, int target, const char* subject) noexcept;

// Makes the folders `upper` and `work` in `folder`, which is empty and of a file system of its own, and covers it by the
// overlay of `lower`: what is written goes to that file system. On failure `folder` is empty again.
Result<Done> mountOverlayWithin(int lower, int folder, const char* subject) noexcept;

} // namespace stellwerk
