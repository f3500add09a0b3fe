// The two folders that every container gets made anew: /dev and /proc. Async-signal-safe.
#pragma once

#include "base/failure.hpp"
#include "container/tree.hpp"

namespace stellwerk {

// A tmpfs with the harmless device nodes of the host, an own devpts, shm and the usual links; read-only in the end.
// The current folder is the mount point.
Result<Done> fillDev(MountApi api, int root, const char* target) noexcept;

// A devpts of the container's own. The current folder is the mount point.
Result<Done> mountTerminals(const char* target) noexcept;

// Hides what tells about the host or its keys, and makes read-only what steers the kernel.
Result<Done> maskProc(MountApi api, int root, const char* target) noexcept;

} // namespace stellwerk
