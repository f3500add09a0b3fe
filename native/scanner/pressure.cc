// /proc/pressure: Documentation/accounting/psi.rst. `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, total in µs.
#include "scanner/pressure_line.hpp"

#include "scanner/collector.hpp"

#include <fcntl.h>

namespace stellwerk {
namespace {

class Pressure final : public Collector {
public:
  Pressure(const std::string& procRoot, bool averages) : averages_(averages) {
    for (const char* resource : {"cpu", "memory", "io", "irq"}) {
      files_.push_back({procRoot + "/pressure/" + resource, {}, {{std::string("psi.") + resource + ".some"},
                                                                 {std::string("psi.") + resource + ".full"}}});
    }
  }
  const char* name() const noexcept override { return "pressure"; }

  void collect(ScanContext& context) override {
    for (File& file : files_) {
      std::string_view text;
      if (!file.kept.read(context.reader, AT_FDCWD, file.path.c_str(), text)) {
        continue;
      }
      const PressureFile parsed = parsePressure(text, averages_);
      file.lines[0].set(context.series, parsed.some);
      file.lines[1].set(context.series, parsed.full);
    }
  }

private:
  struct Line {
    Line(const std::string& prefix) : total(prefix + ".total", Kind::Counter) {
      for (const char* average : kPressureAverages) {
        averages.emplace_back(prefix + "." + average, Kind::Float);
      }
    }
    void set(SeriesTable& series, const PressureLine& line) {
      if (line.total) {
        total.set(series, *line.total);
      }
      for (std::size_t i = 0; i < averages.size(); ++i) {
        if (line.averages[i]) {
          averages[i].setFloat(series, *line.averages[i]);
        }
      }
    }
    NamedSeries total;
    std::vector<NamedSeries> averages;
  };
  struct File {
    std::string path;
    KeptFile kept;
    std::vector<Line> lines; // some, full
  };
  bool averages_;
  std::vector<File> files_;
};

} // namespace

std::unique_ptr<Collector> makePressure(const ScanOptions& options) { return std::make_unique<Pressure>(options.procRoot, options.pressureAverages); }

} // namespace stellwerk
