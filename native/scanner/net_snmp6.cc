// /proc/net/snmp6: proc_pid_net(5). `Ip6InReceives 12` lines; of a single interface they are left out.
#include "base/number.hpp"
#include "scanner/collector.hpp"
#include "scanner/flat_names.hpp"

#include <fcntl.h>
#include <optional>

namespace stellwerk {
namespace {

// As those of IPv4 are named: `net.Ip6.InReceives` beside `net.Ip.InReceives`.
std::optional<NamedSeries> seriesOf(std::string_view name) {
  for (std::string_view prefix : {"Icmp6", "UdpLite6", "Udp6", "Ip6"}) {
    if (name.starts_with(prefix) && name.size() > prefix.size()) {
      return NamedSeries("net." + std::string(prefix) + "." + std::string(name.substr(prefix.size())), Kind::Counter);
    }
  }
  return std::nullopt;
}

class NetSnmp6 final : public Collector {
public:
  explicit NetSnmp6(const std::string& procRoot) : path_(procRoot + "/net/snmp6") {}
  const char* name() const noexcept override { return "net/snmp6"; }

  void collect(ScanContext& context) override {
    std::string_view text;
    if (!file_.read(context.reader, AT_FDCWD, path_.c_str(), text, ReadWhole::Loop)) {
      return;
    }
    names_.restart();
    Cursor cursor(text);
    while (!cursor.done()) {
      Cursor line(cursor.line());
      auto& series = names_.next(line.word(), seriesOf);
      std::uint64_t value = 0;
      if (series && parseUnsigned(line.word(), value)) {
        series->set(context.series, value);
      }
    }
  }

private:
  std::string path_;
  KeptFile file_;
  FlatNames<std::optional<NamedSeries>> names_;
};

} // namespace

std::unique_ptr<Collector> makeNetSnmp6(const ScanOptions& options) { return std::make_unique<NetSnmp6>(options.procRoot); }

} // namespace stellwerk
