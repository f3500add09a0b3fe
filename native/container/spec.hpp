// What a container is, as plain data. The TypeScript face (src/native/container.ts) documents every field.
#pragma once

#include "base/fd.hpp"

#include <array>
#include <cstdint>
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
  enum class Kind { bind, tmpfs, proc, dev, sys };

  Kind kind = Kind::bind;
  std::string source; // bind: a host path
  std::string target; // absolute, inside the new root
  bool readonly = true;
  bool exec = false;
  std::uint64_t sizeBytes = 0; // tmpfs; 0 is the kernel's own default, half of the memory
  unsigned mode = 01777;       // tmpfs
};

struct Limit {
  std::string name; // as in getrlimit(2), without RLIMIT_, lower case
  std::uint64_t value = 0;
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

struct Spec {
  std::vector<std::string> argv;
  std::vector<std::string> env; // NAME=VALUE
  std::string cwd = "/";
  std::string root; // empty: the host's own root, no pivot_root
  bool writableRoot = false;
  Namespaces namespaces;
  std::vector<IdMapping> uidMap;
  std::vector<IdMapping> gidMap;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string hostname;
  std::vector<Mount> mounts;
  std::vector<Limit> limits;
  std::vector<std::string> keepCapabilities;
  bool noNewPrivileges = true;
  bool seccomp = true;
  std::vector<std::string> cgroups;
  std::array<int, 3> stdio = {-1, -1, -1};
  bool init = false;           // heeded only with a pid namespace
  bool dieWithStarter = false; // SIGKILL for the first process when the thread that started it ends
};

struct Started {
  pid_t pid = -1;        // host pid of the first process
  pid_t programPid = -1; // host pid of the program
  Fd pidfd;
  Fd programStatus; // with an init: where it leaves the program's wait status, see init.hpp
};

} // namespace stellwerk
