// /proc/sys/fs/file-nr: proc_sys_fs(5). The first field is the number of open file handles.
#include "base/number.hpp"
#include "scanner/collector.hpp"

#include <fcntl.h>

namespace stellwerk {
namespace {

class OpenFiles final : public Collector {
public:
  explicit OpenFiles(const std::string& procRoot) : path_(procRoot + "/sys/fs/file-nr") {}
  const char* name() const noexcept override { return "file-nr"; }

  void collect(ScanContext& context) override {
    std::string_view text;
    std::uint64_t value = 0;
    if (file_.read(context.reader, AT_FDCWD, path_.c_str(), text) && Cursor(text).readUnsigned(value)) {
      series_.set(context.series, value);
    }
  }

private:
  std::string path_;
  KeptFile file_;
  NamedSeries series_{"open_files", Kind::Integer};
};

} // namespace

std::unique_ptr<Collector> makeOpenFiles(const ScanOptions& options) { return std::make_unique<OpenFiles>(options.procRoot); }

} // namespace stellwerk
