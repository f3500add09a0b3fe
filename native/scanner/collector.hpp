// What every collector is: one kernel document, read once a scan into the series table.
#pragma once

#include "scanner/kept_file.hpp"
#include "scanner/notes.hpp"
#include "scanner/scan_options.hpp"
#include "scanner/series_table.hpp"

#include <memory>
#include <string>

namespace stellwerk {

struct ScanContext {
  SeriesTable& series;
  Reader& reader;
  Notes& notes;
  const std::string& procRoot;
  const std::string& sysRoot;
  std::uint64_t scan;      // counts from 1
  std::int64_t timestamp;  // ms since the epoch
};

class Collector {
public:
  virtual ~Collector() = default;
  virtual const char* name() const noexcept = 0;
  // A missing file or field loses only its own numbers.
  virtual void collect(ScanContext& context) = 0;
};

std::unique_ptr<Collector> makeUptime(const ScanOptions& options);
std::unique_ptr<Collector> makeLoadAverage(const ScanOptions& options);
std::unique_ptr<Collector> makeCpuStat(const ScanOptions& options);
std::unique_ptr<Collector> makeMemInfo(const ScanOptions& options);
std::unique_ptr<Collector> makeVmStat(const ScanOptions& options);
std::unique_ptr<Collector> makeOpenFiles(const ScanOptions& options);
std::unique_ptr<Collector> makeNetInterfaces(const ScanOptions& options);
std::unique_ptr<Collector> makeDisks(const ScanOptions& options);
std::unique_ptr<Collector> makePressure(const ScanOptions& options);
std::unique_ptr<Collector> makeNetCounters(const ScanOptions& options);
std::unique_ptr<Collector> makeNetSnmp6(const ScanOptions& options);
std::unique_ptr<Collector> makeSocketStat(const ScanOptions& options);
std::unique_ptr<Collector> makeFileSystems(const ScanOptions& options);
std::unique_ptr<Collector> makeHardwareSensors(const ScanOptions& options);
std::unique_ptr<Collector> makeMdArrays(const ScanOptions& options);

} // namespace stellwerk
