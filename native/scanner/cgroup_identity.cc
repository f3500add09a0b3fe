#include "scanner/cgroup_identity.hpp"

#include "scanner/cgroup_name.hpp"

namespace stellwerk {
namespace {

constexpr std::size_t kIdLength = 64;
constexpr std::size_t kShownLength = 12;

bool isId(std::string_view text) noexcept {
  return text.size() == kIdLength && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

struct Container {
  std::string_view id;
  std::string_view runtime;
};

// `RUNTIME-ID`, as the systemd drivers name their scopes; `libpod-conmon-ID` and `crio-conmon-ID` are the monitors.
Container ofPrefixed(std::string_view stem) noexcept {
  constexpr std::pair<std::string_view, std::string_view> kPrefixes[] = {
      {"docker-", "docker"},  {"cri-containerd-", "containerd"}, {"nerdctl-", "containerd"},
      {"crio-", "cri-o"},     {"libpod-", "podman"},
  };
  for (const auto& [prefix, runtime] : kPrefixes) {
    if (stem.starts_with(prefix) && isId(stem.substr(prefix.size()))) {
      return {stem.substr(prefix.size()), runtime};
    }
  }
  return {};
}

// A bare id, as the cgroupfs drivers name their groups, tells its runtime by what is above it. Below a pod of Kubernetes it
// is containerd's: cri-o puts its name before it there, and docker is no runtime of Kubernetes any more.
std::string_view runtimeAbove(std::string_view parent, bool inPod) noexcept {
  if (parent == "docker") {
    return "docker";
  }
  if (parent == "libpod_parent") {
    return "podman";
  }
  // Namespaces of containerd.
  return inPod || parent == "k8s.io" || parent == "default" || parent == "moby" ? "containerd" : "";
}

// Groups of machines and sandboxes that have names, not ids.
std::string_view runtimeOf(std::string_view component, std::string_view stem, std::string_view parent) noexcept {
  if (stem.starts_with("systemd-nspawn@")) {
    return "systemd-nspawn";
  }
  // machined registers virtual machines as well, by the name of their driver.
  if (component.starts_with("machine-") && component.ends_with(".scope")) {
    if (component.starts_with("machine-qemu")) {
      return "libvirt";
    }
    return component.starts_with("machine-lxc") ? "lxc" : "systemd-nspawn";
  }
  if (stem.starts_with("lxc.payload.") || parent == "lxc") {
    return "lxc";
  }
  return parent == "lithos" && stem.find(':') != std::string_view::npos ? "lithos" : "";
}

} // namespace

CgroupIdentity cgroupIdentity(std::string_view path) {
  CgroupIdentity identity;
  identity.name = cgroupName(path);
  if (identity.name.empty()) {
    return identity;
  }
  std::string_view parent;
  bool inPod = false;
  // The innermost container counts; groups that it makes itself are still it.
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view component = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (component.empty()) {
      continue;
    }
    const std::string_view stem = cgroupStem(component);
    Container found = ofPrefixed(stem);
    if (found.id.empty() && isId(stem)) {
      found = {stem, runtimeAbove(parent, inPod)};
    }
    if (found.id.empty()) {
      found.runtime = runtimeOf(component, stem, parent);
    }
    if (!found.id.empty() || !found.runtime.empty()) {
      identity.container = found.id.substr(0, kShownLength);
      identity.runtime = found.runtime;
    }
    inPod = inPod || stem.starts_with("kubepods");
    parent = stem;
  }
  return identity;
}

} // namespace stellwerk
