// A command as a job of the caller's shell: which signal goes where, who has the terminal (vagga 6, "Signals and tty").
// The decisions are those of src/vagga/run/job-control.ts.
#pragma once

#include "base/failure.hpp"
#include "container/spec.hpp"

#include <vector>

namespace stellwerk::vagga {

struct JobEvent {
  enum class Kind { signal, terminalAccess, stopped };

  Kind kind = Kind::signal;
  int signal = 0;
};

struct JobEffect {
  enum class Kind { signalGroup, signalCommand, handOverTerminal, stopSelf };

  Kind kind = Kind::signalGroup;
  int signal = 0;

  bool operator==(const JobEffect&) const = default;
};

// `foreground`: whether the launcher's own group is in the terminal's foreground at this moment.
std::vector<JobEffect> jobStep(const JobEvent& event, bool foreground);

// Starts it in a process group of its own, with the terminal if this process has it, and waits for its end. The exit
// code as a shell tells it; a failure: nothing has been started, and all is as before.
Result<int> runAsJob(Spec& spec);

} // namespace stellwerk::vagga
