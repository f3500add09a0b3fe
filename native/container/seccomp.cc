#include "container/seccomp.hpp"

#include <algorithm>
#include <cstddef>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

namespace stellwerk {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "the seccomp filter knows x86_64 and arm64"
#endif

constexpr DeniedCall kDenied[] = {
    // Mounts and namespaces.
    {"mount", SYS_mount},
    {"umount2", SYS_umount2},
    {"pivot_root", SYS_pivot_root},
    {"open_tree", 428},
    {"move_mount", 429},
    {"fsopen", 430},
    {"fsconfig", 431},
    {"fsmount", 432},
    {"fspick", 433},
    {"mount_setattr", 442},
    {"open_tree_attr", 467},
    {"setns", SYS_setns},
    {"unshare", SYS_unshare},
    {"open_by_handle_at", SYS_open_by_handle_at},
    // Code and state of the kernel.
    {"init_module", SYS_init_module},
    {"finit_module", SYS_finit_module},
    {"delete_module", SYS_delete_module},
    {"kexec_load", SYS_kexec_load},
    {"kexec_file_load", SYS_kexec_file_load},
    {"reboot", SYS_reboot},
    {"swapon", SYS_swapon},
    {"swapoff", SYS_swapoff},
    {"acct", SYS_acct},
    {"quotactl", SYS_quotactl},
    {"quotactl_fd", 443},
    {"syslog", SYS_syslog},
    {"vhangup", SYS_vhangup},
    {"settimeofday", SYS_settimeofday},
    {"clock_settime", SYS_clock_settime},
    // Wide attack surface that services do not need.
    {"bpf", SYS_bpf},
    {"perf_event_open", SYS_perf_event_open},
    {"userfaultfd", SYS_userfaultfd},
    {"fanotify_init", SYS_fanotify_init},
    {"kcmp", SYS_kcmp},
    {"io_uring_setup", 425},
    {"io_uring_enter", 426},
    {"io_uring_register", 427},
    // Keys are not namespaced.
    {"add_key", SYS_add_key},
    {"request_key", SYS_request_key},
    {"keyctl", SYS_keyctl},
    {"nfsservctl", SYS_nfsservctl},
    {"lookup_dcookie", SYS_lookup_dcookie},
#if defined(__x86_64__)
    {"iopl", SYS_iopl},
    {"ioperm", SYS_ioperm},
    {"modify_ldt", SYS_modify_ldt},
    {"uselib", SYS_uselib},
    {"ustat", SYS_ustat},
    {"sysfs", SYS_sysfs},
    {"_sysctl", SYS__sysctl},
#endif
};

constexpr std::uint32_t kClone3 = 435;
constexpr const char* kClone3Name = "clone3";
constexpr const char* kNewUserName = "clone_newuser";
// Terminal ioctls that put words into another session's mouth.
constexpr std::uint32_t kTiocsti = 0x5412;
constexpr std::uint32_t kTioclinux = 0x541C;

constexpr std::uint32_t errorReturn(int error) { return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error); }

sock_filter load(std::size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}
sock_filter answer(std::uint32_t verdict) { return BPF_STMT(BPF_RET | BPF_K, verdict); }
sock_filter jump(std::uint16_t test, std::uint32_t value, std::uint8_t yes, std::uint8_t no) {
  return BPF_JUMP(static_cast<std::uint16_t>(BPF_JMP | test | BPF_K), value, yes, no);
}

// Both machines are little-endian: the low half of an argument stands first.
constexpr std::size_t argument(int index) { return offsetof(seccomp_data, args) + 8 * static_cast<std::size_t>(index); }

} // namespace

std::span<const DeniedCall> deniedCalls() noexcept { return kDenied; }

bool isDeniedCall(std::string_view name) noexcept {
  const auto has = [&](const DeniedCall& call) { return name == call.name; };
  return name == kClone3Name || name == kNewUserName || std::any_of(std::begin(kDenied), std::end(kDenied), has);
}

std::vector<sock_filter> defaultFilter(std::span<const std::string> allowed) {
  const auto denied = [&](const char* name) { return std::find(allowed.begin(), allowed.end(), name) == allowed.end(); };
  std::vector<sock_filter> filter = {
      load(offsetof(seccomp_data, arch)),
      jump(BPF_JEQ, kArchitecture, 1, 0),
      answer(SECCOMP_RET_KILL_PROCESS),
      load(offsetof(seccomp_data, nr)),
#if defined(__x86_64__)
      // The x32 numbers are a second door to the same calls.
      jump(BPF_JGE, 0x40000000, 0, 1),
      answer(errorReturn(ENOSYS)),
#endif
  };
  const auto add = [&](std::initializer_list<sock_filter> more) { filter.insert(filter.end(), more); };
  // Its flags lie in memory, where a filter cannot look: the C library then falls back to clone.
  if (denied(kClone3Name)) {
    add({jump(BPF_JEQ, kClone3, 0, 1), answer(errorReturn(ENOSYS))});
  }
  for (const DeniedCall& call : kDenied) {
    if (!denied(call.name)) {
      continue;
    }
    filter.push_back(jump(BPF_JEQ, call.number, 0, 1));
    filter.push_back(answer(errorReturn(EPERM)));
  }
  if (denied(kNewUserName)) {
    // args[0] is the flags on both machines.
    add({jump(BPF_JEQ, SYS_clone, 0, 4), load(argument(0)), jump(BPF_JSET, CLONE_NEWUSER, 0, 1),
         answer(errorReturn(EPERM)), answer(SECCOMP_RET_ALLOW)});
  }
  add({jump(BPF_JEQ, SYS_ioctl, 0, 4), load(argument(1)), jump(BPF_JEQ, kTiocsti, 1, 0),
       jump(BPF_JEQ, kTioclinux, 0, 1), answer(errorReturn(EPERM)), answer(SECCOMP_RET_ALLOW)});
  return filter;
}

Result<Done> installFilter(std::span<const sock_filter> filter) noexcept {
  const sock_fprog program = {.len = static_cast<unsigned short>(filter.size()),
                              .filter = const_cast<sock_filter*>(filter.data())};
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    return Failure::of("install seccomp filter", "prctl", "PR_SET_SECCOMP");
  }
  return Done{};
}

} // namespace stellwerk
