// The numbers of all cgroups, v1 and v2.
#pragma once

#include "scanner/cgroup_files.hpp"
#include "scanner/cgroup_mounts.hpp"
#include "scanner/collector.hpp"
#include "scanner/flat_names.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace stellwerk {

class Cgroups final : public Collector {
public:
  explicit Cgroups(std::vector<CgroupMount> mounts);
  const char* name() const noexcept override { return "cgroups"; }
  void collect(ScanContext& context) override;
  // Somebody met a group that may be new: the next scan looks for all of them.
  void lookAgain() noexcept { due_ = true; }
  bool knows(const std::string& group) const { return names_.contains(group); }

private:
  struct Slot {
    std::string metric; // empty: not wanted
    std::string device;
    Kind kind = Kind::Counter;
    std::uint32_t multiply = 1;
    std::uint32_t divide = 1;
    SeriesRef ref;
  };
  struct File {
    const CgroupFile* what;
    std::string path;
    KeptFile kept;
    bool absent = false; // until the next look at the hierarchy
    FlatNames<Slot> slots;
  };
  struct Group {
    std::string name;
    std::vector<File> files;
    std::uint32_t look = 0; // the last that found it
    SeriesRef workingSet;
  };
  struct Hierarchy {
    CgroupMount mount;
    std::vector<const CgroupFile*> files;
  };
  // Of one group and scan, for what is made of two files.
  struct Parts {
    std::optional<std::uint64_t> current;
    std::optional<std::uint64_t> inactiveFile;
  };

  void look(ScanContext& context);
  void walk(Hierarchy& hierarchy, const std::string& relative, unsigned depth);
  void read(ScanContext& context, Group& group, File& file, Parts& parts);
  void put(ScanContext& context, const Group& group, Slot& slot, std::uint64_t value);
  const std::string& deviceName(std::string_view numbers, const std::string& sysRoot);

  std::vector<Hierarchy> hierarchies_;
  std::map<std::string, Group> groups_; // by path below the hierarchy's root
  std::map<std::string, std::uint32_t> names_;
  std::map<std::string, std::string, std::less<>> devices_;
  std::string scratch_;
  std::uint32_t looks_ = 0;
  std::uint64_t lookedAt_ = 0;
  bool due_ = true;
};

} // namespace stellwerk
