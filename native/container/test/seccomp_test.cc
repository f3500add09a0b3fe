#include "container/seccomp.hpp"

#include <cstddef>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/syscall.h>

using namespace stellwerk;

namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kHere = AUDIT_ARCH_X86_64;
#else
constexpr std::uint32_t kHere = AUDIT_ARCH_AARCH64;
#endif
constexpr std::uint32_t kEperm = SECCOMP_RET_ERRNO | EPERM;

// Runs the filter as the kernel would (the instructions that it uses).
std::uint32_t verdict(std::uint32_t number, std::uint64_t first = 0, std::uint64_t second = 0,
                      std::uint32_t architecture = kHere) {
  seccomp_data data = {};
  data.nr = static_cast<int>(number);
  data.arch = architecture;
  data.args[0] = first;
  data.args[1] = second;
  const auto filter = defaultFilter();
  std::uint32_t accumulator = 0;
  for (std::size_t at = 0; at < filter.size(); at++) {
    const sock_filter& step = filter[at];
    switch (step.code) {
    case BPF_LD | BPF_W | BPF_ABS:
      memcpy(&accumulator, reinterpret_cast<const char*>(&data) + step.k, sizeof accumulator);
      break;
    case BPF_JMP | BPF_JEQ | BPF_K:
      at += accumulator == step.k ? step.jt : step.jf;
      break;
    case BPF_JMP | BPF_JGE | BPF_K:
      at += accumulator >= step.k ? step.jt : step.jf;
      break;
    case BPF_JMP | BPF_JSET | BPF_K:
      at += (accumulator & step.k) != 0 ? step.jt : step.jf;
      break;
    case BPF_RET | BPF_K:
      return step.k;
    default:
      ADD_FAILURE() << "instruction " << step.code;
      return 0;
    }
  }
  ADD_FAILURE() << "the filter has no end";
  return 0;
}

TEST(Seccomp, DeniesEveryListedCall) {
  for (const DeniedCall& call : deniedCalls()) {
    EXPECT_EQ(verdict(call.number), kEperm) << call.name;
  }
}

TEST(Seccomp, AllowsTheOrdinary) {
  for (const long number : {SYS_read, SYS_openat, SYS_execve, SYS_exit_group, SYS_ptrace, SYS_setresuid}) {
    EXPECT_EQ(verdict(static_cast<std::uint32_t>(number)), SECCOMP_RET_ALLOW);
  }
}

TEST(Seccomp, KillsAnotherArchitecture) { EXPECT_EQ(verdict(SYS_read, 0, 0, AUDIT_ARCH_I386), SECCOMP_RET_KILL_PROCESS); }

TEST(Seccomp, LooksAtTheFlagsOfClone) {
  EXPECT_EQ(verdict(SYS_clone, SIGCHLD), SECCOMP_RET_ALLOW);
  EXPECT_EQ(verdict(SYS_clone, CLONE_NEWUSER | SIGCHLD), kEperm);
  EXPECT_EQ(verdict(435), SECCOMP_RET_ERRNO | ENOSYS);
}

TEST(Seccomp, RefusesToTypeIntoTheTerminal) {
  EXPECT_EQ(verdict(SYS_ioctl, 0, 0x5412), kEperm);
  EXPECT_EQ(verdict(SYS_ioctl, 0, 0x541C), kEperm);
  EXPECT_EQ(verdict(SYS_ioctl, 0, 0xffffffff00005412), kEperm);
  EXPECT_EQ(verdict(SYS_ioctl, 0, 0x5401), SECCOMP_RET_ALLOW);
}

#if defined(__x86_64__)
TEST(Seccomp, ClosesTheX32Door) { EXPECT_EQ(verdict(0x40000000 | SYS_mount), SECCOMP_RET_ERRNO | ENOSYS); }
#endif

} // namespace
