// A shared object that the tree preloads into its next image (ld.so(8), LD_PRELOAD): Node empties the signal mask when it
// starts, a tenth of a second before any handler of ours is there, and a SIGHUP or SIGQUIT of that moment would end the
// tree. The first mask that is set keeps the tree's signals blocked; the tree unblocks them once it has handlers.
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <initializer_list>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

bool first = true;
constexpr std::size_t kKernelMaskBytes = 8; // of rt_sigprocmask(2)

[[gnu::constructor]] void forgetPreload() { unsetenv("LD_PRELOAD"); }

} // namespace

// Instead of the C library's (pthread_sigmask(3)).
extern "C" [[gnu::visibility("default")]] int pthread_sigmask(int how, const sigset_t* set, sigset_t* before) noexcept {
  sigset_t wanted;
  if (set != nullptr) {
    wanted = *set;
    if (first && how == SIG_SETMASK) {
      first = false;
      for (const int signal : {SIGHUP, SIGQUIT, SIGINT, SIGTERM, SIGUSR1, SIGUSR2}) {
        sigaddset(&wanted, signal);
      }
    }
    // The C library's own two (nptl(7)).
    sigdelset(&wanted, 32);
    sigdelset(&wanted, 33);
  }
  if (before != nullptr) {
    sigemptyset(before);
  }
  const long done = syscall(SYS_rt_sigprocmask, how, set == nullptr ? nullptr : &wanted, before, kKernelMaskBytes);
  return done == 0 ? 0 : EINVAL;
}
