// What processes add up to, per cgroup, and per name within it: no new series for each new process.
#pragma once

#include "scanner/collector.hpp"
#include "scanner/process_row.hpp"

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace stellwerk {

// What a process has used since it began, and which of it is in a sum already.
struct ProcessCounters {
  static constexpr std::size_t kCount = 4; // user_time, system_time, read_bytes, write_bytes
  std::array<std::optional<std::uint64_t>, kCount> last;
  bool met = false;
};

// Levels are sums over the processes of this scan. Counters never run backwards: each scan adds what each process has used
// since the scan before, so that what a process has used stays when it ends, and what it used elsewhere stays there when it
// moves. Of a process that is new all of it is added. What a process uses between the last scan that saw it and its end is
// not seen; where the kernel counts it itself (cgroup.cpu.usage, cgroup.io.rbytes), it is.
class ProcessSum {
public:
  // An empty `process`: all of the group.
  ProcessSum(std::shared_ptr<const CgroupIdentity> cgroup, std::string process)
      : cgroup_(std::move(cgroup)), process_(std::move(process)) {}

  void add(std::uint64_t scan, const ProcessRow& row, std::uint64_t pageSize,
           const std::array<std::optional<std::uint64_t>, ProcessCounters::kCount>& grown) noexcept;
  void publish(ScanContext& context);
  void retire(SeriesTable& series);
  std::uint64_t seen() const noexcept { return seen_; } // the last scan in which it had a process
  const CgroupIdentity* cgroup() const noexcept { return cgroup_.get(); }
  bool whole() const noexcept { return process_.empty(); }
  const std::string& process() const noexcept { return process_; }

private:
  static constexpr std::size_t kLevels = 6; // number, num_threads, num_fds, vsize, rss, swap
  std::shared_ptr<const CgroupIdentity> cgroup_;
  std::string process_;
  std::uint64_t seen_ = 0;
  std::array<std::uint64_t, kLevels> levels_ = {};
  std::array<std::optional<std::uint64_t>, ProcessCounters::kCount> counters_;
  std::array<SeriesRef, kLevels + ProcessCounters::kCount> refs_;
};

class ProcessSums {
public:
  using Sum = std::shared_ptr<ProcessSum>;

  // Found or made. `cgroup` may be null where `process` is not empty.
  Sum of(const std::shared_ptr<const CgroupIdentity>& cgroup, const std::string& process);
  // Of this scan. `exists(name)`: there is such a group, even if it has no process.
  void publish(ScanContext& context, const std::function<bool(const std::string&)>& exists);

private:
  std::map<std::string, Sum> sums_;
};

// What a process has used since the scan before, and notes it.
std::array<std::optional<std::uint64_t>, ProcessCounters::kCount> grown(ProcessCounters& counters, const ProcessRow& row);

} // namespace stellwerk
