#include "scanner/cgroup_mounts.hpp"

#include "base/number.hpp"

#include <algorithm>

namespace stellwerk {

namespace {

// Mountinfo writes blanks and backslashes as three octal digits.
std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto octal = [&](std::size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && octal(i + 1) && octal(i + 2) && octal(i + 3)) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

bool isController(std::string_view option) noexcept {
  for (std::string_view known : {"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "net_cls",
                                 "net_prio", "perf_event", "hugetlb", "rdma", "misc"}) {
    if (option == known) {
      return true;
    }
  }
  return option.starts_with("name=");
}

bool has(const CgroupMount& mount, std::string_view controller) noexcept {
  return std::find(mount.controllers.begin(), mount.controllers.end(), controller) != mount.controllers.end();
}

} // namespace

std::vector<CgroupMount> parseCgroupMounts(std::string_view mountinfo, const std::string& sysRoot) {
  std::vector<CgroupMount> mounts;
  Cursor cursor(mountinfo);
  while (!cursor.done()) {
    Cursor line(cursor.line());
    line.word(); // id
    line.word(); // parent
    line.word(); // device
    std::string_view root = line.word();
    std::string_view point = line.word();
    std::string_view word = line.word();
    while (!word.empty() && word != "-") {
      word = line.word();
    }
    std::string_view type = line.word();
    line.word(); // source
    std::string_view options = line.word();
    if (type != "cgroup" && type != "cgroup2") {
      continue;
    }
    CgroupMount mount;
    mount.unified = type == "cgroup2";
    mount.root = unescape(root);
    mount.path = unescape(point);
    if (mount.path.starts_with("/sys/")) {
      mount.path = sysRoot + mount.path.substr(4);
    }
    while (!mount.unified && !options.empty()) {
      std::size_t comma = options.find(',');
      std::string_view option = options.substr(0, comma);
      options.remove_prefix(comma == std::string_view::npos ? options.size() : comma + 1);
      if (isController(option)) {
        mount.controllers.emplace_back(option);
      }
    }
    // Bind mounts show a hierarchy again: the first is it.
    bool known = std::any_of(mounts.begin(), mounts.end(), [&](const CgroupMount& other) {
      return other.unified == mount.unified && (mount.unified || other.controllers == mount.controllers);
    });
    if (!known) {
      mounts.push_back(std::move(mount));
    }
  }
  return mounts;
}

const CgroupMount* namingHierarchy(const std::vector<CgroupMount>& mounts) noexcept {
  const CgroupMount* best = nullptr;
  int bestRank = -1;
  for (const CgroupMount& mount : mounts) {
    // A v2 tree that has got only, say, hugetlb is not where services are put.
    bool used = has(mount, "cpu") || has(mount, "memory") || has(mount, "pids");
    int rank = mount.unified ? (used ? 4 : 0)
               : has(mount, "name=systemd") ? 3
               : has(mount, "pids")         ? 2
                                            : 1;
    if (rank > bestRank) {
      best = &mount;
      bestRank = rank;
    }
  }
  return best;
}

std::optional<std::string_view> cgroupPathOf(std::string_view text, const CgroupMount& mount) noexcept {
  Cursor cursor(text);
  while (!cursor.done()) {
    // ID:CONTROLLERS:PATH; the path may have colons.
    std::string_view line = cursor.line();
    std::size_t first = line.find(':');
    std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) {
      continue;
    }
    std::string_view controllers = line.substr(first + 1, second - first - 1);
    bool match = mount.unified && controllers.empty() && line.starts_with("0:");
    while (!mount.unified && !match && !controllers.empty()) {
      std::size_t comma = controllers.find(',');
      match = has(mount, controllers.substr(0, comma));
      controllers.remove_prefix(comma == std::string_view::npos ? controllers.size() : comma + 1);
    }
    if (!match) {
      continue;
    }
    std::string_view path = line.substr(second + 1);
    constexpr std::string_view kDeleted = " (deleted)";
    if (path.ends_with(kDeleted)) {
      path.remove_suffix(kDeleted.size());
    }
    if (mount.root == "/") {
      return path;
    }
    // What is not below the visible root has no name here.
    const std::string_view root = mount.root;
    if (!path.starts_with(root) || (path.size() > root.size() && path[root.size()] != '/')) {
      return std::nullopt;
    }
    return path.substr(root.size());
  }
  return std::nullopt;
}

} // namespace stellwerk
