// A machine made of folders: what the collectors' tests read.
#pragma once

#include "scanner/scan.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <optional>
#include <string>
#include <unistd.h>

namespace stellwerk::test {

namespace fs = std::filesystem;

class TempDir {
public:
  TempDir() {
    char folder[] = "/tmp/stellwerk-scanner-XXXXXX";
    path = mkdtemp(folder);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() { fs::remove_all(path); }

  // Parents are made.
  void write(const std::string& name, std::string_view text) const {
    const fs::path file = path + "/" + name;
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary | std::ios::trunc) << text;
  }
  // As the libraries do: a new file under the old name.
  void replace(const std::string& name, std::string_view text) const {
    write(name + ".next", text);
    fs::rename(path + "/" + name + ".next", path + "/" + name);
  }

  std::string path;
};

using LabelMap = std::map<std::string, std::string>;

inline LabelMap labelsOf(std::string_view key) {
  LabelMap labels;
  decodeKey(key, [&](std::string_view name, std::string_view value) { labels.emplace(name, value); });
  return labels;
}

// The newest id of these labels; one that was retired has a younger twin.
inline std::optional<std::uint32_t> idOf(const SeriesTable& table, const LabelMap& labels) {
  for (std::uint32_t id = table.keyCount(); id-- > 0;) {
    if (table.key(id) && labelsOf(*table.key(id)) == labels) {
      return id;
    }
  }
  return std::nullopt;
}

// The value that this very scan has seen.
inline std::optional<std::uint64_t> valueOf(const SeriesTable& table, const LabelMap& labels) {
  const auto id = idOf(table, labels);
  return id && table.fresh(*id) ? std::optional(table.value(*id)) : std::nullopt;
}

// A scan of one collector.
struct Rig {
  explicit Rig(std::string root, std::uint32_t maxSeries = 100'000)
      : procRoot(root + "/proc"), sysRoot(root + "/sys"), series(maxSeries) {}

  ScanContext begin() {
    ++scan;
    series.beginScan();
    return {series, reader, notes, procRoot, sysRoot, scan, 1000 * static_cast<std::int64_t>(scan)};
  }
  void collect(Collector& collector) {
    ScanContext context = begin();
    collector.collect(context);
  }
  std::optional<std::uint64_t> value(const LabelMap& labels) const { return valueOf(series, labels); }

  std::string procRoot;
  std::string sysRoot;
  SeriesTable series;
  Reader reader{FdBudget(1000)};
  Notes notes;
  std::uint64_t scan = 0;
};

struct FakeProcess {
  std::uint32_t pid = 100;
  std::string name = "web";
  std::uint64_t startTime = 5000;
  std::uint64_t userTime = 7;
  std::string environ = {};
  std::string cgroup = "0::/system.slice/web.service\n";
  int threads = 4;
};

inline void writeStat(const TempDir& machine, const FakeProcess& process) {
  const std::string stat = std::to_string(process.pid) + " (" + process.name + ") S 1 1 1 0 -1 4194304 0 0 0 0 " +
                           std::to_string(process.userTime) + " 3 2 1 20 0 " + std::to_string(process.threads) + " 0 " + std::to_string(process.startTime) +
                           " 4096000 25 18446744073709551615 1 1 " + std::to_string(140'000'000 + process.startTime) +
                           " 0 0\n";
  machine.write("proc/" + std::to_string(process.pid) + "/stat", stat);
}

// Its root is the folder `root` of the machine.
inline void writeProcess(const TempDir& machine, const FakeProcess& process) {
  const std::string folder = "proc/" + std::to_string(process.pid) + "/";
  writeStat(machine, process);
  machine.write(folder + "status", "Name:\tweb\nUid:\t33\t0\t0\t0\nGid:\t34\t0\t0\t0\nVmSwap:\t      12 kB\n");
  machine.write(folder + "io", "rchar: 1\nread_bytes: 4096\nwrite_bytes: 8192\n");
  machine.write(folder + "cgroup", process.cgroup);
  machine.write(folder + "cmdline", std::string_view("web\0-p\0\70\60\0", 10));
  machine.write(folder + "environ", process.environ);
  fs::create_directories(machine.path + "/root");
  if (!fs::is_symlink(machine.path + "/" + folder + "root")) {
    fs::create_directory_symlink(machine.path + "/root", machine.path + "/" + folder + "root");
  }
}

inline CgroupMount unifiedMount(const std::string& path) { return {true, {"cpu", "memory", "io", "pids"}, path, "/"}; }

inline std::string words(std::initializer_list<std::uint64_t> values) {
  std::string bytes;
  for (std::uint64_t value : values) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  return bytes;
}

// Strings near to `seed`, and now and then far from it; the same ones at each run.
class Mutator {
public:
  explicit Mutator(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() { // xorshift64
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }
  std::string mutate(std::string text) {
    static constexpr std::string_view kLikely = "{}[]\":,\\u0 \n\t-+.eE019:/=()\0\xff\xc3\xed\xa0";
    for (std::uint64_t changes = next() % 6; changes > 0; --changes) {
      const std::size_t at = text.empty() ? 0 : next() % text.size();
      const char likely = kLikely[next() % kLikely.size()];
      switch (next() % 5) {
      case 0:
        text.insert(at, 1, likely);
        break;
      case 1:
        text.erase(at, 1 + next() % 4);
        break;
      case 2:
        text.resize(at);
        break;
      case 3:
        text.insert(at, text.substr(0, next() % 40));
        break;
      default:
        if (!text.empty()) {
          text[at] = next() % 2 == 0 ? likely : static_cast<char>(next());
        }
      }
    }
    return text;
  }

private:
  std::uint64_t state_;
};

} // namespace stellwerk::test
