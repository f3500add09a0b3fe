#include "knot/plan.hpp"

#include <gtest/gtest.h>
#include <random>

using namespace stellwerk;
using namespace stellwerk::knot;

namespace {

std::string join(std::initializer_list<const char*> words) {
  std::string text;
  for (const char* word : words) {
    text += (text.empty() ? "" : std::string(1, '\0')) + word;
  }
  return text;
}

std::string problemOf(std::initializer_list<const char*> words) {
  auto plan = decodePlan(join(words));
  const auto* problem = std::get_if<std::string>(&plan);
  return problem == nullptr ? "none" : *problem;
}

TEST(Plan, KeepsOrderAndRepeatedKeys) {
  auto decoded = decodePlan(join({"state-dir", "/s", "argv", "/bin/x", "bind", "/a", "/b", "rw", "exec", "tmpfs", "/t",
                                  "4096", "1777", "argv", "-v", "uid-map", "0", "100000", "65536", "rlimit", "nofile",
                                  "64", "normal-exit-code", "0", "normal-exit-code", "7", "env", "A=b=c"}));
  ASSERT_TRUE(std::holds_alternative<Plan>(decoded));
  const Plan& plan = std::get<Plan>(decoded);
  EXPECT_EQ(plan.spec.argv, (std::vector<std::string>{"/bin/x", "-v"}));
  ASSERT_EQ(plan.spec.mounts.size(), 2u);
  EXPECT_FALSE(plan.spec.mounts[0].readonly);
  EXPECT_TRUE(plan.spec.mounts[0].exec);
  EXPECT_EQ(plan.spec.mounts[1].mode, 01777u);
  EXPECT_EQ(plan.spec.uidMap[0].outside, 100000u);
  EXPECT_EQ(plan.spec.limits[0].value, 64u);
  EXPECT_EQ(plan.normalExitCodes, (std::vector<int>{0, 7}));
  EXPECT_EQ(plan.spec.env[0], "A=b=c");
  EXPECT_FALSE(plan.spec.noNewPrivileges);
}

TEST(Plan, TakesAnEmptyArgumentAndAClosingSeparator) {
  const std::string separated = join({"state-dir", "/s", "argv", "/bin/x", "argv", ""});
  for (const std::string& text : {separated, separated + '\0'}) {
    auto plan = decodePlan(text);
    ASSERT_TRUE(std::holds_alternative<Plan>(plan));
    EXPECT_EQ(std::get<Plan>(plan).spec.argv, (std::vector<std::string>{"/bin/x", ""}));
  }
}

TEST(Plan, NamesTheWordThatIsWrong) {
  EXPECT_EQ(problemOf({"volume", "/x"}), "plan: unknown word volume");
  EXPECT_EQ(problemOf({"uid", "abc"}), "plan: uid abc: not a number in range");
  EXPECT_EQ(problemOf({"uid", "4294967296"}), "plan: uid 4294967296: not a number in range");
  EXPECT_EQ(problemOf({"bind", "/a", "/b", "maybe", "exec"}), "plan: bind maybe: unknown value");
  EXPECT_EQ(problemOf({"unshare", "time"}), "plan: unshare time: unknown namespace");
  EXPECT_EQ(problemOf({"root", "relative"}), "plan: root relative: not an absolute path");
  EXPECT_EQ(problemOf({"rlimit", "files", "1"}), "plan: rlimit files: unknown limit");
  EXPECT_EQ(problemOf({"argv"}), "plan: argv: a value is missing");
  EXPECT_EQ(problemOf({"argv", "/x"}), "plan: state-dir is missing");
}

// Random words of the language, with random bytes between: never a crash, always a plan or a problem.
TEST(Plan, SurvivesRandomBytes) {
  std::mt19937 random(1);
  const char* words[] = {"argv", "bind", "tmpfs", "uid-map", "rlimit", "state-dir", "/s", "7", "", "ro", "exec", "nofile",
                         "unshare", "user", "env", "A=", "\xff\xfe", "99999999999999999999", "keep-capability", "KILL"};
  for (int round = 0; round < 20000; round++) {
    std::string text;
    for (unsigned count = random() % 12; count > 0; count--) {
      text += words[random() % std::size(words)];
      text += random() % 8 == 0 ? static_cast<char>(random()) : '\0';
    }
    auto decoded = decodePlan(text);
    if (const auto* plan = std::get_if<Plan>(&decoded)) {
      EXPECT_TRUE(plan->spec.argv.at(0).starts_with('/'));
    } else {
      EXPECT_TRUE(std::get<std::string>(decoded).starts_with("plan: "));
    }
  }
}

} // namespace
