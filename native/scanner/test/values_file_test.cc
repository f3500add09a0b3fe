// What applications export: spec/cantal.md 3, the acceptance table 1 to 15.
#include "fixture.hpp"

#include <atomic>
#include <bit>
#include <chrono>
#include <fcntl.h>
#include <sys/stat.h>
#include <thread>

using namespace stellwerk;
using namespace stellwerk::test;

namespace {

constexpr const char* kCounter = "counter 8: {\"metric\":\"requests\"}\n";

struct Apps {
  explicit Apps(std::uint32_t maxSeries = 100'000) : rig(machine.path, maxSeries) {
    machine.write("proc/stat", "btime 1000\n");
    processes.emplace(rig.procRoot, unifiedMount(machine.path + "/cg"), ProcessMetrics::None, cgroups);
    process(100);
  }
  void process(std::uint32_t pid, const std::string& environ = "CANTAL_PATH=/run/app") const {
    writeProcess(machine, {.pid = pid, .environ = environ});
  }
  void write(std::string_view meta, std::string_view values) const {
    machine.replace("root/run/app.values", values);
    machine.replace("root/run/app.meta", meta);
  }
  void scan() {
    ScanContext context = rig.begin();
    states.clear();
    processes->collect(context);
    processes->collectValues(context, states);
  }
  static LabelMap labels(const std::string& metric, const std::string& pid = "100") {
    return {{"cgroup", "system.web"}, {"metric", metric}, {"pid", pid}};
  }
  std::optional<std::uint64_t> value(const std::string& metric, const std::string& pid = "100") const {
    return rig.value(labels(metric, pid));
  }
  // Series of applications: without those of what processes add up to.
  std::uint32_t exported() const {
    std::uint32_t count = 0;
    for (std::uint32_t id = 0; id < rig.series.keyCount(); ++id) {
      const auto key = rig.series.key(id);
      count += key && labelsOf(*key).contains("pid") ? 1 : 0;
    }
    return count;
  }
  std::string meta() const { return machine.path + "/root/run/app.meta"; }
  std::string values() const { return machine.path + "/root/run/app.values"; }

  TempDir machine;
  Rig rig;
  Cgroups cgroups{{}, "", false};
  std::optional<Processes> processes;
  std::vector<StateRow> states;
};

TEST(Values, OfEachTypeAppearWithLabelsKindAndBits) {
  Apps apps;
  apps.write("counter 8: {\"metric\":\"c\"}\nlevel 8 signed: {\"metric\":\"s\"}\nlevel 8 float: {\"metric\":\"f\"}\n"
             "pad 8\nlevel 8 unsigned: {\"metric\":\"u\"}\nlevel 8 unsigned: {\"metric\":\"v\"}",
             words({UINT64_MAX, std::uint64_t(-5), std::bit_cast<std::uint64_t>(-0.0), 77, UINT64_MAX, 12}) + "longer is fine");
  apps.scan();
  EXPECT_EQ(apps.value("c"), UINT64_MAX);
  EXPECT_EQ(apps.value("s"), std::uint64_t(-5));
  EXPECT_EQ(apps.value("f"), std::bit_cast<std::uint64_t>(-0.0));
  EXPECT_EQ(apps.value("u"), std::uint64_t(INT64_MAX)) << "clamped";
  EXPECT_EQ(apps.value("v"), 12u);
  const SeriesTable& table = apps.rig.series;
  EXPECT_EQ(table.kind(*idOf(table, Apps::labels("c"))), Kind::Counter);
  EXPECT_EQ(table.kind(*idOf(table, Apps::labels("u"))), Kind::Integer);
  EXPECT_EQ(table.kind(*idOf(table, Apps::labels("f"))), Kind::Float);
}

TEST(Values, FollowTheWriter) {
  Apps apps;
  apps.write(kCounter, words({1}));
  for (std::uint64_t value = 2; value < 30; ++value) {
    apps.machine.write("root/run/app.values", words({value})); // in place, as through a mapping
    apps.scan();
    ASSERT_EQ(apps.value("requests"), value);
  }
  EXPECT_EQ(apps.exported(), 1u);
}

TEST(Values, AreTakenAnewWhenTheFilesAreReplaced) {
  Apps apps;
  apps.write(kCounter, words({1}));
  apps.scan();
  apps.write("pad 8\ncounter 8: {\"metric\":\"other\"}", words({9, 2}));
  apps.scan();
  EXPECT_EQ(apps.value("other"), 2u);
  EXPECT_FALSE(apps.value("requests"));
  fs::remove(apps.meta());
  apps.scan();
  EXPECT_FALSE(apps.value("other")) << "the application has taken its files away";
  apps.write(kCounter, words({3}));
  apps.scan();
  EXPECT_EQ(apps.value("requests"), 3u);
}

TEST(Values, ThatAreShorterThanDescribedAreNotTaken) {
  Apps apps;
  apps.write("counter 8: {\"metric\":\"a\"}\ncounter 8: {\"metric\":\"b\"}", words({1, 2}));
  apps.scan();
  for (const unsigned size : {0u, 8u, 15u}) {
    fs::resize_file(apps.values(), size);
    apps.scan();
    EXPECT_FALSE(apps.value("a")) << size;
    EXPECT_FALSE(apps.value("b")) << size;
  }
  fs::resize_file(apps.values(), 16);
  apps.scan();
  EXPECT_EQ(apps.value("a"), 0u);
}

TEST(Values, AreRefusedOnceWithReasonAndLineForEachMistake) {
  const std::pair<const char*, const char*> mistakes[] = {
      {"", "line 2: empty line"},          {"counter x: {}", "line 2: size is no number"},
      {"counter 300: {}", "line 2: size out of range"}, {"level 8: {}", "line 2: unknown kind of level"},
      {"counter 8: {", "line 2: bad JSON"}, {"counter 8", "line 2: no JSON"},
  };
  Apps apps;
  std::uint64_t refused = 0;
  for (const auto& [line, message] : mistakes) {
    apps.write(std::string(kCounter) + line + "\npad 8\n", words({1, 2, 3}));
    for (int scan = 0; scan < 3; ++scan) {
      apps.scan();
      EXPECT_FALSE(apps.value("requests")) << line;
    }
    const auto messages = apps.rig.notes.take();
    ASSERT_EQ(messages.size(), 1u) << line;
    EXPECT_EQ(messages[0], "refused values of pid 100: /run/app.meta " + std::string(message));
    refused += 3;
    EXPECT_EQ(apps.rig.notes.rejected()["bad-meta"].count, refused);
  }
}

TEST(Values, RefusedAnewAreSaidAnew) {
  Apps apps;
  for (int generation = 0; generation < 3; ++generation) {
    apps.write("level 8: {}", words({1}));
    apps.scan();
    apps.scan();
    EXPECT_EQ(apps.rig.notes.take().size(), 1u) << generation;
  }
}

TEST(Values, ThatAreNoFilesAreRefusedWithoutWaiting) {
  Apps apps;
  apps.write(kCounter, words({1}));
  fs::remove(apps.values());
  ASSERT_EQ(mkfifo(apps.values().c_str(), 0600), 0);
  apps.scan();
  apps.scan();
  EXPECT_EQ(apps.rig.notes.rejected()["no-file"].count, 2u);
  EXPECT_EQ(apps.rig.notes.take().size(), 1u);

  fs::remove(apps.meta());
  ASSERT_EQ(mkfifo(apps.meta().c_str(), 0600), 0);
  apps.scan();
  apps.scan();
  EXPECT_EQ(apps.rig.notes.rejected()["no-file"].count, 4u);
  EXPECT_EQ(apps.rig.notes.take().size(), 1u);

  fs::remove(apps.meta());
  fs::create_directory(apps.meta());
  apps.scan();
  EXPECT_EQ(apps.rig.notes.rejected()["no-file"].count, 5u);
  fs::remove(apps.meta());
  fs::remove(apps.values());
  apps.write(kCounter, words({7}));
  apps.scan();
  EXPECT_EQ(apps.value("requests"), 7u);
}

TEST(Values, AreNeverReadOutsideOfTheProcessesRoot) {
  Apps apps;
  apps.machine.write("secret.meta", kCounter);
  apps.machine.write("secret.values", words({42}));
  fs::create_directories(apps.machine.path + "/root/run");
  for (const std::string& target : {apps.machine.path + "/secret", std::string("../../secret")}) {
    for (const char* suffix : {".meta", ".values"}) {
      fs::remove(apps.machine.path + "/root/run/app" + suffix);
      fs::create_symlink(target + suffix, apps.machine.path + "/root/run/app" + suffix);
    }
    apps.scan();
    EXPECT_FALSE(apps.value("requests")) << target;
  }
  apps.process(101, "CANTAL_PATH=/../secret");
  apps.scan();
  EXPECT_FALSE(apps.value("requests", "101"));
  // A link that stays inside is followed.
  apps.machine.write("root/secret.meta", kCounter);
  apps.machine.write("root/secret.values", words({43}));
  apps.scan();
  EXPECT_EQ(apps.value("requests"), 43u);
}

TEST(Values, OfMagicLinksAreRefused) {
  Apps apps;
  apps.write(kCounter, words({1}));
  fs::create_directory_symlink("/proc", apps.machine.path + "/root/p");
  fs::remove(apps.machine.path + "/proc/100/root");
  fs::create_directory_symlink("/", apps.machine.path + "/proc/100/root");
  apps.process(100, "CANTAL_PATH=/proc/self/root" + apps.machine.path + "/root/run/app");
  apps.scan();
  EXPECT_FALSE(apps.value("requests"));
  EXPECT_EQ(apps.rig.notes.rejected()["unreadable"].count, 1u);
}

TEST(Values, BeyondTheCapsAreRefusedUnread) {
  Apps apps;
  apps.write(kCounter, words({1}));
  fs::resize_file(apps.meta(), (1 << 20) + 1);
  apps.scan();
  EXPECT_EQ(apps.rig.notes.rejected()["too-large"].count, 1u);
  std::string meta;
  for (int line = 0; line < 300; ++line) {
    meta += "pad 65535\n";
  }
  apps.write(meta, "");
  apps.scan();
  EXPECT_EQ(apps.rig.notes.rejected()["too-large"].count, 2u);
  // Only what is described is read of a file with a terabyte of nothing.
  apps.write(kCounter, words({5}));
  fs::resize_file(apps.values(), std::uintmax_t{1} << 40);
  apps.scan();
  EXPECT_EQ(apps.value("requests"), 5u);
  EXPECT_LT(apps.rig.reader.buffer.size(), 1u << 20);
}

TEST(Values, OfAMetaWithAMillionLinesAreRefusedQuickly) {
  Apps apps;
  std::string meta;
  for (int line = 0; line < 1'000'000; ++line) {
    meta += "pad 8\n";
  }
  apps.write(meta, words({1}));
  apps.scan();
  EXPECT_EQ(apps.rig.notes.rejected()["too-large"].count, 1u);
  // As many as fit into 1 MiB.
  apps.write(meta.substr(0, 1 << 20), words({1}));
  apps.scan();
  EXPECT_EQ(apps.rig.notes.rejected()["bad-meta"].count, 1u);
  EXPECT_EQ(apps.rig.notes.rejected()["bad-meta"].message, "refused values of pid 100: /run/app.meta line 10001: too many entries");
  EXPECT_EQ(apps.exported(), 0u);
}

TEST(Values, OfAMetaOfGarbageAreRefusedOrRead) {
  Apps apps;
  Mutator mutator(23);
  for (int round = 0; round < 300; ++round) {
    std::string meta(mutator.next() % 4000, '\0');
    for (char& byte : meta) {
      byte = static_cast<char>(mutator.next());
    }
    apps.write(round % 2 == 0 ? meta : mutator.mutate(std::string(kCounter) + "pad 8\nstate 64: {\"state\":\"a\"}\n"), words({5}));
    apps.scan();
  }
  apps.write(kCounter, words({5}));
  apps.scan();
  EXPECT_EQ(apps.value("requests"), 5u);
}

// Each scan has the old generation or the new one, never the names of one with the numbers of the other.
TEST(Values, ReplacedWhileTheyAreReadAreOneGenerationOrTheOther) {
  Apps apps;
  std::atomic<bool> stop = false;
  const auto generation = [&](std::uint64_t number) {
    // As the libraries do it: old .meta away, new .values, new .meta.
    fs::remove(apps.meta());
    apps.machine.replace("root/run/app.values", words({number, number}));
    apps.machine.replace("root/run/app.meta", number % 2 == 0
                                                  ? "counter 8: {\"metric\":\"even\"}\npad 8\n"
                                                  : "pad 8\ncounter 8: {\"metric\":\"odd\"}\n");
  };
  generation(1);
  std::thread writer([&] {
    for (std::uint64_t number = 2; !stop; ++number) {
      generation(number);
      std::this_thread::sleep_for(std::chrono::microseconds(number * 977 % 3000));
    }
  });
  int seen = 0;
  for (int scan = 0; scan < 3000 && seen < 200; ++scan) {
    apps.scan();
    const auto even = apps.value("even");
    const auto odd = apps.value("odd");
    EXPECT_FALSE(even && odd);
    if (even) {
      ASSERT_EQ(*even % 2, 0u);
    }
    if (odd) {
      ASSERT_EQ(*odd % 2, 1u);
    }
    seen += even || odd ? 1 : 0;
  }
  stop = true;
  writer.join();
  EXPECT_GT(seen, 0);
}

// Spec 10, row 8: some seconds here; STELLWERK_TRUNCATE_SECONDS=600 for the ten minutes.
TEST(Values, TruncatedInALoopNeitherEndTheScannerNorShowWhatIsNotThere) {
  Apps apps;
  apps.write("counter 8: {\"metric\":\"a\"}\npad 65000\ncounter 8: {\"metric\":\"b\"}", "");
  const std::string bytes = words({7}) + std::string(65'000, '\0') + words({7});
  apps.machine.write("root/run/app.values", bytes);
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> truncated = 0;
  std::thread writer([&] {
    const Fd file(open(apps.values().c_str(), O_WRONLY | O_CLOEXEC));
    while (!stop) {
      ASSERT_EQ(ftruncate(file.get(), 0), 0);
      ASSERT_EQ(pwrite(file.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
      ++truncated;
    }
  });
  const char* asked = getenv("STELLWERK_TRUNCATE_SECONDS");
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(asked == nullptr ? 2 : atoi(asked));
  std::uint64_t scans = 0;
  std::uint64_t whole = 0;
  while (std::chrono::steady_clock::now() < until) {
    apps.scan();
    ++scans;
    const auto a = apps.value("a");
    const auto b = apps.value("b");
    ASSERT_EQ(a.has_value(), b.has_value()) << "of a file that is too short nothing is taken";
    if (a) {
      ASSERT_EQ(*a, 7u);
      ++whole;
    }
  }
  stop = true;
  writer.join();
  EXPECT_GT(scans, 10u);
  RecordProperty("scans", std::to_string(scans));
  printf("%llu scans, %llu of them with the values, %llu truncations\n", static_cast<unsigned long long>(scans),
         static_cast<unsigned long long>(whole), static_cast<unsigned long long>(truncated));
}

TEST(Values, ReachedThroughAFamilyAreTheLowestPids) {
  Apps apps;
  apps.write(kCounter, words({5}));
  for (std::uint32_t pid = 90; pid < 140; ++pid) {
    apps.process(pid);
  }
  apps.scan();
  EXPECT_EQ(apps.exported(), 1u);
  EXPECT_EQ(apps.value("requests", "90"), 5u);
  fs::remove_all(apps.machine.path + "/proc/90");
  apps.scan();
  EXPECT_EQ(apps.value("requests", "91"), 5u);
}

TEST(Values, CannotPoseAsAnother) {
  Apps apps;
  apps.write("counter 8: {\"metric\":\"a\",\"pid\":\"1\",\"cgroup\":\"system.db\",\"appname\":\"db\"}\n"
             "counter 8: {\"metric\":\"rss\"}\ncounter 8: {\"metric\":\"vsize\",\"pid\":\"100\"}",
             words({1, 2, 3}));
  apps.scan();
  EXPECT_EQ(apps.rig.value({{"app_appname", "db"}, {"app_cgroup", "system.db"}, {"app_pid", "1"}, {"cgroup", "system.web"},
                            {"metric", "a"}, {"pid", "100"}}), 1u);
  EXPECT_FALSE(apps.value("rss"));
  EXPECT_FALSE(apps.value("vsize"));
  const auto messages = apps.rig.notes.take();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0], "pid 100: /run/app.meta: \"rss\" is a metric of the scanner's own, skipped");
}

TEST(Values, WithLabelsThatMeetOnceTheyAreRenamedKeepEachNameOnce) {
  Apps apps;
  apps.write("counter 8: {\"metric\":\"a\",\"pid\":\"1\",\"app_pid\":\"2\"}", words({1}));
  apps.scan();
  ASSERT_EQ(apps.exported(), 1u);
  std::vector<std::string> names;
  const auto id = idOf(apps.rig.series, {{"app_pid", "2"}, {"cgroup", "system.web"}, {"metric", "a"}, {"pid", "100"}});
  ASSERT_TRUE(id);
  decodeKey(*apps.rig.series.key(*id), [&](std::string_view name, std::string_view) { names.emplace_back(name); });
  EXPECT_EQ(names, (std::vector<std::string>{"app_pid", "cgroup", "metric", "pid"}));
}

TEST(Values, OfATypeNotKnownAreSkippedWithOneMessage) {
  Apps apps;
  std::string meta = "histogram 64: {\"metric\":\"h\"}\n";
  for (int i = 0; i < 500; ++i) {
    meta += "type" + std::to_string(i) + std::string(1000, 'x') + " 8: {}\n";
  }
  apps.write(meta + kCounter, std::string(64 + 8 * 500, 'x') + words({6}));
  apps.scan();
  apps.scan();
  EXPECT_EQ(apps.value("requests"), 6u);
  EXPECT_EQ(apps.rig.notes.take(),
            (std::vector<std::string>{"pid 100: /run/app.meta: type histogram and others: not known, skipped"}));
}

TEST(Values, WithoutACgroupHaveTheApplicationsName) {
  Apps apps;
  writeProcess(apps.machine, {.environ = std::string("CANTAL_PATH=run/app//\0CANTAL_APPNAME=shop", 41), .cgroup = "0::/\n"});
  apps.write(kCounter, words({5}));
  apps.scan();
  EXPECT_EQ(apps.rig.value({{"appname", "shop"}, {"metric", "requests"}, {"pid", "100"}}), 5u);
}

std::string stateBytes(std::uint64_t since, const std::string& text, std::size_t size) {
  std::string bytes = words({since}) + text;
  bytes.resize(size);
  return bytes;
}

TEST(States, HaveTheirTextToTheFirstNulOrTheEndOfTheField) {
  Apps apps;
  apps.write("state 16: {\"state\":\"a\"}\nstate 16: {\"state\":\"b\"}\nstate 16: {\"state\":\"c\"}",
             stateBytes(5, std::string("get\0x", 5), 16) + stateBytes(6, "12345678", 16) + stateBytes(0, "\xff", 16));
  apps.scan();
  ASSERT_EQ(apps.states.size(), 3u);
  std::map<std::string, const StateRow*> byName;
  for (const StateRow& row : apps.states) {
    byName[LabelMap(row.labels.begin(), row.labels.end())["state"]] = &row;
  }
  EXPECT_EQ(byName["a"]->text, "get");
  EXPECT_EQ(byName["a"]->since, 5u);
  EXPECT_EQ(byName["b"]->text, "12345678");
  EXPECT_EQ(byName["c"]->text, "\xef\xbf\xbd");
  EXPECT_EQ(byName["c"]->since, 0u) << "left";
  EXPECT_EQ(apps.exported(), 0u);
}

TEST(Values, BeyondTheLimitOfSeriesLeaveOthersUnharmed) {
  Apps apps(20);
  apps.write(kCounter, words({5}));
  apps.scan();
  apps.process(101, "CANTAL_PATH=/run/flood");
  for (int generation = 0; generation < 3; ++generation) {
    std::string meta;
    for (int i = 0; i < 1000; ++i) {
      meta += "counter 8: {\"metric\":\"m" + std::to_string(generation * 1000 + i) + "\"}\n";
    }
    apps.machine.replace("root/run/flood.values", std::string(8000, 'x'));
    apps.machine.replace("root/run/flood.meta", meta);
    apps.scan();
    EXPECT_EQ(apps.value("requests"), 5u);
    EXPECT_EQ(apps.rig.series.count(), 20u);
  }
  EXPECT_GE(apps.rig.series.refused(), 2900u);
}

TEST(Values, OfOneCgroupHaveATopAndLeaveOtherGroupsUnharmed) {
  Apps apps;
  std::string meta;
  for (int i = 0; i < 9000; ++i) {
    meta += "counter 8: {\"metric\":\"m" + std::to_string(i) + "\"}\n";
  }
  const auto write = [&](std::uint32_t pid, const std::string& name, const std::string& cgroup) {
    writeProcess(apps.machine, {.pid = pid, .environ = "CANTAL_PATH=/run/" + name, .cgroup = cgroup});
    apps.machine.replace("root/run/" + name + ".values", std::string(9000 * 8, 'x'));
    apps.machine.replace("root/run/" + name + ".meta", meta);
  };
  for (std::uint32_t pid : {100u, 101u, 102u}) {
    write(pid, "flood" + std::to_string(pid), "0::/system.slice/web.service\n");
  }
  write(103, "other", "0::/system.slice/db.service\n");
  apps.scan();
  EXPECT_EQ(apps.exported(), 20'000u + 9000u);
  EXPECT_TRUE(apps.value("m8999", "101"));
  EXPECT_TRUE(apps.value("m1999", "102")) << "of the one that finds the group full, the first entries stay";
  EXPECT_FALSE(apps.value("m2000", "102"));
  EXPECT_TRUE(apps.rig.value({{"cgroup", "system.db"}, {"metric", "m8999"}, {"pid", "103"}}));
  const std::vector<std::string> said{"refused 7000 series of applications in the cgroup system.web: at most 20000 of one "
                                      "group are kept"};
  EXPECT_EQ(apps.rig.notes.take(), said);
  for (int scan = 0; scan < 59; ++scan) {
    apps.scan();
  }
  EXPECT_EQ(apps.rig.notes.rejected()["too-many-series"].count, 60u);
  EXPECT_TRUE(apps.rig.notes.take().empty()) << "a second is no reason to say it again";
  apps.scan();
  EXPECT_EQ(apps.rig.notes.take(), said) << "a minute is";
  // Where another of the group ends there is room.
  fs::remove_all(apps.machine.path + "/proc/100");
  apps.scan();
  EXPECT_TRUE(apps.value("m8999", "102"));
}

TEST(Values, WithoutDescriptorsToKeepAreReadAllTheSame) {
  Apps apps;
  apps.rig.reader.budget = FdBudget(1);
  apps.write(kCounter, words({5}));
  for (int scan = 0; scan < 5; ++scan) {
    apps.scan();
    EXPECT_EQ(apps.value("requests"), 5u);
    EXPECT_LE(apps.rig.reader.budget.used(), 1u);
  }
  apps.write("bad", "");
  apps.scan();
  apps.scan();
  EXPECT_EQ(apps.rig.notes.rejected()["bad-meta"].count, 2u);
  EXPECT_EQ(apps.rig.notes.take().size(), 1u);
}

TEST(Values, OfAnyMetaAndSizeAreSafe) {
  Apps apps;
  Mutator mutator(17);
  const std::string meta = "counter 8: {\"metric\":\"requests\"}\nlevel 8 float: {\"metric\":\"f\"}\npad 16\nstate 32: {\"state\":\"x\"}\n";
  for (int round = 0; round < 1500; ++round) {
    apps.write(mutator.mutate(meta), std::string(mutator.next() % 80, 'x'));
    apps.scan();
  }
  apps.write(kCounter, words({5}));
  apps.scan();
  EXPECT_EQ(apps.value("requests"), 5u);
}

} // namespace
