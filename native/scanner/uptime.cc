// /proc/uptime: proc_uptime(5). Seconds since boot, and idle seconds summed over the processors.
#include "base/number.hpp"
#include "scanner/collector.hpp"

#include <fcntl.h>

namespace stellwerk {
namespace {

class Uptime final : public Collector {
public:
  explicit Uptime(const std::string& procRoot) : path_(procRoot + "/uptime") {}
  const char* name() const noexcept override { return "uptime"; }

  void collect(ScanContext& context) override {
    std::string_view text;
    if (!file_.read(context.reader, AT_FDCWD, path_.c_str(), text)) {
      return;
    }
    Cursor cursor(text);
    for (NamedSeries* series : {&uptime_, &idle_}) {
      double seconds = 0;
      cursor.skipSpaces();
      if (!cursor.readFloat(seconds)) {
        return;
      }
      series->setFloat(context.series, seconds);
    }
  }

private:
  std::string path_;
  KeptFile file_;
  NamedSeries uptime_{"uptime", Kind::Float};
  NamedSeries idle_{"idle_time", Kind::Float};
};

} // namespace

std::unique_ptr<Collector> makeUptime(const ScanOptions& options) { return std::make_unique<Uptime>(options.procRoot); }

} // namespace stellwerk
