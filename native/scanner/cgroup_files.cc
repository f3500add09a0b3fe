#include "scanner/cgroup_files.hpp"

namespace stellwerk {
namespace {

using F = CgroupField;
constexpr Kind C = Kind::Counter;
constexpr Kind I = Kind::Integer;
// USER_HZ is 100 on x86_64 and arm64.
constexpr std::uint32_t kMicrosPerTick = 10'000;

constexpr F kCpuStat[] = {{"usage_usec", "cgroup.cpu.usage", C},       {"user_usec", "cgroup.cpu.user", C},
                          {"system_usec", "cgroup.cpu.system", C},     {"nr_periods", "cgroup.cpu.periods", C},
                          {"nr_throttled", "cgroup.cpu.throttled", C}, {"throttled_usec", "cgroup.cpu.throttled_time", C}};
constexpr F kCpuMax[] = {{"", "cgroup.cpu.quota", I}, {"", "cgroup.cpu.period", I}};
constexpr F kCpuWeight[] = {{"", "cgroup.cpu.weight", I}};
constexpr F kMemoryCurrent[] = {{"", "cgroup.memory.current", I, 1, 1, CgroupPart::Memory}};
constexpr F kMemoryPeak[] = {{"", "cgroup.memory.peak", I}};
constexpr F kMemoryMax[] = {{"", "cgroup.memory.max", I, 1, 1, CgroupPart::MemoryMax}};
constexpr F kMemoryHigh[] = {{"", "cgroup.memory.high", I}};
constexpr F kMemoryEvents[] = {{"low", "cgroup.memory.events.low", C},
                               {"high", "cgroup.memory.events.high", C},
                               {"max", "cgroup.memory.events.max", C},
                               {"oom", "cgroup.memory.events.oom", C},
                               {"oom_kill", "cgroup.memory.events.oom_kill", C}};
constexpr F kSwapCurrent[] = {{"", "cgroup.swap.current", I}};
constexpr F kSwapMax[] = {{"", "cgroup.swap.max", I}};
constexpr F kPidsCurrent[] = {{"", "cgroup.pids.current", I}};
constexpr F kPidsMax[] = {{"", "cgroup.pids.max", I}};
constexpr F kPidsEvents[] = {{"max", "cgroup.pids.events.max", C}};
constexpr F kIoStat[] = {{"rbytes", "cgroup.io.rbytes", C}, {"wbytes", "cgroup.io.wbytes", C},
                         {"rios", "cgroup.io.rios", C},     {"wios", "cgroup.io.wios", C},
                         {"dbytes", "cgroup.io.dbytes", C}, {"dios", "cgroup.io.dios", C}};
constexpr F kPsiCpu[] = {{"some", "psi.cpu.some.total", C}, {"full", "psi.cpu.full.total", C}};
constexpr F kPsiMemory[] = {{"some", "psi.memory.some.total", C}, {"full", "psi.memory.full.total", C}};
constexpr F kPsiIo[] = {{"some", "psi.io.some.total", C}, {"full", "psi.io.full.total", C}};
constexpr F kPsiIrq[] = {{"some", "psi.irq.some.total", C}, {"full", "psi.irq.full.total", C}};

constexpr CgroupFile kV2[] = {
    // cpu.stat is there even where the controller is not enabled.
    {"", "cpu.stat", CgroupFormat::Pairs, kCpuStat},
    {"cpu", "cpu.max", CgroupFormat::CpuMax, kCpuMax},
    {"cpu", "cpu.weight", CgroupFormat::Number, kCpuWeight},
    {"memory", "memory.current", CgroupFormat::Number, kMemoryCurrent},
    {"memory", "memory.peak", CgroupFormat::Number, kMemoryPeak},
    {"memory", "memory.max", CgroupFormat::Number, kMemoryMax},
    {"memory", "memory.high", CgroupFormat::Number, kMemoryHigh},
    {"memory", "memory.stat", CgroupFormat::MemoryStat, {}},
    {"memory", "memory.events", CgroupFormat::Pairs, kMemoryEvents},
    {"memory", "memory.swap.current", CgroupFormat::Number, kSwapCurrent},
    {"memory", "memory.swap.max", CgroupFormat::Number, kSwapMax},
    {"io", "io.stat", CgroupFormat::IoStat, kIoStat},
    {"pids", "pids.current", CgroupFormat::Number, kPidsCurrent},
    {"pids", "pids.max", CgroupFormat::Number, kPidsMax},
    {"pids", "pids.events", CgroupFormat::Pairs, kPidsEvents},
    {"", "cpu.pressure", CgroupFormat::Pressure, kPsiCpu},
    {"", "memory.pressure", CgroupFormat::Pressure, kPsiMemory},
    {"", "io.pressure", CgroupFormat::Pressure, kPsiIo},
    {"", "irq.pressure", CgroupFormat::Pressure, kPsiIrq},
};

constexpr F kCpuUsageV1[] = {{"", "cgroup.cpu.usage", C, 1, 1000}};
constexpr F kCpuTicksV1[] = {{"user", "cgroup.cpu.user", C, kMicrosPerTick},
                             {"system", "cgroup.cpu.system", C, kMicrosPerTick}};
constexpr F kCpuStatV1[] = {{"nr_periods", "cgroup.cpu.periods", C},
                            {"nr_throttled", "cgroup.cpu.throttled", C},
                            {"throttled_time", "cgroup.cpu.throttled_time", C, 1, 1000}};
constexpr F kQuotaV1[] = {{"", "cgroup.cpu.quota", I}};
constexpr F kPeriodV1[] = {{"", "cgroup.cpu.period", I}};
// Memory and swap together (memory.rst 2.4).
constexpr F kMemsw[] = {{"", "", I, 1, 1, CgroupPart::MemoryAndSwap}};
constexpr F kMemswMax[] = {{"", "", I, 1, 1, CgroupPart::MemoryAndSwapMax}};
constexpr F kFailures[] = {{"", "cgroup.memory.events.max", C}};
constexpr F kOomControl[] = {{"oom_kill", "cgroup.memory.events.oom_kill", C}};
constexpr F kBlkioBytes[] = {{"Read", "cgroup.io.rbytes", C},
                             {"Write", "cgroup.io.wbytes", C},
                             {"Discard", "cgroup.io.dbytes", C}};
constexpr F kBlkioOperations[] = {{"Read", "cgroup.io.rios", C},
                                  {"Write", "cgroup.io.wios", C},
                                  {"Discard", "cgroup.io.dios", C}};

constexpr CgroupFile kV1[] = {
    {"cpuacct", "cpuacct.usage", CgroupFormat::Number, kCpuUsageV1},
    {"cpuacct", "cpuacct.stat", CgroupFormat::Pairs, kCpuTicksV1},
    {"cpu", "cpu.stat", CgroupFormat::Pairs, kCpuStatV1},
    {"cpu", "cpu.cfs_quota_us", CgroupFormat::Number, kQuotaV1},
    {"cpu", "cpu.cfs_period_us", CgroupFormat::Number, kPeriodV1},
    {"cpu", "cpu.shares", CgroupFormat::Number, kCpuWeight},
    {"memory", "memory.usage_in_bytes", CgroupFormat::Number, kMemoryCurrent},
    {"memory", "memory.max_usage_in_bytes", CgroupFormat::Number, kMemoryPeak},
    {"memory", "memory.limit_in_bytes", CgroupFormat::Number, kMemoryMax},
    {"memory", "memory.memsw.usage_in_bytes", CgroupFormat::Number, kMemsw},
    {"memory", "memory.memsw.limit_in_bytes", CgroupFormat::Number, kMemswMax},
    {"memory", "memory.stat", CgroupFormat::MemoryStatV1, {}},
    {"memory", "memory.failcnt", CgroupFormat::Number, kFailures},
    {"memory", "memory.oom_control", CgroupFormat::Pairs, kOomControl},
    {"blkio", "blkio.throttle.io_service_bytes", CgroupFormat::Blkio, kBlkioBytes},
    {"blkio", "blkio.throttle.io_serviced", CgroupFormat::Blkio, kBlkioOperations},
    {"pids", "pids.current", CgroupFormat::Number, kPidsCurrent},
    {"pids", "pids.max", CgroupFormat::Number, kPidsMax},
    {"pids", "pids.events", CgroupFormat::Pairs, kPidsEvents},
};

bool counts(std::string_view field) noexcept {
  for (std::string_view prefix : {"pg", "workingset_refault", "workingset_activate", "workingset_restore",
                                  "workingset_nodereclaim", "thp_fault", "thp_collapse", "thp_swpout", "zswpin",
                                  "zswpout", "zswpwb", "swpin_zero", "swpout_zero", "numa_"}) {
    if (field.starts_with(prefix)) {
      return true;
    }
  }
  return false;
}

} // namespace

std::span<const CgroupFile> cgroupFilesV2() noexcept { return kV2; }
std::span<const CgroupFile> cgroupFilesV1() noexcept { return kV1; }

MemoryField memoryField(std::string_view field, bool v1) noexcept {
  if (v1) {
    constexpr std::string_view kTotal = "total_";
    if (!field.starts_with(kTotal)) {
      return {};
    }
    field.remove_prefix(kTotal.size());
    constexpr std::pair<std::string_view, std::string_view> kNames[] = {{"rss", "anon"},
                                                                        {"cache", "file"},
                                                                        {"mapped_file", "file_mapped"},
                                                                        {"dirty", "file_dirty"},
                                                                        {"writeback", "file_writeback"}};
    for (const auto& [old, name] : kNames) {
      if (field == old) {
        field = name;
      }
    }
  }
  return {field, counts(field) ? Kind::Counter : Kind::Integer};
}

} // namespace stellwerk
