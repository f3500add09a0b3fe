// The hour of all series. Not synchronised: its owner guards it (scanner/publication.hpp).
#pragma once

#include "history/series.hpp"
#include "history/timeline.hpp"

#include <cmath>
#include <memory>
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
    while (id >= size()) {
      series_.push_back(std::make_unique<SeriesCode[]>(kAtOnce));
    }
    SeriesCode& series = at(id);
    const std::uint32_t before = series.samples();
    series.append(pool_, kind, scan_, word, timeline_.first());
    samples_ += series.samples() - std::uint64_t{before};
  }

  void erase(std::uint32_t id) noexcept {
    if (id < size()) {
      samples_ -= at(id).samples();
      at(id).clear(pool_);
    }
  }

  // sink(scan, word) for the samples of [from, to), oldest first.
  template <class Sink> void read(std::uint32_t id, std::uint32_t from, std::uint32_t to, Sink sink) const {
    if (id < size()) {
      at(id).decode(pool_, from, to, sink);
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
  std::size_t bytes() const noexcept { return pool_.bytesInUse() + size() * sizeof(SeriesCode) + timeline_.bytes(); }
  std::size_t blockBytesHeld() const noexcept { return pool_.bytesHeld(); }
  std::uint64_t samples() const noexcept { return samples_; }

private:
  static constexpr std::uint32_t kAtOnce = 512;

  std::size_t size() const noexcept { return series_.size() * kAtOnce; }
  SeriesCode& at(std::uint32_t id) const noexcept { return series_[id / kAtOnce][id % kAtOnce]; }

  Timeline timeline_;
  BlockPool pool_;
  std::vector<std::unique_ptr<SeriesCode[]>> series_; // by series id, kAtOnce together: growing moves none
  std::uint64_t samples_ = 0;
  std::uint32_t scan_ = 0;
};

} // namespace stellwerk
