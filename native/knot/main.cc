// knot --plan FILE: the parent of exactly one container. It outlives the tree that started it.
#include "base/fd.hpp"
#include "knot/plan.hpp"
#include "knot/supervise.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <signal.h>

namespace {

// 0, 1 and 2 must be taken, or files of ours would land there.
void fillStandardStreams() {
  int fd = open("/dev/null", O_RDWR);
  while (fd >= 0 && fd < 3) {
    fd = dup(fd);
  }
  if (fd >= 0) {
    close(fd);
  }
}

bool readFile(const char* path, std::string& text) {
  const stellwerk::Fd file(open(path, O_RDONLY | O_CLOEXEC));
  if (!file) {
    return false;
  }
  char block[4096];
  ssize_t got = 0;
  while ((got = read(file.get(), block, sizeof block)) > 0) {
    text.append(block, static_cast<std::size_t>(got));
  }
  return got == 0;
}

} // namespace

int main(int count, char** words) {
  if (count != 3 || strcmp(words[1], "--plan") != 0) {
    fputs("usage: knot --plan FILE\n", stderr);
    return stellwerk::knot::kSetUpFailed;
  }
  fillStandardStreams();
  signal(SIGHUP, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  std::string text;
  if (!readFile(words[2], text)) {
    fprintf(stderr, "knot: read plan: open: %s: %s\n", words[2], strerror(errno));
    return stellwerk::knot::kSetUpFailed;
  }
  auto plan = stellwerk::knot::decodePlan(text);
  if (const auto* problem = std::get_if<std::string>(&plan)) {
    fprintf(stderr, "knot: %s\n", problem->c_str());
    return stellwerk::knot::kSetUpFailed;
  }
  auto& decoded = std::get<stellwerk::knot::Plan>(plan);
  if (!decoded.foreground) {
    setsid(); // fails where we lead a group already: then no terminal's signals come from a session of tree's either
  }
  return stellwerk::knot::supervise(decoded);
}
