// The parsers of outside bytes: examples of spec/cantal.md 3.2, then the same bytes mutated.
#include "base/number.hpp"
#include "fixture.hpp"
#include "scanner/cgroup_mounts.hpp"
#include "scanner/cgroup_identity.hpp"
#include "scanner/cgroup_name.hpp"
#include "scanner/labels_json.hpp"
#include "scanner/meta.hpp"
#include "scanner/pressure_line.hpp"
#include "scanner/memory_share.hpp"
#include "scanner/process_files.hpp"

using namespace stellwerk;
using namespace stellwerk::test;
using namespace std::string_literals;

namespace {

constexpr int kRounds = 20'000;
using Labels = OwnedLabels;

constexpr std::string_view kMeta = "counter 8: {\"metric\": \"requests.number\"}\n"
                                   "level 8 signed: {\"metric\": \"queue.size\", \"group\": \"incoming\"}\n"
                                   "level 8 float: {\"metric\": \"temperature\"}\n"
                                   "pad 40\n"
                                   "state 64: {\"state\": \"request\"}";

TEST(Meta, HasEachEntryAtItsOffset) {
  const Meta meta = parseMeta(kMeta);
  ASSERT_EQ(meta.error, nullptr);
  ASSERT_EQ(meta.entries.size(), 4u);
  EXPECT_EQ(meta.totalSize, 128u);
  EXPECT_EQ(meta.entries[0].type, ValueType::Counter);
  EXPECT_EQ(meta.entries[1].type, ValueType::Signed);
  EXPECT_EQ(meta.entries[1].offset, 8u);
  EXPECT_EQ(meta.entries[1].labels, (Labels{{"group", "incoming"}, {"metric", "queue.size"}}));
  EXPECT_EQ(meta.entries[2].type, ValueType::Float);
  EXPECT_EQ(meta.entries[3].type, ValueType::State);
  EXPECT_EQ(meta.entries[3].offset, 64u);
  EXPECT_EQ(meta.entries[3].size, 64u);
}

TEST(Meta, TakesCarriageReturnsAFinalNewlineAndBlanksAroundTheJson) {
  const Meta meta = parseMeta("counter 8:   {\"metric\":\"a\"}  \r\nlevel 8 unsigned:{\"metric\":\"b\"}\r\n");
  ASSERT_EQ(meta.error, nullptr);
  ASSERT_EQ(meta.entries.size(), 2u);
  EXPECT_EQ(meta.entries[1].type, ValueType::Unsigned);
}

TEST(Meta, IsRefusedWholeWithTheLineOfTheFirstMistake) {
  const std::pair<const char*, const char*> mistakes[] = {
      {"", "empty line"},
      {"counter x: {}", "size is no number"},
      {"counter -8: {}", "size is no number"},
      {"counter 256: {}", "size out of range"},
      {"pad 65536", "size out of range"},
      {"pad 99999999999999999999", "size is no number"},
      {"level 8: {}", "unknown kind of level"},
      {"level 8 double: {}", "unknown kind of level"},
      {"counter 8", "no JSON"},
      {"counter 8: {\"metric\": }", "bad JSON"},
      {"counter 8: ", "bad JSON"},
      {"counter 8: {} x", "bad JSON"},
      {"counter 8: {\"a\":\"\xff\"}", "not UTF-8"},
  };
  for (const auto& [line, error] : mistakes) {
    const Meta meta = parseMeta("counter 8: {\"metric\":\"good\"}\n" + std::string(line) + "\npad 8\n");
    ASSERT_NE(meta.error, nullptr) << line;
    EXPECT_STREQ(meta.error, error) << line;
    EXPECT_EQ(meta.errorLine, 2u) << line;
    EXPECT_TRUE(meta.entries.empty()) << line;
  }
}

TEST(Meta, SkipsUnknownTypesAndUnsupportedSizesByTheirSize) {
  const Meta meta = parseMeta("histogram 64: {\"metric\":\"h\"}\ncounter 4: {\"metric\":\"small\"}\n"
                              "state 8: {\"state\":\"short\"}\ncounter 8: {\"metric\":\"after\"}");
  ASSERT_EQ(meta.error, nullptr);
  ASSERT_EQ(meta.entries.size(), 1u);
  EXPECT_EQ(meta.entries[0].offset, 76u);
  EXPECT_EQ(meta.unknownTypes, (std::vector<std::string>{"histogram"}));
}

TEST(Meta, DropsOnlyTheMetricWithANestedValue) {
  const Meta meta = parseMeta("counter 8: {\"metric\":{\"a\":1}}\ncounter 8: [1]\ncounter 8: {\"metric\":\"b\"}");
  ASSERT_EQ(meta.error, nullptr);
  ASSERT_EQ(meta.entries.size(), 1u);
  EXPECT_EQ(meta.entries[0].offset, 16u);
}

TEST(Meta, OfARepeatedLabelSetKeepsTheLater) {
  const Meta meta = parseMeta("counter 8: {\"a\":\"1\",\"b\":\"2\"}\nlevel 8 float: {\"b\":\"2\",\"a\":\"1\"}");
  ASSERT_EQ(meta.entries.size(), 1u);
  EXPECT_EQ(meta.entries[0].type, ValueType::Float);
  EXPECT_EQ(meta.entries[0].offset, 8u);
}

TEST(Meta, HasATopOnItsEntries) {
  std::string text;
  for (std::size_t i = 0; i <= kMostMetaEntries; ++i) {
    text += "pad 8\n";
  }
  EXPECT_STREQ(parseMeta(text).error, "too many entries");
  text.resize(kMostMetaEntries * 6);
  EXPECT_EQ(parseMeta(text).error, nullptr);
}

TEST(Meta, OfAnyBytesStaysWithinTheValuesItDescribes) {
  Mutator mutator(1);
  int accepted = 0;
  for (int round = 0; round < kRounds; ++round) {
    const Meta meta = parseMeta(mutator.mutate(std::string(kMeta)));
    if (meta.error != nullptr) {
      ASSERT_TRUE(meta.entries.empty());
      ASSERT_GT(meta.errorLine, 0u);
      continue;
    }
    ++accepted;
    for (const MetaEntry& entry : meta.entries) {
      ASSERT_LE(std::uint64_t{entry.offset} + entry.size, meta.totalSize);
      ASSERT_TRUE(entry.type == ValueType::State ? entry.size > 8 : entry.size == 8);
      ASSERT_TRUE(std::is_sorted(entry.labels.begin(), entry.labels.end()));
    }
  }
  EXPECT_GT(accepted, kRounds / 20);
}

TEST(LabelsJson, IsSortedWithTheLastOfARepeatedName) {
  Labels labels;
  ASSERT_EQ(parseLabels(R"({"b":"2","a":"1","b":"3"})", labels), LabelsResult::Labels);
  EXPECT_EQ(labels, (Labels{{"a", "1"}, {"b", "3"}}));
}

TEST(LabelsJson, MakesTextOfIntegersAndBooleans) {
  Labels labels;
  ASSERT_EQ(parseLabels(R"({"n":-12,"t":true,"f":false})", labels), LabelsResult::Labels);
  EXPECT_EQ(labels, (Labels{{"f", "false"}, {"n", "-12"}, {"t", "true"}}));
  for (const char* other : {R"({"a":1.5})", R"({"a":1e3})", R"({"a":null})", R"({"a":[]})", R"(["a"])", "1", "null"}) {
    EXPECT_EQ(parseLabels(other, labels), LabelsResult::NotLabels) << other;
  }
}

TEST(LabelsJson, ResolvesEscapes) {
  Labels labels;
  ASSERT_EQ(parseLabels(R"({"\u0061\n":"\"\\\/\u00e9\ud83d\ude00"})", labels), LabelsResult::Labels);
  EXPECT_EQ(labels, (Labels{{"a\n", "\"\\/\xc3\xa9\xf0\x9f\x98\x80"}}));
}

TEST(LabelsJson, RefusesWhatIsNoJson) {
  Labels labels;
  for (const char* bad : {"", "{", "{}}", "{\"a\"}", "{\"a\":}", "{\"a\":\"b\",}", "{'a':'b'}", "{\"a\":01}", "{\"a\":+1}",
                          "{\"a\":\"\n\"}", R"({"a":"\x"})", R"({"a":"\u12"})", R"({"a":"\ud800"})", R"({"a":"\udc00"})",
                          R"({"a":"\)", "{\"a\":nul}", "nan", "{\"a\":1.}", "{\"a\":-}"}) {
    EXPECT_EQ(parseLabels(bad, labels), LabelsResult::Invalid) << bad;
  }
}

TEST(LabelsJson, DoesNotFollowAnyNesting) {
  Labels labels;
  EXPECT_EQ(parseLabels(std::string(1'000'000, '['), labels), LabelsResult::Invalid);
  EXPECT_EQ(parseLabels("{\"a\":" + std::string(30, '[') + std::string(30, ']') + "}", labels), LabelsResult::NotLabels);
}

std::string jsonText(std::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    char escape[8];
    std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
    json += static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\' ? std::string(escape) : std::string(1, c);
  }
  return json + "\"";
}

TEST(LabelsJson, ReadsBackWhatWasWritten) {
  Mutator random(2);
  for (int round = 0; round < kRounds / 4; ++round) {
    std::map<std::string, std::string> wanted;
    std::string json = "{";
    for (std::uint64_t i = random.next() % 5; i > 0; --i) {
      std::string texts[2];
      for (std::string& text : texts) {
        for (std::uint64_t length = random.next() % 6; length > 0; --length) {
          text += static_cast<char>(random.next() % 128);
        }
      }
      if (wanted.emplace(texts[0], texts[1]).second) {
        json += (json.size() > 1 ? "," : "") + jsonText(texts[0]) + " : " + jsonText(texts[1]);
      }
    }
    Labels labels;
    ASSERT_EQ(parseLabels(json + "}", labels), LabelsResult::Labels) << json;
    ASSERT_EQ(labels, Labels(wanted.begin(), wanted.end())) << json;
  }
}

TEST(LabelsJson, OfAnyBytesIsSafe) {
  Mutator mutator(3);
  for (int round = 0; round < kRounds; ++round) {
    Labels labels;
    parseLabels(mutator.mutate(R"({"metric":"a\u00e9\ud83d\ude00\n","n":-12,"x":[1,{"y":null}],"t":true})"), labels);
  }
}

TEST(Utf8, OfAnyBytesBecomesValid) {
  EXPECT_EQ(lossyUtf8("a\xff\xc3\xa9\xed\xa0\x80"), "a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
  Mutator mutator(4);
  for (int round = 0; round < kRounds; ++round) {
    const std::string text = mutator.mutate("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z");
    ASSERT_TRUE(validUtf8(lossyUtf8(text)));
    if (validUtf8(text)) {
      ASSERT_EQ(lossyUtf8(text), text);
    }
  }
}

TEST(ProcessStat, FindsTheNameBetweenTheFirstAndTheLastParenthesis) {
  const auto stat = parseProcessStat("17 (a) b (c) R 2 3 4 5 -1 4194304 6 7 8 9 10 11 12 13 -20 0 14 0 15 16 17 18 0 0 19 0");
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->name, "a) b (c");
  EXPECT_EQ(stat->state, 'R');
  EXPECT_EQ(stat->ppid, 2u);
  EXPECT_EQ(stat->userTime, 10u);
  EXPECT_EQ(stat->childSystemTime, 13u);
  EXPECT_EQ(stat->threads, 14u);
  EXPECT_EQ(stat->startTime, 15u);
  EXPECT_EQ(stat->vsize, 16u);
  EXPECT_EQ(stat->rssPages, 17u);
  EXPECT_EQ(stat->startStack, 19u);
}

TEST(ProcessStat, HasTicksBeyond32Bits) {
  EXPECT_EQ(parseProcessStat("1 (x) S 0 0 0 0 0 0 0 0 0 0 99999999999 0 0 0 20 0 1 0 5 0 0")->userTime, 99'999'999'999u);
}

TEST(ProcessFiles, OfAnyBytesAreSafe) {
  Mutator mutator(5);
  for (int round = 0; round < kRounds; ++round) {
    const std::string stat = mutator.mutate("17 (a) b) R 2 3 4 5 -1 6 6 7 8 9 10 11 12 13 -20 0 14 0 15 16 17 18 0 0 19");
    if (const auto parsed = parseProcessStat(stat)) {
      ASSERT_NE(stat.find(parsed->name), std::string::npos);
    }
    parseProcessStatus(mutator.mutate("Name:\ta\nUid:\t1\t2\nGid:\t3\t4\nVmSwap:\t 12 kB\n"));
    parseRunStamp(mutator.mutate("1234 56 7\n"));
    parseMemoryShare(mutator.mutate("Rss: 10 kB\nPss: 5 kB\nPss_Anon: 4 kB\nSwapPss: 1 kB\n"));
    parseProcessIo(mutator.mutate("read_bytes: 18446744073709551615\nwrite_bytes: -3\n"));
    parseEnvironment(mutator.mutate("A=1\0CANTAL_PATH=/run/x\0CANTAL_APPNAME=web"s));
    parsePressure(mutator.mutate("some avg10=0.00 avg60=0.00 avg300=0.00 total=17\nfull avg10=0.00 total=5\n"), true);
  }
}

TEST(Environment, IsReadUpToBothVariables) {
  const std::string text = "XCANTAL_PATH=/no\0CANTAL_APPNAME=web\0CANTAL_PATH=/run/x\0CANTAL_PATH=/later\0"s;
  EXPECT_EQ(parseEnvironment(text).path, "/run/x");
  EXPECT_EQ(parseEnvironment(text).appname, "web");
  EXPECT_EQ(parseEnvironment("CANTAL_PATH=/cut").path, "/cut");
}

TEST(Pressure, HasTheTotalsAndTheAveragesThatAreWanted) {
  const PressureFile both = parsePressure("some avg10=1.00 avg60=0.00 avg300=0.00 total=17\nfull avg10=0.00 total=5\n", true);
  EXPECT_EQ(both.some.total, 17u);
  EXPECT_EQ(both.some.averages[0], 1.0);
  EXPECT_EQ(both.full.total, 5u);
  EXPECT_FALSE(both.full.averages[1]) << "not there";
  EXPECT_FALSE(parsePressure("some avg10=1.00 avg60=0.00 avg300=0.00 total=17\n", false).some.averages[0]);
  EXPECT_FALSE(parsePressure("some avg10=1.00 total=17\n", true).full.total);
}

TEST(Number, IsWholeOrNothing) {
  std::uint64_t value = 0;
  EXPECT_TRUE(parseUnsigned("18446744073709551615", value));
  EXPECT_EQ(value, UINT64_MAX);
  for (const char* bad : {"", "18446744073709551616", "99999999999999999999", "000000000000000000001", "-1", "+1", "1 ", "x"}) {
    EXPECT_FALSE(parseUnsigned(bad, value)) << bad;
  }
  Mutator random(6);
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t wanted = random.next() >> random.next() % 64;
    ASSERT_TRUE(parseUnsigned(std::to_string(wanted), value));
    ASSERT_EQ(value, wanted);
    // As long double, which has all 64 bits, sees it.
    const std::string digits = std::to_string(random.next()) + std::to_string(random.next() % 100);
    ASSERT_EQ(parseUnsigned(digits, value), digits.size() <= 20 && std::stold(digits) < 18446744073709551616.0L) << digits;
  }
}

TEST(CgroupName, IsDottedAndWithoutSuffixes) {
  EXPECT_EQ(cgroupName("/system.slice/nscd.service"), "system.nscd");
  EXPECT_EQ(cgroupName("lithos.slice/box:web.0.scope"), "lithos.box:web.0");
  EXPECT_EQ(cgroupName("/"), "");
  EXPECT_EQ(cgroupName(""), "");
  EXPECT_EQ(cgroupName("//a//b/"), "a.b");
  EXPECT_EQ(cgroupName("/.service"), ".service");
}

TEST(CgroupName, IsEmptyForMountsSwapLoginsAndWhatLiesOutside) {
  for (const char* path : {"/user.slice/user-0.slice", "/user", "/system.slice/dev-sda.swap", "/proc.mount/x", "/../other", "/a/../b"}) {
    EXPECT_EQ(cgroupName(path), "") << path;
  }
  EXPECT_EQ(cgroupName("/a/user.slice"), "a.user");
}

TEST(CgroupIdentity, KnowsTheContainersOfEachRuntimeByTheirPaths) {
  const std::string id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
  const std::string other(64, 'f');
  const std::tuple<std::string, std::string, std::string> known[] = {
      {"/docker/" + id, "0123456789ab", "docker"},
      {"/system.slice/docker-" + id + ".scope", "0123456789ab", "docker"},
      {"/docker/" + other + "/docker/" + id, "0123456789ab", "docker"},
      {"/docker/" + id + "/system.slice/web.service", "0123456789ab", "docker"},
      {"/machine.slice/libpod-" + id + ".scope/container", "0123456789ab", "podman"},
      {"/libpod_parent/libpod-" + id, "0123456789ab", "podman"},
      {"/machine.slice/libpod-conmon-" + id + ".scope", "", ""},
      {"/kubepods/burstable/pod6a1b/" + id, "0123456789ab", "containerd"},
      {"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod6a1b.slice/cri-containerd-" + id + ".scope",
       "0123456789ab", "containerd"},
      {"/kubepods.slice/kubepods-pod6a1b.slice/crio-" + id + ".scope", "0123456789ab", "cri-o"},
      {"/kubepods.slice/kubepods-pod6a1b.slice/crio-conmon-" + id + ".scope", "", ""},
      {"/k8s.io/" + id, "0123456789ab", "containerd"},
      {"/system.slice/nerdctl-" + id + ".scope", "0123456789ab", "containerd"},
      {"/machine.slice/systemd-nspawn@db.service/payload", "", "systemd-nspawn"},
      {"/machine.slice/machine-db.scope", "", "systemd-nspawn"},
      {"/machine.slice/machine-qemu\\x2d1\\x2dvm.scope", "", "libvirt"},
      {"/lxc.payload.web/init.scope", "", "lxc"},
      {"/lithos.slice/box:web.0.scope", "", "lithos"},
      {"/system.slice/nginx.service", "", ""},
      {"/somewhere/" + id, "0123456789ab", ""},
      {"/docker/0123456789ab", "", ""},
  };
  for (const auto& [path, container, runtime] : known) {
    const CgroupIdentity identity = cgroupIdentity(path);
    EXPECT_EQ(identity.container, container) << path;
    EXPECT_EQ(identity.runtime, runtime) << path;
    EXPECT_EQ(identity.name, cgroupName(path));
  }
  EXPECT_EQ(cgroupIdentity("/user.slice/docker-" + id + ".scope").container, "") << "skipped groups have no identity";
}

constexpr std::string_view kMountinfo =
    "20 1 0:19 / /sys rw - sysfs sysfs rw\n"
    "31 20 0:27 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw\n"
    "32 20 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
    "33 20 0:29 /box /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "34 20 0:29 / /srv/a\\040b rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 20 0:30 / /srv/m\\040x rw - cgroup cgroup rw,memory\n";

TEST(CgroupMounts, AreOneForEachHierarchy) {
  const auto mounts = parseCgroupMounts(kMountinfo, "/fake");
  ASSERT_EQ(mounts.size(), 4u);
  EXPECT_TRUE(mounts[0].unified);
  EXPECT_EQ(mounts[0].path, "/fake/fs/cgroup/unified");
  EXPECT_EQ(mounts[2].controllers, (std::vector<std::string>{"cpu", "cpuacct"}));
  EXPECT_EQ(mounts[2].root, "/box");
  EXPECT_EQ(mounts[3].path, "/srv/m x");
  EXPECT_EQ(namingHierarchy(mounts), &mounts[1]);
}

TEST(CgroupMounts, PreferAUnifiedTreeThatHasControllers) {
  auto mounts = parseCgroupMounts(kMountinfo, "/fake");
  mounts[0].controllers = {"hugetlb"};
  EXPECT_EQ(namingHierarchy(mounts), &mounts[1]);
  mounts[0].controllers = {"memory"};
  EXPECT_EQ(namingHierarchy(mounts), &mounts[0]);
  EXPECT_EQ(namingHierarchy({}), nullptr);
}

TEST(CgroupPath, IsThatOfTheHierarchyBelowItsVisibleRoot) {
  constexpr std::string_view kText = "12:pids:/p\n3:cpu,cpuacct:/box/a:b.scope (deleted)\n1:name=systemd:/s\n0::/u\n";
  EXPECT_EQ(cgroupPathOf(kText, {true, {"cpu"}, "", "/"}), "/u");
  EXPECT_EQ(cgroupPathOf(kText, {false, {"name=systemd"}, "", "/"}), "/s");
  EXPECT_EQ(cgroupPathOf(kText, {false, {"cpu", "cpuacct"}, "", "/box"}), "/a:b.scope");
  EXPECT_FALSE(cgroupPathOf(kText, {false, {"memory"}, "", "/"}));
  // Not below /bo, though its name begins so.
  EXPECT_FALSE(cgroupPathOf(kText, {false, {"cpu"}, "", "/bo"}));
}

TEST(CgroupMounts, OfAnyBytesAreSafe) {
  Mutator mutator(7);
  for (int round = 0; round < kRounds; ++round) {
    const auto mounts = parseCgroupMounts(mutator.mutate(std::string(kMountinfo)), "/fake");
    const std::string text = mutator.mutate("3:cpu,cpuacct:/box/a:b.scope (deleted)\n1:name=systemd:/s\n0::/u.slice/v\n");
    for (const CgroupMount& mount : mounts) {
      if (const auto path = cgroupPathOf(text, mount)) {
        const std::string name = cgroupIdentity(*path).name;
        ASSERT_EQ(name.find('/'), std::string::npos);
      }
    }
  }
}

} // namespace
