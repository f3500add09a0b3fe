// What a container is, as plain data. The TypeScript face (src/native/container.ts) documents every field.
#pragma once

#include "base/fd.hpp"
#include "container/bridge.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace stellwerk {

struct IdMapping {
  std::uint32_t inside = 0;
  std::uint32_t outside = 0;
  std::uint32_t count = 0;
};

struct Mount {
  // The last three are no mounts: they fill what was mounted before them.
  enum class Kind { bind, tmpfs, proc, dev, pts, sys, folder, file, copy };

  Kind kind = Kind::bind;
  std::string source; // bind, copy: a host path
  std::string base;   // bind: not empty: `source` lies at or below it, and no symbolic link between the two is followed
  std::string target; // absolute, inside the new root
  bool readonly = true;
  bool exec = false;
  bool devices = false; // bind: device files work
  bool idMapped = false; // bind: ids on disk are ids inside the user namespace
  std::uint64_t sizeBytes = 0; // tmpfs; 0 is the kernel's own default, half of the memory
  unsigned mode = 01777;       // tmpfs, folder, file
  bool sealed = false;         // tmpfs: read-only
  bool unmasked = false;       // proc: all of it, as outside
  bool overlay = false;        // copy: over a file system of its own, an overlay does where the kernel lets it
  std::optional<std::string> text;        // file: what it holds; nothing: only that it is there
  std::optional<std::uint32_t> owner;     // folder, copy: instead of the ids as they are
  std::optional<std::uint32_t> ownerGroup;
};

struct Limit {
  std::string name; // as in getrlimit(2), without RLIMIT_, lower case
  std::uint64_t value = 0;
};

// A descriptor of the starter that the program gets under a number of its own.
struct PassedFd {
  int from = -1;
  int to = -1;
};

// A listening TCP socket that the child opens in the container's network, before it gives up its privileges.
struct ListeningSocket {
  std::string host; // a literal IPv4 or IPv6 address
  std::uint16_t port = 0;
  int fd = 3; // its number in the program
  int backlog = 128;
  bool reuseAddress = true;
  bool reusePort = false;
  bool nonBlocking = false;
};

struct Namespaces {
  bool user = false;
  bool mount = false;
  bool pid = false;
  bool ipc = false;
  bool uts = false;
  bool cgroup = false;
  bool net = false;
};

// Namespaces that are there already, by descriptors of them: others are made within them. -1: none.
struct Joined {
  int user = -1;
  int net = -1;
  int uts = -1;

  bool any() const noexcept { return user >= 0 || net >= 0 || uts >= 0; }
};

struct Spec {
  std::vector<std::string> argv;
  // What may be executed, the first that is there; empty: argv[0].
  std::vector<std::string> programs;
  std::vector<std::string> env; // NAME=VALUE
  std::string cwd = "/";
  std::string root; // empty: the host's own root, no pivot_root
  bool writableRoot = false;
  bool idMappedRoot = false; // as Mount::idMapped
  // Not empty: the root can be written to, and what is written goes to the one folder, whose file system has the other.
  std::string overlayUpper;
  std::string overlayWork;
  Namespaces namespaces;
  Joined join;
  std::vector<IdMapping> uidMap; // outside: in join.user, where there is one
  std::vector<IdMapping> gidMap;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> supplementaryGroups;
  mode_t umask = 022;
  std::string hostname;
  std::vector<Mount> mounts;
  std::vector<Limit> limits;
  std::vector<std::string> keepCapabilities;
  bool noNewPrivileges = true;
  bool seccomp = true;
  std::vector<std::string> allowedCalls; // taken off the filter's list, see docs/seccomp.md
  std::vector<std::string> cgroups;
  std::optional<BridgedNetwork> network; // with a network namespace; nothing: only lo
  // Run by the starter in the container's network, before the program: argv, on the host's files, as the host's root.
  std::vector<std::string> afterSetup;
  std::array<int, 3> stdio = {-1, -1, -1};
  std::vector<PassedFd> passedFds;
  std::vector<ListeningSocket> listen;
  bool init = false;           // heeded only with a pid namespace
  bool dieWithStarter = false; // SIGKILL for the first process when the thread that started it ends
  // The program leads a process group of its own; the starter alone signals it. With an init it is told of stops.
  bool ownGroup = false;
  int terminal = -1; // with ownGroup: a controlling terminal whose foreground group the program's becomes
  // With an init: it starts the program again in the same container, so long after the last start at the earliest.
  std::optional<std::uint64_t> restartAfterMs;
};

struct Started {
  pid_t pid = -1;        // host pid of the first process
  pid_t programPid = -1; // host pid of the program
  Fd pidfd;
  Fd programStatus; // with an init: where it leaves the program's wait status, see init.hpp
  Fd restarts;      // with restartAfterMs: where each later program says who it is, see channel.hpp
  Fd stops;         // with ownGroup and an init: a wait status (int) for each stop of the program
};

} // namespace stellwerk
