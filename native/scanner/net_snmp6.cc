// /proc/net/snmp6: proc_pid_net(5). `Ip6InReceives 12` lines; of a single interface they are left out.
#include "scanner/flat_file.hpp"

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

} // namespace

std::unique_ptr<Collector> makeNetSnmp6(const ScanOptions& options) { return std::make_unique<FlatFile>("net/snmp6", options.procRoot + "/net/snmp6", seriesOf); }

} // namespace stellwerk
