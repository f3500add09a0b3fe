#include "vagga/caller.hpp"
#include "vagga/environment.hpp"
#include "vagga/job.hpp"

#include <csignal>
#include <gtest/gtest.h>

using namespace stellwerk::vagga;

namespace {

// A list of words that ends as argv and environ do.
class Words {
public:
  Words(std::initializer_list<const char*> words) {
    for (const char* word : words) {
      texts_.push_back(const_cast<char*>(word));
    }
    texts_.push_back(nullptr);
  }
  std::span<char* const> span() const { return {texts_.data(), texts_.size() - 1}; }
  char** environment() { return texts_.data(); }

private:
  std::vector<char*> texts_;
};

TEST(CommandLine, IsACommandWithItsArgumentsAfterVariables) {
  const Words words = {"-e", "A", "-E", "B=c=d", "-E", "C", "run.it", "-x", ""};
  const auto line = readCommandLine(words.span());
  ASSERT_TRUE(line);
  EXPECT_EQ(line->use, std::vector<std::string_view>{"A"});
  ASSERT_EQ(line->set.size(), 2u);
  EXPECT_EQ(line->set[0].second, "c=d");
  EXPECT_FALSE(line->set[1].second.has_value());
  EXPECT_EQ(line->command, "run.it");
  EXPECT_EQ(line->arguments.size(), 2u);
}

TEST(CommandLine, WithAnythingElseIsForNode) {
  for (const Words& words : {Words{}, Words{"-e"}, Words{"-e", "A"}, Words{"--help"}, Words{"-m", "a", "b"}, Words{"-eA", "run"},
                             Words{"-e", "A=b", "run"}, Words{"-E", "=b", "run"}, Words{"-E", "", "run"}, Words{"../run"},
                             Words{".run"}, Words{""}, Words{"a/b"}, Words{"run", "\xff"}, Words{"-E", "A=\xc3", "run"},
                             Words{"--", "run"}}) {
    EXPECT_FALSE(readCommandLine(words.span())) << words.span().size();
  }
}

TEST(Caller, WithAnOddEnvironmentIsForNode) {
  EXPECT_TRUE(readEnvironment(Words{"A=b", "B="}.environment()));
  for (Words words : {Words{"A=b", "A=c"}, Words{"=b"}, Words{"A"}, Words{"1=a"}, Words{"A=\xed\xa0\x80"}, Words{"A=\xf8"}}) {
    EXPECT_FALSE(readEnvironment(words.environment()));
  }
}

TEST(Utf8, IsWhatUnicodeSays) {
  for (const char* good : {"", "a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x9a\x82", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(isUtf8(good)) << good;
  }
  for (const char* bad : {"\x80", "\xc0\x80", "\xc3", "\xe2\x82", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                          "\xf5\x80\x80\x80", "\xff"}) {
    EXPECT_FALSE(isUtf8(bad)) << bad;
  }
}

TEST(CommandEnvironment, IsMadeOfLayersInTheirOrder) {
  using Kind = EnvironmentLayer::Kind;
  Words own = {"TERM=vt100", "no_proxy=x", "VAGGAENV_A=pre", "LC_ALL=C", "USED=u", "VAGGAENV_=odd", "LANG=de"};
  const auto caller = readEnvironment(own.environment());
  ASSERT_TRUE(caller);
  const Words words = {"-e", "USED", "-E", "B=line", "-E", "GONE", "run"};
  const auto line = readCommandLine(words.span());
  const std::vector<EnvironmentLayer> layers = {
      {Kind::term, {}, {}},         {Kind::set, "PATH", "/bin"},   {Kind::proxies, {}, {}}, {Kind::set, "A", "container"},
      {Kind::set, "GONE", "g"},     {Kind::propagate, "L*", {}},   {Kind::propagate, "*X", {}}, {Kind::set, "B", "settings"},
      {Kind::prefixed, {}, {}}};
  const std::vector<std::string> expected = {"TERM=vt100", "PATH=/bin", "no_proxy=x", "A=pre",
                                             "LC_ALL=C",   "LANG=de",   "B=line",     "USED=u"};
  EXPECT_EQ(commandEnvironment(layers, *caller, *line), expected);
}

TEST(CommandEnvironment, DecidesWhereAProgramIsLookedFor) {
  EXPECT_EQ(programCandidates("/bin/sh", {}), std::vector<std::string>{"/bin/sh"});
  EXPECT_EQ(programCandidates("sh", {"A=b", "PATH=/a::/b"}), (std::vector<std::string>{"/a/sh", "./sh", "/b/sh"}));
  EXPECT_EQ(programCandidates("sh", {}).front(), "/usr/local/sbin/sh");
}

// The table of test/vagga/command.test.ts: both ways to run a command decide alike.
TEST(Job, SendsSignalsWhereAShellExpectsThem) {
  using Event = JobEvent::Kind;
  using Effect = JobEffect::Kind;
  const auto signal = [](int number) { return JobEvent{.kind = Event::signal, .signal = number}; };
  const JobEffect resume = {.kind = Effect::signalGroup, .signal = SIGCONT};
  const std::vector<JobEffect> handOver = {{.kind = Effect::handOverTerminal}, resume};
  const std::vector<JobEffect> stop = {{.kind = Effect::stopSelf}};
  EXPECT_EQ(jobStep(signal(SIGINT), true), (std::vector<JobEffect>{{.kind = Effect::signalGroup, .signal = SIGINT}}));
  EXPECT_EQ(jobStep(signal(SIGQUIT), true), (std::vector<JobEffect>{{.kind = Effect::signalGroup, .signal = SIGQUIT}}));
  EXPECT_EQ(jobStep(signal(SIGTERM), true), (std::vector<JobEffect>{{.kind = Effect::signalCommand, .signal = SIGTERM}}));
  EXPECT_EQ(jobStep(signal(SIGHUP), false), (std::vector<JobEffect>{{.kind = Effect::signalCommand, .signal = SIGHUP}}));
  for (const int stopping : {SIGTSTP, SIGTTIN, SIGTTOU}) {
    EXPECT_EQ(jobStep(signal(stopping), true), (std::vector<JobEffect>{{.kind = Effect::signalGroup, .signal = SIGTSTP}}));
  }
  EXPECT_EQ(jobStep(signal(SIGCONT), true), handOver);
  EXPECT_EQ(jobStep(signal(SIGCONT), false), std::vector<JobEffect>{resume});
  EXPECT_EQ(jobStep({.kind = Event::terminalAccess}, true), handOver);
  EXPECT_EQ(jobStep({.kind = Event::terminalAccess}, false), stop);
  EXPECT_EQ(jobStep({.kind = Event::stopped}, true), stop);
}

} // namespace
