// Folders on the host, below a place that containers may write to. Kernel documents: openat2(2), mkdir(2).
#pragma once

#include "base/failure.hpp"

#include <string>
#include <sys/types.h>

namespace stellwerk {

struct FolderOwner {
  mode_t mode = 0755;
  uid_t uid = 0;
  gid_t gid = 0;
};

// Makes `path` below `base` and what leads to it, where it is absent; no symbolic link below `base` is followed. Only a
// folder that is made here gets mode and owner; those that lead to it are 0755 and the caller's.
Result<Done> makeFolderBeneath(const std::string& base, const std::string& path, const FolderOwner& owner);

} // namespace stellwerk
