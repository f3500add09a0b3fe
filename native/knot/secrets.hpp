// Secrets on their way into the environment: a file that only this knot reads, and memory that is wiped.
#pragma once

#include "base/failure.hpp"

#include <string>
#include <vector>

namespace stellwerk::knot {

// Appends the NUL-separated assignments of the file to `env`; the file is overwritten and removed.
Result<Done> takeSecrets(const std::string& path, std::vector<std::string>& env);

// Overwrites the last `count` entries.
void wipe(std::vector<std::string>& env, std::size_t count) noexcept;

} // namespace stellwerk::knot
