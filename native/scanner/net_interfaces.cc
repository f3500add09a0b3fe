// /proc/net/dev: proc_pid_net(5). Two header lines name the fields, then one line per interface.
#include "base/number.hpp"
#include "scanner/collector.hpp"

#include <fcntl.h>
#include <map>

namespace stellwerk {
namespace {

class NetInterfaces final : public Collector {
public:
  explicit NetInterfaces(const std::string& procRoot) : path_(procRoot + "/net/dev") {}
  const char* name() const noexcept override { return "net/dev"; }

  void collect(ScanContext& context) override {
    std::string_view text;
    if (!file_.read(context.reader, AT_FDCWD, path_.c_str(), text, ReadWhole::Loop)) {
      return;
    }
    Cursor cursor(text);
    cursor.line();
    if (fields_.empty()) {
      readHeader(cursor.line());
    } else {
      cursor.line();
    }
    if (fields_.empty()) {
      return;
    }
    while (!cursor.done()) {
      std::string_view line = cursor.line();
      // An alias such as eth0:1 has a colon of its own.
      std::size_t colon = line.rfind(':');
      if (colon == std::string_view::npos) {
        continue;
      }
      std::string_view interface = Cursor(line.substr(0, colon)).word();
      std::vector<SeriesRef>& refs = refsOf(interface);
      Cursor rest(line.substr(colon + 1));
      for (std::size_t i = 0; i < fields_.size(); ++i) {
        std::uint64_t value = 0;
        rest.skipSpaces();
        if (!rest.readUnsigned(value)) {
          break;
        }
        if (!context.series.live(refs[i])) {
          std::vector<Label> labels{{"interface", interface}, {"metric", fields_[i]}};
          refs[i] = context.series.intern(labels, Kind::Counter);
        }
        context.series.set(refs[i], value);
      }
    }
    // Containers' veth names never come back: do not collect them for ever.
    if (interfaces_.size() > kMostRemembered) {
      interfaces_.clear();
    }
  }

private:
  static constexpr std::size_t kMostRemembered = 10'000;

  void readHeader(std::string_view line) {
    const char* prefix = nullptr;
    std::size_t bar = line.find('|');
    while (bar != std::string_view::npos) {
      prefix = prefix == nullptr ? "net.interface.rx." : "net.interface.tx.";
      std::size_t next = line.find('|', bar + 1);
      Cursor words(line.substr(bar + 1, next == std::string_view::npos ? next : next - bar - 1));
      for (std::string_view word = words.word(); !word.empty(); word = words.word()) {
        fields_.push_back(prefix + std::string(word));
      }
      bar = next;
    }
  }

  std::vector<SeriesRef>& refsOf(std::string_view interface) {
    auto found = interfaces_.find(interface);
    if (found == interfaces_.end()) {
      found = interfaces_.emplace(std::string(interface), std::vector<SeriesRef>(fields_.size())).first;
    }
    return found->second;
  }

  std::string path_;
  KeptFile file_;
  std::vector<std::string> fields_;
  std::map<std::string, std::vector<SeriesRef>, std::less<>> interfaces_;
};

} // namespace

std::unique_ptr<Collector> makeNetInterfaces(const ScanOptions& options) {
  return std::make_unique<NetInterfaces>(options.procRoot);
}

} // namespace stellwerk
