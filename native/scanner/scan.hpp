// One scanner: its collectors, its series and what it publishes. One thread at a time may call scan().
#pragma once

#include "history/watch.hpp"
#include "scanner/own_metrics.hpp"
#include "scanner/processes.hpp"
#include "scanner/publication.hpp"
#include "scanner/scan_options.hpp"

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace stellwerk {

class Scan {
public:
  explicit Scan(ScanOptions options);

  // Returns its duration, ms. `wallMs`: since the epoch; `bootMs`: of a clock that nobody sets.
  double scan(std::int64_t wallMs, std::int64_t bootMs);
  // The history as a snapshot (history/snapshot.hpp), from any thread: the scan waits for no more than a few series.
  std::vector<std::uint8_t> save();
  struct Restored {
    const char* problem = nullptr; // and nothing was taken
    std::uint32_t series = 0;
    std::uint64_t samples = 0;
    std::uint32_t newerScans = 0; // left out: of a clock that was set back since
  };
  // Before the first scan. Samples whose keys find no room are left out.
  Restored restore(std::span<const std::uint8_t> bytes, std::int64_t nowMs);
  void missed() noexcept { ++missed_; }

  const ScanOptions& options() const noexcept { return options_; }
  SeriesTable& series() noexcept { return series_; }
  Publication& publication() noexcept { return publication_; }
  Notes& notes() noexcept { return notes_; }
  Reported& reported() noexcept { return reported_; }
  // Processor time of save(), µs: it runs on threads that come and go.
  struct StorageTime {
    std::uint64_t user;
    std::uint64_t system;
  };
  StorageTime storageTime() const noexcept { return {storageUserUs_, storageSystemUs_}; }

private:
  std::int64_t stamp(std::int64_t wallMs, std::int64_t bootMs) const noexcept;
  void remember(std::int64_t timestamp);
  void see(const Timeline& timeline, std::uint32_t id, Kind kind, std::uint64_t word, std::uint32_t scan);
  void expire(std::uint32_t firstKept);
  void sayRefused();
  void followClock(std::int64_t wallMs, std::int64_t elapsedMs, std::int64_t stepMs);

  ScanOptions options_;
  SeriesTable series_;
  Reader reader_;
  Notes notes_;
  Publication publication_;
  std::vector<std::unique_ptr<Collector>> machine_;
  std::unique_ptr<Cgroups> cgroups_;
  std::unique_ptr<Processes> processes_;
  std::vector<std::uint32_t> lastSeen_; // by series id: index of the last scan with a sample
  std::vector<Watch> watches_;          // by series id
  std::vector<StateRow> states_;
  Reported reported_;
  OwnMetrics own_;
  std::atomic<std::uint64_t> storageUserUs_ = 0;
  std::atomic<std::uint64_t> storageSystemUs_ = 0;
  std::uint64_t scans_ = 0;
  std::uint64_t missed_ = 0;
  std::uint64_t refusedSaid_ = 0;
  std::int64_t refusedSaidAt_ = 0;
  std::int64_t timestamp_ = 0;
  std::int64_t bootMs_ = 0; // at timestamp_
  std::int64_t expiredAt_ = 0;
  std::int64_t aheadMs_ = 0; // the newest stamp of the clock
  std::uint64_t scansAhead_ = 0;
};

} // namespace stellwerk
