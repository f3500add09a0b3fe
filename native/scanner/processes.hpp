// All processes, and what they export: proc(5), spec/cantal.md 4.2.
#pragma once

#include "scanner/cgroup_mounts.hpp"
#include "scanner/cgroups.hpp"
#include "scanner/collector.hpp"
#include "scanner/process_files.hpp"
#include "scanner/values_file.hpp"

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace stellwerk {

struct ProcessRow {
  ProcessStat stat; // its name is below
  ProcessStatus status;
  ProcessIo io;
  std::string name;
  std::string cmdline;
  std::string cgroup; // empty: none
  double startTimestamp = 0; // ms since the epoch
};

class Processes final : public Collector {
public:
  // `naming`: the hierarchy whose groups name processes, null where there is none.
  Processes(const std::string& procRoot, std::optional<CgroupMount> naming, bool metrics, Cgroups& cgroups);
  const char* name() const noexcept override { return "processes"; }
  void collect(ScanContext& context) override;
  // Reads the values files of the processes of this scan.
  void collectValues(ScanContext& context, std::vector<StateRow>& states);
  // Of this scan, by pid. Who holds the table keeps it as it is.
  std::shared_ptr<const std::vector<ProcessRow>> table() const noexcept { return table_; }
  const std::vector<ProcessRow>& rows() const noexcept { return *table_; }

private:
  static constexpr std::size_t kMetrics = 8;
  struct Process {
    std::uint64_t startTime = 0;
    std::uint64_t startStack = 0;
    std::uint64_t seen = 0;   // scan
    std::uint64_t lookAt = 0; // scan at which cgroup, command line and environment are read again
    KeptFile stat;
    KeptFile status;
    KeptFile io;
    bool ioRefused = false; // until the next look
    std::string cmdline;
    std::string cgroup;
    std::string appname;
    bool appnameRefused = false;
    std::array<SeriesRef, kMetrics> refs;
    std::unique_ptr<ValuesFile> values;
    std::string valuesPath;
  };

  void list(const ScanContext& context);
  bool read(ScanContext& context, std::uint32_t pid, Process& process, ProcessRow& row);
  bool readKept(ScanContext& context, KeptFile& file, std::uint32_t pid, const char* name, std::string_view& text);
  void look(ScanContext& context, std::uint32_t pid, Process& process, bool kernelThread);
  static void retire(ScanContext& context, const Process& process);
  void put(ScanContext& context, std::uint32_t pid, Process& process, const ProcessRow& row);

  std::string procRoot_;
  std::optional<CgroupMount> naming_;
  bool metrics_;
  Cgroups& cgroups_;
  std::uint64_t pageSize_;
  double bootTimeMs_ = 0;
  std::map<std::uint32_t, Process> known_; // by pid
  std::vector<std::uint32_t> pids_;
  // They take turns, so that the memory of their texts is used again.
  std::array<std::shared_ptr<std::vector<ProcessRow>>, 3> tables_;
  std::shared_ptr<std::vector<ProcessRow>> table_ = std::make_shared<std::vector<ProcessRow>>();
  SeenInodes seenInodes_;
};

} // namespace stellwerk
