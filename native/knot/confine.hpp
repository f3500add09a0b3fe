// What is left to a knot once its container runs. Kernel documents: landlock(7), capabilities(7).
#pragma once

#include "base/failure.hpp"
#include "base/fd.hpp"

#include <string>
#include <vector>

namespace stellwerk::knot {

struct Confinement {
  std::vector<std::string> writable; // folders: files in them are made, written, renamed
  std::vector<std::string> readable; // folders
  Fd writableFolder;                 // the same as a descriptor (of the container's file tree); may be invalid
  bool changesIds = false;           // opens files with the program's ids
};

// Landlock: nothing but these is opened, nothing is executed, no TCP port bound or connected. Capabilities: those for
// signals (and, with changesIds, for fsuid) stay. False where this kernel has no Landlock; the capabilities go all the
// same.
Result<bool> confine(const Confinement& confinement) noexcept;

} // namespace stellwerk::knot
