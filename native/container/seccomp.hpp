// The default system call filter. What it denies and why: docs/seccomp.md. Kernel document: seccomp(2).
#pragma once

#include "base/failure.hpp"

#include <cstdint>
#include <linux/filter.h>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace stellwerk {

struct DeniedCall {
  const char* name;
  std::uint32_t number; // on the machine that this was compiled for
};

// Denied with EPERM, whatever the arguments.
std::span<const DeniedCall> deniedCalls() noexcept;

// What may be taken off the list: the names above, and `clone3` and `clone_newuser`.
bool isDeniedCall(std::string_view name) noexcept;

std::vector<sock_filter> defaultFilter(std::span<const std::string> allowed = {});

// Async-signal-safe. Without no_new_privs it needs CAP_SYS_ADMIN.
Result<Done> installFilter(std::span<const sock_filter> filter) noexcept;

} // namespace stellwerk
