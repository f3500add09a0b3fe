#include "container/overlay.hpp"

#include "base/fd.hpp"

#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>

namespace stellwerk {
namespace {

constexpr const char* kStep = "mount overlay";
constexpr std::size_t kOptionsBytes = 4096; // mount(2): at most a page

// Appends; remembers whether all of it had room.
class Options {
public:
  void add(const char* text) noexcept {
    const std::size_t length = strlen(text);
    if (used_ + length >= sizeof text_) {
      full_ = true;
      return;
    }
    memcpy(text_ + used_, text, length + 1);
    used_ += length;
  }
  void folder(const char* before, int fd) noexcept {
    char text[32];
    snprintf(text, sizeof text, "/proc/self/fd/%d", fd);
    add(before);
    add(text);
  }
  bool full() const noexcept { return full_; }
  const char* text() const noexcept { return text_; }

private:
  char text_[kOptionsBytes] = {};
  std::size_t used_ = 0;
  bool full_ = false;
};

// Without them a removed and remade folder cannot be told from one that was changed.
Result<Done> keepsMarks(int folder, const char* subject) noexcept {
  constexpr const char* kMark = "user.overlay.probe";
  if (fsetxattr(folder, kMark, "y", 1, 0) != 0 || fremovexattr(folder, kMark) != 0) {
    return Failure::of(kStep, "fsetxattr", subject);
  }
  return Done{};
}

} // namespace

Result<Done> mountOverlayHere(const OverlayFolders& folders, const char* subject) noexcept {
  Options options;
  options.add("userxattr");
  for (std::size_t index = 0; index < folders.lowerCount; index++) {
    options.folder(index == 0 ? ",lowerdir=" : ":", folders.lowers[index]);
  }
  if (folders.upper >= 0) {
    options.folder(",upperdir=", folders.upper);
    options.folder(",workdir=", folders.work);
  }
  if (folders.lowerCount == 0 || options.full()) {
    return Failure::of(kStep, "mount", subject, E2BIG);
  }
  if (mount("overlay", ".", "overlay", MS_NOSUID | MS_NODEV, options.text()) != 0) {
    return Failure::of(kStep, "mount", subject);
  }
  return Done{};
}

Result<Done> mountOverlayOver(int lower, int upper, int work, int target, const char* subject) noexcept {
  struct stat status;
  if (fstat(lower, &status) != 0) {
    return Failure::of(kStep, "fstat", subject);
  }
  if (fchown(upper, status.st_uid, status.st_gid) != 0) {
    return Failure::of(kStep, "fchown", subject);
  }
  if (fchmod(upper, status.st_mode & 07777) != 0) {
    return Failure::of(kStep, "fchmod", subject);
  }
  if (auto done = keepsMarks(upper, subject); !done) {
    return done;
  }
  if (fchdir(target) != 0) {
    return Failure::of(kStep, "fchdir", subject);
  }
  return mountOverlayHere({.lowers = &lower, .lowerCount = 1, .upper = upper, .work = work}, subject);
}

Result<Done> mountOverlayWithin(int lower, int folder, const char* subject) noexcept {
  constexpr const char* kUpper = "upper";
  constexpr const char* kWork = "work";
  const auto make = [folder](const char* name) noexcept {
    mkdirat(folder, name, 0700);
    return Fd(openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  };
  const Fd upper = make(kUpper);
  const Fd work = make(kWork);
  Result<Done> done = Failure::of(kStep, "mkdirat", subject);
  if (upper && work) {
    done = mountOverlayOver(lower, upper.get(), work.get(), folder, subject);
  }
  if (!done) {
    // The kernel may have made a folder of its own in it.
    unlinkat(work.get(), "work", AT_REMOVEDIR);
    unlinkat(folder, kWork, AT_REMOVEDIR);
    unlinkat(folder, kUpper, AT_REMOVEDIR);
  }
  return done;
}

} // namespace stellwerk
