#include "container/capabilities.hpp"

#include <cctype>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace stellwerk {
namespace {

// In the order of their numbers, include/uapi/linux/capability.h.
constexpr const char* kNames[] = {
    "CHOWN",         "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER",          "FSETID",       "KILL",
    "SETGID",        "SETUID",       "SETPCAP",         "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST",
    "NET_ADMIN",     "NET_RAW",      "IPC_LOCK",        "IPC_OWNER",       "SYS_MODULE",   "SYS_RAWIO",
    "SYS_CHROOT",    "SYS_PTRACE",   "SYS_PACCT",       "SYS_ADMIN",       "SYS_BOOT",     "SYS_NICE",
    "SYS_RESOURCE",  "SYS_TIME",     "SYS_TTY_CONFIG",  "MKNOD",           "LEASE",        "AUDIT_WRITE",
    "AUDIT_CONTROL", "SETFCAP",      "MAC_OVERRIDE",    "MAC_ADMIN",       "SYSLOG",       "WAKE_ALARM",
    "BLOCK_SUSPEND", "AUDIT_READ",   "PERFMON",         "BPF",             "CHECKPOINT_RESTORE"};

constexpr unsigned kMostCapabilities = 64;

} // namespace

std::optional<unsigned> capabilityNumber(const std::string& name) {
  std::string upper;
  for (const char letter : name) {
    upper += static_cast<char>(toupper(static_cast<unsigned char>(letter)));
  }
  if (upper.starts_with("CAP_")) {
    upper.erase(0, 4);
  }
  unsigned number = 0;
  for (const char* known : kNames) {
    if (upper == known) {
      return number;
    }
    number++;
  }
  return std::nullopt;
}

Result<std::uint64_t> capabilityMask(const std::vector<std::string>& names) {
  std::uint64_t mask = 0;
  for (const std::string& name : names) {
    const auto number = capabilityNumber(name);
    if (!number) {
      return Failure::of("check spec", "capability", name.c_str(), EINVAL);
    }
    mask |= std::uint64_t{1} << *number;
  }
  return mask;
}

Result<Done> dropCapabilities(std::uint64_t keep) noexcept {
  for (unsigned number = 0; number < kMostCapabilities; number++) {
    if ((keep >> number & 1) == 0 && prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0) {
      if (errno == EINVAL) {
        break; // past the last one that this kernel knows
      }
      return Failure::of("drop capabilities", "prctl", "PR_CAPBSET_DROP");
    }
  }
  // Back to the usual rules for uid 0; needs CAP_SETPCAP, so before capset.
  if (prctl(PR_SET_SECUREBITS, 0) != 0) {
    return Failure::of("drop capabilities", "prctl", "PR_SET_SECUREBITS");
  }
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[2];
  for (int word = 0; word < 2; word++) {
    const auto bits = static_cast<std::uint32_t>(keep >> (32 * word));
    data[word] = {.effective = bits, .permitted = bits, .inheritable = bits};
  }
  if (syscall(SYS_capset, &header, data) != 0) {
    return Failure::of("drop capabilities", "capset");
  }
  for (unsigned number = 0; number < kMostCapabilities; number++) {
    if ((keep >> number & 1) != 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) != 0) {
      return Failure::of("keep capability", "prctl", kNames[number]);
    }
  }
  return Done{};
}

} // namespace stellwerk
