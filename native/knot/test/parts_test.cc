// The small parts of a knot that read or change something of the host.
#include "container/folder.hpp"
#include "container/sockets.hpp"
#include "knot/confine.hpp"
#include "knot/log.hpp"
#include "knot/memory_events.hpp"
#include "knot/output.hpp"
#include "knot/plan.hpp"
#include "knot/secrets.hpp"

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <random>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

using namespace stellwerk;
using namespace stellwerk::knot;

namespace {

class Parts : public testing::Test {
protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "parts-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(dir); }

  std::string path(const char* name) const { return dir + "/" + name; }
  std::string read(const std::string& file) const {
    std::ifstream stream(file);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  std::string dir;
};

TEST_F(Parts, AFolderIsMadeWithItsOwnerOnlyWhereItWasAbsent) {
  ASSERT_TRUE(makeFolderBeneath(dir, path("a/b"), {.mode = 01777, .uid = getuid(), .gid = getgid()}));
  struct stat status;
  ASSERT_EQ(stat(path("a/b").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 01777u);
  ASSERT_EQ(stat(path("a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0755u);
  ASSERT_EQ(chmod(path("a/b").c_str(), 0700), 0);
  ASSERT_TRUE(makeFolderBeneath(dir, path("a/b"), {.mode = 0777, .uid = getuid(), .gid = getgid()}));
  ASSERT_EQ(stat(path("a/b").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700u);
}

TEST_F(Parts, AFolderIsNotMadeThroughALinkNorUpwards) {
  ASSERT_EQ(symlink("/tmp", path("link").c_str()), 0);
  const std::string name = "stellwerk-" + std::to_string(getpid());
  EXPECT_FALSE(makeFolderBeneath(dir, path("link/") + name, {}));
  EXPECT_FALSE(makeFolderBeneath(dir, path("../") + name, {}));
  EXPECT_FALSE(std::filesystem::exists("/tmp/" + name));
}

TEST_F(Parts, SecretsAreTakenAndTheirFileGoes) {
  const std::string file = path("secrets");
  std::ofstream(file) << std::string("A=1\0B=two words", 15);
  std::vector<std::string> env = {"X=0"};
  ASSERT_TRUE(takeSecrets(file, env));
  EXPECT_EQ(env, (std::vector<std::string>{"X=0", "A=1", "B=two words"}));
  EXPECT_FALSE(std::filesystem::exists(file));
  wipe(env, 2);
  EXPECT_EQ(env[0], "X=0");
  EXPECT_EQ(env[2], std::string(11, '\0'));
  EXPECT_FALSE(takeSecrets(file, env));
}

TEST_F(Parts, OutputGoesOnInANewFileAndIsRotated) {
  const OutputPlan plan = {.file = path("out"), .insideFile = {}, .mostBytes = 8, .files = 2, .copyToOwn = false};
  Output output(plan);
  ASSERT_TRUE(output.openFile());
  for (const char* line : {"one one\n", "two two\n", "three\n"}) {
    output.append(line);
  }
  EXPECT_EQ(read(path("out")), "three\n");
  EXPECT_EQ(read(path("out.1")), "two two\n");
  EXPECT_EQ(read(path("out.2")), "one one\n");
  std::filesystem::remove(path("out"));
  output.append("four\n");
  EXPECT_EQ(read(path("out")), "four\n");
}

TEST_F(Parts, LogLinesHaveTimeAndLevelAndAreCutNotLost) {
  Log log;
  log.open(path("log"), Level::warn);
  log.say(Level::info, "not this");
  log.say(Level::error, "%s", std::string(5000, 'x').c_str());
  const std::string text = read(path("log"));
  EXPECT_EQ(text.find("not this"), std::string::npos);
  EXPECT_EQ(text.substr(0, 1), "[");
  EXPECT_NE(text.find("][ERROR] xxx"), std::string::npos);
  EXPECT_EQ(text.size(), 1023u);
  EXPECT_EQ(text.back(), '\n');
  EXPECT_STREQ(timeText(951782399001).text, "2000-02-28T23:59:59.001Z");
}

// In a child: what is given up does not come back.
TEST_F(Parts, AConfinedProcessOpensNothingButItsFolders) {
  std::ofstream(path("kept")) << "x";
  const pid_t child = fork();
  if (child == 0) {
    const auto confined = confine({.writable = {dir}, .readable = {"/proc"}, .writableFolder = Fd(), .changesIds = false});
    if (!confined) {
      _exit(1);
    }
    if (!confined.value()) {
      _exit(77); // no Landlock here
    }
    const auto opens = [](const std::string& file, int flags) {
      const int fd = open(file.c_str(), flags, 0600);
      return fd >= 0 ? 0 : errno;
    };
    const bool own = opens(path("kept"), O_RDWR | O_APPEND) == 0 && opens(path("new"), O_WRONLY | O_CREAT) == 0 &&
                     rename(path("new").c_str(), path("newer").c_str()) == 0 && opens("/proc/self/stat", O_RDONLY) == 0;
    const bool others = opens("/etc/passwd", O_RDONLY) == EACCES && opens("/tmp/stellwerk-x", O_WRONLY | O_CREAT) == EACCES &&
                        opens("/proc/self/comm", O_WRONLY) == EACCES && mkdir(path("folder").c_str(), 0700) != 0;
    execl("/bin/true", "true", nullptr);
    _exit(own && others && errno == EACCES ? 0 : 2);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) {
    GTEST_SKIP() << "this kernel has no Landlock";
  }
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(MemoryEvents, AreReadFromBothVersionsAndFromNonsense) {
  EXPECT_EQ(parseOomKills("low 0\nhigh 3\nmax 7\noom 2\noom_kill 5\noom_group_kill 1\n"), 5u);
  EXPECT_EQ(parseOomKills("oom_kill_disable 0\nunder_oom 0\noom_kill 12\n"), 12u);
  EXPECT_EQ(parseOomKills(""), 0u);
  EXPECT_EQ(parseOomKills("oom_kill "), 0u);
  EXPECT_EQ(parseOomKills("xoom_kill 4"), 0u);
}

TEST(Sockets, OnlyThoseThatListenAreFound) {
  const Fd quiet(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const Fd datagrams(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const Fd listening(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(listening.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(listening.get(), 1), 0);
  EXPECT_FALSE(listeningAddress(quiet.get()));
  EXPECT_FALSE(listeningAddress(datagrams.get()));
  const auto found = listeningAddress(listening.get());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->host, "127.0.0.1");
  EXPECT_NE(found->port, 0);
}

std::string planOf(std::initializer_list<const char*> words) {
  std::string text = std::string("state-dir") + '\0' + "/s" + '\0' + "argv" + '\0' + "/bin/x";
  for (const char* word : words) {
    text += std::string(1, '\0') + word;
  }
  return text;
}

TEST(Plan, TakesSocketsNetworkAndMountWords) {
  auto decoded = decodePlan(planOf({"pass-fd", "3", "80", "listen", "::", "443", "4", "9", "reuse-addr", "reuse-port",
                                    "non-block", "network", "br0", "o", "i", "10.0.0.2", "24", "", "isolated", "after-setup",
                                    "/bin/a", "bind", "/a/b", "/c", "rw", "noexec", "beneath", "/a", "idmapped", "devices",
                                    "restart-in-place-ms", "7", "seccomp-allow", "bpf", "log-level", "debug"}));
  ASSERT_TRUE(std::holds_alternative<Plan>(decoded));
  const Plan& plan = std::get<Plan>(decoded);
  EXPECT_EQ(plan.spec.passedFds[0].to, 80);
  EXPECT_TRUE(plan.spec.listen[0].nonBlocking && plan.spec.listen[0].reusePort);
  EXPECT_TRUE(plan.spec.network && plan.spec.network->isolated && plan.spec.network->gateway.empty());
  EXPECT_EQ(plan.spec.mounts[0].base, "/a");
  EXPECT_TRUE(plan.spec.mounts[0].idMapped && plan.spec.mounts[0].devices);
  EXPECT_EQ(plan.spec.restartAfterMs, 7u);
  EXPECT_EQ(plan.logLevel, Level::debug);
}

TEST(Plan, SaysWhichOfThoseWordsIsWrong) {
  const auto problem = [](std::initializer_list<const char*> words) {
    auto decoded = decodePlan(planOf(words));
    const auto* text = std::get_if<std::string>(&decoded);
    return text == nullptr ? std::string("none") : *text;
  };
  EXPECT_EQ(problem({"beneath", "/a"}), "plan: beneath: there is no mount before it");
  EXPECT_EQ(problem({"seccomp-allow", "read"}), "plan: seccomp-allow read: not in the filter's list");
  EXPECT_EQ(problem({"log-level", "loud"}), "plan: log-level loud: unknown level");
  EXPECT_EQ(problem({"listen", "::", "70000"}), "plan: listen 70000: not a number in range");
}

} // namespace
