// What the scan thread hands to the event loop. Each hand-over is a pointer swap under a mutex; only the history of one
// series is decoded under it.
#pragma once

#include "history/history.hpp"
#include "scanner/processes.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace stellwerk {

// The newest values, index = series id. The memory lives as long as a view of it.
struct SnapshotMemory {
  explicit SnapshotMemory(std::size_t capacity)
      : capacity(capacity), values(std::make_unique<std::uint64_t[]>(capacity)),
        kinds(std::make_unique<std::uint8_t[]>(capacity)), fresh(std::make_unique<std::uint8_t[]>(capacity)) {}

  std::size_t capacity;
  std::unique_ptr<std::uint64_t[]> values;
  std::unique_ptr<std::uint8_t[]> kinds;
  std::unique_ptr<std::uint8_t[]> fresh;
};

struct SnapshotView {
  std::shared_ptr<SnapshotMemory> memory;
  std::uint64_t generation = 0;
  std::int64_t timestamp = 0;
  std::uint32_t count = 0;
};

// A series that does not do what it did in its hour (history/watch.hpp).
struct Anomaly {
  std::uint32_t id;
  float score;
  std::int64_t since; // stamp of the scan in which it began
};

struct Health {
  std::uint64_t scans = 0;
  std::uint64_t missedScans = 0;
  double lastScanMs = 0;
  std::map<std::string, double> phasesUs;
  std::uint64_t series = 0;
  std::uint64_t refusedSeries = 0;
  std::uint64_t historyBytes = 0;
  std::uint64_t filesRead = 0;
  DeniedByFile denied;
  std::int64_t clockAheadMs = 0;
  std::uint64_t scansAhead = 0;
};

class Publication {
public:
  using ProcessTable = std::shared_ptr<const std::vector<ProcessRow>>;
  using States = std::shared_ptr<const std::vector<StateRow>>;
  using Anomalies = std::shared_ptr<const std::vector<Anomaly>>;

  explicit Publication(std::int64_t keepHistoryMs) : history_(keepHistoryMs) {}

  // Of the scan thread. Three memories take turns: one that was handed out is written again two scans later.
  void publish(const SeriesTable& table, std::uint64_t generation, std::int64_t timestamp) {
    auto& memory = memories_[generation % memories_.size()];
    const std::uint32_t count = table.size();
    if (!memory || memory->capacity < count) {
      memory = std::make_shared<SnapshotMemory>(std::max<std::size_t>(1024, count + count / 2));
    }
    std::copy_n(table.values(), count, memory->values.get());
    std::copy_n(reinterpret_cast<const std::uint8_t*>(table.kinds()), count, memory->kinds.get());
    std::copy_n(table.freshness(), count, memory->fresh.get());
    std::lock_guard lock(mutex_);
    newest_ = {memory, generation, timestamp, count};
  }
  void publish(ProcessTable processes, States states, std::int64_t timestamp, Health health) {
    std::lock_guard lock(mutex_);
    processes_ = std::move(processes);
    states_ = std::move(states);
    statesTimestamp_ = timestamp;
    health_ = std::move(health);
  }

  void publish(Anomalies anomalies) {
    std::lock_guard lock(mutex_);
    anomalies_ = std::move(anomalies);
  }

  SnapshotView snapshot() const {
    std::lock_guard lock(mutex_);
    return newest_;
  }
  ProcessTable processes() const {
    std::lock_guard lock(mutex_);
    return processes_;
  }
  std::pair<States, std::int64_t> states() const {
    std::lock_guard lock(mutex_);
    return {states_, statesTimestamp_};
  }
  Anomalies anomalies() const {
    std::lock_guard lock(mutex_);
    return anomalies_;
  }
  Health health() const {
    std::lock_guard lock(mutex_);
    return health_;
  }

  // work(history) under the history's own mutex.
  template <class Work> auto withHistory(Work work) {
    std::lock_guard lock(historyMutex_);
    return work(history_);
  }

private:
  mutable std::mutex mutex_;
  std::array<std::shared_ptr<SnapshotMemory>, 3> memories_;
  SnapshotView newest_;
  ProcessTable processes_ = std::make_shared<std::vector<ProcessRow>>();
  States states_ = std::make_shared<std::vector<StateRow>>();
  std::int64_t statesTimestamp_ = 0;
  Anomalies anomalies_ = std::make_shared<std::vector<Anomaly>>();
  Health health_;
  std::mutex historyMutex_;
  History history_;
};

} // namespace stellwerk
