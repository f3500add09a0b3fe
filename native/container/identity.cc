#include "container/identity.hpp"

#include <cstdio>
#include <fcntl.h>
#include <linux/securebits.h>
#include <span>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char** environ;

namespace stellwerk {
namespace {

Result<Done> writeWhole(const char* step, const std::string& path, const std::string& text) {
  const Fd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file) {
    return Failure::of(step, "open", path.c_str());
  }
  if (write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return Failure::of(step, "write", path.c_str());
  }
  return Done{};
}

// newuidmap PID INSIDE OUTSIDE COUNT …: setuid, grants what /etc/subuid allows. Its pid.
Result<pid_t> startMapper(const char* program, pid_t child, const std::vector<IdMapping>& map) {
  std::vector<std::string> words = {program, std::to_string(child)};
  for (const IdMapping& row : map) {
    words.push_back(std::to_string(row.inside));
    words.push_back(std::to_string(row.outside));
    words.push_back(std::to_string(row.count));
  }
  std::vector<char*> argv;
  for (std::string& word : words) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  pid_t mapper = -1;
  if (const int error = posix_spawnp(&mapper, program, nullptr, nullptr, argv.data(), environ); error != 0) {
    return Failure::of("write id map", "execve", program, error);
  }
  return mapper;
}

Result<Done> awaitMapper(pid_t mapper, const char* program, const std::vector<IdMapping>& map) {
  int status = 0;
  while (waitpid(mapper, &status, 0) < 0 && errno == EINTR) {
  }
  return status == 0 ? Result<Done>(Done{}) : Failure::of("write id map", program, mapText(map).c_str(), EPERM);
}

bool covers(const std::vector<IdMapping>& map, unsigned id) noexcept {
  for (const IdMapping& row : map) {
    if (id >= row.inside && id - row.inside < row.count) {
      return true;
    }
  }
  return false;
}

// Raw system calls: the C library's wrappers would change every thread of the starter's copy.
Result<Done> setIds(uid_t uid, gid_t gid, std::span<const gid_t> groups, bool setgroupsAllowed) noexcept {
  // Without this a change from uid 0 would clear the capabilities that the set-up still needs.
  if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) != 0) {
    return Failure::of("set ids", "prctl", "SECBIT_NO_SETUID_FIXUP");
  }
  if (setgroupsAllowed && syscall(SYS_setgroups, groups.size(), groups.data()) != 0) {
    return Failure::of("set ids", "setgroups");
  }
  if (syscall(SYS_setresgid, gid, gid, gid) != 0) {
    return Failure::of("set ids", "setresgid");
  }
  if (syscall(SYS_setresuid, uid, uid, uid) != 0) {
    return Failure::of("set ids", "setresuid");
  }
  return Done{};
}

} // namespace

bool mapsOnlyItself(const std::vector<IdMapping>& map, unsigned own) noexcept {
  return map.size() == 1 && map[0].count == 1 && map[0].outside == own;
}

std::string mapText(const std::vector<IdMapping>& map) {
  std::string text;
  for (const IdMapping& row : map) {
    text += std::to_string(row.inside) + ' ' + std::to_string(row.outside) + ' ' + std::to_string(row.count) + '\n';
  }
  return text;
}

Result<Done> writeIdMaps(pid_t child, const Spec& spec) {
  const std::string folder = "/proc/" + std::to_string(child);
  const bool privileged = geteuid() == 0;
  const bool ownUids = privileged || mapsOnlyItself(spec.uidMap, geteuid());
  const bool ownGids = privileged || mapsOnlyItself(spec.gidMap, getegid());
  // Each takes longer than all else of a start: both at once.
  auto uids = ownUids ? Result<pid_t>(-1) : startMapper("newuidmap", child, spec.uidMap);
  auto gids = ownGids || !uids ? Result<pid_t>(-1) : startMapper("newgidmap", child, spec.gidMap);
  Result<Done> uidsDone = uids ? Result<Done>(Done{}) : uids.failure();
  if (ownUids) {
    uidsDone = writeWhole("write id map", folder + "/uid_map", mapText(spec.uidMap));
  } else if (uids) {
    uidsDone = awaitMapper(uids.value(), "newuidmap", spec.uidMap);
  }
  Result<Done> gidsDone = gids ? Result<Done>(Done{}) : gids.failure();
  if (!ownGids && gids && gids.value() > 0) {
    gidsDone = awaitMapper(gids.value(), "newgidmap", spec.gidMap);
  }
  if (!uidsDone || !gidsDone || !ownGids) {
    return uidsDone ? gidsDone : uidsDone;
  }
  if (!setgroupsAllowed(spec)) {
    if (auto done = writeWhole("deny setgroups", folder + "/setgroups", "deny"); !done) {
      return done;
    }
  }
  return writeWhole("write id map", folder + "/gid_map", mapText(spec.gidMap));
}

bool setgroupsAllowedHere() noexcept {
  char word[5] = {};
  const Fd file(open("/proc/self/setgroups", O_RDONLY | O_CLOEXEC));
  return !(file && read(file.get(), word, 4) == 4 && strcmp(word, "deny") == 0);
}

bool setgroupsAllowed(const Spec& spec) noexcept {
  if (!setgroupsAllowedHere()) {
    return false;
  }
  return geteuid() == 0 || (spec.namespaces.user && !mapsOnlyItself(spec.gidMap, getegid()));
}

Result<Done> takeSetUpIds(const Spec& spec, bool setgroupsAllowed) noexcept {
  const uid_t uid = covers(spec.uidMap, 0) ? 0 : spec.uid;
  const gid_t gid = covers(spec.gidMap, 0) ? 0 : spec.gid;
  return setIds(uid, gid, {}, setgroupsAllowed);
}

Result<Done> takeProgramIds(const Spec& spec, bool setgroupsAllowed) noexcept {
  if (!setgroupsAllowed && !spec.supplementaryGroups.empty()) {
    return Failure::of("set ids", "setgroups", "only one group id is mapped", EPERM);
  }
  return setIds(spec.uid, spec.gid, spec.supplementaryGroups, setgroupsAllowed);
}

} // namespace stellwerk
