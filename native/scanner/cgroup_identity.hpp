// What a cgroup is called in metrics, and which container of which runtime it is.
#pragma once

#include "scanner/series_table.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace stellwerk {

struct CgroupIdentity {
  std::string name;      // cgroup_name.hpp; never empty
  std::string container; // the first 12 digits of its id, as docker shows it; empty: none
  std::string runtime;   // docker, containerd, cri-o, podman, systemd-nspawn, lxc, lithos; empty: not known

  bool operator==(const CgroupIdentity&) const = default;

  void appendTo(std::vector<Label>& labels) const {
    labels.emplace_back("cgroup", name);
    if (!container.empty()) {
      labels.emplace_back("container", container);
    }
    if (!runtime.empty()) {
      labels.emplace_back("runtime", runtime);
    }
  }
};

// Of a path below the hierarchy's root. Its name is empty for the root, skipped groups and those outside.
CgroupIdentity cgroupIdentity(std::string_view path);

} // namespace stellwerk
