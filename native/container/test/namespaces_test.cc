#include "base/failure_text.hpp"
#include "container/ending.hpp"
#include "container/namespaces.hpp"
#include "container/start.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>

using namespace stellwerk;

namespace {

Spec shared() {
  Spec spec;
  spec.namespaces = {.user = true, .uts = true, .net = true};
  spec.hostname = "shared";
  spec.uidMap = {{0, geteuid(), 1}};
  spec.gidMap = {{0, getegid(), 1}};
  return spec;
}

// On the host's files, in `join`, with a user namespace of its own within that one.
Spec within(const KeptNamespaces& kept, const char* script) {
  Spec spec;
  spec.argv = {"/bin/sh", "-c", script};
  spec.env = {"PATH=/usr/bin:/bin"};
  spec.namespaces = {.user = true, .mount = true, .pid = true};
  spec.join = {.user = kept.user.get(), .net = kept.net.get(), .uts = kept.uts.get()};
  spec.uidMap = {{0, 0, 1}};
  spec.gidMap = {{0, 0, 1}};
  spec.noNewPrivileges = false;
  spec.seccomp = false;
  spec.init = true;
  return spec;
}

int exitCodeOf(const Spec& spec) {
  auto result = start(spec);
  if (!result) {
    ADD_FAILURE() << describe(result.failure());
    return -1;
  }
  const Started started = std::move(result).value();
  pollfd waiting = {.fd = started.pidfd.get(), .events = POLLIN, .revents = 0};
  poll(&waiting, 1, 60'000);
  return tryReap(started.pidfd.get(), started.programStatus.get()).value().ending.exitCode.value_or(-1);
}

ino_t inodeOf(int fd) {
  struct stat status = {};
  EXPECT_EQ(fstat(fd, &status), 0);
  return status.st_ino;
}

TEST(Namespaces, LastWithoutAProcessAndAreJoinedBySeveral) {
  auto made = makeNamespaces(shared());
  ASSERT_TRUE(made) << describe(made.failure());
  const KeptNamespaces kept = std::move(made).value();
  const std::string is = "test $(readlink /proc/self/ns/net) = 'net:[" + std::to_string(inodeOf(kept.net.get())) +
                         "]' && test $(hostname) = shared && test $(grep -c : /proc/net/dev) = 1 && ! test " +
                         "$(readlink /proc/self/ns/user) = 'user:[" + std::to_string(inodeOf(kept.user.get())) + "]'";
  EXPECT_EQ(exitCodeOf(within(kept, is.c_str())), 0);
  EXPECT_EQ(exitCodeOf(within(kept, is.c_str())), 0);
}

TEST(Namespaces, CanBeMadeWithinOthers) {
  auto outer = makeNamespaces(shared());
  ASSERT_TRUE(outer) << describe(outer.failure());
  Spec spec;
  spec.namespaces = {.net = true};
  spec.join.user = outer.value().user.get();
  auto inner = makeNamespaces(spec);
  ASSERT_TRUE(inner) << describe(inner.failure());
  EXPECT_FALSE(inner.value().user);
  EXPECT_NE(inodeOf(inner.value().net.get()), inodeOf(outer.value().net.get()));
  // The owner of both may change the inner one without a user namespace of its own.
  Spec owner = within(outer.value(), "ip link set lo down || exit 5; test $(id -u) = 0");
  owner.join.net = inner.value().net.get();
  owner.namespaces.user = false;
  owner.keepCapabilities = {"NET_ADMIN"};
  EXPECT_EQ(exitCodeOf(owner), 0);
}

TEST(Namespaces, AreRefusedWhereTheDescriptorIsNone) {
  Spec spec = shared();
  const Fd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  spec.join.net = null.get();
  const auto made = makeNamespaces(spec);
  ASSERT_FALSE(made);
  EXPECT_STREQ(made.failure().call, "setns");
  EXPECT_EQ(made.failure().error, EINVAL);
}

TEST(Namespaces, TellWhatTheKernelRefusesOfTheMaps) {
  auto made = makeNamespaces(shared());
  ASSERT_TRUE(made);
  const KeptNamespaces kept = std::move(made).value();
  Spec spec = within(kept, "true");
  spec.uidMap = {{0, 77, 1}}; // not an id of the namespace that is joined
  const auto started = start(spec);
  ASSERT_FALSE(started);
  EXPECT_STREQ(started.failure().step, "write id map");
}

} // namespace
