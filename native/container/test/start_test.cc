#include "base/failure_text.hpp"
#include "container/capabilities.hpp"
#include "container/cgroup.hpp"
#include "container/ending.hpp"
#include "container/identity.hpp"
#include "container/path.hpp"
#include "container/start.hpp"

#include <fcntl.h>
#include <filesystem>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace stellwerk;

namespace {

// A root of busybox and nothing else.
class BoxRoot {
public:
  BoxRoot() {
    char folder[] = "/tmp/stellwerk-box-XXXXXX";
    path = mkdtemp(folder);
    std::filesystem::permissions(path, std::filesystem::perms(0755));
    for (const char* name : {"bin", "proc", "dev", "sys"}) {
      std::filesystem::create_directory(path + "/" + name);
    }
    std::filesystem::copy_file("/bin/busybox", path + "/bin/sh");
  }
  ~BoxRoot() { std::filesystem::remove_all(path); }

  std::string path;
};

Spec boxSpec(const BoxRoot& root, const char* script) {
  Spec spec;
  spec.argv = {"/bin/sh", "-c", script};
  spec.root = root.path;
  spec.namespaces = {.user = true, .mount = true, .pid = true, .ipc = true, .uts = true, .net = true};
  spec.uidMap = {{0, geteuid(), 1}};
  spec.gidMap = {{0, getegid(), 1}};
  spec.mounts = {{.kind = Mount::Kind::proc, .target = "/proc"}, {.kind = Mount::Kind::dev, .target = "/dev"}};
  spec.init = true;
  return spec;
}

int exitCodeOf(const Spec& spec, MountApi api) {
  auto result = start(spec, api);
  if (!result) {
    ADD_FAILURE() << describe(result.failure());
    return -1;
  }
  const Started started = std::move(result).value();
  pollfd waiting = {.fd = started.pidfd.get(), .events = POLLIN, .revents = 0};
  poll(&waiting, 1, 10'000);
  return tryReap(started.pidfd.get(), started.programStatus.get()).value().ending.exitCode.value_or(-1);
}

class BothMountApis : public testing::TestWithParam<MountApi> {};

TEST_P(BothMountApis, GiveAReadonlyRootWithItsSubmounts) {
  const BoxRoot root;
  EXPECT_EQ(exitCodeOf(boxSpec(root, "! touch /x 2>/dev/null && ! touch /dev/x 2>/dev/null && echo > /dev/null"), GetParam()), 0);
}

TEST_P(BothMountApis, BindSysReadonlyToTheLastSubmount) {
  const BoxRoot root;
  Spec spec = boxSpec(root, "! grep ' /sys[/ ]' /proc/mounts | grep -qv ' ro,'");
  spec.mounts.push_back({.kind = Mount::Kind::sys, .target = "/sys"});
  EXPECT_EQ(exitCodeOf(spec, GetParam()), 0);
}

INSTANTIATE_TEST_SUITE_P(Start, BothMountApis, testing::Values(MountApi::detached, MountApi::classic));

TEST(Start, TellsOfEachStopOfAProgramThatLeadsItsGroup) {
  const BoxRoot root;
  Spec spec = boxSpec(root, "kill -STOP $$; kill -TSTP $$; exit 5");
  spec.ownGroup = true;
  auto result = start(spec);
  ASSERT_TRUE(result) << describe(result.failure());
  const Started started = std::move(result).value();
  for (const int signal : {SIGSTOP, SIGTSTP}) {
    int status = 0;
    ASSERT_EQ(read(started.stops.get(), &status, sizeof status), static_cast<ssize_t>(sizeof status));
    EXPECT_TRUE(WIFSTOPPED(status));
    EXPECT_EQ(WSTOPSIG(status), signal);
    kill(-started.programPid, SIGCONT);
  }
  pollfd waiting = {.fd = started.pidfd.get(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(poll(&waiting, 1, 10'000), 1);
  EXPECT_EQ(tryReap(started.pidfd.get(), started.programStatus.get()).value().ending.exitCode, 5);
}

TEST(Start, RefusesMountsWithoutAMountNamespace) {
  const BoxRoot root;
  Spec spec = boxSpec(root, "true");
  spec.namespaces.mount = false;
  const auto result = start(spec);
  ASSERT_FALSE(result);
  EXPECT_STREQ(result.failure().step, "check spec");
}

TEST(Path, TheWalkRefusesSymlinksAndParents) {
  char folder[] = "/tmp/stellwerk-path-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const Fd root(open(folder, O_PATH | O_DIRECTORY));
  ASSERT_EQ(mkdirat(root.get(), "inner", 0755), 0);
  ASSERT_EQ(symlinkat("/etc", root.get(), "trap"), 0);
  EXPECT_TRUE(static_cast<bool>(Fd(openWithoutSymlinks(root.get(), "/inner/"))));
  EXPECT_EQ(openWithoutSymlinks(root.get(), "/trap"), -1);
  EXPECT_EQ(errno, ELOOP);
  EXPECT_EQ(openWithoutSymlinks(root.get(), "/inner/../.."), -1);
  EXPECT_EQ(errno, EXDEV);
  unlinkat(root.get(), "trap", 0);
  unlinkat(root.get(), "inner", AT_REMOVEDIR);
  rmdir(folder);
}

TEST(Capabilities, HaveTheKernelsNumbers) {
  EXPECT_EQ(capabilityNumber("NET_BIND_SERVICE"), 10u);
  EXPECT_EQ(capabilityNumber("cap_sys_admin"), 21u);
  EXPECT_EQ(capabilityNumber("CHECKPOINT_RESTORE"), 40u);
  EXPECT_FALSE(capabilityNumber("FLY"));
}

TEST(Identity, WritesOneLinePerMapping) { EXPECT_EQ(mapText({{0, 5, 1}, {1, 100000, 9}}), "0 5 1\n1 100000 9\n"); }

TEST(Cgroup, IsUnifiedOnlyOnCgroup2) {
  const Fd tmp(open("/tmp", O_PATH));
  EXPECT_FALSE(isUnified(tmp.get()));
  EXPECT_FALSE(openUnified({"/not/there"}));
}

TEST(FailureText, LeavesOutWhatSaysNothing) {
  EXPECT_EQ(describe(Failure::of("lock", "flock", "/x", 11)), "lock: flock: /x: Resource temporarily unavailable");
  EXPECT_EQ(describe(Failure::of("bind", "bind", "", 2)), "bind: No such file or directory");
}

} // namespace
