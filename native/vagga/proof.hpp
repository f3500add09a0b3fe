// Whether all is still as it was when a plan was written.
#pragma once

#include "vagga/caller.hpp"
#include "vagga/plan.hpp"

#include <string>

namespace stellwerk::vagga {

// Empty: a look at each input finds what the plan says. Otherwise what has changed. `account` and `uid`: whose grants count.
std::string whatHasChanged(const std::vector<Input>& inputs, std::string_view account = {}, std::uint32_t uid = 0);

struct Caller {
  std::string package; // folder of this program
  std::string project;
  std::string_view command;
  const Environment& environment;
  bool hasArguments = false;
};

// Empty: the plan is one of this caller, and nothing has changed since.
std::string whyNot(const Plan& plan, const Caller& caller);

// A file of at most so many bytes; nothing: it is not there, or larger.
std::optional<std::string> readFile(const char* path, std::size_t most);

} // namespace stellwerk::vagga
