// Joining cgroups. Kernel document: cgroups(7).
#pragma once

#include "base/failure.hpp"
#include "base/fd.hpp"
#include "container/spec.hpp"

namespace stellwerk {

bool isUnified(int folder) noexcept;

// The folder on the v2 hierarchy, for CLONE_INTO_CGROUP; empty where there is none in the list.
Result<Fd> openUnified(const std::vector<std::string>& cgroups);

// By the starter, before the child goes on. `joined`: the v2 one needs no writing.
Result<Done> joinCgroups(pid_t child, const std::vector<std::string>& cgroups, bool joinedUnified);

} // namespace stellwerk
