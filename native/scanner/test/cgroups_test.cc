// The numbers of cgroups: spec/cantal.md 4.4, on folders that look as the kernel's.
#include "fixture.hpp"
#include "scanner/cgroups.hpp"

#include <bit>

using namespace stellwerk;
using namespace stellwerk::test;

namespace {

struct Unified {
  Unified() {
    fs::create_directories(machine.path + "/cg");
    rig.emplace(machine.path);
  }
  void write(const std::string& file, std::string_view text) const { machine.write("cg/system.slice/web.service/" + file, text); }
  std::optional<std::uint64_t> value(const std::string& metric) const {
    return rig->value({{"cgroup", "system.web"}, {"metric", metric}});
  }
  TempDir machine;
  std::optional<Rig> rig;
  Cgroups cgroups{{unifiedMount(machine.path + "/cg")}, machine.path + "/proc", false};
};

TEST(CgroupsV2, HaveTheNumbersOfEachFile) {
  Unified v2;
  v2.write("cpu.stat", "usage_usec 500\nuser_usec 300\nsystem_usec 200\nnr_periods 3\nnr_throttled 2\nthrottled_usec 17\nburst_usec 4\n");
  v2.write("cpu.max", "50000 100000\n");
  v2.write("cpu.weight", "100\n");
  v2.write("memory.current", "1000\n");
  v2.write("memory.stat", "anon 400\ninactive_file 300\npgfault 12\nworkingset_refault_file 2\n");
  v2.write("memory.events", "low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6\n");
  v2.write("io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n8:16 rbytes=7\n");
  v2.write("pids.current", "9\n");
  v2.write("memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=21\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=22\n");
  fs::create_directories(v2.machine.path + "/sys/dev/block");
  fs::create_symlink("../../devices/pci/sda", v2.machine.path + "/sys/dev/block/8:0");
  v2.rig->collect(v2.cgroups);
  const std::pair<const char*, std::uint64_t> wanted[] = {
      {"cgroup.cpu.usage", 500},       {"cgroup.cpu.user", 300},          {"cgroup.cpu.throttled_time", 17},
      {"cgroup.cpu.quota", 50'000},    {"cgroup.cpu.period", 100'000},    {"cgroup.cpu.weight", 100},
      {"cgroup.memory.current", 1000}, {"cgroup.memory.stat.anon", 400},  {"cgroup.memory.stat.pgfault", 12},
      {"cgroup.memory.working_set", 700},                                 {"cgroup.memory.events.oom_kill", 5},
      {"cgroup.pids.current", 9},      {"psi.memory.some.total", 21},     {"psi.memory.full.total", 22},
  };
  for (const auto& [metric, value] : wanted) {
    EXPECT_EQ(v2.value(metric), value) << metric;
  }
  const auto io = [&](const char* metric, const char* device) {
    return v2.rig->value({{"cgroup", "system.web"}, {"device", device}, {"metric", metric}});
  };
  EXPECT_EQ(io("cgroup.io.dios", "sda"), 6u);
  EXPECT_EQ(io("cgroup.io.rbytes", "8:16"), 7u) << "no link, so its numbers name it";
  EXPECT_FALSE(v2.value("cgroup.cpu.burst"));
  const auto kind = [&](const char* metric) { return v2.rig->series.kind(*idOf(v2.rig->series, {{"cgroup", "system.web"}, {"metric", metric}})); };
  EXPECT_EQ(kind("cgroup.memory.stat.anon"), Kind::Integer);
  EXPECT_EQ(kind("cgroup.memory.stat.workingset_refault_file"), Kind::Counter);
}

TEST(CgroupsV2, LeaveOutWhatHasNoLimit) {
  Unified v2;
  v2.write("memory.max", "max\n");
  v2.write("pids.max", "max\n");
  v2.write("cpu.max", "max 100000\n");
  v2.rig->collect(v2.cgroups);
  EXPECT_FALSE(v2.value("cgroup.memory.max"));
  EXPECT_FALSE(v2.value("cgroup.pids.max"));
  EXPECT_FALSE(v2.value("cgroup.cpu.quota"));
  EXPECT_EQ(v2.value("cgroup.cpu.period"), 100'000u);
}

TEST(CgroupsV2, HaveAWorkingSetThatIsNeverNegative) {
  Unified v2;
  v2.write("memory.current", "100\n");
  v2.write("memory.stat", "inactive_file 300\n");
  v2.rig->collect(v2.cgroups);
  EXPECT_EQ(v2.value("cgroup.memory.working_set"), 0u);
}

TEST(CgroupsV2, SkipLoginsMountsAndTheRoot) {
  Unified v2;
  for (const char* group : {"user.slice/user-0.slice", "system.slice/tmp.mount", "dev.swap"}) {
    v2.machine.write(std::string("cg/") + group + "/pids.current", "1\n");
  }
  v2.machine.write("cg/pids.current", "1\n");
  v2.rig->collect(v2.cgroups);
  EXPECT_EQ(v2.rig->series.count(), 0u);
}

TEST(CgroupsV2, ComeAndGo) {
  Unified v2;
  v2.write("pids.current", "1\n");
  v2.rig->collect(v2.cgroups);
  EXPECT_EQ(v2.value("cgroup.pids.current"), 1u);
  v2.machine.write("cg/new.service/pids.current", "2\n");
  v2.cgroups.meet("new");
  fs::remove_all(v2.machine.path + "/cg/system.slice/web.service");
  v2.rig->collect(v2.cgroups);
  EXPECT_EQ(v2.rig->value({{"cgroup", "new"}, {"metric", "cgroup.pids.current"}}), 2u);
  EXPECT_TRUE(v2.cgroups.knows("new"));
  EXPECT_FALSE(v2.cgroups.knows("system.web"));
  EXPECT_LE(v2.rig->reader.budget.used(), 1u) << "the files of the removed group were kept open";
}

TEST(CgroupsV1, HaveTheSameNumbersInTheSameUnits) {
  const TempDir machine;
  const auto mount = [&](std::vector<std::string> controllers, const std::string& folder) -> CgroupMount {
    return {false, std::move(controllers), machine.path + "/" + folder, "/"};
  };
  const auto write = [&](const std::string& controller, const std::string& file, std::string_view text) {
    machine.write(controller + "/lithos/box:web.0.scope/" + file, text);
  };
  write("cpuacct", "cpuacct.usage", "5000000\n");
  write("cpuacct", "cpuacct.stat", "user 3\nsystem 2\n");
  write("cpu", "cpu.stat", "nr_periods 1\nnr_throttled 1\nthrottled_time 9000\n");
  write("cpu", "cpu.cfs_quota_us", "-1\n");
  write("cpu", "cpu.shares", "1024\n");
  write("memory", "memory.usage_in_bytes", "1000\n");
  write("memory", "memory.limit_in_bytes", "9223372036854771712\n");
  write("memory", "memory.memsw.usage_in_bytes", "1400\n");
  write("memory", "memory.memsw.limit_in_bytes", "9223372036854771712\n");
  write("memory", "memory.stat", "cache 1\nrss 2\ntotal_cache 10\ntotal_rss 20\ntotal_inactive_file 30\ntotal_pgfault 40\nhierarchical_memory_limit 7\n");
  write("memory", "memory.failcnt", "6\n");
  write("memory", "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
  write("blkio", "blkio.throttle.io_service_bytes", "8:0 Read 11\n8:0 Write 12\n8:0 Sync 1\n8:0 Total 23\nTotal 23\n");
  write("pids", "pids.current", "4\n");
  Cgroups cgroups({mount({"name=systemd"}, "systemd"), mount({"cpuacct"}, "cpuacct"), mount({"cpu"}, "cpu"),
                   mount({"memory"}, "memory"), mount({"blkio"}, "blkio"), mount({"pids"}, "pids")},
                  machine.path + "/proc", false);
  Rig rig(machine.path);
  rig.collect(cgroups);
  const auto value = [&](const char* metric) { return rig.value({{"cgroup", "lithos.box:web.0"}, {"metric", metric}, {"runtime", "lithos"}}); };
  const std::pair<const char*, std::uint64_t> wanted[] = {
      {"cgroup.cpu.usage", 5000},       {"cgroup.cpu.user", 30'000},        {"cgroup.cpu.system", 20'000},
      {"cgroup.cpu.throttled_time", 9}, {"cgroup.cpu.weight", 1024},        {"cgroup.memory.current", 1000},
      {"cgroup.memory.stat.anon", 20},  {"cgroup.memory.stat.file", 10},    {"cgroup.memory.stat.pgfault", 40},
      {"cgroup.memory.working_set", 970},                                   {"cgroup.memory.events.max", 6},
      {"cgroup.memory.events.oom_kill", 2},                                 {"cgroup.pids.current", 4},
  };
  for (const auto& [metric, wantedValue] : wanted) {
    EXPECT_EQ(value(metric), wantedValue) << metric;
  }
  EXPECT_FALSE(value("cgroup.cpu.quota")) << "-1 is no limit";
  EXPECT_FALSE(value("cgroup.memory.max")) << "the largest number is no limit";
  EXPECT_EQ(value("cgroup.swap.current"), 400u) << "v1 counts memory and swap together";
  EXPECT_FALSE(value("cgroup.swap.max"));
  EXPECT_EQ(rig.value({{"cgroup", "lithos.box:web.0"}, {"device", "8:0"}, {"metric", "cgroup.io.wbytes"}, {"runtime", "lithos"}}), 12u);
}

TEST(CgroupsV1, HaveASwapLimitWhereBothLimitsAreSet) {
  const TempDir machine;
  machine.write("memory/a/memory.usage_in_bytes", "1000\n");
  machine.write("memory/a/memory.memsw.usage_in_bytes", "900\n");
  machine.write("memory/a/memory.limit_in_bytes", "5000\n");
  machine.write("memory/a/memory.memsw.limit_in_bytes", "8000\n");
  Cgroups cgroups({{false, {"memory"}, machine.path + "/memory", "/"}}, machine.path + "/proc", false);
  Rig rig(machine.path);
  rig.collect(cgroups);
  EXPECT_EQ(rig.value({{"cgroup", "a"}, {"metric", "cgroup.swap.max"}}), 3000u);
  EXPECT_EQ(rig.value({{"cgroup", "a"}, {"metric", "cgroup.swap.current"}}), 0u) << "read a moment later";
}

TEST(CgroupsV2, HaveAveragesOfPressureOnlyWhereTheyAreWanted) {
  const TempDir machine;
  machine.write("cg/a/io.pressure", "some avg10=1.50 avg60=0.25 avg300=0.00 total=21\nfull avg10=0.50 avg60=0.00 avg300=0.00 total=9\n");
  for (const bool wanted : {false, true}) {
    Cgroups cgroups({unifiedMount(machine.path + "/cg")}, machine.path + "/proc", wanted);
    Rig rig(machine.path);
    rig.collect(cgroups);
    const auto value = [&](const char* metric) { return rig.value({{"cgroup", "a"}, {"metric", metric}}); };
    EXPECT_EQ(value("psi.io.some.total"), 21u);
    EXPECT_EQ(value("psi.io.some.avg10"), wanted ? std::optional(std::bit_cast<std::uint64_t>(1.5)) : std::nullopt);
    EXPECT_EQ(value("psi.io.full.avg10"), wanted ? std::optional(std::bit_cast<std::uint64_t>(0.5)) : std::nullopt);
    EXPECT_EQ(value("psi.io.some.avg300"), wanted ? std::optional(std::bit_cast<std::uint64_t>(0.0)) : std::nullopt);
  }
}

TEST(CgroupsV2, BesideANamingV1TreeStillHaveTheirControllers) {
  const TempDir machine;
  machine.write("systemd/a/cgroup.procs", "");
  machine.write("unified/a/io.stat", "8:0 rbytes=5\n");
  Cgroups hybrid({{false, {"name=systemd"}, machine.path + "/systemd", "/"}, {true, {"io"}, machine.path + "/unified", "/"}},
                 machine.path + "/proc", false);
  Rig rig(machine.path);
  rig.collect(hybrid);
  EXPECT_EQ(rig.value({{"cgroup", "a"}, {"device", "8:0"}, {"metric", "cgroup.io.rbytes"}}), 5u);
}

TEST(Cgroups, ThatComeAreMetByTheNextScanWhereTheKernelCountsThem) {
  const TempDir machine;
  machine.write("cg/cgroup.stat", "nr_descendants 1\n");
  machine.write("cg/a/pids.current", "1\n");
  Cgroups cgroups({unifiedMount(machine.path + "/cg")}, machine.path + "/proc", false);
  Rig rig(machine.path);
  rig.collect(cgroups);
  machine.write("cg/b/pids.current", "2\n");
  machine.write("cg/cgroup.stat", "nr_descendants 2\n");
  rig.collect(cgroups);
  EXPECT_EQ(rig.value({{"cgroup", "b"}, {"metric", "cgroup.pids.current"}}), 2u);
}

TEST(Cgroups, OfContainersCarryTheirIdAndRuntime) {
  const TempDir machine;
  const std::string id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
  machine.write("cg/system.slice/docker-" + id + ".scope/pids.current", "3\n");
  Cgroups cgroups({unifiedMount(machine.path + "/cg")}, machine.path + "/proc", false);
  Rig rig(machine.path);
  rig.collect(cgroups);
  EXPECT_EQ(rig.value({{"cgroup", "system.docker-" + id}, {"container", "0123456789ab"}, {"metric", "cgroup.pids.current"},
                       {"runtime", "docker"}}), 3u);
}

TEST(Cgroups, OfAnyBytesAreSafe) {
  Unified v2;
  Mutator mutator(11);
  const std::pair<const char*, const char*> files[] = {
      {"cpu.stat", "usage_usec 500\nuser_usec 300\n"},
      {"cpu.max", "max 100000\n"},
      {"memory.current", "1000\n"},
      {"memory.stat", "anon 400\ninactive_file 300\npgfault 12\n"},
      {"io.stat", "8:0 rbytes=1 wbytes=2 rios=3\n8:16 rbytes=7\n"},
      {"memory.pressure", "some avg10=0.00 total=21\nfull avg10=0.00 total=22\n"},
  };
  for (int round = 0; round < 300; ++round) {
    for (const auto& [file, text] : files) {
      v2.write(file, mutator.mutate(text));
    }
    v2.cgroups.meet("unknown " + std::to_string(round));
    v2.rig->collect(v2.cgroups);
  }
  for (const auto& [file, text] : files) {
    v2.write(file, text);
  }
  v2.cgroups.meet("unknown");
  v2.rig->collect(v2.cgroups);
  EXPECT_EQ(v2.value("cgroup.memory.working_set"), 700u);
  EXPECT_EQ(v2.value("cgroup.cpu.user"), 300u);
}

} // namespace
