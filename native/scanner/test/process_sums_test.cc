// What processes add up to: native/scanner/process_sums.hpp.
#include "fixture.hpp"

using namespace stellwerk;
using namespace stellwerk::test;

namespace {

struct Machine {
  explicit Machine(ProcessMetrics metrics = ProcessMetrics::None) : rig(folder.path) {
    folder.write("proc/stat", "btime 1000\n");
    processes.emplace(rig.procRoot, unifiedMount(folder.path + "/cg"), metrics, cgroups);
  }
  void scan() { rig.collect(*processes); }
  std::optional<std::uint64_t> sum(const std::string& metric, const char* cgroup = "system.web") const {
    return rig.value({{"cgroup", cgroup}, {"metric", "processes." + metric}});
  }
  TempDir folder;
  Rig rig;
  Cgroups cgroups{{}, "", false};
  std::optional<Processes> processes;
};

TEST(ProcessSums, AreThereForEachGroupEvenWithoutMetricsOfSingleProcesses) {
  Machine machine;
  writeProcess(machine.folder, {});
  writeProcess(machine.folder, {.pid = 101, .userTime = 10});
  writeProcess(machine.folder, {.pid = 102, .cgroup = "0::/system.slice/db.service\n"});
  writeProcess(machine.folder, {.pid = 103, .cgroup = "0::/\n"});
  for (int fd = 0; fd < 3; ++fd) {
    machine.folder.write("proc/100/fd/" + std::to_string(fd), "");
  }
  machine.scan();
  EXPECT_EQ(machine.sum("number"), 2u);
  EXPECT_EQ(machine.sum("num_threads"), 8u);
  EXPECT_GE(machine.sum("num_fds"), 3u);
  EXPECT_EQ(machine.sum("rss"), 2u * 25 * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)));
  EXPECT_EQ(machine.sum("vsize"), 2u * 4'096'000);
  EXPECT_EQ(machine.sum("swap"), 2u * 12 * 1024);
  EXPECT_EQ(machine.sum("user_time"), 17u);
  EXPECT_EQ(machine.sum("system_time"), 6u);
  EXPECT_EQ(machine.sum("read_bytes"), 2u * 4096);
  EXPECT_EQ(machine.sum("write_bytes"), 2u * 8192);
  EXPECT_EQ(machine.sum("number", "system.db"), 1u);
  EXPECT_EQ(machine.rig.series.count(), 20u) << "processes in no group are in no sum";
}

TEST(ProcessSums, NeverRunBackwardsWhenProcessesEndOrTheirNumbersAreReused) {
  Machine machine;
  writeProcess(machine.folder, {.userTime = 1000});
  writeProcess(machine.folder, {.pid = 101, .userTime = 50});
  machine.scan();
  EXPECT_EQ(machine.sum("user_time"), 1050u);
  fs::remove_all(machine.folder.path + "/proc/100");
  writeStat(machine.folder, {.pid = 101, .userTime = 60});
  machine.scan();
  EXPECT_EQ(machine.sum("number"), 1u);
  EXPECT_EQ(machine.sum("user_time"), 1060u);
  // Another process under the same number, in the same scan.
  writeProcess(machine.folder, {.pid = 101, .startTime = 9000, .userTime = 5});
  machine.scan();
  EXPECT_EQ(machine.sum("user_time"), 1065u);
}

TEST(ProcessSums, OfAProcessThatMovedKeepWhatItUsedWhereItUsedIt) {
  Machine machine;
  writeProcess(machine.folder, {.userTime = 100});
  writeProcess(machine.folder, {.pid = 101, .userTime = 1});
  machine.scan();
  machine.folder.write("proc/100/cgroup", "0::/system.slice/db.service\n");
  writeStat(machine.folder, {.userTime = 110});
  for (int scan = 0; scan < 32; ++scan) {
    machine.scan();
  }
  EXPECT_EQ(machine.sum("user_time"), 101u);
  EXPECT_EQ(machine.sum("user_time", "system.db"), 10u);
}

TEST(ProcessSums, OfAGroupThatIsEmptyForAWhileGoOnWhereTheyWere) {
  Machine machine;
  writeProcess(machine.folder, {.userTime = 100});
  machine.scan();
  fs::remove_all(machine.folder.path + "/proc/100");
  machine.scan();
  EXPECT_FALSE(machine.sum("user_time"));
  writeProcess(machine.folder, {.pid = 200, .userTime = 3});
  machine.scan();
  EXPECT_EQ(machine.sum("user_time"), 103u);
  const auto before = idOf(machine.rig.series, {{"cgroup", "system.web"}, {"metric", "processes.user_time"}});
  fs::remove_all(machine.folder.path + "/proc/200");
  for (int scan = 0; scan < 40; ++scan) {
    machine.scan();
  }
  writeProcess(machine.folder, {.pid = 300, .userTime = 3});
  machine.scan();
  EXPECT_EQ(machine.sum("user_time"), 3u);
  EXPECT_NE(idOf(machine.rig.series, {{"cgroup", "system.web"}, {"metric", "processes.user_time"}}), before)
      << "after a minute it is another series, so that no rate is made of both";
}

TEST(ProcessSums, OfWhatMayNotBeReadAreAbsentAndGrowOnlyFromWhenItMay) {
  Machine machine;
  writeProcess(machine.folder, {});
  fs::remove(machine.folder.path + "/proc/100/io");
  machine.scan();
  EXPECT_FALSE(machine.sum("read_bytes"));
  machine.folder.write("proc/100/io", "read_bytes: 1000000\nwrite_bytes: 5\n");
  machine.scan();
  EXPECT_EQ(machine.sum("read_bytes"), 0u) << "it was not read in this moment";
  machine.folder.write("proc/100/io", "read_bytes: 1000007\nwrite_bytes: 5\n");
  machine.scan();
  EXPECT_EQ(machine.sum("read_bytes"), 7u);
}

TEST(ProcessSums, ByNameHaveNoSeriesOfSingleProcesses) {
  Machine machine(ProcessMetrics::ByName);
  writeProcess(machine.folder, {});
  writeProcess(machine.folder, {.pid = 101});
  writeProcess(machine.folder, {.pid = 102, .name = "helper"});
  writeProcess(machine.folder, {.pid = 103, .name = "cron", .cgroup = ""});
  machine.scan();
  const auto count = [&](LabelMap labels) {
    labels.emplace("metric", "processes.number");
    return machine.rig.value(labels);
  };
  EXPECT_EQ(count({{"cgroup", "system.web"}, {"process", "web"}}), 2u);
  EXPECT_EQ(count({{"cgroup", "system.web"}, {"process", "helper"}}), 1u);
  EXPECT_EQ(count({{"process", "cron"}}), 1u);
  EXPECT_EQ(count({{"cgroup", "system.web"}}), 3u);
  for (std::uint32_t id = 0; id < machine.rig.series.keyCount(); ++id) {
    EXPECT_FALSE(labelsOf(*machine.rig.series.key(id)).contains("pid"));
  }
}

} // namespace
