// One process image after another, in the same process. Kernel documents: execve(2), sigaction(2).
#pragma once

#include "base/failure.hpp"

#include <string>
#include <vector>

namespace stellwerk {

struct Image {
  std::string program; // absolute
  std::vector<std::string> argv;
  std::vector<std::string> env;
};

// Marks what a later image is to find open, in replaceImage and after a crash.
void keepOverImages(int fd, bool keep) noexcept;

// Returns only what went wrong. Children stay children: the pid is the same. Signals that would end an image which has
// no handler yet are blocked over the change, until unblockSignals().
Failure replaceImage(const Image& image) noexcept;

// Once the handlers of this image are there.
void unblockSignals() noexcept;

// SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT replace the image by this one instead of ending the process; a second
// later at the earliest after the process's last start, so that a crash at every start keeps no core busy.
Result<Done> replaceOnCrash(Image image);

} // namespace stellwerk
