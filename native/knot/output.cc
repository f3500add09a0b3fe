#include "knot/output.hpp"

#include "container/kernel.hpp"

#include <cstdio>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

namespace stellwerk::knot {
namespace {

constexpr const char* kStep = "open output";
constexpr int kAppend = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
constexpr mode_t kMode = 0640;

// The file system looks at these ids, and at no capability of ours, while it lives (setfsuid(2)).
class AsOwner {
public:
  explicit AsOwner(OutputOwner owner) noexcept {
    if (geteuid() == 0) {
      setfsgid(owner.gid);
      setfsuid(owner.uid);
    }
  }
  ~AsOwner() {
    if (geteuid() == 0) {
      setfsuid(0);
      setfsgid(getegid());
    }
  }
  AsOwner(const AsOwner&) = delete;
  AsOwner& operator=(const AsOwner&) = delete;
};

void writeAll(int fd, std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written <= 0) {
      return; // a full disk loses output; it must not stop the program
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

} // namespace

Result<Fd> Output::makePipe(OutputOwner owner) noexcept {
  owner_ = owner;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return Failure::of(kStep, "pipe2");
  }
  pipe_.reset(ends[0]);
  Fd writing(ends[1]);
  fcntl(pipe_.get(), F_SETFL, O_NONBLOCK);
  // Programs reopen it as /dev/stdout. An ordinary user's programs are of that user anyway.
  if (geteuid() == 0 && fchown(writing.get(), owner.uid, owner.gid) != 0) {
    return Failure::of(kStep, "fchown", "pipe");
  }
  return writing;
}

Result<Done> Output::openFile() noexcept {
  if (plan_.file.empty()) {
    return Done{};
  }
  Fd file(open(plan_.file.c_str(), kAppend | O_NOFOLLOW, kMode));
  if (!file) {
    return Failure::of(kStep, "open", plan_.file.c_str());
  }
  file_ = std::move(file);
  return Done{};
}

Result<Done> Output::openInside(Fd root) noexcept {
  root_ = std::move(root);
  const kernel::OpenHow how = {.flags = kAppend,
                               .mode = kMode,
                               .resolve = kernel::kResolveInRoot | kernel::kResolveNoMagicLinks};
  const AsOwner owner(owner_);
  Fd file(kernel::openat2(root_.get(), plan_.insideFile.c_str(), how));
  if (!file) {
    return Failure::of(kStep, "openat2", plan_.insideFile.c_str());
  }
  file_ = std::move(file);
  return Done{};
}

Fd Output::insideFolder() const noexcept {
  if (!root_) {
    return Fd();
  }
  const std::string folder = plan_.insideFile.substr(0, plan_.insideFile.rfind('/') + 1);
  const kernel::OpenHow how = {.flags = O_PATH | O_CLOEXEC,
                               .resolve = kernel::kResolveInRoot | kernel::kResolveNoMagicLinks};
  return Fd(kernel::openat2(root_.get(), folder.c_str(), how));
}

bool Output::take() noexcept {
  char block[8192];
  const ssize_t got = read(pipe_.get(), block, sizeof block);
  if (got <= 0) {
    return got < 0 && (errno == EAGAIN || errno == EINTR);
  }
  append({block, static_cast<std::size_t>(got)});
  return true;
}

void Output::drain() noexcept {
  // As much as a pipe holds; somebody who was handed the writing end could go on for ever.
  for (int rounds = 0; pipe_ && rounds < 128; rounds++) {
    char block[8192];
    const ssize_t got = read(pipe_.get(), block, sizeof block);
    if (got <= 0) {
      return;
    }
    append({block, static_cast<std::size_t>(got)});
  }
}

void Output::append(std::string_view text) noexcept {
  midLine_ = !text.ends_with('\n');
  if (plan_.copyToOwn) {
    writeAll(STDOUT_FILENO, text);
  }
  if (plan_.insideFile.empty() && !plan_.file.empty()) {
    if (!file_ || wasReplaced()) {
      reopen();
    }
    if (plan_.mostBytes > 0) {
      rotate();
    }
  }
  if (file_) {
    writeAll(file_.get(), text);
  }
}

void Output::reopen() noexcept {
  // The old file stays where the new one cannot be had.
  if (!plan_.insideFile.empty()) {
    if (root_) {
      (void)openInside(std::move(root_));
    }
    return;
  }
  (void)openFile();
}

bool Output::wasReplaced() const noexcept {
  struct stat ours;
  struct stat there;
  return fstat(file_.get(), &ours) == 0 && (stat(plan_.file.c_str(), &there) != 0 || there.st_ino != ours.st_ino ||
                                            there.st_dev != ours.st_dev);
}

// Several knots share a file: who holds its lock and still finds it in place renames it, the others follow.
void Output::rotate() noexcept {
  struct stat status;
  if (!file_ || fstat(file_.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
      static_cast<std::uint64_t>(status.st_size) < plan_.mostBytes) {
    return;
  }
  if (flock(file_.get(), LOCK_EX) != 0) {
    return;
  }
  if (!wasReplaced()) {
    char from[4128];
    char to[4128];
    for (unsigned number = plan_.files; number > 0; number--) {
      snprintf(to, sizeof to, "%s.%u", plan_.file.c_str(), number);
      snprintf(from, sizeof from, "%s.%u", plan_.file.c_str(), number - 1);
      rename(number == 1 ? plan_.file.c_str() : from, to);
    }
    if (plan_.files == 0) {
      unlink(plan_.file.c_str());
    }
  }
  reopen();
}

} // namespace stellwerk::knot
