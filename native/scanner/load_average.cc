// /proc/loadavg: proc_loadavg(5). `0.20 0.18 0.12 1/80 11206`.
#include "base/number.hpp"
#include "scanner/collector.hpp"

#include <fcntl.h>

namespace stellwerk {
namespace {

class LoadAverage final : public Collector {
public:
  explicit LoadAverage(const std::string& procRoot) : path_(procRoot + "/loadavg") {}
  const char* name() const noexcept override { return "loadavg"; }

  void collect(ScanContext& context) override {
    std::string_view text;
    if (!file_.read(context.reader, AT_FDCWD, path_.c_str(), text)) {
      return;
    }
    Cursor cursor(text);
    for (NamedSeries& series : averages_) {
      double value = 0;
      cursor.skipSpaces();
      if (!cursor.readFloat(value)) {
        return;
      }
      series.setFloat(context.series, value);
    }
    std::uint64_t runnable = 0;
    std::uint64_t total = 0;
    cursor.skipSpaces();
    if (!cursor.readUnsigned(runnable) || !cursor.skip('/') || !cursor.readUnsigned(total)) {
      return;
    }
    runnable_.set(context.series, runnable);
    total_.set(context.series, total);
    std::uint64_t last = 0;
    cursor.skipSpaces();
    if (cursor.readUnsigned(last)) {
      lastPid_.set(context.series, last);
    }
  }

private:
  std::string path_;
  KeptFile file_;
  NamedSeries averages_[3] = {
      {"load_avg_1min", Kind::Float}, {"load_avg_5min", Kind::Float}, {"load_avg_15min", Kind::Float}};
  NamedSeries runnable_{"proc_runnable", Kind::Integer};
  NamedSeries total_{"proc_total", Kind::Integer};
  NamedSeries lastPid_{"last_pid", Kind::Integer};
};

} // namespace

std::unique_ptr<Collector> makeLoadAverage(const ScanOptions& options) {
  return std::make_unique<LoadAverage>(options.procRoot);
}

} // namespace stellwerk
