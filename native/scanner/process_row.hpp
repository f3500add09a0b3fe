// One line of the process table: proc(5), spec/cantal.md 4.2.
#pragma once

#include "scanner/cgroup_identity.hpp"
#include "scanner/process_files.hpp"

#include <memory>
#include <optional>
#include <string>

namespace stellwerk {

struct ProcessRow {
  ProcessStat stat; // its name is below
  ProcessStatus status;
  ProcessIo io;
  std::string name;
  std::shared_ptr<const std::string> cmdline;    // null: none
  std::shared_ptr<const CgroupIdentity> cgroup;  // null: none
  std::optional<std::uint64_t> fds;              // open files, as of one of the last five scans
  std::optional<std::uint64_t> oomScore;         // as of one of the last thirty
  double startTimestamp = 0;                     // ms since the epoch
};

} // namespace stellwerk
