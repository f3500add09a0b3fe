// Resource limits, soft = hard. Kernel document: getrlimit(2).
#pragma once

#include "base/failure.hpp"
#include "container/spec.hpp"

#include <optional>
#include <vector>

namespace stellwerk {

struct NumberedLimit {
  int resource;
  std::uint64_t value;
  const char* name; // lives as long as the Spec
};

std::optional<int> limitNumber(const std::string& name);
Result<std::vector<NumberedLimit>> numberLimits(const std::vector<Limit>& limits);

// By the starter: a child in a user namespace cannot raise a hard limit, whoever started it.
Result<Done> raiseLimits(pid_t child, const std::vector<NumberedLimit>& limits) noexcept;

// In the child, right before the program. Async-signal-safe.
Result<Done> setLimits(const std::vector<NumberedLimit>& limits) noexcept;

} // namespace stellwerk
