// /proc/vmstat: proc_vmstat(5). Of its two hundred counters those that tell of memory trouble.
#include "scanner/flat_file.hpp"

namespace stellwerk {
namespace {

bool wanted(std::string_view name) noexcept {
  for (std::string_view exact : {"pgfault", "pgmajfault", "pswpin", "pswpout", "oom_kill"}) {
    if (name == exact) {
      return true;
    }
  }
  return name.starts_with("pgscan_") || name.starts_with("pgsteal_") || name.starts_with("allocstall_");
}

std::optional<NamedSeries> seriesOf(std::string_view name) {
  return wanted(name) ? std::optional(NamedSeries("vm." + std::string(name), Kind::Counter)) : std::nullopt;
}

} // namespace

std::unique_ptr<Collector> makeVmStat(const ScanOptions& options) { return std::make_unique<FlatFile>("vmstat", options.procRoot + "/vmstat", seriesOf); }

} // namespace stellwerk
