// The numbers of all cgroups, v1 and v2.
#pragma once

#include "scanner/cgroup_files.hpp"
#include "scanner/cgroup_identity.hpp"
#include "scanner/cgroup_mounts.hpp"
#include "scanner/collector.hpp"
#include "scanner/flat_names.hpp"

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace stellwerk {

class Cgroups final : public Collector {
public:
  Cgroups(std::vector<CgroupMount> mounts, const std::string& procRoot, bool pressureAverages);
  const char* name() const noexcept override { return "cgroups"; }
  void collect(ScanContext& context) override;
  // Somebody met a group: if it is not known, the next scan looks for all of them. Once for each name: a group can be in the
  // naming hierarchy alone.
  void meet(const std::string& group) {
    due_ = due_ || (!knows(group) && met_.insert(group).second);
  }
  bool knows(const std::string& group) const { return names_.contains(group); }
  // Groups of which something may not be read (EACCES, EPERM), in this scan.
  std::uint64_t refused() const noexcept { return refused_; }

private:
  struct Slot {
    std::string metric; // empty: not wanted
    std::string device;
    Kind kind = Kind::Counter;
    std::uint32_t multiply = 1;
    std::uint32_t divide = 1;
    CgroupPart part = CgroupPart::None;
    SeriesRef ref = {};
  };
  struct File {
    const CgroupFile* what;
    std::string path;
    KeptFile kept;
    int absent = 0; // errno; until the next look at the hierarchy
    FlatNames<Slot> slots;
  };
  // Of one group and scan, for what is made of two files.
  using Parts = std::array<std::optional<std::uint64_t>, 6>; // by CgroupPart
  struct Group {
    CgroupIdentity identity;
    std::vector<File> files;
    std::uint32_t look = 0; // the last that found it
    Slot workingSet{"cgroup.memory.working_set", {}, Kind::Integer};
    Slot swap{"cgroup.swap.current", {}, Kind::Integer};
    Slot swapMax{"cgroup.swap.max", {}, Kind::Integer};
  };
  struct Hierarchy {
    CgroupMount mount;
    std::vector<const CgroupFile*> files;
  };
  // A file that says how many groups there are, by which we see whether there are others than before.
  struct Count {
    std::string path;
    KeptFile kept = {};
    std::string text = {};
  };

  bool mayHaveChanged(ScanContext& context);
  void look(ScanContext& context);
  void walk(Hierarchy& hierarchy, const std::string& relative, unsigned depth);
  void read(ScanContext& context, Group& group, File& file, Parts& parts);
  void put(ScanContext& context, const Group& group, Slot& slot, std::uint64_t value);
  const std::string& deviceName(std::string_view numbers, const std::string& sysRoot);

  bool pressureAverages_;
  std::vector<Hierarchy> hierarchies_;
  std::vector<Count> counts_;
  std::map<std::string, Group> groups_; // by path below the hierarchy's root
  std::set<std::string> names_;
  std::set<std::string> met_; // that no look has found
  std::map<std::string, std::string, std::less<>> devices_;
  std::string scratch_;
  std::uint32_t looks_ = 0;
  std::uint64_t lookedAt_ = 0;
  std::uint64_t refused_ = 0;
  bool due_ = true;
};

} // namespace stellwerk
