// The environment of a command, as commandEnvironment of src/vagga/run/environment.ts makes it.
#pragma once

#include "vagga/caller.hpp"
#include "vagga/plan.hpp"

namespace stellwerk::vagga {

// NAME=VALUE, in the order in which names came first.
std::vector<std::string> commandEnvironment(const std::vector<EnvironmentLayer>& layers, const Environment& caller,
                                            const CommandLine& line);

// Where a program may be that is looked for in the PATH of such an environment.
std::vector<std::string> programCandidates(const std::string& name, const std::vector<std::string>& environment);

} // namespace stellwerk::vagga
