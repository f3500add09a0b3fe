#include "scanner/process_sums.hpp"

namespace stellwerk {
namespace {

// An empty group that does not exist any more keeps its counters for so long, because a restarted service should go on
// where it was.
constexpr std::uint64_t kScansKeptEmpty = 30;

constexpr std::array<std::pair<const char*, Kind>, 10> kMetrics = {{
    {"processes.number", Kind::Integer},
    {"processes.num_threads", Kind::Integer},
    {"processes.num_fds", Kind::Integer},
    {"processes.vsize", Kind::Integer},
    {"processes.rss", Kind::Integer},
    {"processes.swap", Kind::Integer},
    {"processes.user_time", Kind::Counter},
    {"processes.system_time", Kind::Counter},
    {"processes.read_bytes", Kind::Counter},
    {"processes.write_bytes", Kind::Counter},
}};

} // namespace

std::array<std::optional<std::uint64_t>, ProcessCounters::kCount> grown(ProcessCounters& counters, const ProcessRow& row) {
  const std::array<std::optional<std::uint64_t>, ProcessCounters::kCount> now = {
      row.stat.userTime, row.stat.systemTime, row.io.readBytes, row.io.writeBytes};
  std::array<std::optional<std::uint64_t>, ProcessCounters::kCount> more;
  for (std::size_t i = 0; i < now.size(); ++i) {
    if (!now[i]) {
      continue;
    }
    auto& last = counters.last[i];
    if (last) {
      more[i] = *now[i] > *last ? *now[i] - *last : 0;
    } else {
      // What could not be read until now is no growth of this scan.
      more[i] = counters.met ? 0 : *now[i];
    }
    last = now[i];
  }
  counters.met = true;
  return more;
}

void ProcessSum::add(std::uint64_t scan, const ProcessRow& row, std::uint64_t pageSize,
                     const std::array<std::optional<std::uint64_t>, ProcessCounters::kCount>& grown) noexcept {
  if (seen_ != scan) {
    seen_ = scan;
    levels_ = {};
  }
  const std::array<std::uint64_t, kLevels> levels = {
      1, row.stat.threads, row.fds.value_or(0), row.stat.vsize, row.stat.rssPages * pageSize, row.status.swap};
  for (std::size_t i = 0; i < kLevels; ++i) {
    levels_[i] += levels[i];
  }
  for (std::size_t i = 0; i < grown.size(); ++i) {
    if (grown[i]) {
      counters_[i] = counters_[i].value_or(0) + *grown[i];
    }
  }
}

void ProcessSum::publish(ScanContext& context) {
  if (seen_ != context.scan) {
    levels_ = {};
  }
  for (std::size_t i = 0; i < kMetrics.size(); ++i) {
    if (i >= kLevels && !counters_[i - kLevels]) {
      continue; // of none of its processes may it be read
    }
    if (!context.series.live(refs_[i])) {
      std::vector<Label> labels{{"metric", kMetrics[i].first}};
      if (cgroup_) {
        cgroup_->appendTo(labels);
      }
      if (!process_.empty()) {
        labels.emplace_back("process", process_);
      }
      refs_[i] = context.series.intern(labels, kMetrics[i].second);
    }
    context.series.set(refs_[i], i < kLevels ? levels_[i] : *counters_[i - kLevels]);
  }
}

void ProcessSum::retire(SeriesTable& series) {
  for (const SeriesRef& ref : refs_) {
    series.retire(ref);
  }
}

ProcessSums::Sum ProcessSums::of(const std::shared_ptr<const CgroupIdentity>& cgroup, const std::string& process) {
  std::string key = cgroup ? cgroup->name : std::string();
  key.append(1, '\0').append(process);
  Sum& sum = sums_[key];
  if (!sum) {
    sum = std::make_shared<ProcessSum>(cgroup, process);
  }
  return sum;
}

void ProcessSums::publish(ScanContext& context, const std::function<bool(const std::string&)>& exists) {
  for (auto entry = sums_.begin(); entry != sums_.end();) {
    ProcessSum& sum = *entry->second;
    const bool used = sum.seen() == context.scan;
    const bool kept = sum.whole() && sum.cgroup() != nullptr && exists(sum.cgroup()->name);
    if (!used && !kept && context.scan > sum.seen() + kScansKeptEmpty) {
      sum.retire(context.series);
      entry = sums_.erase(entry);
      continue;
    }
    if (used || kept) {
      sum.publish(context);
    }
    ++entry;
  }
}

} // namespace stellwerk
