// The hour of all series. Not synchronised: its owner guards it (scanner/publication.hpp).
#pragma once

#include "history/series.hpp"
#include "history/timeline.hpp"

#include <cmath>
#include <string_view>
#include <vector>

namespace stellwerk {

class SnapshotWriter;

class History {
public:
  explicit History(std::int64_t keepMs) : timeline_(keepMs) {}

  // Starts a scan; the samples appended after it belong to it. `timestamp` must rise strictly.
  std::uint32_t beginScan(std::int64_t timestamp) {
    scan_ = timeline_.push(timestamp);
    return scan_;
  }

  // Once per series and scan. NaN of a float series is a missing sample.
  void append(std::uint32_t id, Kind kind, std::uint64_t word) {
    if (kind == Kind::Float && std::isnan(std::bit_cast<double>(word))) {
      return;
    }
    if (id >= series_.size()) {
      series_.resize(static_cast<std::size_t>(id) + 1 + id / 2);
    }
    series_[id].append(pool_, kind, scan_, word, timeline_.first());
  }

  void erase(std::uint32_t id) noexcept {
    if (id < series_.size()) {
      series_[id].clear(pool_);
    }
  }

  // sink(scan, word) for the samples of [from, to), oldest first.
  template <class Sink> void read(std::uint32_t id, std::uint32_t from, std::uint32_t to, Sink sink) const {
    if (id < series_.size()) {
      series_[id].decode(pool_, from, to, sink);
    }
  }

  // Of a snapshot, in a history that is still empty: scans first, then the samples of each series, oldest first.
  void restore(std::uint32_t id, Kind kind, std::uint32_t scan, std::uint64_t word) {
    scan_ = scan;
    append(id, kind, word);
  }
  void save(std::uint32_t id, std::string_view key, Kind kind, SnapshotWriter& writer) const;

  const Timeline& timeline() const noexcept { return timeline_; }

  // What the samples cost: blocks in use, per-series state and the shared stamps.
  std::size_t bytes() const noexcept {
    return pool_.bytesInUse() + series_.size() * sizeof(SeriesCode) + timeline_.bytes();
  }
  std::size_t blockBytesHeld() const noexcept { return pool_.bytesHeld(); }

  std::uint64_t samples() const noexcept {
    std::uint64_t sum = 0;
    for (const SeriesCode& series : series_) {
      sum += series.samples();
    }
    return sum;
  }

private:
  Timeline timeline_;
  BlockPool pool_;
  std::vector<SeriesCode> series_; // index = series id
  std::uint32_t scan_ = 0;
};

} // namespace stellwerk
