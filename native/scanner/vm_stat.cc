// /proc/vmstat: proc_vmstat(5). Of its two hundred counters those that tell of memory trouble.
#include "base/number.hpp"
#include "scanner/collector.hpp"
#include "scanner/flat_names.hpp"

#include <fcntl.h>
#include <optional>

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

class VmStat final : public Collector {
public:
  explicit VmStat(const std::string& procRoot) : path_(procRoot + "/vmstat") {}
  const char* name() const noexcept override { return "vmstat"; }

  void collect(ScanContext& context) override {
    std::string_view text;
    if (!file_.read(context.reader, AT_FDCWD, path_.c_str(), text, ReadWhole::Loop)) {
      return;
    }
    names_.restart();
    Cursor cursor(text);
    while (!cursor.done()) {
      Cursor line(cursor.line());
      std::string_view name = line.word();
      auto& series = names_.next(name, [](std::string_view word) -> std::optional<NamedSeries> {
        return wanted(word) ? std::optional<NamedSeries>(NamedSeries("vm." + std::string(word), Kind::Counter))
                            : std::nullopt;
      });
      std::uint64_t value = 0;
      line.skipSpaces();
      if (series && line.readUnsigned(value)) {
        series->set(context.series, value);
      }
    }
  }

private:
  std::string path_;
  KeptFile file_;
  FlatNames<std::optional<NamedSeries>> names_;
};

} // namespace

std::unique_ptr<Collector> makeVmStat(const ScanOptions& options) { return std::make_unique<VmStat>(options.procRoot); }

} // namespace stellwerk
