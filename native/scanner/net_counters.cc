// /proc/net/netstat and /proc/net/snmp: proc_pid_net(5). Pairs of lines: names, then values, both behind `PREFIX:`.
#include "base/number.hpp"
#include "scanner/collector.hpp"

#include <fcntl.h>

namespace stellwerk {
namespace {

// Of snmp (RFC 1213, RFC 2012) these are settings and one level, the rest counts.
bool isLevel(std::string_view group, std::string_view field) noexcept {
  if (group == "Ip") {
    return field == "Forwarding" || field == "DefaultTTL";
  }
  return group == "Tcp" && (field == "CurrEstab" || field.starts_with("Rto") || field == "MaxConn");
}

class NetCounters final : public Collector {
public:
  explicit NetCounters(const std::string& procRoot) {
    for (const char* file : {"netstat", "snmp"}) {
      files_.push_back({procRoot + "/net/" + file, {}, {}});
    }
  }
  const char* name() const noexcept override { return "net/netstat"; }

  void collect(ScanContext& context) override {
    for (File& file : files_) {
      std::string_view text;
      if (!file.kept.read(context.reader, AT_FDCWD, file.path.c_str(), text, ReadWhole::Loop)) {
        continue;
      }
      file.names.restart();
      Cursor cursor(text);
      while (!cursor.done()) {
        Cursor names(cursor.line());
        Cursor values(cursor.line());
        std::string_view prefix = names.word();
        if (prefix.size() < 2 || values.word() != prefix) {
          break;
        }
        prefix.remove_suffix(1);
        for (std::string_view name = names.word(); !name.empty(); name = names.word()) {
          // The same field name stands under several prefixes, but never twice at one place of the file.
          NamedSeries& series = file.names.next(
              prefix, name,
              [](std::string_view group, std::string_view field) {
                return NamedSeries("net." + std::string(group) + "." + std::string(field),
                                   isLevel(group, field) ? Kind::Integer : Kind::Counter);
              });
          std::string_view word = values.word();
          std::uint64_t value = 0;
          if (parseUnsigned(word, value)) { // negative ones (Tcp MaxConn −1) are no counters
            series.set(context.series, value);
          }
        }
      }
    }
  }

private:
  // By position, checked against the field name.
  class Names {
  public:
    void restart() noexcept { position_ = 0; }
    template <class Make> NamedSeries& next(std::string_view prefix, std::string_view field, Make make) {
      if (position_ == lines_.size() || !matches(lines_[position_].name(), prefix, field)) {
        lines_.erase(lines_.begin() + static_cast<std::ptrdiff_t>(position_), lines_.end());
        lines_.push_back(make(prefix, field));
      }
      return lines_[position_++];
    }

  private:
    static bool matches(std::string_view metric, std::string_view prefix, std::string_view field) noexcept {
      return metric.size() == prefix.size() + field.size() + 5 && metric.substr(4, prefix.size()) == prefix &&
             metric.ends_with(field);
    }
    std::vector<NamedSeries> lines_;
    std::size_t position_ = 0;
  };

  struct File {
    std::string path;
    KeptFile kept;
    Names names;
  };
  std::vector<File> files_;
};

} // namespace

std::unique_ptr<Collector> makeNetCounters(const ScanOptions& options) {
  return std::make_unique<NetCounters>(options.procRoot);
}

} // namespace stellwerk
