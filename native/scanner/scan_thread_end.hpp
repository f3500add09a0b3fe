// A thread that must not end on its own: the process ends with it, so that the service manager starts it anew.
#pragma once

namespace stellwerk {

// Spec cantal 9.
inline constexpr int kScanThreadEnded = 82;

// Of the calling thread, from now until release(): however it ends (its function returns, pthread_exit(3), std::terminate by
// an exception that nobody takes, as std::bad_alloc), the process exits with kScanThreadEnded and says so on standard error.
// A deadly signal, as SIGSEGV, ends the whole process anyway.
void endProcessWithThisThread() noexcept;
void releaseProcessFromThisThread() noexcept;

} // namespace stellwerk
