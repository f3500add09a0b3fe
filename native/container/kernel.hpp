// System calls that the C library of our oldest host does not wrap, under our own names.
// Structures and numbers: Linux include/uapi; all architectures share these numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

namespace stellwerk::kernel {

// clone(2)
struct CloneArguments {
  std::uint64_t flags = 0;
  std::uint64_t pidfd = 0;
  std::uint64_t childTid = 0;
  std::uint64_t parentTid = 0;
  std::uint64_t exitSignal = 0;
  std::uint64_t stack = 0;
  std::uint64_t stackSize = 0;
  std::uint64_t tls = 0;
  std::uint64_t setTid = 0;
  std::uint64_t setTidSize = 0;
  std::uint64_t cgroup = 0;
};
inline constexpr std::size_t kCloneArgumentsWithoutCgroup = 64; // CLONE_ARGS_SIZE_VER0
inline constexpr std::uint64_t kClonePidfd = 0x1000;
inline constexpr std::uint64_t kCloneIntoCgroup = 0x200000000;
inline long clone3(const CloneArguments& arguments, std::size_t size) noexcept {
  return syscall(435, &arguments, size);
}

// openat2(2)
struct OpenHow {
  std::uint64_t flags = 0;
  std::uint64_t mode = 0;
  std::uint64_t resolve = 0;
};
inline constexpr std::uint64_t kResolveNoMagicLinks = 0x02;
inline constexpr std::uint64_t kResolveNoSymlinks = 0x04;
inline constexpr std::uint64_t kResolveBeneath = 0x08;
inline constexpr std::uint64_t kResolveInRoot = 0x10;
inline int openat2(int folder, const char* path, const OpenHow& how) noexcept {
  return static_cast<int>(syscall(437, folder, path, &how, sizeof how));
}

// mount_setattr(2), open_tree(2), move_mount(2)
struct MountAttributes {
  std::uint64_t set = 0;
  std::uint64_t clear = 0;
  std::uint64_t propagation = 0;
  std::uint64_t userNamespace = 0;
};
inline constexpr std::uint64_t kMountReadonly = 0x1;
inline constexpr std::uint64_t kMountNosuid = 0x2;
inline constexpr std::uint64_t kMountNodev = 0x4;
inline constexpr std::uint64_t kMountNoexec = 0x8;
inline constexpr std::uint64_t kMountIdMap = 0x00100000;
inline constexpr unsigned kEmptyPath = 0x1000;
inline constexpr unsigned kRecursive = 0x8000;
inline constexpr unsigned kTreeClone = 1;
inline constexpr unsigned kTreeCloseOnExec = 02000000;
inline constexpr unsigned kMoveFromEmptyPath = 0x4;
inline constexpr unsigned kMoveToEmptyPath = 0x40;
inline int mountSetattr(int fd, const char* path, unsigned flags, const MountAttributes* attributes) noexcept {
  return static_cast<int>(syscall(442, fd, path, flags, attributes, sizeof *attributes));
}
inline int openTree(int folder, const char* path, unsigned flags) noexcept {
  return static_cast<int>(syscall(428, folder, path, flags));
}
inline int moveMount(int from, int to) noexcept {
  return static_cast<int>(syscall(429, from, "", to, "", kMoveFromEmptyPath | kMoveToEmptyPath));
}

// pidfd_open(2), pidfd_send_signal(2)
inline int pidfdOpen(pid_t pid) noexcept { return static_cast<int>(syscall(434, pid, 0)); }
inline int pidfdSendSignal(int pidfd, int signal) noexcept {
  return static_cast<int>(syscall(424, pidfd, signal, nullptr, 0));
}

// pidfd_getfd(2)
inline int pidfdGetFd(int pidfd, int number) noexcept { return static_cast<int>(syscall(438, pidfd, number, 0)); }

// close_range(2)
inline constexpr unsigned kCloseRangeCloseOnExec = 4;
inline int closeRange(unsigned first, unsigned last, unsigned flags) noexcept {
  return static_cast<int>(syscall(436, first, last, flags));
}

} // namespace stellwerk::kernel
