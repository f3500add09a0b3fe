// A cgroup's name in metrics: systemd.unit(5) suffixes cut, path components joined by dots.
#pragma once

#include <string>
#include <string_view>

namespace stellwerk {

inline std::string_view cgroupStem(std::string_view component) noexcept {
  for (std::string_view suffix : {".slice", ".scope", ".service"}) {
    if (component.size() > suffix.size() && component.ends_with(suffix)) {
      return component.substr(0, component.size() - suffix.size());
    }
  }
  return component;
}

// Groups that say nothing about a service: mount and swap units, and login sessions, which make endless new names.
// `topLevel`: directly below the hierarchy's root.
inline bool cgroupSkipped(std::string_view component, bool topLevel) noexcept {
  return component.ends_with(".swap") || component.ends_with(".mount") ||
         (topLevel && (component == "user" || component == "user.slice"));
}

// `system.slice/nscd.service` → `system.nscd`; empty for the root, skipped groups and those outside.
inline std::string cgroupName(std::string_view path) {
  std::string name;
  bool topLevel = true;
  while (!path.empty()) {
    std::size_t slash = path.find('/');
    std::string_view component = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (component.empty()) {
      continue;
    }
    // `/../other`: outside of our cgroup namespace (cgroup_namespaces(7)).
    if (component == ".." || cgroupSkipped(component, topLevel)) {
      return {};
    }
    topLevel = false;
    if (!name.empty()) {
      name += '.';
    }
    name += cgroupStem(component);
  }
  return name;
}

} // namespace stellwerk
