#include "scanner/cgroups.hpp"

#include "base/number.hpp"
#include "scanner/cgroup_name.hpp"
#include "scanner/pressure_line.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

namespace stellwerk {
namespace {

// Groups come with services, not with requests: looking for new ones at each scan would cost more than their numbers.
constexpr std::uint64_t kScansBetweenLooks = 5;
// Where the kernel counts them, a look is due when the count has changed; one that came as another went is met by this.
constexpr std::uint64_t kScansBetweenCountedLooks = 30;
constexpr std::size_t kMostGroups = 10'000;
constexpr unsigned kDeepest = 16;
// v1 writes "no limit" as the largest multiple of the page size.
constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 62;

bool has(const CgroupMount& mount, std::string_view controller) {
  return controller.empty() ||
         std::find(mount.controllers.begin(), mount.controllers.end(), controller) != mount.controllers.end();
}

} // namespace

Cgroups::Cgroups(std::vector<CgroupMount> mounts, const std::string& procRoot, bool pressureAverages)
    : pressureAverages_(pressureAverages) {
  const CgroupMount* naming = namingHierarchy(mounts);
  bool v1 = false;
  for (CgroupMount& mount : mounts) {
    // Beside a v1 tree that names the processes, a v2 tree without controllers has nothing to add.
    if (mount.unified && &mount != naming && mount.controllers.empty()) {
      continue;
    }
    Hierarchy hierarchy;
    for (const CgroupFile& file : mount.unified ? cgroupFilesV2() : cgroupFilesV1()) {
      if (has(mount, file.controller)) {
        hierarchy.files.push_back(&file);
      }
    }
    if (hierarchy.files.empty()) {
      continue;
    }
    if (mount.unified) {
      counts_.push_back({mount.path + "/cgroup.stat"});
    }
    v1 = v1 || !mount.unified;
    hierarchy.mount = mount;
    hierarchies_.push_back(std::move(hierarchy));
  }
  if (v1) {
    counts_.push_back({procRoot + "/cgroups"});
  }
}

void Cgroups::collect(ScanContext& context) {
  if (mayHaveChanged(context)) {
    look(context);
  }
  refused_ = 0;
  for (auto& [path, group] : groups_) {
    Parts parts;
    bool refused = false;
    for (File& file : group.files) {
      if (file.absent == 0) {
        read(context, group, file, parts);
      }
      refused = refused || file.absent == EACCES || file.absent == EPERM;
    }
    refused_ += refused ? 1 : 0;
    // The two were read one after the other: the larger may be the older.
    const auto difference = [&](CgroupPart whole, CgroupPart part, Slot& slot) {
      const auto& from = parts[static_cast<std::size_t>(whole)];
      const auto& less = parts[static_cast<std::size_t>(part)];
      if (from && less) {
        put(context, group, slot, *from > *less ? *from - *less : 0);
      }
    };
    difference(CgroupPart::Memory, CgroupPart::InactiveFile, group.workingSet);
    difference(CgroupPart::MemoryAndSwap, CgroupPart::Memory, group.swap);
    difference(CgroupPart::MemoryAndSwapMax, CgroupPart::MemoryMax, group.swapMax);
  }
}

bool Cgroups::mayHaveChanged(ScanContext& context) {
  bool counted = !counts_.empty();
  for (Count& count : counts_) {
    std::string_view text;
    if (!count.kept.read(context.reader, AT_FDCWD, count.path.c_str(), text, ReadWhole::Loop)) {
      counted = false;
    } else if (text != count.text) {
      count.text = text;
      due_ = true;
    }
  }
  return due_ || context.scan >= lookedAt_ + (counted ? kScansBetweenCountedLooks : kScansBetweenLooks);
}

void Cgroups::look(ScanContext& context) {
  due_ = false;
  lookedAt_ = context.scan;
  ++looks_;
  for (Hierarchy& hierarchy : hierarchies_) {
    walk(hierarchy, "", 0);
  }
  names_.clear();
  for (auto entry = groups_.begin(); entry != groups_.end();) {
    if (entry->second.look != looks_) {
      entry = groups_.erase(entry);
      continue;
    }
    names_.insert(entry->second.identity.name);
    ++entry;
  }
  // Names of groups that are long gone need not be kept.
  constexpr std::size_t kMostMet = 1000;
  if (met_.size() > kMostMet) {
    met_.clear();
  }
}

void Cgroups::walk(Hierarchy& hierarchy, const std::string& relative, unsigned depth) {
  const std::string folder = hierarchy.mount.path + relative;
  DIR* directory = opendir(folder.c_str());
  if (directory == nullptr) {
    return;
  }
  std::vector<std::string> children;
  while (const dirent* entry = readdir(directory)) {
    const std::string_view name = entry->d_name;
    if (entry->d_type == DT_DIR && name != "." && name != ".." && !cgroupSkipped(name, depth == 0)) {
      children.emplace_back(name);
    }
  }
  closedir(directory);

  if (depth > 0) {
    auto found = groups_.find(relative);
    if (found == groups_.end()) {
      if (groups_.size() >= kMostGroups) {
        return;
      }
      found = groups_.try_emplace(relative).first;
      found->second.identity = cgroupIdentity(relative);
    }
    Group& group = found->second;
    group.look = looks_;
    for (const CgroupFile* what : hierarchy.files) {
      std::string path = folder + "/" + std::string(what->file);
      auto same = std::find_if(group.files.begin(), group.files.end(), [&](const File& file) { return file.path == path; });
      if (same == group.files.end()) {
        group.files.push_back({what, std::move(path), {}, 0, {}});
      } else {
        same->absent = 0;
      }
    }
  }
  if (depth < kDeepest) {
    for (const std::string& child : children) {
      walk(hierarchy, relative + "/" + child, depth + 1);
    }
  }
}

void Cgroups::put(ScanContext& context, const Group& group, Slot& slot, std::uint64_t value) {
  if (slot.metric.empty()) {
    return;
  }
  if (!context.series.live(slot.ref)) {
    std::vector<Label> labels{{"metric", slot.metric}};
    group.identity.appendTo(labels);
    if (!slot.device.empty()) {
      labels.emplace_back("device", slot.device);
    }
    slot.ref = context.series.intern(labels, slot.kind);
  }
  context.series.set(slot.ref, value * slot.multiply / slot.divide);
}

void Cgroups::read(ScanContext& context, Group& group, File& file, Parts& parts) {
  std::string_view text;
  bool there = file.kept.read(context.reader, AT_FDCWD, file.path.c_str(), text);
  if (!there && errno == ENODEV) {
    // The group is gone. One of the same name may have come.
    due_ = true;
    there = file.kept.read(context.reader, AT_FDCWD, file.path.c_str(), text);
  }
  if (!there) {
    file.absent = errno; // not enabled here, or not for us
    return;
  }
  const CgroupFile& what = *file.what;
  auto slotOf = [](const CgroupField& field) {
    return Slot{std::string(field.metric), {}, field.kind, field.multiply, field.divide, field.part};
  };
  auto listed = [&](std::string_view name) -> Slot {
    for (const CgroupField& field : what.fields) {
      if (field.name == name) {
        return slotOf(field);
      }
    }
    return {};
  };
  file.slots.restart();
  Cursor cursor(text);
  switch (what.format) {
  case CgroupFormat::Number:
  case CgroupFormat::CpuMax:
    for (const CgroupField& field : what.fields) {
      std::uint64_t value = 0;
      if (!parseUnsigned(cursor.word(), value) && what.format == CgroupFormat::Number) {
        return; // "max", or -1
      }
      if (value == 0 && what.format == CgroupFormat::CpuMax) {
        continue;
      }
      if (value >= kNoLimit) {
        return;
      }
      put(context, group, file.slots.next(field.metric, [&](std::string_view) { return slotOf(field); }), value);
      parts[static_cast<std::size_t>(field.part)] = value;
    }
    return;
  case CgroupFormat::Pairs:
  case CgroupFormat::MemoryStat:
  case CgroupFormat::MemoryStatV1:
    while (!cursor.done()) {
      Cursor line(cursor.line());
      const std::string_view name = line.word();
      std::uint64_t value = 0;
      if (!parseUnsigned(line.word(), value)) {
        continue;
      }
      Slot& slot = file.slots.next(name, [&](std::string_view word) -> Slot {
        if (what.format == CgroupFormat::Pairs) {
          return listed(word);
        }
        const MemoryField field = memoryField(word, what.format == CgroupFormat::MemoryStatV1);
        const CgroupPart part = field.name == "inactive_file" ? CgroupPart::InactiveFile : CgroupPart::None;
        return field.name.empty() ? Slot{}
                                  : Slot{"cgroup.memory.stat." + std::string(field.name), {}, field.kind, 1, 1, part};
      });
      put(context, group, slot, value);
      parts[static_cast<std::size_t>(slot.part)] = value;
    }
    return;
  case CgroupFormat::IoStat:
  case CgroupFormat::Blkio:
    while (!cursor.done()) {
      Cursor line(cursor.line());
      const std::string_view device = line.word();
      if (device.find(':') == std::string_view::npos) {
        continue; // "Total 0"
      }
      for (std::string_view word = line.word(); !word.empty(); word = line.word()) {
        const std::size_t equals = word.find('=');
        std::string_view field = word.substr(0, equals);
        std::uint64_t value = 0;
        if (!parseUnsigned(equals == std::string_view::npos ? line.word() : word.substr(equals + 1), value)) {
          continue;
        }
        scratch_.assign(device).append(" ").append(field);
        Slot& slot = file.slots.next(scratch_, [&](std::string_view) {
          Slot made = listed(field);
          made.device = made.metric.empty() ? "" : deviceName(device, context.sysRoot);
          return made;
        });
        put(context, group, slot, value);
      }
    }
    return;
  case CgroupFormat::Pressure: {
    const PressureFile parsed = parsePressure(text, pressureAverages_);
    for (const CgroupField& field : what.fields) {
      const PressureLine& line = field.name == "some" ? parsed.some : parsed.full;
      if (line.total) {
        put(context, group, file.slots.next(field.name, [&](std::string_view) { return slotOf(field); }), *line.total);
      }
      for (std::size_t i = 0; i < 3; ++i) {
        if (!line.averages[i]) {
          continue;
        }
        scratch_.assign(field.name).append(" ").append(kPressureAverages[i]);
        Slot& slot = file.slots.next(scratch_, [&](std::string_view) {
          const std::string_view prefix = field.metric.substr(0, field.metric.rfind('.') + 1);
          return Slot{std::string(prefix) + kPressureAverages[i], {}, Kind::Float};
        });
        put(context, group, slot, std::bit_cast<std::uint64_t>(*line.averages[i]));
      }
    }
    return;
  }
  }
}

// sysfs: /sys/dev/block/MAJOR:MINOR is a link whose last component is the name.
const std::string& Cgroups::deviceName(std::string_view numbers, const std::string& sysRoot) {
  auto found = devices_.find(numbers);
  if (found != devices_.end()) {
    return found->second;
  }
  char target[512];
  const std::string link = sysRoot + "/dev/block/" + std::string(numbers);
  const ssize_t length = readlink(link.c_str(), target, sizeof target);
  std::string_view name = length > 0 ? std::string_view(target, static_cast<std::size_t>(length)) : numbers;
  name.remove_prefix(name.find_last_of('/') + 1);
  return devices_.emplace(numbers, name).first->second;
}

} // namespace stellwerk
