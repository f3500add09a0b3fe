// All processes, and what they export: proc(5), spec/cantal.md 4.2.
#pragma once

#include "scanner/cgroup_mounts.hpp"
#include "scanner/cgroups.hpp"
#include "scanner/collector.hpp"
#include "scanner/process_row.hpp"
#include "scanner/process_sums.hpp"
#include "scanner/values_file.hpp"

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace stellwerk {

// What of how many processes may not be read by this user, in this scan.
struct Denied {
  std::uint64_t count = 0;
  int error = 0; // errno
};
using DeniedByFile = std::map<std::string, Denied>; // by name of the file in /proc/PID

class Processes final : public Collector {
public:
  // `naming`: the hierarchy whose groups name processes, null where there is none.
  Processes(const std::string& procRoot, std::optional<CgroupMount> naming, ProcessMetrics metrics, Cgroups& cgroups);
  const char* name() const noexcept override { return "processes"; }
  void collect(ScanContext& context) override;
  // Reads the values files of the processes of this scan.
  void collectValues(ScanContext& context, std::vector<StateRow>& states);
  // Of this scan, by pid. Who holds the table keeps it as it is.
  std::shared_ptr<const std::vector<ProcessRow>> table() const noexcept { return table_; }
  const std::vector<ProcessRow>& rows() const noexcept { return *table_; }
  DeniedByFile denied() const;

private:
  static constexpr std::size_t kMetrics = 11;
  struct Process {
    ProcessRow row;               // as it was read last
    std::uint64_t seen = 0;       // scan
    int looks = 0;                // 2: two or more
    std::uint64_t lookAt = 0;     // scan at which cgroup, command line and environment are read again
    std::uint64_t readAllAt = 0;  // scan at which all is read, even if it has not run
    std::optional<RunStamp> ran;  // null: not known
    bool ranUnknown = false;      // no schedstat; until the next look
    KeptFile schedstat;
    KeptFile stat;
    KeptFile status;
    KeptFile io;
    int ioError = 0; // errno of what may not be read; until the next look
    int environError = 0;
    std::string appname;
    bool appnameRefused = false;
    std::array<SeriesRef, kMetrics> refs;
    std::unique_ptr<ValuesFile> values;
    std::string valuesPath;
    ProcessCounters counters;
    ProcessSums::Sum groupSum;
    ProcessSums::Sum nameSum;
  };

  void list(ScanContext& context);
  bool read(ScanContext& context, std::uint32_t pid, Process& process);
  bool readFiles(ScanContext& context, std::uint32_t pid, Process& process);
  bool readKept(ScanContext& context, KeptFile& file, std::uint32_t pid, const char* name, std::string_view& text);
  bool hasNotRun(ScanContext& context, std::uint32_t pid, Process& process);
  void countFiles(ScanContext& context, std::uint32_t pid, Process& process);
  void look(ScanContext& context, std::uint32_t pid, Process& process);
  void lookAtEnvironment(ScanContext& context, std::uint32_t pid, Process& process, std::string& appname,
                         std::string& valuesPath);
  static void retire(ScanContext& context, const Process& process);
  void put(ScanContext& context, std::uint32_t pid, Process& process);
  void sum(ScanContext& context, Process& process);

  std::string procRoot_;
  Fd proc_;
  std::optional<CgroupMount> naming_;
  ProcessMetrics metrics_;
  Cgroups& cgroups_;
  std::uint64_t pageSize_;
  double bootTimeMs_ = 0;
  std::map<std::uint32_t, Process> known_; // by pid
  std::vector<std::uint32_t> pids_;
  ProcessSums sums_;
  // They take turns, so that the memory of their texts is used again.
  std::array<std::shared_ptr<std::vector<ProcessRow>>, 3> tables_;
  std::shared_ptr<std::vector<ProcessRow>> table_ = std::make_shared<std::vector<ProcessRow>>();
  SeenInodes seenInodes_;
  std::map<std::string, std::int64_t, std::less<>> refusalsSaid_; // by cgroup: when it was said that it has too many series
};

} // namespace stellwerk
