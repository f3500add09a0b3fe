// /proc/stat: proc_stat(5). Processor time in clock ticks, of all processors and of each.
#include "base/number.hpp"
#include "scanner/collector.hpp"

#include <array>
#include <fcntl.h>

namespace stellwerk {
namespace {

constexpr std::array<const char*, 10> kFields = {"user", "nice",    "system", "idle",  "iowait",
                                                 "irq",  "softirq", "steal",  "guest", "guest_nice"};
// Above it one series per field and processor would be most of a host's series: those who want them ask for them.
constexpr std::size_t kMostUnasked = 64;
// More than Linux runs on (NR_CPUS).
constexpr std::uint64_t kMostProcessors = 16'384;

std::size_t processorsIn(std::string_view text) noexcept {
  std::size_t count = 0;
  for (std::size_t at = text.find("\ncpu"); at != std::string_view::npos; at = text.find("\ncpu", at + 1)) {
    ++count;
  }
  return count;
}

class CpuStat final : public Collector {
public:
  CpuStat(const std::string& procRoot, bool each) : path_(procRoot + "/stat"), askedForEach_(each) {}
  const char* name() const noexcept override { return "stat"; }

  void collect(ScanContext& context) override {
    std::string_view text;
    if (!file_.read(context.reader, AT_FDCWD, path_.c_str(), text)) {
      return;
    }
    const bool each = askedForEach_ || processorsIn(text) <= kMostUnasked;
    Cursor cursor(text);
    while (!cursor.done()) {
      Cursor line(cursor.line());
      std::string_view key = line.word();
      if (key == "cpu") {
        ticks(context, line, "", all_);
      } else if (key.starts_with("cpu")) {
        std::uint64_t number = 0;
        if (each && parseUnsigned(key.substr(3), number) && number < kMostProcessors) {
          if (each_.size() <= number) {
            each_.resize(number + 1);
          }
          ticks(context, line, key.substr(3), each_[number]);
        }
      } else {
        for (auto& [name, series] : totals_) {
          std::uint64_t value = 0;
          line.skipSpaces();
          if (key == name && line.readUnsigned(value)) {
            series.set(context.series, value);
          }
        }
      }
    }
  }

private:
  using Refs = std::array<SeriesRef, kFields.size()>;

  static void ticks(ScanContext& context, Cursor& line, std::string_view processor, Refs& refs) {
    for (std::size_t i = 0; i < kFields.size(); ++i) {
      std::uint64_t value = 0;
      line.skipSpaces();
      if (!line.readUnsigned(value)) {
        return;
      }
      if (!context.series.live(refs[i])) {
        std::string metric = std::string("cpu.") + kFields[i];
        std::vector<Label> labels{{"metric", metric}};
        if (!processor.empty()) {
          labels.emplace_back("cpu", processor);
        }
        refs[i] = context.series.intern(labels, Kind::Counter);
      }
      context.series.set(refs[i], value);
    }
  }

  std::string path_;
  bool askedForEach_;
  KeptFile file_;
  Refs all_;
  std::vector<Refs> each_;
  std::pair<std::string_view, NamedSeries> totals_[5] = {
      {"ctxt", {"cpu.ctxt", Kind::Counter}},
      {"processes", {"cpu.forks", Kind::Counter}},
      {"intr", {"intr", Kind::Counter}},
      {"procs_running", {"procs_running", Kind::Integer}},
      {"procs_blocked", {"procs_blocked", Kind::Integer}},
  };
};

} // namespace

std::unique_ptr<Collector> makeCpuStat(const ScanOptions& options) {
  return std::make_unique<CpuStat>(options.procRoot, options.perCpu);
}

} // namespace stellwerk
