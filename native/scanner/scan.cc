#include "scanner/scan.hpp"

#include "history/snapshot.hpp"

#include "base/number.hpp"
#include "base/thread.hpp"

#include <chrono>
#include <fcntl.h>

namespace stellwerk {
namespace {

using Clock = std::chrono::steady_clock;

// Series that have gone are forgotten within a minute after their hour (spec/cantal.md 5.4).
constexpr std::int64_t kExpireEveryMs = 60'000;
constexpr std::int64_t kSayRefusedEveryMs = 60'000;
// What a clock may be stepped forward without a word: ntpd slews less.
constexpr std::int64_t kLeastStepMs = 1'000;

double microsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

std::string readText(const std::string& path) {
  Reader reader{FdBudget(0)};
  KeptFile file;
  std::string_view text;
  return file.read(reader, AT_FDCWD, path.c_str(), text, ReadWhole::Loop) ? std::string(text) : std::string();
}

std::vector<CgroupMount> findCgroups(const ScanOptions& options) {
  auto mounts = parseCgroupMounts(readText(options.procRoot + "/self/mountinfo"), options.sysRoot);
  for (CgroupMount& mount : mounts) {
    if (!mount.unified) {
      continue;
    }
    const std::string controllers = readText(mount.path + "/cgroup.controllers");
    Cursor cursor(controllers);
    for (std::string_view word = cursor.word(); !word.empty(); word = cursor.word()) {
      mount.controllers.emplace_back(word);
    }
  }
  return mounts;
}

} // namespace

Scan::Scan(ScanOptions options)
    : options_(std::move(options)), series_(options_.maxSeries), reader_(FdBudget::ofProcess()),
      publication_(options_.keepHistoryMs) {
  for (auto make : {makeUptime, makeLoadAverage, makeCpuStat, makeMemInfo, makeVmStat, makeOpenFiles, makeNetInterfaces,
                    makeDisks, makePressure, makeNetCounters, makeNetSnmp6, makeSocketStat, makeFileSystems,
                    makeHardwareSensors, makeMdArrays}) {
    machine_.push_back(make(options_));
  }
  auto mounts = findCgroups(options_);
  const CgroupMount* naming = namingHierarchy(mounts);
  const std::optional<CgroupMount> named = naming == nullptr ? std::nullopt : std::optional(*naming);
  cgroups_ = std::make_unique<Cgroups>(std::move(mounts), options_.procRoot, options_.pressureAverages);
  processes_ = std::make_unique<Processes>(options_.procRoot, named, options_.processMetrics, *cgroups_);
}

double Scan::scan(std::int64_t wallMs, std::int64_t bootMs) {
  const Clock::time_point start = Clock::now();
  const std::int64_t stamped = stamp(wallMs, bootMs);
  followClock(wallMs, bootMs - bootMs_, stamped - timestamp_);
  timestamp_ = stamped;
  bootMs_ = bootMs;
  ++scans_;
  reader_.filesRead = 0;
  series_.beginScan();
  ScanContext context{series_, reader_, notes_, options_.procRoot, options_.sysRoot, scans_, timestamp_};
  std::map<std::string, double> phases;
  auto timed = [&phases](const char* name, auto work) {
    const Clock::time_point begin = Clock::now();
    work();
    phases[name] = microsSince(begin);
  };
  timed("machine", [&] {
    for (const auto& collector : machine_) {
      collector->collect(context);
    }
  });
  timed("cgroups", [&] { cgroups_->collect(context); });
  timed("processes", [&] { processes_->collect(context); });
  states_.clear();
  timed("values", [&] { processes_->collectValues(context, states_); });
  sayRefused();
  own_.put(context, publication_.health(), reported_);
  timed("history", [&] { remember(timestamp_); });

  publication_.publish(series_, scans_, timestamp_);
  Health health;
  health.scans = scans_;
  health.missedScans = missed_;
  health.phasesUs = std::move(phases);
  health.series = series_.count();
  health.refusedSeries = series_.refused();
  health.filesRead = reader_.filesRead;
  health.historyBytes = publication_.withHistory([](const History& history) { return history.bytes(); });
  health.denied = processes_->denied();
  if (cgroups_->refused() > 0) {
    health.denied["cgroup"] = {cgroups_->refused(), EACCES};
  }
  health.clockAheadMs = aheadMs_;
  health.scansAhead = scansAhead_;
  health.lastScanMs = microsSince(start) / 1000;
  const double lasted = health.lastScanMs;
  publication_.publish(processes_->table(),
                       std::make_shared<const std::vector<StateRow>>(states_), timestamp_, std::move(health));
  return lasted;
}

std::vector<std::uint8_t> Scan::save() {
  const ThreadName name("storage");
  const ThreadTime before = threadTime();
  const auto counted = [&] {
    const ThreadTime now = threadTime();
    storageUserUs_ += now.userUs - before.userUs;
    storageSystemUs_ += now.systemUs - before.systemUs;
  };
  constexpr std::uint32_t kSeriesAtOnce = 64;
  SnapshotWriter writer = publication_.withHistory([](const History& history) { return SnapshotWriter(history.timeline()); });
  for (std::uint32_t from = 0;; from += kSeriesAtOnce) {
    const bool more = publication_.withHistory([&](const History& history) {
      // Both locks, so that no id is given to another key in between.
      std::lock_guard lock(series_.keysMutex());
      const std::uint32_t end = std::min(from + kSeriesAtOnce, series_.keyCount());
      for (std::uint32_t id = from; id < end; ++id) {
        if (const auto key = series_.key(id)) {
          history.save(id, *key, series_.keyKind(id), writer);
        }
      }
      return end < series_.keyCount();
    });
    if (!more) {
      break;
    }
  }
  std::vector<std::uint8_t> bytes = writer.finish();
  counted();
  return bytes;
}

Scan::Restored Scan::restore(std::span<const std::uint8_t> bytes, std::int64_t nowMs) {
  // All of it is looked at before any of it is taken: a damaged snapshot leaves an empty history, not half of one.
  Restored restored;
  for (const bool taking : {false, true}) {
    SnapshotReader reader;
    restored.problem = reader.open(bytes);
    if (restored.problem != nullptr) {
      return restored;
    }
    const auto& stamps = reader.stamps();
    const auto scans = static_cast<std::uint32_t>(std::lower_bound(stamps.begin(), stamps.end(), nowMs) - stamps.begin());
    restored.newerScans = static_cast<std::uint32_t>(stamps.size()) - scans;
    publication_.withHistory([&](History& history) {
      for (std::uint32_t scan = 0; taking && scan < scans; ++scan) {
        history.beginScan(stamps[scan]);
        timestamp_ = stamps[scan];
      }
      const std::uint32_t firstKept = taking ? history.timeline().first() : 0;
      SeriesRef ref;
      Kind kind{};
      for (std::uint32_t i = 0; i < reader.series(); ++i) {
        bool wellFormed = false;
        const bool sound = reader.next(
            [&](const SnapshotReader::Series& series) {
              kind = series.kind;
              std::vector<Label> labels;
              wellFormed = checkKey(series.key, labels);
              ref = taking && wellFormed ? series_.intern(labels, kind) : SeriesRef{};
            },
            [&](std::uint32_t scan, std::uint64_t word) {
              if (taking && ref.id < series_.size() && scan >= firstKept && scan < scans) {
                history.restore(ref.id, kind, scan, word);
                lastSeen_.resize(series_.size());
                watches_.resize(series_.size());
                see(history.timeline(), ref.id, kind, word, scan);
                ++restored.samples;
              }
            });
        if (!sound || !wellFormed) {
          restored.problem = "one of its series makes no sense";
          return;
        }
        restored.series += taking ? 1 : 0;
      }
    });
    if (restored.problem != nullptr) {
      return restored;
    }
  }
  return restored;
}

// Behind a clock that was set back, time goes on from where it was, a tenth slower until the clock has caught up: stamps
// rise, and rates are off by no more than that tenth.
std::int64_t Scan::stamp(std::int64_t wallMs, std::int64_t bootMs) const noexcept {
  const std::int64_t elapsed = bootMs - bootMs_;
  return scans_ == 0 ? std::max(wallMs, timestamp_ + 1)
                     : std::max(wallMs, timestamp_ + std::max<std::int64_t>(1, elapsed - elapsed / 10));
}

// What a stepped clock does to the stamps is said when it begins, and counted: such scans lie closer than they were.
void Scan::followClock(std::int64_t wallMs, std::int64_t elapsedMs, std::int64_t stepMs) {
  const std::int64_t before = aheadMs_;
  aheadMs_ = scans_ == 0 ? 0 : timestamp_ + stepMs - wallMs;
  scansAhead_ += aheadMs_ > 0 ? 1 : 0;
  if (before == 0 && aheadMs_ > 0) {
    notes_.say("the clock was set back: time stamps are " + std::to_string(aheadMs_) +
               " ms ahead of it and go on, a tenth slower, until it has caught up");
  }
  const std::int64_t forward = stepMs - elapsedMs;
  if (scans_ > 0 && before == 0 && forward > std::max<std::int64_t>(options_.intervalMs, kLeastStepMs)) {
    notes_.say("the clock was set forward by " + std::to_string(forward) + " ms: the history has a gap");
  }
}

// A table that is full refuses at each scan.
void Scan::sayRefused() {
  const std::uint64_t more = series_.refused() - refusedSaid_;
  if (more == 0 || (refusedSaid_ > 0 && timestamp_ - refusedSaidAt_ < kSayRefusedEveryMs)) {
    return;
  }
  notes_.say("refused " + std::to_string(more) + " new series: there are " + std::to_string(options_.maxSeries) +
             " already (--max-metrics)");
  refusedSaid_ = series_.refused();
  refusedSaidAt_ = timestamp_;
}

void Scan::see(const Timeline& timeline, std::uint32_t id, Kind kind, std::uint64_t word, std::uint32_t scan) {
  const std::uint32_t before = lastSeen_[id];
  const bool known = before >= timeline.first() && before < scan;
  watches_[id].see(kind, word, known ? static_cast<double>(timeline.at(scan) - timeline.at(before)) / 1000 : 0, scan);
  lastSeen_[id] = scan;
}

void Scan::remember(std::int64_t timestamp) {
  lastSeen_.resize(series_.size());
  watches_.resize(series_.size());
  auto anomalies = std::make_shared<std::vector<Anomaly>>();
  const std::uint32_t firstKept = publication_.withHistory([&](History& history) {
    const Timeline& timeline = history.timeline();
    const std::uint32_t scan = history.beginScan(timestamp);
    for (std::uint32_t id = 0; id < series_.size(); ++id) {
      if (series_.fresh(id)) {
        history.append(id, series_.kind(id), series_.value(id));
        see(timeline, id, series_.kind(id), series_.value(id), scan);
        const Watch& watch = watches_[id];
        if (watch.anomalous()) {
          anomalies->push_back({id, watch.score(), timeline.at(std::max(watch.since(), timeline.first()))});
        }
      }
    }
    return timeline.first();
  });
  publication_.publish(std::move(anomalies));
  if (timestamp - expiredAt_ >= kExpireEveryMs) {
    expiredAt_ = timestamp;
    expire(firstKept);
  }
}

void Scan::expire(std::uint32_t firstKept) {
  for (std::uint32_t id = 0; id < series_.size(); ++id) {
    if (series_.used(id) && lastSeen_[id] < firstKept) {
      publication_.withHistory([id](History& history) { history.erase(id); });
      series_.expire(id);
      watches_[id] = {};
    }
  }
}

} // namespace stellwerk
