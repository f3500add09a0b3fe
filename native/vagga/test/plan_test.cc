#include "vagga/plan.hpp"

#include <gtest/gtest.h>
#include <random>

using namespace stellwerk;
using namespace stellwerk::vagga;

namespace {

using Words = std::vector<std::string>;

std::string join(const Words& words) {
  std::string text;
  for (const std::string& word : words) {
    text += word;
    text += '\0';
  }
  return text;
}

const Words kHead = {"stellwerk vagga plan 1", "package", "/p", "project", "/w", "command", "run", "caller", "1000", "1000", "ann",
                     "0 0 1\n", "0 0 1\n"};
const Words kBody = {"file", "/w/vagga.yaml", "1", "2", "3", "-4", "5", "33188", "root", "/r", "argv", "sh",
                     "uid-map", "0", "1000", "1", "gid-map", "0", "1000", "1", "proc", "/proc", "masked"};

Words whole(const Words& more = {}) {
  Words words = kHead;
  words.insert(words.end(), kBody.begin(), kBody.end());
  words.insert(words.end(), more.begin(), more.end());
  words.push_back("end");
  return words;
}

std::string problemOf(const std::string& bytes) {
  auto plan = decodePlan(bytes);
  const auto* problem = std::get_if<std::string>(&plan);
  return problem == nullptr ? "none" : *problem;
}

TEST(VaggaPlan, KeepsWhatItSays) {
  auto decoded = decodePlan(join(whole({"no-variable", "HOME", "variable", "A", "b=c", "link", "/w/.vagga/c", ".roots/x",
                                        "absent", "/x", "touch", "/r/last_use", "work-folder", "/work/sub", "epilog", "bye\n",
                                        "set", "A", "", "prefixed", "bind", "/t", "/s", "ro", "exec", "nodev", "make-file",
                                        "/f", "644", "text", "", "copy", "/c", "/d", "owner", "5", "as-it-is"})));
  ASSERT_TRUE(std::holds_alternative<Plan>(decoded)) << std::get<std::string>(decoded);
  const Plan& plan = std::get<Plan>(decoded);
  EXPECT_EQ(plan.inputs.size(), 3u);
  EXPECT_EQ(plan.inputs[0].identity.modifiedNs, -4);
  EXPECT_EQ(plan.inputs[1].target, ".roots/x");
  EXPECT_FALSE(plan.variables[0].value.has_value());
  EXPECT_EQ(plan.variables[1].value, "b=c");
  EXPECT_EQ(plan.workFolder, "/work/sub");
  EXPECT_EQ(plan.environment.size(), 2u);
  ASSERT_EQ(plan.spec.mounts.size(), 4u);
  EXPECT_TRUE(plan.spec.mounts[1].readonly);
  EXPECT_EQ(plan.spec.mounts[2].text, "");
  EXPECT_EQ(plan.spec.mounts[3].owner, 5u);
  EXPECT_FALSE(plan.spec.mounts[3].ownerGroup.has_value());
  EXPECT_TRUE(plan.spec.namespaces.user && plan.spec.dieWithStarter && plan.spec.ownGroup);
  EXPECT_FALSE(plan.spec.namespaces.net);
}

TEST(VaggaPlan, IsRefusedWhereAnyEndOfItIsMissing) {
  const std::string bytes = join(whole());
  EXPECT_EQ(problemOf(bytes), "none");
  for (std::size_t size = 0; size < bytes.size(); size++) {
    EXPECT_NE(problemOf(bytes.substr(0, size)), "none") << size;
  }
  EXPECT_EQ(problemOf(bytes + "x"), "bytes behind its end");
}

TEST(VaggaPlan, IsRefusedWhereItLacksAPart) {
  for (const char* key : {"package", "project", "command", "caller", "file", "root", "argv", "uid-map", "gid-map", "proc"}) {
    Words words;
    const Words all = whole();
    const auto at = std::find(all.begin(), all.end(), key);
    const Words keys = {"package", "project", "command", "caller", "file", "root", "argv", "uid-map", "gid-map", "proc", "end"};
    auto end = at + 1;
    while (std::find(keys.begin(), keys.end(), *end) == keys.end()) {
      ++end;
    }
    words.insert(words.end(), all.begin(), at);
    words.insert(words.end(), end, all.end());
    EXPECT_NE(problemOf(join(words)), "none") << key;
  }
}

TEST(VaggaPlan, NamesTheKeyThatIsWrong) {
  EXPECT_EQ(problemOf(join({"stellwerk vagga plan 2"})), "another format");
  EXPECT_EQ(problemOf(join(whole({"volume"}))), "volume: unknown key");
  EXPECT_EQ(problemOf(join(whole({"group", "-1"}))), "group: not a number in range");
  EXPECT_EQ(problemOf(join(whole({"bind", "/t", "/s", "maybe", "exec", "nodev"}))), "bind: unknown value");
  EXPECT_EQ(problemOf(join(whole({"tmpfs", "/t", "1", "10000", "open"}))), "tmpfs: no mode");
  EXPECT_EQ(problemOf(join(whole({"touch", "relative"}))), "touch: not an absolute path");
  EXPECT_EQ(problemOf(join(whole({"keep-capability", "FLY"}))), "keep-capability: unknown capability");
  EXPECT_EQ(problemOf(join(whole({"set", "A=B", "c"}))), "set: no name of a variable");
  EXPECT_EQ(problemOf(std::string(kMostPlanBytes + 1, 'x')), "too large");
}

// Random words of the language with random bytes between, and a whole plan with bytes changed: never a crash.
TEST(VaggaPlan, SurvivesRandomBytes) {
  std::mt19937 random(1);
  const Words words = {"argv", "bind", "tmpfs", "uid-map", "file", "entry", "/s", "7", "", "ro", "exec", "nodev", "caller", "end",
                       "set", "A", "copy", "owner", "as-it-is", "\xff", "99999999999999999999", "-1", "work-folder", "link"};
  const std::string good = join(whole());
  unsigned plans = 0;
  for (int round = 0; round < 50000; round++) {
    std::string text = join(random() % 2 == 0 ? kHead : Words{});
    if (random() % 2 == 0) {
      text = good;
      for (unsigned count = random() % 4; count > 0; count--) {
        text[random() % text.size()] = static_cast<char>(random());
      }
    } else {
      for (unsigned count = random() % 40; count > 0; count--) {
        text += words[random() % words.size()];
        text += random() % 8 == 0 ? static_cast<char>(random()) : '\0';
      }
    }
    auto decoded = decodePlan(text);
    if (const auto* plan = std::get_if<Plan>(&decoded)) {
      plans++;
      EXPECT_TRUE(plan->spec.root.starts_with('/') && plan->project.starts_with('/') && !plan->inputs.empty());
    } else {
      EXPECT_FALSE(std::get<std::string>(decoded).empty());
    }
  }
  EXPECT_GT(plans, 1000u);
}

} // namespace
