#include "scanner/processes.hpp"

#include "base/number.hpp"
#include "scanner/cgroup_name.hpp"
#include "scanner/labels_json.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

namespace stellwerk {
namespace {

// What changes at exec or never is read then; what can change without one (the cgroup, the command line) once a minute.
constexpr std::uint64_t kScansBetweenLooks = 30;
constexpr std::size_t kMostCommandLine = 4096;
// USER_HZ is 100 on x86_64 and arm64.
constexpr double kMillisPerTick = 10;

constexpr std::array<std::pair<const char*, Kind>, 8> kMetricNames = {{
    {"vsize", Kind::Integer},
    {"rss", Kind::Integer},
    {"swap", Kind::Integer},
    {"num_threads", Kind::Integer},
    {"user_time", Kind::Counter},
    {"system_time", Kind::Counter},
    {"read_bytes", Kind::Counter},
    {"write_bytes", Kind::Counter},
}};

void listPids(const std::string& procRoot, std::vector<std::uint32_t>& pids) {
  DIR* directory = opendir(procRoot.c_str());
  if (directory == nullptr) {
    return;
  }
  while (const dirent* entry = readdir(directory)) {
    std::uint64_t pid = 0;
    if (parseUnsigned(entry->d_name, pid)) {
      pids.push_back(static_cast<std::uint32_t>(pid));
    }
  }
  closedir(directory);
}

double readBootTimeMs(const std::string& procRoot) {
  Reader reader{FdBudget(0)};
  KeptFile file;
  std::string_view text;
  if (file.read(reader, AT_FDCWD, (procRoot + "/stat").c_str(), text, ReadWhole::Loop)) {
    Cursor cursor(text);
    while (!cursor.done()) {
      Cursor line(cursor.line());
      std::uint64_t seconds = 0;
      if (line.word() == "btime" && parseUnsigned(line.word(), seconds)) {
        return static_cast<double>(seconds) * 1000;
      }
    }
  }
  return 0;
}

struct ProcPath {
  ProcPath(const std::string& procRoot, std::uint32_t pid, const char* file) {
    std::snprintf(text, sizeof text, "%s/%u/%s", procRoot.c_str(), pid, file);
  }
  char text[512];
};

} // namespace

Processes::Processes(const std::string& procRoot, std::optional<CgroupMount> naming, bool metrics, Cgroups& cgroups)
    : procRoot_(procRoot), naming_(std::move(naming)), metrics_(metrics), cgroups_(cgroups),
      pageSize_(static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE))), bootTimeMs_(readBootTimeMs(procRoot)) {}

void Processes::collect(ScanContext& context) {
  list(context);
  auto& table = tables_[context.scan % tables_.size()];
  if (!table || table.use_count() > 1) {
    table = std::make_shared<std::vector<ProcessRow>>();
  }
  table->resize(pids_.size());
  std::size_t count = 0;
  for (std::uint32_t pid : pids_) {
    Process& process = known_[pid];
    ProcessRow& row = (*table)[count];
    if (read(context, pid, process, row)) {
      process.seen = context.scan;
      put(context, pid, process, row);
      ++count;
    }
  }
  table->resize(count);
  table_ = table;
  std::erase_if(known_, [&](const auto& entry) {
    const bool gone = entry.second.seen != context.scan;
    if (gone) {
      retire(context, entry.second);
    }
    return gone;
  });
}

// The order of /proc can shift while it is read, and a process be missed. Where one of the last scan is not in the
// listing, it has gone or was missed: a second listing tells. A new one that was missed is met by the next scan.
void Processes::list(const ScanContext& context) {
  auto read = [&] {
    listPids(context.procRoot, pids_);
    std::sort(pids_.begin(), pids_.end());
    pids_.erase(std::unique(pids_.begin(), pids_.end()), pids_.end());
  };
  pids_.clear();
  read();
  const bool missing = std::any_of(known_.begin(), known_.end(), [&](const auto& entry) {
    return !std::binary_search(pids_.begin(), pids_.end(), entry.first);
  });
  if (missing) {
    read();
  }
}

bool Processes::readKept(ScanContext& context, KeptFile& file, std::uint32_t pid, const char* name,
                         std::string_view& text) {
  if (file.open()) {
    return file.read(context.reader, AT_FDCWD, nullptr, text);
  }
  return file.read(context.reader, AT_FDCWD, ProcPath(procRoot_, pid, name).text, text);
}

bool Processes::read(ScanContext& context, std::uint32_t pid, Process& process, ProcessRow& row) {
  std::string_view text;
  if (!readKept(context, process.stat, pid, "stat", text)) {
    return false;
  }
  const auto stat = parseProcessStat(text);
  if (!stat) {
    return false;
  }
  row.stat = *stat;
  row.stat.pid = pid;
  row.status = {};
  row.io = {};
  if (validUtf8(stat->name)) {
    row.name = stat->name;
  } else {
    row.name = lossyUtf8(stat->name);
  }
  row.stat.name = {};
  if (process.startTime != stat->startTime) {
    // Another process under an old number.
    KeptFile file = std::move(process.stat);
    retire(context, process);
    process = Process{};
    process.stat = std::move(file);
    process.startTime = stat->startTime;
  }
  // A zombie has no memory, no files and nothing to export; only its parent has not noticed yet.
  const bool zombie = stat->state == 'Z';
  if (zombie && process.values) {
    process.values.reset();
    process.valuesPath.clear();
  }
  const bool kernelThread = (stat->flags & ProcessStat::kKernelThread) != 0;
  if (!zombie && (process.startStack != stat->startStack || context.scan >= process.lookAt)) {
    process.startStack = stat->startStack;
    look(context, pid, process, kernelThread);
    // Spread, so that not all processes are looked at in the same scan.
    process.lookAt = context.scan + kScansBetweenLooks - (process.seen == 0 ? pid % kScansBetweenLooks : 0);
  }
  if (!kernelThread) {
    if (readKept(context, process.status, pid, "status", text)) {
      row.status = parseProcessStatus(text);
    }
    if (!process.ioRefused) {
      if (readKept(context, process.io, pid, "io", text)) {
        row.io = parseProcessIo(text);
      } else {
        process.ioRefused = errno == EACCES || errno == EPERM;
      }
    }
  }
  row.cmdline = process.cmdline;
  row.cgroup = process.cgroup;
  row.startTimestamp = bootTimeMs_ + static_cast<double>(stat->startTime) * kMillisPerTick;
  return true;
}

// The counters of the next process under this number start anew: no rate may be made of both.
void Processes::retire(ScanContext& context, const Process& process) {
  for (const SeriesRef& ref : process.refs) {
    context.series.retire(ref);
  }
}

void Processes::look(ScanContext& context, std::uint32_t pid, Process& process, bool kernelThread) {
  Reader& reader = context.reader;
  std::string_view text;
  std::string cgroup;
  if (naming_) {
    KeptFile file;
    if (file.read(reader, AT_FDCWD, ProcPath(procRoot_, pid, "cgroup").text, text)) {
      if (const auto path = cgroupPathOf(text, *naming_)) {
        cgroup = cgroupName(*path);
      }
    }
  }
  if (!cgroup.empty() && !cgroups_.knows(cgroup)) {
    cgroups_.lookAgain();
  }
  std::string appname;
  std::string valuesPath;
  if (!kernelThread) {
    KeptFile file;
    if (file.read(reader, AT_FDCWD, ProcPath(procRoot_, pid, "cmdline").text, text)) {
      process.cmdline = lossyUtf8(text.substr(0, kMostCommandLine));
      while (!process.cmdline.empty() && process.cmdline.back() == '\0') {
        process.cmdline.pop_back();
      }
      std::replace(process.cmdline.begin(), process.cmdline.end(), '\0', ' ');
    }
    file.close();
    if (file.read(reader, AT_FDCWD, ProcPath(procRoot_, pid, "environ").text, text, ReadWhole::Loop)) {
      const ProcessEnvironment environment = parseEnvironment(text);
      valuesPath = environment.path;
      appname = environment.appname;
      if (std::any_of(appname.begin(), appname.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; })) {
        if (!process.appnameRefused) {
          context.notes.say("pid " + std::to_string(pid) + ": CANTAL_APPNAME is not ASCII, ignored");
        }
        process.appnameRefused = true;
        appname.clear();
      }
    } else {
      valuesPath = process.valuesPath;
      appname = process.appname;
    }
    process.ioRefused = false;
  }
  while (!valuesPath.empty() && valuesPath.back() == '/') {
    valuesPath.pop_back();
  }
  if (cgroup != process.cgroup || appname != process.appname || valuesPath != process.valuesPath) {
    process.cgroup = std::move(cgroup);
    process.appname = std::move(appname);
    process.valuesPath = std::move(valuesPath);
    process.refs = {};
    process.values = process.valuesPath.empty() ? nullptr : std::make_unique<ValuesFile>(process.valuesPath);
  }
}

void Processes::put(ScanContext& context, std::uint32_t pid, Process& process, const ProcessRow& row) {
  if (!metrics_) {
    return;
  }
  const std::array<std::optional<std::uint64_t>, kMetrics> values = {
      row.stat.vsize,    row.stat.rssPages * pageSize_, row.status.swap,  row.stat.threads,
      row.stat.userTime, row.stat.systemTime,           row.io.readBytes, row.io.writeBytes,
  };
  for (std::size_t i = 0; i < kMetrics; ++i) {
    if (!values[i]) {
      continue;
    }
    if (!context.series.live(process.refs[i])) {
      const std::string number = std::to_string(pid);
      std::vector<Label> labels{{"metric", kMetricNames[i].first}, {"pid", number}};
      if (!process.cgroup.empty()) {
        labels.emplace_back("cgroup", process.cgroup);
      }
      process.refs[i] = context.series.intern(labels, kMetricNames[i].second);
    }
    context.series.set(process.refs[i], *values[i]);
  }
}

void Processes::collectValues(ScanContext& context, std::vector<StateRow>& states) {
  seenInodes_.clear();
  // By pid, so that of a family the same member owns a file at each scan.
  for (auto& [pid, process] : known_) {
    if (process.values) {
      process.values->collect(context, {pid, process.cgroup, process.appname}, seenInodes_, states);
    }
  }
}

} // namespace stellwerk
