// /proc/net/sockstat and sockstat6: proc_pid_net(5). `TCP: inuse 5 orphan 0 tw 1 alloc 7 mem 2` lines.
#include "base/number.hpp"
#include "scanner/collector.hpp"
#include "scanner/flat_names.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace stellwerk {
namespace {

class SocketStat final : public Collector {
public:
  explicit SocketStat(const std::string& procRoot) {
    for (const char* file : {"sockstat", "sockstat6"}) {
      files_.push_back({procRoot + "/net/" + file, {}, {}});
    }
  }
  const char* name() const noexcept override { return "net/sockstat"; }

  void collect(ScanContext& context) override {
    for (File& file : files_) {
      std::string_view text;
      if (!file.kept.read(context.reader, AT_FDCWD, file.path.c_str(), text, ReadWhole::Loop)) {
        continue;
      }
      file.names.restart();
      Cursor cursor(text);
      while (!cursor.done()) {
        Cursor line(cursor.line());
        std::string_view group = line.word();
        if (group.size() < 2 || group.back() != ':') {
          continue;
        }
        group.remove_suffix(1);
        for (std::string_view field = line.word(); !field.empty(); field = line.word()) {
          std::uint64_t value = 0;
          if (!parseUnsigned(line.word(), value)) {
            continue;
          }
          scratch_.assign("net.").append(group).append(".").append(field);
          // `mem` counts pages; the `memory` of fragments is in bytes already.
          file.names
              .next(scratch_, [](std::string_view metric) { return NamedSeries(std::string(metric), Kind::Integer); })
              .set(context.series, field == "mem" ? value * pageSize_ : value);
        }
      }
    }
  }

private:
  struct File {
    std::string path;
    KeptFile kept;
    FlatNames<NamedSeries> names;
  };
  std::vector<File> files_;
  std::string scratch_;
  std::uint64_t pageSize_ = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
};

} // namespace

std::unique_ptr<Collector> makeSocketStat(const ScanOptions& options) {
  return std::make_unique<SocketStat>(options.procRoot);
}

} // namespace stellwerk
