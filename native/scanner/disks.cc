// /proc/diskstats: Documentation/admin-guide/iostats.rst. Sectors are of 512 bytes, times in ms.
#include "base/number.hpp"
#include "scanner/collector.hpp"
#include "scanner/disk_alias.hpp"

#include <array>
#include <fcntl.h>
#include <map>

namespace stellwerk {
namespace {

constexpr std::uint64_t kScansBetweenLooks = 30;

struct Field {
  const char* metric;
  Kind kind = Kind::Counter;
  std::uint64_t times = 1;
};

constexpr std::array<Field, 17> kFields = {{
    {"disk.read.ops"},      {"disk.read.merges"},     {"disk.read.bytes", Kind::Counter, 512},
    {"disk.read.time"},     {"disk.write.ops"},       {"disk.write.merges"},
    {"disk.write.bytes", Kind::Counter, 512},         {"disk.write.time"},
    {"disk.in_progress", Kind::Integer},              {"disk.time"},
    {"disk.weighted_time"}, {"disk.discard.ops"},     {"disk.discard.merges"},
    {"disk.discard.bytes", Kind::Counter, 512},       {"disk.discard.time"},
    {"disk.flush.ops"},     {"disk.flush.time"},
}};

class Disks final : public Collector {
public:
  explicit Disks(const std::string& procRoot) : path_(procRoot + "/diskstats") {}
  const char* name() const noexcept override { return "diskstats"; }

  void collect(ScanContext& context) override {
    std::string_view text;
    if (!file_.read(context.reader, AT_FDCWD, path_.c_str(), text, ReadWhole::Loop)) {
      return;
    }
    Cursor cursor(text);
    while (!cursor.done()) {
      Cursor line(cursor.line());
      line.word();
      line.word();
      std::string_view device = line.word();
      if (device.empty() || device.starts_with("ram") || device.starts_with("loop")) {
        continue;
      }
      Disk& disk = diskOf(context, device);
      for (std::size_t i = 0; i < kFields.size(); ++i) {
        std::uint64_t value = 0;
        line.skipSpaces();
        if (!line.readUnsigned(value)) {
          break; // older kernels have fewer fields
        }
        SeriesRef& ref = disk.refs[i];
        if (!context.series.live(ref)) {
          std::vector<Label> labels{{"device", device}, {"metric", kFields[i].metric}};
          if (!disk.alias.empty()) {
            labels.emplace_back("alias", disk.alias);
          }
          ref = context.series.intern(labels, kFields[i].kind);
        }
        context.series.set(ref, value * kFields[i].times);
      }
    }
  }

private:
  struct Disk {
    std::string alias;
    std::uint64_t seen = 0; // scan
    std::array<SeriesRef, kFields.size()> refs = {};
  };

  // A device-mapper number is soon given to another device, and a device can be renamed.
  Disk& diskOf(ScanContext& context, std::string_view device) {
    auto found = devices_.find(device);
    if (found == devices_.end()) {
      found = devices_.emplace(std::string(device), Disk{}).first;
    }
    Disk& disk = found->second;
    if (disk.seen == 0 || disk.seen + 1 != context.scan || context.scan % kScansBetweenLooks == 0) {
      // The reader's buffer holds the text that is being read.
      Reader reader{FdBudget(0), 4096};
      std::string alias = diskAlias(reader, context.sysRoot, device);
      if (alias != disk.alias) {
        disk.alias = std::move(alias);
        disk.refs = {};
      }
    }
    disk.seen = context.scan;
    return disk;
  }

  std::string path_;
  KeptFile file_;
  std::map<std::string, Disk, std::less<>> devices_;
};

} // namespace

std::unique_ptr<Collector> makeDisks(const ScanOptions& options) { return std::make_unique<Disks>(options.procRoot); }

} // namespace stellwerk
