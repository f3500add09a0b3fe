#include "knot/confine.hpp"

#include <cstdint>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

namespace stellwerk::knot {
namespace {

// include/uapi/linux/landlock.h, under our own names: the headers of the oldest host lack the later ones.
struct Ruleset {
  std::uint64_t files = 0;
  std::uint64_t network = 0; // from ABI 4 on
};
struct [[gnu::packed]] BeneathRule {
  std::uint64_t allowed = 0;
  std::int32_t folder = -1;
};
constexpr long kCreateRuleset = 444;
constexpr long kAddRule = 445;
constexpr long kRestrictSelf = 446;
constexpr unsigned kVersion = 1;
constexpr int kPathBeneath = 1;

constexpr std::uint64_t kWriteFile = 1 << 1;
constexpr std::uint64_t kReadFile = 1 << 2;
constexpr std::uint64_t kReadFolder = 1 << 3;
constexpr std::uint64_t kRemoveFile = 1 << 5;
constexpr std::uint64_t kMakeRegular = 1 << 8;
constexpr std::uint64_t kTruncate = 1 << 14;
constexpr std::uint64_t kReading = kReadFile | kReadFolder;
constexpr std::uint64_t kWriting = kReading | kWriteFile | kRemoveFile | kMakeRegular | kTruncate;
constexpr std::uint64_t kBindAndConnect = 3;

// By ABI version: 13 rights, then REFER, TRUNCATE, (network), IOCTL_DEV.
constexpr std::uint64_t rightsOf(long version) noexcept {
  const int bits = version >= 5 ? 16 : version >= 3 ? 15 : version == 2 ? 14 : 13;
  return (std::uint64_t{1} << bits) - 1;
}

constexpr const char* kStep = "confine knot";

Result<Done> allow(int ruleset, int folder, std::uint64_t rights, const char* subject) noexcept {
  const BeneathRule rule = {.allowed = rights, .folder = folder};
  if (syscall(kAddRule, ruleset, kPathBeneath, &rule, 0) != 0) {
    return Failure::of(kStep, "landlock_add_rule", subject);
  }
  return Done{};
}

Result<Done> allowAll(int ruleset, const std::vector<std::string>& folders, std::uint64_t rights) noexcept {
  for (const std::string& path : folders) {
    const Fd folder(open(path.c_str(), O_PATH | O_CLOEXEC));
    if (!folder) {
      return Failure::of(kStep, "open", path.c_str());
    }
    if (auto done = allow(ruleset, folder.get(), rights, path.c_str()); !done) {
      return done;
    }
  }
  return Done{};
}

Result<bool> restrictFiles(const Confinement& confinement) noexcept {
  const long version = syscall(kCreateRuleset, nullptr, 0, kVersion);
  if (version < 1) {
    return false;
  }
  const std::uint64_t handled = rightsOf(version);
  const Ruleset rules = {.files = handled, .network = version >= 4 ? kBindAndConnect : 0};
  const std::size_t size = version >= 4 ? sizeof rules : sizeof rules.files;
  const Fd ruleset(static_cast<int>(syscall(kCreateRuleset, &rules, size, 0)));
  if (!ruleset) {
    return Failure::of(kStep, "landlock_create_ruleset");
  }
  if (auto done = allowAll(ruleset.get(), confinement.writable, kWriting & handled); !done) {
    return done.failure();
  }
  if (auto done = allowAll(ruleset.get(), confinement.readable, kReading & handled); !done) {
    return done.failure();
  }
  if (confinement.writableFolder) {
    auto done = allow(ruleset.get(), confinement.writableFolder.get(), kWriting & handled, "output folder");
    if (!done) {
      return done.failure();
    }
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return Failure::of(kStep, "prctl", "PR_SET_NO_NEW_PRIVS");
  }
  if (syscall(kRestrictSelf, ruleset.get(), 0) != 0) {
    return Failure::of(kStep, "landlock_restrict_self");
  }
  return true;
}

Result<Done> dropCapabilities(bool changesIds) noexcept {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) {
    return Failure::of(kStep, "capget");
  }
  // All of these are below 32.
  std::uint32_t wanted = 1u << CAP_KILL;
  if (changesIds) {
    wanted |= 1u << CAP_SETUID | 1u << CAP_SETGID;
  }
  data[0].permitted &= wanted;
  data[0].effective = data[0].permitted;
  data[0].inheritable = 0;
  data[1] = {};
  if (syscall(SYS_capset, &header, data) != 0) {
    return Failure::of(kStep, "capset");
  }
  return Done{};
}

} // namespace

Result<bool> confine(const Confinement& confinement) noexcept {
  auto restricted = restrictFiles(confinement);
  if (!restricted) {
    return restricted;
  }
  if (auto done = dropCapabilities(confinement.changesIds); !done) {
    return done.failure();
  }
  return restricted;
}

} // namespace stellwerk::knot
