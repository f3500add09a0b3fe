// What a scanner is asked to do; src/native/scanner.ts has the same with the defaults.
#pragma once

#include <cstdint>
#include <string>

namespace stellwerk {

// How the numbers of single processes become series.
enum class ProcessMetrics : std::uint8_t {
  None,   // only their table, and what they add up to in each cgroup
  ByPid,  // each on its own
  ByName, // those of one name and cgroup together: no new series for each new process
};

struct ScanOptions {
  std::int64_t intervalMs;
  std::int64_t keepHistoryMs;
  std::string procRoot;
  std::string sysRoot;
  std::uint32_t maxSeries;
  ProcessMetrics processMetrics = ProcessMetrics::ByPid;
  bool perCpu = false;           // ticks of each processor also where there are more than 64
  bool pressureAverages = false; // psi.….avg10, .avg60, .avg300 beside the totals
};

} // namespace stellwerk
