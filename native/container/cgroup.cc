#include "container/cgroup.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

namespace stellwerk {

bool isUnified(int folder) noexcept {
  struct statfs status;
  return fstatfs(folder, &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC;
}

Result<Fd> openUnified(const std::vector<std::string>& cgroups) {
  for (const std::string& path : cgroups) {
    Fd folder(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!folder) {
      return Failure::of("join cgroup", "open", path.c_str());
    }
    if (isUnified(folder.get())) {
      return folder;
    }
  }
  return Fd();
}

Result<Done> joinCgroups(pid_t child, const std::vector<std::string>& cgroups, bool joinedUnified) {
  const std::string pid = std::to_string(child);
  for (const std::string& path : cgroups) {
    const Fd folder(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!folder) {
      return Failure::of("join cgroup", "open", path.c_str());
    }
    if (joinedUnified && isUnified(folder.get())) {
      continue;
    }
    const Fd file(openat(folder.get(), "cgroup.procs", O_WRONLY | O_CLOEXEC));
    if (!file || write(file.get(), pid.data(), pid.size()) < 0) {
      return Failure::of("join cgroup", file ? "write" : "open", (path + "/cgroup.procs").c_str());
    }
  }
  return Done{};
}

} // namespace stellwerk
