// A mount tree on its way from the host into the container.
//
// Kernel documents: open_tree(2), mount_setattr(2), move_mount(2); mount(2) for kernels before 5.12.
// A tree is cloned detached with all its submounts, gets its flags while nobody can reach it, and is then attached by
// file descriptor: no path is looked up twice. Everything here is async-signal-safe.
#pragma once

#include "base/failure.hpp"
#include "base/fd.hpp"

namespace stellwerk {

struct TreeFlags {
  bool readonly = false;
  bool exec = false;
  bool devices = false; // only for the bound device nodes; nosuid always holds
};

enum class MountApi { detached, classic };

// By probe: detached where open_tree and mount_setattr are there.
MountApi availableMountApi() noexcept;

struct Tree {
  Fd fd;
  bool detached = false; // false: `fd` is only the place (O_PATH) that the classic bind takes
};

// The detached tree of `folder`/`path` (of `folder` itself where `path` is empty) with all submounts. EPERM: the caller may not clone in this mount namespace.
Result<Tree> takeTree(MountApi api, int folder, const char* path, TreeFlags flags, const char* step) noexcept;

// mount_setattr(2) MOUNT_ATTR_IDMAP: what the disk says is id N is id N inside `userNamespace`. Before it is placed.
Result<Done> mapTreeIds(const Tree& tree, int userNamespace, const char* step, const char* subject) noexcept;

// Puts the tree over `target`. `subject` is what a Failure names.
Result<Done> placeTree(const Tree& tree, int target, TreeFlags flags, const char* step, const char* subject) noexcept;

} // namespace stellwerk
