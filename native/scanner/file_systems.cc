#include "scanner/file_systems.hpp"

#include "base/number.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <fcntl.h>
#include <map>
#include <mutex>
#include <set>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <thread>

namespace stellwerk {
namespace {

using namespace std::chrono_literals;

// Space does not go faster than this; five scans are also how long a file system may take to answer.
constexpr std::uint64_t kScansBetweenRounds = 5;
// So that a single scan has them too.
constexpr auto kFirstRound = 100ms;
// Threads that hang; with more dead servers than that nothing is asked any more until one comes back.
constexpr std::size_t kMostHung = 8;

constexpr std::array<const char*, 5> kMetrics = {"fs.size", "fs.free", "fs.avail", "fs.files", "fs.files_free"};

bool inKernelOrMemory(std::string_view type) {
  static constexpr std::string_view kTypes[] = {
      "autofs",  "binfmt_misc", "bpf",    "cgroup",  "cgroup2",   "configfs",   "debugfs", "devpts",     "devtmpfs", "efivarfs",
      "fusectl", "hugetlbfs",   "mqueue", "nsfs",    "overlay",   "proc",       "pstore",  "rpc_pipefs", "securityfs", "selinuxfs",
      "squashfs", "sysfs",      "tmpfs",  "tracefs", "ramfs"};
  return std::find(std::begin(kTypes), std::end(kTypes), type) != std::end(kTypes);
}

// Blanks, tabs, line feeds and backslashes are written as three octal digits.
std::string decoded(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    bool octal = text[i] == '\\' && i + 3 < text.size();
    for (std::size_t digit = 1; octal && digit <= 3; ++digit) {
      octal = text[i + digit] >= '0' && text[i + digit] <= '7';
      byte = byte * 8 + static_cast<unsigned>(text[i + digit] - '0');
    }
    if (octal && byte <= 0xff) {
      plain += static_cast<char>(byte);
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

} // namespace

std::vector<std::string> keptFileSystems(std::string_view mountinfo) {
  struct Best {
    bool whole; // the root of the file system, not a bind mount of a folder in it
    std::string path;
  };
  std::map<std::string, Best, std::less<>> byDevice;
  Cursor cursor(mountinfo);
  while (!cursor.done()) {
    Cursor line(cursor.line());
    line.word();
    line.word();
    const std::string_view device = line.word();
    const bool whole = line.word() == "/";
    const std::string path = decoded(line.word());
    std::string_view word = line.word();
    while (!word.empty() && word != "-") {
      word = line.word();
    }
    const std::string_view type = line.word();
    if (type.empty() || path.empty() || path[0] != '/' || (inKernelOrMemory(type) && path != "/")) {
      continue;
    }
    auto found = byDevice.find(device);
    if (found == byDevice.end()) {
      byDevice.emplace(device, Best{whole, path});
    } else if (whole > found->second.whole ||
               (whole == found->second.whole && path.size() < found->second.path.size())) {
      found->second = {whole, path};
    }
  }
  std::vector<std::string> paths;
  for (auto& [device, best] : byDevice) {
    paths.push_back(std::move(best.path));
  }
  std::sort(paths.begin(), paths.end());
  // Stacked mounts of two devices have one mount point; the path reaches the upper one only.
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
  return paths;
}

// Shared with threads that may outlive the collector, because they hang.
struct FileSystems::Asking {
  explicit Asking(StatFileSystem stat) : stat(std::move(stat)) {}

  const StatFileSystem stat;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> todo;
  std::string current;      // what the thread of this generation asks; empty: nothing
  unsigned generation = 0;  // of the thread that counts; those before it hang
  bool running = false;
  std::set<std::string> hung;
  std::map<std::string, FileSystemUse> use;

  static void run(const std::shared_ptr<Asking>& asking, unsigned generation) {
    prctl(PR_SET_NAME, "statvfs"); // prctl(2)
    std::unique_lock lock(asking->mutex);
    while (asking->generation == generation && !asking->todo.empty()) {
      const std::string path = asking->todo.back();
      asking->todo.pop_back();
      asking->current = path;
      lock.unlock();
      const std::optional<FileSystemUse> use = asking->stat(path);
      lock.lock();
      if (asking->generation != generation) {
        asking->hung.erase(path); // back after all; the next round asks it again
        return;
      }
      asking->current.clear();
      if (use) {
        asking->use[path] = *use;
      } else {
        asking->use.erase(path);
      }
    }
    if (asking->generation == generation) {
      asking->running = false;
      asking->changed.notify_all();
    }
  }
};

FileSystems::FileSystems(const std::string& procRoot, StatFileSystem stat)
    : path_(procRoot + "/self/mountinfo"), asking_(std::make_shared<Asking>(std::move(stat))) {}

// A thread that answers soon is waited for; one that hangs is left behind with what it needs.
FileSystems::~FileSystems() {
  std::unique_lock lock(asking_->mutex);
  asking_->todo.clear();
  asking_->changed.wait_for(lock, kFirstRound, [this] { return !asking_->running; });
  ++asking_->generation;
}

void FileSystems::collect(ScanContext& context) {
  if (context.scan % kScansBetweenRounds == 1) {
    askAgain(context);
  }
  std::lock_guard lock(asking_->mutex);
  for (Mount& mount : mounts_) {
    const auto found = asking_->use.find(mount.path);
    if (found == asking_->use.end()) {
      continue;
    }
    const FileSystemUse& use = found->second;
    const std::array<std::uint64_t, kMetrics.size()> values = {use.size, use.free, use.available, use.files, use.freeFiles};
    for (std::size_t i = 0; i < kMetrics.size(); ++i) {
      if (!context.series.live(mount.refs[i])) {
        std::vector<Label> labels{{"metric", kMetrics[i]}, {"mount", mount.path}};
        mount.refs[i] = context.series.intern(labels, Kind::Integer);
      }
      context.series.set(mount.refs[i], values[i]);
    }
  }
}

void FileSystems::askAgain(ScanContext& context) {
  std::string_view text;
  std::vector<std::string> paths;
  if (file_.read(context.reader, AT_FDCWD, path_.c_str(), text, ReadWhole::Loop)) {
    paths = keptFileSystems(text);
  }
  std::unique_lock lock(asking_->mutex);
  if (asking_->running && !asking_->current.empty()) {
    // It had a whole round of time.
    asking_->hung.insert(asking_->current);
    context.notes.say("file system " + asking_->current + " does not answer; it is left out until it does");
    asking_->current.clear();
    asking_->running = false;
    ++asking_->generation;
  }
  std::erase_if(asking_->use, [&](const auto& entry) {
    return asking_->hung.contains(entry.first) || std::find(paths.begin(), paths.end(), entry.first) == paths.end();
  });
  std::vector<Mount> mounts;
  for (const std::string& path : paths) {
    const auto known = std::find_if(mounts_.begin(), mounts_.end(), [&](const Mount& mount) { return mount.path == path; });
    mounts.push_back(known == mounts_.end() ? Mount{path, {}} : std::move(*known));
  }
  mounts_ = std::move(mounts);
  std::erase_if(paths, [&](const std::string& path) { return asking_->hung.contains(path); });
  if (paths.empty() || asking_->hung.size() >= kMostHung) {
    return;
  }
  asking_->todo = std::move(paths);
  asking_->running = true;
  const unsigned generation = ++asking_->generation;
  std::thread([asking = asking_, generation] { Asking::run(asking, generation); }).detach();
  if (context.scan == 1) {
    asking_->changed.wait_for(lock, kFirstRound, [this] { return !asking_->running; });
  }
}

std::unique_ptr<Collector> makeFileSystems(const ScanOptions& options) {
  return std::make_unique<FileSystems>(options.procRoot, [](const std::string& path) -> std::optional<FileSystemUse> {
    struct statvfs use{};
    if (statvfs(path.c_str(), &use) != 0) {
      return std::nullopt;
    }
    return FileSystemUse{use.f_blocks * use.f_frsize, use.f_bfree * use.f_frsize, use.f_bavail * use.f_frsize, use.f_files,
                         use.f_ffree};
  });
}

} // namespace stellwerk
