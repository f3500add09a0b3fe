// Processes of a folder that looks as /proc: spec/cantal.md 4.2.
#include "fixture.hpp"

#include <sys/stat.h>

using namespace stellwerk;
using namespace stellwerk::test;

namespace {

struct Machine {
  explicit Machine(ProcessMetrics metrics = ProcessMetrics::ByPid) : rig(folder.path) {
    folder.write("proc/stat", "cpu  1 2 3\nbtime 1000\n");
    processes.emplace(rig.procRoot, unifiedMount(folder.path + "/cg"), metrics, cgroups);
  }
  void scan() { rig.collect(*processes); }
  std::optional<std::uint64_t> value(const char* metric, const char* pid = "100") const {
    return rig.value({{"cgroup", "system.web"}, {"metric", metric}, {"pid", pid}});
  }
  TempDir folder;
  Rig rig;
  Cgroups cgroups{{}, "", false};
  std::optional<Processes> processes;
};

TEST(Processes, HaveTheirNumbersUnderPidAndCgroup) {
  Machine machine;
  writeProcess(machine.folder, {});
  machine.scan();
  EXPECT_EQ(machine.value("vsize"), 4'096'000u);
  EXPECT_EQ(machine.value("rss"), 25u * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)));
  EXPECT_EQ(machine.value("swap"), 12u * 1024);
  EXPECT_EQ(machine.value("num_threads"), 4u);
  EXPECT_EQ(machine.value("user_time"), 7u);
  EXPECT_EQ(machine.value("write_bytes"), 8192u);
  ASSERT_EQ(machine.processes->rows().size(), 1u);
  const ProcessRow& row = machine.processes->rows()[0];
  EXPECT_EQ(row.status.uid, 33u);
  EXPECT_EQ(row.status.gid, 34u);
  ASSERT_TRUE(row.cmdline);
  EXPECT_EQ(*row.cmdline, "web -p 80");
  EXPECT_EQ(row.startTimestamp, 1'000'000 + 50'000);
}

TEST(Processes, OnTheTableOnlyWhereMetricsAreNotWanted) {
  Machine machine(ProcessMetrics::None);
  writeProcess(machine.folder, {.cgroup = ""});
  machine.scan();
  EXPECT_EQ(machine.processes->rows().size(), 1u);
  EXPECT_EQ(machine.rig.series.count(), 0u);
}

TEST(Processes, StayWithoutWhatMayNotBeRead) {
  Machine machine;
  writeProcess(machine.folder, {.name = "a) b\xff (c"});
  for (const char* file : {"io", "status", "environ", "cmdline", "cgroup"}) {
    fs::remove(machine.folder.path + "/proc/100/" + file);
  }
  machine.scan();
  ASSERT_EQ(machine.processes->rows().size(), 1u);
  EXPECT_EQ(machine.processes->rows()[0].name, "a) b\xef\xbf\xbd (c");
  EXPECT_FALSE(machine.processes->rows()[0].io.readBytes);
  EXPECT_EQ(machine.rig.value({{"metric", "user_time"}, {"pid", "100"}}), 7u);
  EXPECT_FALSE(machine.rig.value({{"metric", "read_bytes"}, {"pid", "100"}}));
  EXPECT_TRUE(machine.rig.notes.take().empty());
  EXPECT_TRUE(machine.processes->denied().empty()) << "what has vanished was not refused";
}

TEST(Processes, ThatVanishLoseOnlyThemselves) {
  Machine machine;
  writeProcess(machine.folder, {});
  writeProcess(machine.folder, {.pid = 101});
  machine.folder.write("proc/102/stat", "");
  fs::create_directories(machine.folder.path + "/proc/103");
  machine.scan();
  EXPECT_EQ(machine.processes->rows().size(), 2u);
  fs::remove_all(machine.folder.path + "/proc/100");
  const std::size_t open = machine.rig.reader.budget.used();
  machine.scan();
  EXPECT_EQ(machine.processes->rows().size(), 1u);
  EXPECT_TRUE(machine.value("vsize", "101"));
  EXPECT_FALSE(machine.value("vsize"));
  EXPECT_EQ(machine.rig.reader.budget.used(), open - 3) << "of a dead process no file stays open";
  EXPECT_TRUE(machine.rig.notes.take().empty());
}

TEST(Processes, UnderAReusedNumberStartNewSeries) {
  Machine machine;
  writeProcess(machine.folder, {});
  machine.scan();
  const LabelMap labels{{"cgroup", "system.web"}, {"metric", "user_time"}, {"pid", "100"}};
  const auto first = idOf(machine.rig.series, labels);
  // Within one interval: the same number, another start.
  writeProcess(machine.folder, {.startTime = 9000, .userTime = 90'000});
  machine.scan();
  EXPECT_FALSE(machine.rig.series.fresh(*first));
  machine.scan();
  const auto second = idOf(machine.rig.series, labels);
  EXPECT_NE(first, second) << "a rate would be made of two processes";
  EXPECT_EQ(machine.rig.series.value(*second), 90'000u);
  EXPECT_FALSE(machine.rig.series.fresh(*first));
  // And after it was gone for a scan.
  fs::remove_all(machine.folder.path + "/proc/100");
  machine.scan();
  writeProcess(machine.folder, {.startTime = 9500, .userTime = 95'000});
  machine.scan();
  machine.scan();
  EXPECT_NE(idOf(machine.rig.series, labels), second);
  EXPECT_EQ(machine.value("user_time"), 95'000u);
}

TEST(Processes, HaveSeriesOfTheirOwnFromTheirSecondScanOn) {
  Machine machine;
  writeProcess(machine.folder, {});
  machine.scan();
  const std::uint32_t count = machine.rig.series.count();
  EXPECT_EQ(machine.value("rss"), 25u * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE))) << "it was there before us";
  const LabelMap number{{"cgroup", "system.web"}, {"metric", "processes.number"}};
  for (std::uint32_t pid = 200; pid < 220; ++pid) {
    writeProcess(machine.folder, {.pid = pid});
    machine.scan();
    EXPECT_EQ(machine.processes->rows().size(), 2u);
    EXPECT_EQ(machine.rig.value(number), 2u) << "what its group is worth counts it at once";
    fs::remove_all(machine.folder.path + "/proc/" + std::to_string(pid));
  }
  EXPECT_EQ(machine.rig.series.count(), count) << "none of those that came and went between two scans is kept";
  writeProcess(machine.folder, {.pid = 300});
  machine.scan();
  EXPECT_FALSE(machine.value("user_time", "300"));
  machine.scan();
  EXPECT_EQ(machine.value("user_time", "300"), 7u);
}

TEST(Processes, KeepTheirSeriesFromScanToScan) {
  Machine machine;
  writeProcess(machine.folder, {});
  machine.scan();
  const std::uint32_t count = machine.rig.series.count();
  for (std::uint64_t ticks = 8; ticks < 40; ++ticks) {
    writeStat(machine.folder, {.userTime = ticks});
    machine.scan();
    ASSERT_EQ(machine.value("user_time"), ticks);
  }
  EXPECT_EQ(machine.rig.series.count(), count);
}

TEST(Processes, ThatHaveNotRunAreNotReadAgainAtEachScan) {
  Machine machine;
  const auto write = [&](std::uint64_t userTime, const char* ran, int threads) {
    writeStat(machine.folder, {.userTime = userTime, .threads = threads});
    machine.folder.write("proc/100/schedstat", ran);
  };
  writeProcess(machine.folder, {.threads = 1});
  write(7, "1000 5 3\n", 1);
  for (int scan = 0; scan < 3; ++scan) {
    machine.scan();
  }
  // The stamp tells that it has run: all is read at once.
  write(8, "1500 5 4\n", 1);
  machine.scan();
  EXPECT_EQ(machine.value("user_time"), 8u);
  // Without, what others have changed is met a few scans later, and its numbers go on meanwhile.
  write(9, "1500 5 4\n", 1);
  int scans = 0;
  do {
    machine.scan();
    ASSERT_TRUE(machine.value("user_time"));
    ++scans;
  } while (machine.value("user_time") == 8u && scans < 10);
  EXPECT_EQ(machine.value("user_time"), 9u);
  EXPECT_LE(scans, 5);
  // Of several threads the stamp tells of one only.
  write(10, "1500 5 4\n", 2);
  for (int scan = 0; scan < 5; ++scan) {
    machine.scan();
  }
  write(11, "1500 5 4\n", 2);
  machine.scan();
  EXPECT_EQ(machine.value("user_time"), 11u);
}

TEST(Processes, HaveTheirOpenFilesSwitchesAndScore) {
  Machine machine;
  writeProcess(machine.folder, {});
  machine.folder.write("proc/100/status", "Name:\tweb\nUid:\t33\t0\t0\t0\nGid:\t34\t0\nvoluntary_ctxt_switches:\t8\n"
                                          "nonvoluntary_ctxt_switches:\t9\n");
  machine.folder.write("proc/100/oom_score", "667\n");
  fs::create_directories(machine.folder.path + "/proc/100/fd");
  machine.scan();
  EXPECT_TRUE(machine.value("num_fds"));
  EXPECT_EQ(machine.value("voluntary_ctxt_switches"), 8u);
  EXPECT_EQ(machine.value("nonvoluntary_ctxt_switches"), 9u);
  EXPECT_EQ(machine.processes->rows()[0].oomScore, 667u);
  EXPECT_EQ(machine.processes->rows()[0].status.swap, 0u);
}

TEST(Processes, OfContainersCarryTheirIdAndRuntime) {
  Machine machine;
  const std::string id(64, 'a');
  writeProcess(machine.folder, {.cgroup = "0::/docker/" + id + "\n"});
  machine.scan();
  EXPECT_EQ(machine.rig.value({{"cgroup", "docker." + id}, {"container", id.substr(0, 12)}, {"metric", "user_time"},
                               {"pid", "100"}, {"runtime", "docker"}}), 7u);
}

TEST(Processes, AreLookedAtAgainByTheSecondScanBecauseTheyAreOftenMoved) {
  Machine machine;
  writeProcess(machine.folder, {.cgroup = "0::/\n"});
  machine.scan();
  machine.folder.write("proc/100/cgroup", "0::/system.slice/web.service\n");
  machine.scan();
  EXPECT_EQ(machine.value("user_time"), 7u);
}

TEST(Processes, WithANameThatIsNotAsciiKeepTheirMetricsWithoutIt) {
  Machine machine;
  writeProcess(machine.folder, {.environ = std::string("CANTAL_PATH=/app\0CANTAL_APPNAME=w\xc3\xa9", 35), .cgroup = ""});
  machine.folder.write("root/app.values", words({5}));
  machine.folder.write("root/app.meta", "counter 8: {\"metric\":\"a\"}");
  for (int scan = 0; scan < 40; ++scan) {
    machine.scan();
  }
  ScanContext context = machine.rig.begin();
  std::vector<StateRow> states;
  machine.processes->collect(context);
  machine.processes->collectValues(context, states);
  EXPECT_EQ(machine.rig.value({{"metric", "a"}, {"pid", "100"}}), 5u);
  EXPECT_EQ(machine.rig.notes.take(), (std::vector<std::string>{"pid 100: CANTAL_APPNAME is not ASCII, ignored"}));
}

TEST(Processes, OfAnyBytesAreSafe) {
  Machine machine;
  Mutator mutator(13);
  for (int round = 0; round < 500; ++round) {
    writeProcess(machine.folder, {.startTime = mutator.next() % 3 + 1, .environ = mutator.mutate("CANTAL_PATH=/app"),
                                  .cgroup = mutator.mutate("0::/a.slice/b.service\n")});
    machine.folder.write("proc/100/stat", mutator.mutate("100 (a) S 1 1 1 0 -1 0 0 0 0 0 7 3 2 1 20 0 4 0 50 40 25 1 1 1 9"));
    machine.folder.write("proc/100/status", mutator.mutate("Uid:\t33\t0\nGid:\t34\t0\nVmSwap:\t 12 kB\n"));
    machine.scan();
  }
}

} // namespace
