// Capability sets. Kernel document: capabilities(7).
#pragma once

#include "base/failure.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace stellwerk {

// "NET_BIND_SERVICE" (CAP_ in front and lower case are accepted) to its number.
std::optional<unsigned> capabilityNumber(const std::string& name);

// The bit mask; an unknown name is a Failure with EINVAL that names it.
Result<std::uint64_t> capabilityMask(const std::vector<std::string>& names);

// Leaves `keep` in the bounding, permitted, effective, inheritable and ambient sets and nothing else.
// Async-signal-safe.
Result<Done> dropCapabilities(std::uint64_t keep) noexcept;

} // namespace stellwerk
