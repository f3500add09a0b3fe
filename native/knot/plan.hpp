// The plan that tree writes and a knot reads: words separated by NUL, in any order; repeated keys append.
#pragma once

#include "container/spec.hpp"
#include "knot/log.hpp"
#include "knot/output.hpp"

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace stellwerk::knot {

struct Plan {
  std::string name;     // SANDBOX/PROCESS.N, for messages
  std::string stateDir; // where lock and status are
  std::string logFile; // empty: standard error
  Level logLevel = Level::warn;
  OutputPlan output;        // of the program, stdout and stderr together
  bool interactive = false; // the program gets the knot's own 0, 1 and 2 instead
  bool foreground = false;  // no session of its own, exit code as the program's
  std::string secretsFile;  // NAME=VALUE words, joined by NUL; removed once read
  std::uint64_t killTimeoutMs = 5000; // lithos 2.4, kill-timeout
  std::vector<int> normalExitCodes;
  Spec spec;
};

// The plan, or what is wrong with it, naming the word.
std::variant<Plan, std::string> decodePlan(std::string_view bytes);

} // namespace stellwerk::knot
