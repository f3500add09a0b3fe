// The pair PATH.meta and PATH.values of one process: spec/cantal.md 3. Both are written by untrusted programs.
#pragma once

#include "base/fd.hpp"
#include "scanner/cgroup_identity.hpp"
#include "scanner/collector.hpp"
#include "scanner/meta.hpp"

#include <optional>
#include <set>
#include <string>
#include <sys/stat.h>
#include <utility>
#include <vector>

namespace stellwerk {

using OwnedLabel = std::pair<std::string, std::string>;

// The process that a file is read through, and what of it becomes labels.
struct ValuesOwner {
  std::uint32_t pid;
  const CgroupIdentity* cgroup; // null: none
  const std::string& appname;   // used where there is no cgroup
};

struct StateRow {
  std::vector<OwnedLabel> labels;
  std::uint64_t since; // ms since the epoch; 0: left
  std::string text;
};

// (device, inode) of what was read in this scan: children inherit the variable, and a file counts once.
using SeenInodes = std::set<std::pair<dev_t, ino_t>>;

// Series that the applications of one cgroup may have at a time: one group must not fill the table for all.
inline constexpr std::uint32_t kMostSeriesOfGroup = 20'000;

// Of one cgroup in one scan.
struct ValuesRoom {
  std::uint32_t left = kMostSeriesOfGroup;
  std::uint32_t refused = 0;
};

class ValuesFile {
public:
  explicit ValuesFile(std::string path) : path_(std::move(path)) {}
  ValuesFile(const ValuesFile&) = delete;
  ValuesFile& operator=(const ValuesFile&) = delete;
  ~ValuesFile() { close(); }

  void collect(ScanContext& context, const ValuesOwner& owner, SeenInodes& seen, std::vector<StateRow>& states,
               ValuesRoom& room);
  // The labels of the owner have changed.
  void close() noexcept;

private:
  // There may be tens of thousands: they hold their key as bytes, a quarter of what its labels take.
  struct Slot {
    ValueType type;
    std::uint32_t offset;
    SeriesRef ref;
    HeldKey key;
  };
  struct StateSlot {
    std::uint32_t size;
    std::uint32_t offset;
    std::vector<OwnedLabel> labels;
  };
  enum class Opened { Ready, Nothing };

  Opened open(ScanContext& context, const ValuesOwner& owner);
  void label(ScanContext& context, const ValuesOwner& owner, Meta&& meta);
  bool replaced() const noexcept;
  bool keep(FdBudget& budget, unsigned descriptors) noexcept;
  void publish(ScanContext& context, const char* bytes, ValuesRoom& room);
  bool readStates(ScanContext& context, std::vector<StateRow>& states);
  Opened refuse(ScanContext& context, const ValuesOwner& owner, const char* reason, const std::string& what);

  std::string path_;
  Fd meta_;
  Fd values_;
  FdBudget* budget_ = nullptr; // set while they count against it
  unsigned counted_ = 0;
  struct stat metaSeen_ = {};
  std::pair<dev_t, ino_t> inode_;
  std::uint64_t size_ = 0;
  std::vector<Slot> slots_;
  std::vector<StateSlot> states_;
  // Set while the file of this generation is refused.
  const char* refusedFor_ = nullptr;
  std::string refusal_; // the last; also of one that is not kept open, so that it is said once
};

} // namespace stellwerk
