// /proc/meminfo: proc_meminfo(5). `NAME: VALUE [kB]` lines.
#include "base/number.hpp"
#include "scanner/collector.hpp"
#include "scanner/flat_names.hpp"

#include <fcntl.h>

namespace stellwerk {
namespace {

class MemInfo final : public Collector {
public:
  explicit MemInfo(const std::string& procRoot) : path_(procRoot + "/meminfo") {}
  const char* name() const noexcept override { return "meminfo"; }

  void collect(ScanContext& context) override {
    std::string_view text;
    if (!file_.read(context.reader, AT_FDCWD, path_.c_str(), text)) {
      return;
    }
    names_.restart();
    Cursor cursor(text);
    while (!cursor.done()) {
      std::string_view line = cursor.line();
      std::size_t colon = line.find(':');
      if (colon == std::string_view::npos || colon == 0) {
        continue;
      }
      Cursor rest(line.substr(colon + 1));
      std::uint64_t value = 0;
      rest.skipSpaces();
      if (!rest.readUnsigned(value) || value > UINT64_MAX / 1024) {
        continue;
      }
      if (rest.word() == "kB") {
        value *= 1024;
      }
      names_
          .next(line.substr(0, colon),
                [](std::string_view name) { return NamedSeries("memory." + std::string(name), Kind::Integer); })
          .set(context.series, value);
    }
  }

private:
  std::string path_;
  KeptFile file_;
  FlatNames<NamedSeries> names_;
};

} // namespace

std::unique_ptr<Collector> makeMemInfo(const ScanOptions& options) { return std::make_unique<MemInfo>(options.procRoot); }

} // namespace stellwerk
