// Where the cgroup hierarchies are: cgroups(7), proc_pid_mountinfo(5).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace stellwerk {

struct CgroupMount {
  bool unified = false;                 // v2
  std::vector<std::string> controllers; // v1: "memory", "cpuacct", "name=systemd"; v2: what cgroup.controllers lists
  std::string path;                     // below sysRoot
  std::string root;                     // the part of the hierarchy that is visible here, "/" outside of containers
};

// Of v2 the controllers are left empty: they stand in its cgroup.controllers.
// The text of mountinfo; a mount point below /sys is looked for below sysRoot. One entry per hierarchy.
std::vector<CgroupMount> parseCgroupMounts(std::string_view mountinfo, const std::string& sysRoot);

// The hierarchy that names processes: v2 if it has cpu, memory or pids, else v1 name=systemd, else what there is.
const CgroupMount* namingHierarchy(const std::vector<CgroupMount>& mounts) noexcept;

// The path of a process in that hierarchy, from the text of /proc/PID/cgroup, relative to the visible root.
std::optional<std::string_view> cgroupPathOf(std::string_view text, const CgroupMount& mount) noexcept;

} // namespace stellwerk
