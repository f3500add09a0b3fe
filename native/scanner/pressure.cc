// /proc/pressure: Documentation/accounting/psi.rst. `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, total in µs.
#include "scanner/pressure_line.hpp"

#include "scanner/collector.hpp"

#include <fcntl.h>
#include <optional>

namespace stellwerk {
namespace {

class Pressure final : public Collector {
public:
  explicit Pressure(const std::string& procRoot) {
    for (const char* resource : {"cpu", "memory", "io", "irq"}) {
      std::string prefix = std::string("psi.") + resource;
      files_.push_back({procRoot + "/pressure/" + resource,
                        {},
                        {prefix + ".some.total", Kind::Counter},
                        {prefix + ".full.total", Kind::Counter}});
    }
  }
  const char* name() const noexcept override { return "pressure"; }

  void collect(ScanContext& context) override {
    for (File& file : files_) {
      std::string_view text;
      if (!file.kept.read(context.reader, AT_FDCWD, file.path.c_str(), text)) {
        continue;
      }
      PressureTotals totals = parsePressure(text);
      if (totals.some) {
        file.some.set(context.series, *totals.some);
      }
      if (totals.full) {
        file.full.set(context.series, *totals.full);
      }
    }
  }

private:
  struct File {
    std::string path;
    KeptFile kept;
    NamedSeries some;
    NamedSeries full;
  };
  std::vector<File> files_;
};

} // namespace

std::unique_ptr<Collector> makePressure(const std::string& procRoot) { return std::make_unique<Pressure>(procRoot); }

} // namespace stellwerk
