// Who the container is: id maps of the user namespace, user and group ids.
//
// Kernel document: user_namespaces(7).
#pragma once

#include "base/failure.hpp"
#include "container/spec.hpp"

namespace stellwerk {

// An ordinary user may map only itself, and only after giving up setgroups; wider maps go through newuidmap(1).
bool mapsOnlyItself(const std::vector<IdMapping>& map, unsigned own) noexcept;

// The lines of /proc/PID/uid_map.
std::string mapText(const std::vector<IdMapping>& map);

// By the starter, for the child that waits.
Result<Done> writeIdMaps(pid_t child, const Spec& spec);

// Not in a user namespace in which it was given up for good, nor in any below it. Async-signal-safe.
bool setgroupsAllowedHere() noexcept;

// Whether the child will be allowed setgroups(2). To be asked before the clone.
bool setgroupsAllowed(const Spec& spec) noexcept;

// In the child: ids that may own files of its file systems; all capabilities stay. Only in a user namespace.
Result<Done> takeSetUpIds(const Spec& spec, bool setgroupsAllowed) noexcept;

// In the child: the program's ids and supplementary groups; capabilities stay until they are dropped explicitly.
Result<Done> takeProgramIds(const Spec& spec, bool setgroupsAllowed) noexcept;

} // namespace stellwerk
