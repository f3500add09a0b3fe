#include "scanner/scan_thread_end.hpp"

#include <exception>
#include <mutex>
#include <unistd.h>

namespace stellwerk {
namespace {

[[noreturn]] void endProcess() noexcept {
  constexpr char kMessage[] = "stellwerk: the scan thread has ended; the process ends with it\n";
  [[maybe_unused]] const auto written = write(STDERR_FILENO, kMessage, sizeof kMessage - 1);
  // Not exit(3): handlers of a process in an unknown state must not run.
  _exit(kScanThreadEnded);
}

struct Guard {
  bool armed = false;
  ~Guard() {
    if (armed) {
      endProcess();
    }
  }
};
thread_local Guard guard;

std::terminate_handler formerHandler = nullptr;

[[noreturn]] void onTerminate() noexcept {
  if (guard.armed) {
    endProcess();
  }
  if (formerHandler != nullptr) {
    formerHandler();
  }
  std::abort();
}

} // namespace

void endProcessWithThisThread() noexcept {
  static std::once_flag installed;
  std::call_once(installed, [] { formerHandler = std::set_terminate(onTerminate); });
  guard.armed = true;
}

void releaseProcessFromThisThread() noexcept { guard.armed = false; }

} // namespace stellwerk
