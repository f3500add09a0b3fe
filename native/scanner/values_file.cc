#include "scanner/values_file.hpp"

#include "scanner/labels_json.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <fcntl.h>
#include <linux/openat2.h>
#include <span>
#include <sys/syscall.h>
#include <unistd.h>

namespace stellwerk {
namespace {

constexpr off_t kMostMetaBytes = 1 << 20;
constexpr std::size_t kMostTypeShown = 64;
constexpr off_t kMostValuesBytes = 16 << 20;
constexpr int kAttempts = 3;
constexpr unsigned kDescriptors = 2; // .meta and .values
// What the scanner says of processes itself, with the same labels: an application cannot speak in its name.
constexpr std::array<std::string_view, 11> kOwnMetrics = {
    "vsize",     "rss",         "swap",       "num_threads", "num_fds",
    "user_time", "system_time", "read_bytes", "write_bytes", "voluntary_ctxt_switches",
    "nonvoluntary_ctxt_switches"};
// Labels of the scanner's own.
constexpr std::array<std::string_view, 5> kOwnLabels = {"pid", "cgroup", "appname", "container", "runtime"};

// openat2(2): the path is the process's own, so it is resolved as in a chroot, never through a magic link.
Fd openBeneath(int root, const std::string& path) {
  open_how how{};
  how.flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return Fd(static_cast<int>(syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
}

// Fills `size` bytes from `offset`, or as many as there are.
ssize_t readAt(int fd, char* to, std::size_t size, std::size_t offset) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t count = pread(fd, to + done, size - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return -1;
    }
    if (count == 0) {
      break;
    }
    done += static_cast<std::size_t>(count);
  }
  return static_cast<ssize_t>(done);
}

bool sameTime(const timespec& a, const timespec& b) noexcept { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

std::uint64_t wordAt(const char* bytes) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

Kind kindOf(ValueType type) noexcept {
  switch (type) {
  case ValueType::Counter:
    return Kind::Counter;
  case ValueType::Float:
    return Kind::Float;
  default:
    return Kind::Integer;
  }
}

} // namespace

void ValuesFile::close() noexcept {
  meta_.reset();
  values_.reset();
  for (; counted_ > 0; --counted_) {
    budget_->give();
  }
  budget_ = nullptr;
}

bool ValuesFile::keep(FdBudget& budget, unsigned descriptors) noexcept {
  budget_ = &budget;
  while (counted_ < descriptors && budget.take()) {
    ++counted_;
  }
  return counted_ == descriptors;
}

// Deleted, renamed over, or changed in place; the last is against the protocol and still seen.
bool ValuesFile::replaced() const noexcept {
  struct stat now{};
  if (fstat(meta_.get(), &now) != 0 || now.st_nlink == 0 || now.st_size != metaSeen_.st_size ||
      !sameTime(now.st_mtim, metaSeen_.st_mtim)) {
    return true;
  }
  return values_ && (fstat(values_.get(), &now) != 0 || now.st_nlink == 0);
}

void ValuesFile::collect(ScanContext& context, const ValuesOwner& owner, SeenInodes& seen,
                         std::vector<StateRow>& states, ValuesRoom& room) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if ((!meta_ || replaced()) && open(context, owner) == Opened::Nothing) {
      return;
    }
    if (refusedFor_ != nullptr) {
      context.notes.reject(refusedFor_, refusal_, false);
      return;
    }
    if (!seen.insert(inode_).second) {
      return;
    }
    std::vector<char>& buffer = context.reader.buffer;
    if (buffer.size() < size_) {
      buffer.resize(size_);
    }
    ++context.reader.filesRead;
    const ssize_t count = readAt(values_.get(), buffer.data(), size_, 0);
    const bool whole = count >= 0 && static_cast<std::uint64_t>(count) == size_;
    // The writer deletes .meta first: while it is there, these are the values that it describes.
    if (replaced()) {
      seen.erase(inode_);
      close();
      continue;
    }
    if (whole) {
      publish(context, buffer.data(), room);
      readStates(context, states);
    }
    if (!keep(context.reader.budget, kDescriptors)) {
      close();
    }
    return;
  }
}

ValuesFile::Opened ValuesFile::open(ScanContext& context, const ValuesOwner& owner) {
  close();
  refusedFor_ = nullptr;
  const std::string root = context.procRoot + "/" + std::to_string(owner.pid) + "/root";
  const struct stat before = metaSeen_;
  metaSeen_ = {};
  const Fd rootFd(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!rootFd) {
    return Opened::Nothing; // gone, or of another user
  }
  meta_ = openBeneath(rootFd.get(), path_ + ".meta");
  if (!meta_) {
    return errno == ENOENT || errno == ENOTDIR ? Opened::Nothing
                                               : refuse(context, owner, "unreadable", ".meta: " + std::string(strerrordesc_np(errno)));
  }
  if (fstat(meta_.get(), &metaSeen_) != 0 || !S_ISREG(metaSeen_.st_mode)) {
    return refuse(context, owner, "no-file", ".meta is no regular file");
  }
  if (metaSeen_.st_ino != before.st_ino || !sameTime(metaSeen_.st_mtim, before.st_mtim)) {
    refusal_.clear(); // another generation, another message
  }
  if (metaSeen_.st_size > kMostMetaBytes) {
    return refuse(context, owner, "too-large", ".meta is larger than 1 MiB");
  }
  values_ = openBeneath(rootFd.get(), path_ + ".values");
  struct stat values{};
  if (!values_ || fstat(values_.get(), &values) != 0) {
    if (!values_ && errno != ENOENT) {
      return refuse(context, owner, "unreadable", ".values: " + std::string(strerrordesc_np(errno)));
    }
    close();
    return Opened::Nothing;
  }
  if (!S_ISREG(values.st_mode)) {
    return refuse(context, owner, "no-file", ".values is no regular file");
  }
  inode_ = {values.st_dev, values.st_ino};

  std::string text(static_cast<std::size_t>(metaSeen_.st_size), '\0');
  const ssize_t count = readAt(meta_.get(), text.data(), text.size(), 0);
  if (count < 0) {
    return refuse(context, owner, "unreadable", ".meta: " + std::string(strerrordesc_np(errno)));
  }
  text.resize(static_cast<std::size_t>(count));
  Meta meta = parseMeta(text);
  if (meta.error != nullptr) {
    return refuse(context, owner, "bad-meta", ".meta line " + std::to_string(meta.errorLine) + ": " + meta.error);
  }
  if (meta.totalSize > static_cast<std::uint64_t>(kMostValuesBytes)) {
    return refuse(context, owner, "too-large", ".meta describes more than 16 MiB");
  }
  // One message, whatever the file has: it must not push out those of others.
  if (!meta.unknownTypes.empty()) {
    const std::string others = meta.unknownTypes.size() == 1 ? "" : " and others";
    context.notes.say("pid " + std::to_string(owner.pid) + ": " + path_ + ".meta: type " +
                      meta.unknownTypes.front().substr(0, kMostTypeShown) + others + ": not known, skipped");
  }
  size_ = meta.totalSize;
  label(context, owner, std::move(meta));
  refusal_.clear();
  return Opened::Ready;
}

ValuesFile::Opened ValuesFile::refuse(ScanContext& context, const ValuesOwner& owner, const char* reason,
                                      const std::string& what) {
  std::string message = "refused values of pid " + std::to_string(owner.pid) + ": " + path_ + what;
  const bool first = message != refusal_;
  refusal_ = std::move(message);
  context.notes.reject(reason, refusal_, first);
  values_.reset();
  // A regular .meta stays open to see when it is replaced; of anything else we let go.
  if (meta_ && S_ISREG(metaSeen_.st_mode) && keep(context.reader.budget, 1)) {
    refusedFor_ = reason;
  } else {
    close();
  }
  return Opened::Nothing;
}

void ValuesFile::label(ScanContext& context, const ValuesOwner& owner, Meta&& meta) {
  slots_.clear();
  states_.clear();
  std::set<std::string> taken;
  std::string key;
  // From the end, because of a repeated label set the later entry counts.
  for (auto entry = meta.entries.rbegin(); entry != meta.entries.rend(); ++entry) {
    std::vector<OwnedLabel> labels;
    bool speaksForUs = true;
    for (auto& [name, value] : entry->labels) {
      const bool ours = std::find(kOwnLabels.begin(), kOwnLabels.end(), name) != kOwnLabels.end();
      const bool own = std::find(kOwnMetrics.begin(), kOwnMetrics.end(), value) != kOwnMetrics.end();
      speaksForUs = speaksForUs && name == "metric" && own;
      const std::string label = ours ? "app_" + name : name;
      // Sorted, an `app_pid` of its own stands before its `pid`, and stays.
      if (std::none_of(labels.begin(), labels.end(), [&](const OwnedLabel& other) { return other.first == label; })) {
        labels.emplace_back(label, value);
      }
    }
    if (speaksForUs && !labels.empty()) {
      context.notes.say("pid " + std::to_string(owner.pid) + ": " + path_ + ".meta: \"" + labels.front().second +
                        "\" is a metric of the scanner's own, skipped");
      continue;
    }
    labels.emplace_back("pid", std::to_string(owner.pid));
    if (owner.cgroup != nullptr) {
      std::vector<Label> group;
      owner.cgroup->appendTo(group);
      labels.insert(labels.end(), group.begin(), group.end());
    } else if (!owner.appname.empty()) {
      labels.emplace_back("appname", owner.appname);
    }
    std::sort(labels.begin(), labels.end());
    std::vector<Label> texts(labels.begin(), labels.end());
    encodeKey(texts, key);
    if (!taken.insert(key).second) {
      continue;
    }
    if (entry->type == ValueType::State) {
      states_.push_back({entry->size, entry->offset, std::move(labels)});
    } else {
      slots_.push_back({entry->type, entry->offset, {}, HeldKey(key)});
    }
  }
}

void ValuesFile::publish(ScanContext& context, const char* bytes, ValuesRoom& room) {
  const auto taken = static_cast<std::uint32_t>(std::min<std::size_t>(slots_.size(), room.left));
  const auto refused = static_cast<std::uint32_t>(slots_.size()) - taken;
  room.left -= taken;
  room.refused += refused;
  // They are from the file's last entry to its first: the first ones stay.
  for (Slot& slot : std::span(slots_).subspan(refused)) {
    if (!context.series.live(slot.ref)) {
      slot.ref = context.series.intern(slot.key.text(), kindOf(slot.type));
    }
    std::uint64_t word = wordAt(bytes + slot.offset);
    if (slot.type == ValueType::Unsigned && word > static_cast<std::uint64_t>(INT64_MAX)) {
      word = static_cast<std::uint64_t>(INT64_MAX);
    }
    context.series.set(slot.ref, word);
  }
}

// A state is torn where its time differs before and after the text was read.
bool ValuesFile::readStates(ScanContext& context, std::vector<StateRow>& states) {
  constexpr std::size_t kTime = sizeof(std::uint64_t);
  std::vector<char>& buffer = context.reader.buffer;
  for (const StateSlot& slot : states_) {
    char* bytes = buffer.data() + slot.offset;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      char again[kTime];
      if (readAt(values_.get(), again, kTime, slot.offset) != static_cast<ssize_t>(kTime)) {
        return false;
      }
      if (std::memcmp(again, bytes, kTime) == 0) {
        break;
      }
      if (readAt(values_.get(), bytes, slot.size, slot.offset) != static_cast<ssize_t>(slot.size)) {
        return false;
      }
    }
    const char* text = bytes + kTime;
    const std::size_t length = strnlen(text, slot.size - kTime);
    states.push_back({slot.labels, wordAt(bytes), lossyUtf8({text, length})});
  }
  return true;
}

} // namespace stellwerk
