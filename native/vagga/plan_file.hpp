// Where the plans of a user are.
#pragma once

#include "vagga/caller.hpp"

#include <string>
#include <string_view>
#include <variant>

namespace stellwerk::vagga {

// Absolute; a file for each project and command, in a folder of the user's cache: a container can write in the project,
// and must not write what is started on the host. Nothing: there is no home.
std::optional<std::string> plansFolder(const Environment& environment);

// `DEVICE-INODE.COMMAND` of the folder of the project; nothing: it is gone.
std::optional<std::string> planName(const std::string& project, std::string_view command);

struct Refused {
  std::string why;
};

// Bytes of a plan that nobody but this user can have written, nor a container of this project.
std::variant<std::string, Refused> readPlan(const std::string& folder, const std::string& name,
                                            const std::string& project);

} // namespace stellwerk::vagga
