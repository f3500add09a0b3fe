#include "scanner/processes.hpp"

#include "base/number.hpp"
#include "scanner/cgroup_name.hpp"
#include "scanner/folder.hpp"
#include "scanner/labels_json.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace stellwerk {
namespace {

// What changes at exec or never is read then; what can change without one (the cgroup, the command line) once a minute.
constexpr std::uint64_t kScansBetweenLooks = 30;
// How many files are open; and of processes that have not run, what others can change: memory that the kernel takes away.
constexpr std::uint64_t kScansBetweenFullReads = 5;
constexpr std::size_t kMostCommandLine = 4096;
// A group that has too many series is told of once in this time.
constexpr std::int64_t kRefusalsSaidEveryMs = 60'000;
// USER_HZ is 100 on x86_64 and arm64.
constexpr double kMillisPerTick = 10;

constexpr std::array<std::pair<const char*, Kind>, 11> kMetricNames = {{
    {"vsize", Kind::Integer},
    {"rss", Kind::Integer},
    {"swap", Kind::Integer},
    {"num_threads", Kind::Integer},
    {"num_fds", Kind::Integer},
    {"user_time", Kind::Counter},
    {"system_time", Kind::Counter},
    {"read_bytes", Kind::Counter},
    {"write_bytes", Kind::Counter},
    {"voluntary_ctxt_switches", Kind::Counter},
    {"nonvoluntary_ctxt_switches", Kind::Counter},
}};

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

// Below /proc.
struct ProcPath {
  ProcPath(std::uint32_t pid, const char* file) { std::snprintf(text, sizeof text, "%u/%s", pid, file); }
  char text[64];
};

bool isRefusal(int error) noexcept { return error == EACCES || error == EPERM; }

bool isZombie(const ProcessRow& row) noexcept { return row.stat.state == 'Z'; }
bool isKernelThread(const ProcessRow& row) noexcept { return (row.stat.flags & ProcessStat::kKernelThread) != 0; }

} // namespace

Processes::Processes(const std::string& procRoot, std::optional<CgroupMount> naming, ProcessMetrics metrics, Cgroups& cgroups)
    : procRoot_(procRoot), proc_(open(procRoot.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)), naming_(std::move(naming)),
      metrics_(metrics), cgroups_(cgroups), pageSize_(static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE))),
      bootTimeMs_(readBootTimeMs(procRoot)) {}

void Processes::collect(ScanContext& context) {
  list(context);
  auto& table = tables_[context.scan % tables_.size()];
  if (!table || table.use_count() > 1) {
    table = std::make_shared<std::vector<ProcessRow>>();
  }
  table->resize(pids_.size());
  std::size_t count = 0;
  auto next = known_.begin();
  for (std::uint32_t pid : pids_) {
    // Both are sorted.
    while (next != known_.end() && next->first < pid) {
      ++next;
    }
    if (next == known_.end() || next->first != pid) {
      next = known_.try_emplace(next, pid);
    }
    Process& process = next->second;
    if (read(context, pid, process)) {
      // Of one that lives no longer than a scan, a dozen series would be kept for an hour, of one sample each. What is there
      // at the first scan has lived before.
      const bool stays = process.seen != 0 || context.scan == 1;
      process.seen = context.scan;
      (*table)[count] = process.row;
      if (stays) {
        put(context, pid, process);
      }
      sum(context, process);
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
  sums_.publish(context, [this](const std::string& group) { return cgroups_.knows(group); });
}

// The order of /proc can shift while it is read, and a process be missed. Where one of the last scan is not in the
// listing, it has gone or was missed: a second listing tells. A new one that was missed is met by the next scan.
void Processes::list(ScanContext& context) {
  auto read = [&] {
    listFolder(AT_FDCWD, procRoot_.c_str(), context.reader.buffer, [this](std::string_view name, std::uint8_t) {
      std::uint64_t pid = 0;
      if (parseUnsigned(name, pid)) {
        pids_.push_back(static_cast<std::uint32_t>(pid));
      }
    });
    std::sort(pids_.begin(), pids_.end());
    pids_.erase(std::unique(pids_.begin(), pids_.end()), pids_.end());
  };
  pids_.clear();
  read();
  bool missing = false;
  auto listed = pids_.begin();
  for (auto known = known_.begin(); known != known_.end() && !missing; ++known) {
    listed = std::lower_bound(listed, pids_.end(), known->first);
    missing = listed == pids_.end() || *listed != known->first;
  }
  if (missing) {
    read();
  }
}

bool Processes::readKept(ScanContext& context, KeptFile& file, std::uint32_t pid, const char* name,
                         std::string_view& text) {
  if (file.open()) {
    return file.read(context.reader, proc_.get(), nullptr, text);
  }
  return file.read(context.reader, proc_.get(), ProcPath(pid, name).text, text);
}

bool Processes::read(ScanContext& context, std::uint32_t pid, Process& process) {
  const bool asBefore = hasNotRun(context, pid, process) && context.scan < process.readAllAt;
  const std::uint64_t formerStack = process.row.stat.startStack;
  if (!asBefore && !readFiles(context, pid, process)) {
    return false;
  }
  // A zombie has no memory, no files and nothing to export; only its parent has not noticed yet.
  if (isZombie(process.row)) {
    process.values.reset();
    process.valuesPath.clear();
    process.row.fds.reset();
    return true;
  }
  if (context.scan >= process.readAllAt) {
    countFiles(context, pid, process);
    process.readAllAt = context.scan + kScansBetweenFullReads - (process.seen == 0 ? pid % kScansBetweenFullReads : 0);
  }
  if (formerStack != process.row.stat.startStack || context.scan >= process.lookAt) {
    // A new process is often moved to its group by others: it is looked at again by the next scan. Then spread, so that not
    // all are looked at in the same one.
    process.lookAt = context.scan + (process.looks == 0   ? 1
                                     : process.looks == 1 ? kScansBetweenLooks - pid % (kScansBetweenLooks - 1)
                                                          : kScansBetweenLooks);
    process.looks = std::min(process.looks + 1, 2);
    look(context, pid, process);
  }
  return true;
}

// A process of one thread that was not given a processor since it was read has done nothing. The stamp is taken before
// all else: what happens while the rest is read is met by the next scan.
bool Processes::hasNotRun(ScanContext& context, std::uint32_t pid, Process& process) {
  if (process.ranUnknown) {
    return false;
  }
  std::string_view text;
  if (!readKept(context, process.schedstat, pid, "schedstat", text)) {
    process.ran.reset();
    process.ranUnknown = errno == ENOENT; // not of this kernel
    return false;
  }
  const auto ran = parseRunStamp(text);
  const bool same = ran && process.ran && *ran == *process.ran && process.row.stat.threads == 1;
  process.ran = ran;
  return same;
}

bool Processes::readFiles(ScanContext& context, std::uint32_t pid, Process& process) {
  std::string_view text;
  const bool wasOpen = process.stat.open();
  // What is open is of a process that is gone; there may be another under its number.
  if (!readKept(context, process.stat, pid, "stat", text) && !(wasOpen && readKept(context, process.stat, pid, "stat", text))) {
    return false;
  }
  const auto stat = parseProcessStat(text);
  if (!stat) {
    return false;
  }
  if (process.seen != 0 && process.row.stat.startTime != stat->startTime) {
    // Another process under an old number. The files that are open may be of either.
    KeptFile file = std::move(process.stat);
    retire(context, process);
    process = Process{};
    process.stat = std::move(file);
  }
  ProcessRow& row = process.row;
  row.stat = *stat;
  row.stat.pid = pid;
  const auto named = [&row](std::string_view name) {
    if (row.name != name) {
      row.name = name;
    }
  };
  if (validUtf8(stat->name)) {
    named(stat->name);
  } else {
    named(lossyUtf8(stat->name));
  }
  row.stat.name = {};
  row.startTimestamp = bootTimeMs_ + static_cast<double>(stat->startTime) * kMillisPerTick;
  row.status = {};
  row.io = {};
  if (isKernelThread(row)) {
    return true;
  }
  if (readKept(context, process.status, pid, "status", text)) {
    row.status = parseProcessStatus(text);
  }
  if (process.ioError == 0) {
    if (readKept(context, process.io, pid, "io", text)) {
      row.io = parseProcessIo(text);
    } else if (isRefusal(errno)) {
      process.ioError = errno;
    }
  }
  return true;
}

// Since Linux 6.2 the size of /proc/PID/fd is the number of open files (proc_pid_fd(5)); before it was 0, and they are
// counted.
void Processes::countFiles(ScanContext& context, std::uint32_t pid, Process& process) {
  if (isKernelThread(process.row)) {
    return;
  }
  struct stat folder{};
  const ProcPath path(pid, "fd");
  process.row.fds.reset();
  if (fstatat(proc_.get(), path.text, &folder, 0) != 0) {
    return;
  }
  if (folder.st_size > 0) {
    process.row.fds = static_cast<std::uint64_t>(folder.st_size);
    return;
  }
  std::uint64_t count = 0;
  if (listFolder(proc_.get(), path.text, context.reader.buffer,
                 [&count](std::string_view name, std::uint8_t) { count += name.front() == '.' ? 0 : 1; })) {
    process.row.fds = count;
  }
}

// The counters of the next process under this number start anew: no rate may be made of both.
void Processes::retire(ScanContext& context, const Process& process) {
  for (const SeriesRef& ref : process.refs) {
    context.series.retire(ref);
  }
}

void Processes::look(ScanContext& context, std::uint32_t pid, Process& process) {
  Reader& reader = context.reader;
  std::string_view text;
  CgroupIdentity identity;
  if (naming_) {
    KeptFile file;
    if (file.read(reader, proc_.get(), ProcPath(pid, "cgroup").text, text)) {
      if (const auto path = cgroupPathOf(text, *naming_)) {
        identity = cgroupIdentity(*path);
      }
    }
  }
  if (!identity.name.empty()) {
    cgroups_.meet(identity.name);
  }
  std::string appname;
  std::string valuesPath;
  if (!isKernelThread(process.row)) {
    lookAtEnvironment(context, pid, process, appname, valuesPath);
    process.ioError = 0;
  }
  process.ranUnknown = false;
  const bool sameGroup = process.row.cgroup ? *process.row.cgroup == identity : identity.name.empty();
  if (!sameGroup || appname != process.appname || valuesPath != process.valuesPath) {
    if (!sameGroup) {
      process.row.cgroup = identity.name.empty() ? nullptr : std::make_shared<const CgroupIdentity>(std::move(identity));
      process.groupSum.reset();
      process.nameSum.reset();
    }
    process.appname = std::move(appname);
    process.valuesPath = std::move(valuesPath);
    process.refs = {};
    process.values = process.valuesPath.empty() ? nullptr : std::make_unique<ValuesFile>(process.valuesPath);
  }
}

void Processes::lookAtEnvironment(ScanContext& context, std::uint32_t pid, Process& process, std::string& appname,
                                  std::string& valuesPath) {
  Reader& reader = context.reader;
  std::string_view text;
  KeptFile file;
  if (file.read(reader, proc_.get(), ProcPath(pid, "cmdline").text, text)) {
    std::string cmdline = lossyUtf8(text.substr(0, kMostCommandLine));
    while (!cmdline.empty() && cmdline.back() == '\0') {
      cmdline.pop_back();
    }
    std::replace(cmdline.begin(), cmdline.end(), '\0', ' ');
    if (!process.row.cmdline || *process.row.cmdline != cmdline) {
      process.row.cmdline = std::make_shared<const std::string>(std::move(cmdline));
    }
  }
  file.close();
  std::uint64_t score = 0;
  process.row.oomScore.reset();
  if (file.read(reader, proc_.get(), ProcPath(pid, "oom_score").text, text) && Cursor(text).readUnsigned(score)) {
    process.row.oomScore = score;
  }
  file.close();
  process.environError = 0;
  if (!file.read(reader, proc_.get(), ProcPath(pid, "environ").text, text, ReadWhole::Loop)) {
    process.environError = isRefusal(errno) ? errno : 0;
    valuesPath = process.valuesPath;
    appname = process.appname;
    return;
  }
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
  while (!valuesPath.empty() && valuesPath.back() == '/') {
    valuesPath.pop_back();
  }
}

void Processes::put(ScanContext& context, std::uint32_t pid, Process& process) {
  if (metrics_ != ProcessMetrics::ByPid) {
    return;
  }
  const ProcessRow& row = process.row;
  const std::array<std::optional<std::uint64_t>, kMetrics> values = {
      row.stat.vsize,
      row.stat.rssPages * pageSize_,
      row.status.swap,
      row.stat.threads,
      row.fds,
      row.stat.userTime,
      row.stat.systemTime,
      row.io.readBytes,
      row.io.writeBytes,
      row.status.voluntarySwitches,
      row.status.involuntarySwitches,
  };
  for (std::size_t i = 0; i < kMetrics; ++i) {
    if (!values[i]) {
      continue;
    }
    if (!context.series.live(process.refs[i])) {
      const std::string number = std::to_string(pid);
      std::vector<Label> labels{{"metric", kMetricNames[i].first}, {"pid", number}};
      if (row.cgroup) {
        row.cgroup->appendTo(labels);
      }
      process.refs[i] = context.series.intern(labels, kMetricNames[i].second);
    }
    context.series.set(process.refs[i], *values[i]);
  }
}

void Processes::sum(ScanContext& context, Process& process) {
  const ProcessRow& row = process.row;
  const auto more = grown(process.counters, row);
  if (row.cgroup) {
    if (!process.groupSum) {
      process.groupSum = sums_.of(row.cgroup, "");
    }
    process.groupSum->add(context.scan, row, pageSize_, more);
  }
  if (metrics_ == ProcessMetrics::ByName) {
    if (!process.nameSum || process.nameSum->process() != row.name) {
      process.nameSum = sums_.of(row.cgroup, row.name);
    }
    process.nameSum->add(context.scan, row, pageSize_, more);
  }
}

void Processes::collectValues(ScanContext& context, std::vector<StateRow>& states) {
  seenInodes_.clear();
  std::map<std::string_view, ValuesRoom> rooms;
  // By pid, so that of a family the same member owns a file at each scan.
  for (auto& [pid, process] : known_) {
    if (process.values) {
      const CgroupIdentity* group = process.row.cgroup.get();
      // The entries of one .meta are bounded too: what is in no group is its own.
      ValuesRoom alone;
      ValuesRoom& room = group == nullptr ? alone : rooms[group->name];
      process.values->collect(context, {pid, group, process.appname}, seenInodes_, states, room);
    }
  }
  std::erase_if(refusalsSaid_, [&](const auto& said) { return said.second + kRefusalsSaidEveryMs <= context.timestamp; });
  for (const auto& [group, room] : rooms) {
    if (room.refused > 0) {
      context.notes.reject("too-many-series",
                           "refused " + std::to_string(room.refused) + " series of applications in the cgroup " +
                               std::string(group) + ": at most " + std::to_string(kMostSeriesOfGroup) + " of one group are kept",
                           refusalsSaid_.emplace(group, context.timestamp).second);
    }
  }
}

DeniedByFile Processes::denied() const {
  DeniedByFile denied;
  for (const auto& [pid, process] : known_) {
    for (const auto& [file, error] : {std::pair{"io", process.ioError}, std::pair{"environ", process.environError}}) {
      if (error != 0) {
        ++denied[file].count;
        denied[file].error = error;
      }
    }
  }
  return denied;
}

} // namespace stellwerk
