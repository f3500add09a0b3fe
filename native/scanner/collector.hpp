// What every collector is: one kernel document, read once a scan into the series table.
#pragma once

#include "scanner/kept_file.hpp"
#include "scanner/notes.hpp"
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

std::unique_ptr<Collector> makeUptime(const std::string& procRoot);
std::unique_ptr<Collector> makeLoadAverage(const std::string& procRoot);
std::unique_ptr<Collector> makeCpuStat(const std::string& procRoot);
std::unique_ptr<Collector> makeMemInfo(const std::string& procRoot);
std::unique_ptr<Collector> makeVmStat(const std::string& procRoot);
std::unique_ptr<Collector> makeOpenFiles(const std::string& procRoot);
std::unique_ptr<Collector> makeNetInterfaces(const std::string& procRoot);
std::unique_ptr<Collector> makeDisks(const std::string& procRoot);
std::unique_ptr<Collector> makePressure(const std::string& procRoot);
std::unique_ptr<Collector> makeNetCounters(const std::string& procRoot);
std::unique_ptr<Collector> makeFileSystems(const std::string& procRoot);

} // namespace stellwerk
