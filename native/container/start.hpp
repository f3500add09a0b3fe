// Starting a container.
#pragma once

#include "base/failure.hpp"
#include "container/spec.hpp"
#include "container/tree.hpp"

namespace stellwerk {

// Returns once the program's execve has succeeded, or what failed; nothing is left behind then.
// Call it from the thread whose end is to take a `dieWithStarter` container along (prctl(2), PR_SET_PDEATHSIG).
Result<Started> start(const Spec& spec, MountApi api = availableMountApi());

} // namespace stellwerk
