// /proc/mdstat: Documentation/admin-guide/md.rst. `md0 : active raid1 sdb1[1] sda1[0]`, and on the next line
// `… [2/1] [U_]`: of 2 disks 1 works. Arrays without redundancy have no such pair.
#include "base/number.hpp"
#include "scanner/collector.hpp"

#include <array>
#include <fcntl.h>
#include <map>
#include <optional>

namespace stellwerk {
namespace {

struct Array {
  std::uint64_t disks = 0;
  std::uint64_t working = 0;
};

// `[2/1]` among the words of a line.
std::optional<Array> pairOf(Cursor line) {
  for (std::string_view word = line.word(); !word.empty(); word = line.word()) {
    const std::size_t slash = word.find('/');
    Array array;
    if (word.front() == '[' && word.back() == ']' && slash != std::string_view::npos && slash > 0 &&
        parseUnsigned(word.substr(1, slash - 1), array.disks) &&
        parseUnsigned(word.substr(slash + 1, word.size() - slash - 2), array.working)) {
      return array;
    }
  }
  return std::nullopt;
}

class MdArrays final : public Collector {
public:
  explicit MdArrays(const std::string& procRoot) : path_(procRoot + "/mdstat") {}
  const char* name() const noexcept override { return "mdstat"; }

  void collect(ScanContext& context) override {
    std::string_view text;
    if (!file_.read(context.reader, AT_FDCWD, path_.c_str(), text, ReadWhole::Loop)) {
      return;
    }
    std::uint64_t degraded = 0;
    std::string_view device;
    Cursor cursor(text);
    while (!cursor.done()) {
      const std::string_view line = cursor.line();
      Cursor words(line);
      const std::string_view first = words.word();
      if (first.starts_with("md") && words.word() == ":") {
        device = first;
        continue;
      }
      if (line.empty()) {
        device = {};
      }
      const auto array = device.empty() ? std::nullopt : pairOf(Cursor(line));
      if (!array) {
        continue;
      }
      const std::uint64_t missing = array->disks > array->working ? array->disks - array->working : 0;
      degraded += missing > 0 ? 1 : 0;
      put(context, device, {array->disks, missing});
      device = {}; // a line about its recovery may follow
    }
    degraded_.set(context.series, degraded);
  }

private:
  static constexpr std::array<const char*, 2> kMetrics = {"md.disks", "md.disks_missing"};

  void put(ScanContext& context, std::string_view device, const std::array<std::uint64_t, 2>& values) {
    auto found = arrays_.find(device);
    if (found == arrays_.end()) {
      found = arrays_.emplace(std::string(device), std::array<SeriesRef, 2>{}).first;
    }
    for (std::size_t i = 0; i < kMetrics.size(); ++i) {
      if (!context.series.live(found->second[i])) {
        std::vector<Label> labels{{"device", device}, {"metric", kMetrics[i]}};
        found->second[i] = context.series.intern(labels, Kind::Integer);
      }
      context.series.set(found->second[i], values[i]);
    }
  }

  std::string path_;
  KeptFile file_;
  NamedSeries degraded_{"md.degraded_arrays", Kind::Integer};
  std::map<std::string, std::array<SeriesRef, 2>, std::less<>> arrays_;
};

} // namespace

std::unique_ptr<Collector> makeMdArrays(const ScanOptions& options) { return std::make_unique<MdArrays>(options.procRoot); }

} // namespace stellwerk
