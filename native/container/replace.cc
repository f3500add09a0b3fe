#include "container/replace.hpp"

#include <array>
#include <atomic>
#include <ctime>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace stellwerk {
namespace {

// As many as a tree has listening sockets, and a few of its own. What is above is opened anew by the next image.
constexpr std::size_t kMostKept = 1024;
// 0: a free place. Standard input is kept anyway.
std::array<std::atomic<int>, kMostKept> kept;

void openKept() noexcept {
  for (const auto& each : kept) {
    if (const int fd = each.load(); fd > 0) {
      fcntl(fd, F_SETFD, 0);
    }
  }
}

void closeKept() noexcept {
  for (const auto& each : kept) {
    if (const int fd = each.load(); fd > 0) {
      fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
  }
}

// What somebody may send at any moment, also between two images.
sigset_t controlSignals() noexcept {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGHUP, SIGQUIT, SIGINT, SIGTERM, SIGUSR1, SIGUSR2}) {
    sigaddset(&set, signal);
  }
  return set;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> list;
  for (std::string& word : words) {
    list.push_back(word.data());
  }
  list.push_back(nullptr);
  return list;
}

struct Crash {
  Image image;
  std::vector<char*> argv;
  std::vector<char*> env;
  timespec installed = {};
};
Crash* crash = nullptr;

constexpr int kCrashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
constexpr long kNsPerSecond = 1'000'000'000;

// Only async-signal-safe calls: nothing of this process may be trusted any more.
void onCrash(int signal) noexcept {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  const long long age = (now.tv_sec - crash->installed.tv_sec) * 1LL * kNsPerSecond + now.tv_nsec -
                        crash->installed.tv_nsec;
  if (age < kNsPerSecond) {
    const timespec rest = {.tv_sec = 0, .tv_nsec = static_cast<long>(kNsPerSecond - age - 1)};
    nanosleep(&rest, nullptr);
  }
  constexpr char text[] = "Fatal error: the process crashed and starts again in place\n";
  if (write(STDERR_FILENO, text, sizeof text - 1) < 0) {
    // Nobody is left to tell.
  }
  openKept();
  const sigset_t blocked = controlSignals();
  sigprocmask(SIG_SETMASK, &blocked, nullptr);
  execve(crash->image.program.c_str(), crash->argv.data(), crash->env.data());
  ::signal(signal, SIG_DFL);
  raise(signal);
}

} // namespace

void keepOverImages(int fd, bool keep) noexcept {
  for (auto& each : kept) {
    const int now = each.load();
    if (keep ? now == 0 || now == fd : now == fd) {
      each = keep ? fd : 0;
      return;
    }
  }
}

Failure replaceImage(const Image& image) noexcept {
  Image copy = image;
  const auto argv = pointers(copy.argv);
  const auto env = pointers(copy.env);
  sigset_t before;
  const sigset_t blocked = controlSignals();
  openKept();
  sigprocmask(SIG_SETMASK, &blocked, &before);
  execve(copy.program.c_str(), argv.data(), env.data());
  const Failure failure = Failure::of("start again", "execve", copy.program.c_str());
  sigprocmask(SIG_SETMASK, &before, nullptr);
  closeKept();
  return failure;
}

void unblockSignals() noexcept {
  const sigset_t blocked = controlSignals();
  sigprocmask(SIG_UNBLOCK, &blocked, nullptr);
}

Result<Done> replaceOnCrash(Image image) {
  auto* next = new Crash{.image = std::move(image), .argv = {}, .env = {}};
  next->argv = pointers(next->image.argv);
  next->env = pointers(next->image.env);
  clock_gettime(CLOCK_MONOTONIC, &next->installed);
  crash = next; // for ever: a handler may read it at any moment
  // A stack of its own: the usual one may be what overflowed.
  static std::array<char, 65536> stack;
  const stack_t alternate = {.ss_sp = stack.data(), .ss_flags = 0, .ss_size = stack.size()};
  if (sigaltstack(&alternate, nullptr) != 0) {
    return Failure::of("catch crashes", "sigaltstack");
  }
  struct sigaction action = {};
  action.sa_handler = onCrash;
  action.sa_flags = SA_ONSTACK | SA_NODEFER;
  for (const int signal : kCrashes) {
    if (sigaction(signal, &action, nullptr) != 0) {
      return Failure::of("catch crashes", "sigaction", strsignal(signal));
    }
  }
  return Done{};
}

} // namespace stellwerk
