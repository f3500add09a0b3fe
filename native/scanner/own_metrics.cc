#include "scanner/own_metrics.hpp"

#include <cmath>

namespace stellwerk {

void OwnMetrics::put(ScanContext& context, const Health& before, const Reported& reported) {
  if (before.scans > 0) {
    set(context, "scan.duration", Kind::Integer, static_cast<std::uint64_t>(std::llround(before.lastScanMs * 1000)));
    for (const auto& [phase, micros] : before.phasesUs) {
      set(context, "scan." + phase, Kind::Integer, static_cast<std::uint64_t>(std::llround(micros)));
    }
    set(context, "scan.files_read", Kind::Integer, before.filesRead);
    set(context, "history.bytes", Kind::Integer, before.historyBytes);
    set(context, "series.number", Kind::Integer, before.series);
  }
  set(context, "scan.missed", Kind::Counter, before.missedScans);
  set(context, "series.refused", Kind::Counter, before.refusedSeries);
  for (const auto& [reason, rejection] : context.notes.rejected()) {
    set(context, "values.rejected", Kind::Counter, rejection.count, reason);
  }
  for (const auto& [name, value] : reported.all()) {
    set(context, name.metric, value.kind, value.word, {}, name.group);
  }
}

void OwnMetrics::set(ScanContext& context, const std::string& metric, Kind kind, std::uint64_t word, std::string_view reason,
                     std::string_view group) {
  auto [entry, isNew] =
      series_.try_emplace(metric + '\0' + std::string(reason) + '\0' + std::string(group), Own{kind, {}});
  Own& own = entry->second;
  if (!context.series.live(own.ref) || own.kind != kind) {
    std::vector<Label> labels{{"group", group}, {"metric", metric}};
    if (!reason.empty()) {
      labels.emplace_back("reason", reason);
    }
    own = {kind, context.series.intern(labels, kind)};
  }
  context.series.set(own.ref, word);
}

} // namespace stellwerk
