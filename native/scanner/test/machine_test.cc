// The collectors of the machine on what kernels have written: `recorded` has documents of real hosts; what no host of ours
// has (disks in arrays, sensors, device-mapper) is written after the kernel's own documents.
#include "fixture.hpp"
#include "scanner/disk_alias.hpp"

#include <bit>
#include <sstream>

using namespace stellwerk;
using namespace stellwerk::test;

namespace {

std::string recordedRoot() { return fs::path(__FILE__).parent_path().string() + "/recorded/linux-6.18"; }

std::string textOf(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

ScanOptions optionsFor(const std::string& root) { return {2000, 3'600'000, root + "/proc", root + "/sys", 100'000}; }

using Make = std::unique_ptr<Collector> (*)(const ScanOptions&);

std::unique_ptr<Rig> collected(Make make, const std::string& root, ScanOptions options) {
  auto rig = std::make_unique<Rig>(root);
  const auto collector = make(options);
  rig->collect(*collector);
  return rig;
}
std::unique_ptr<Rig> collected(Make make, const std::string& root) { return collected(make, root, optionsFor(root)); }

Kind kindOf(const Rig& rig, const LabelMap& labels) { return rig.series.kind(*idOf(rig.series, labels)); }

TEST(Recorded, MeminfoHasALevelForEachLine) {
  const auto rig = collected(makeMemInfo, recordedRoot());
  std::istringstream lines(textOf(recordedRoot() + "/proc/meminfo"));
  std::uint32_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    std::istringstream words(line);
    std::string name;
    std::string unit;
    std::uint64_t value = 0;
    words >> name >> value >> unit;
    name.pop_back();
    EXPECT_EQ(rig->value({{"metric", "memory." + name}}), unit == "kB" ? value * 1024 : value) << line;
  }
  EXPECT_GT(count, 40u);
  EXPECT_EQ(rig->series.count(), count);
}

TEST(Recorded, VmstatHasACounterForEachSignOfMemoryTrouble) {
  const auto rig = collected(makeVmStat, recordedRoot());
  std::istringstream words(textOf(recordedRoot() + "/proc/vmstat"));
  std::string name;
  std::uint32_t found = 0;
  for (std::uint64_t value = 0; words >> name >> value;) {
    const bool wanted = name == "pgfault" || name == "pgmajfault" || name == "pswpin" || name == "pswpout" ||
                        name == "oom_kill" || name.rfind("pgscan_", 0) == 0 || name.rfind("pgsteal_", 0) == 0 ||
                        name.rfind("allocstall_", 0) == 0;
    EXPECT_EQ(rig->value({{"metric", "vm." + name}}), wanted ? std::optional(value) : std::nullopt) << name;
    found += wanted ? 1 : 0;
  }
  EXPECT_EQ(rig->series.count(), found);
  EXPECT_GT(found, 12u);
}

TEST(Recorded, NetworkStacksHaveACounterForEachFieldOfBothProtocols) {
  for (const char* file : {"netstat", "snmp"}) {
    const auto rig = collected(makeNetCounters, recordedRoot());
    std::istringstream lines(textOf(recordedRoot() + "/proc/net/" + file));
    std::string names;
    std::string values;
    while (std::getline(lines, names) && std::getline(lines, values)) {
      std::istringstream nameWords(names);
      std::istringstream valueWords(values);
      std::string prefix;
      std::string name;
      std::int64_t value = 0;
      nameWords >> prefix;
      valueWords >> prefix;
      prefix.pop_back();
      while (nameWords >> name && valueWords >> value) {
        const LabelMap labels{{"metric", "net." + prefix + "." + name}};
        EXPECT_EQ(rig->value(labels), value < 0 ? std::nullopt : std::optional(static_cast<std::uint64_t>(value))) << name;
      }
    }
    EXPECT_EQ(kindOf(*rig, {{"metric", "net.Tcp.RetransSegs"}}), Kind::Counter);
    EXPECT_EQ(kindOf(*rig, {{"metric", "net.Tcp.CurrEstab"}}), Kind::Integer) << "it falls";
  }
  const auto six = collected(makeNetSnmp6, recordedRoot());
  EXPECT_EQ(six->value({{"metric", "net.Ip6.InReceives"}}), 13u);
  EXPECT_TRUE(six->value({{"metric", "net.UdpLite6.InDatagrams"}}));
  EXPECT_TRUE(six->value({{"metric", "net.Icmp6.InMsgs"}}));
  EXPECT_GT(six->series.count(), 80u);
}

TEST(Recorded, SocketsAreCountedByProtocol) {
  const auto rig = collected(makeSocketStat, recordedRoot());
  EXPECT_EQ(rig->value({{"metric", "net.sockets.used"}}), 124u);
  EXPECT_EQ(rig->value({{"metric", "net.TCP.tw"}}), 9u);
  EXPECT_EQ(rig->value({{"metric", "net.TCP.mem"}}), 53u * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)));
  EXPECT_EQ(rig->value({{"metric", "net.FRAG.memory"}}), 0u);
  EXPECT_EQ(rig->value({{"metric", "net.TCP6.inuse"}}), 0u);
}

TEST(Recorded, DisksHaveTheirDiscardsAndFlushes) {
  const auto rig = collected(makeDisks, recordedRoot());
  const auto value = [&](const char* metric) { return rig->value({{"device", "vda"}, {"metric", metric}}); };
  EXPECT_EQ(value("disk.read.ops"), 94'257u);
  EXPECT_EQ(value("disk.write.bytes"), 17'336'016ull * 512);
  EXPECT_EQ(value("disk.in_progress"), 0u);
  EXPECT_EQ(value("disk.weighted_time"), 150'726u);
  EXPECT_EQ(value("disk.discard.ops"), 59'393u);
  EXPECT_EQ(value("disk.discard.bytes"), 4'806'680ull * 512);
  EXPECT_EQ(value("disk.discard.time"), 6080u);
  EXPECT_EQ(value("disk.flush.ops"), 5979u);
  EXPECT_EQ(value("disk.flush.time"), 598u);
  EXPECT_FALSE(rig->value({{"device", "loop0"}, {"metric", "disk.read.ops"}}));
}

TEST(Recorded, ProcessorsHaveTheirTicksTogetherAndEach) {
  const auto rig = collected(makeCpuStat, recordedRoot());
  std::istringstream lines(textOf(recordedRoot() + "/proc/stat"));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    std::uint64_t user = 0;
    words >> name >> user;
    if (name.rfind("cpu", 0) == 0) {
      const LabelMap labels = name == "cpu" ? LabelMap{{"metric", "cpu.user"}}
                                            : LabelMap{{"cpu", name.substr(3)}, {"metric", "cpu.user"}};
      EXPECT_EQ(rig->value(labels), user) << line;
    } else if (name == "ctxt" || name == "intr") {
      EXPECT_EQ(rig->value({{"metric", name == "ctxt" ? "cpu.ctxt" : "intr"}}), user);
    }
  }
  EXPECT_TRUE(rig->value({{"metric", "procs_running"}}));
  EXPECT_TRUE(rig->value({{"metric", "procs_blocked"}}));
  EXPECT_TRUE(rig->value({{"metric", "cpu.forks"}}));
}

TEST(Processors, MoreThanSixtyFourHaveSeriesOfTheirOwnOnlyWhereAskedFor) {
  const TempDir machine;
  std::string text = "cpu  100 0 0 0 0 0 0 0 0 0\n";
  for (int number = 0; number < 65; ++number) {
    text += "cpu" + std::to_string(number) + " 1 0 0 0 0 0 0 0 0 0\n";
  }
  machine.write("proc/stat", text + "ctxt 5\n");
  const LabelMap last{{"cpu", "64"}, {"metric", "cpu.user"}};
  const auto unasked = collected(makeCpuStat, machine.path);
  EXPECT_EQ(unasked->value({{"metric", "cpu.user"}}), 100u);
  EXPECT_FALSE(unasked->value({{"cpu", "0"}, {"metric", "cpu.user"}}));
  ScanOptions options = optionsFor(machine.path);
  options.perCpu = true;
  const auto asked = collected(makeCpuStat, machine.path, options);
  EXPECT_EQ(asked->value(last), 1u);
  EXPECT_EQ(asked->value({{"metric", "cpu.ctxt"}}), 5u);
}

TEST(Pressure, OfTheMachineHasAveragesOnlyWhereTheyAreWanted) {
  for (const bool wanted : {false, true}) {
    ScanOptions options = optionsFor(recordedRoot());
    options.pressureAverages = wanted;
    const auto rig = collected(makePressure, recordedRoot(), options);
    EXPECT_TRUE(rig->value({{"metric", "psi.cpu.some.total"}}));
    EXPECT_EQ(rig->value({{"metric", "psi.memory.full.avg60"}}).has_value(), wanted);
  }
}

TEST(Arrays, ThatMissDisksAreDegraded) {
  const TempDir machine;
  machine.write("proc/mdstat",
                "Personalities : [raid1] [raid6] [raid5] [raid4] [raid0]\n"
                "md0 : active raid1 sdb1[1] sda1[0]\n      104320 blocks super 1.2 [2/2] [UU]\n      \n"
                "md127 : active raid5 sdd1[3](F) sdc1[1] sdb2[0]\n"
                "      2930272256 blocks super 1.2 level 5, 64k chunk, algorithm 2 [3/2] [UU_]\n"
                "      [==>..................]  recovery = 12.6% (37043392/292945152) finish=127.5min speed=33440K/sec\n\n"
                "md2 : active raid0 sde1[1] sdf1[0]\n      8192 blocks 64k chunks\n\nunused devices: <none>\n");
  const auto rig = collected(makeMdArrays, machine.path);
  const auto value = [&](const char* device, const char* metric) { return rig->value({{"device", device}, {"metric", metric}}); };
  EXPECT_EQ(value("md0", "md.disks"), 2u);
  EXPECT_EQ(value("md0", "md.disks_missing"), 0u);
  EXPECT_EQ(value("md127", "md.disks"), 3u);
  EXPECT_EQ(value("md127", "md.disks_missing"), 1u);
  EXPECT_FALSE(value("md2", "md.disks")) << "it has no disk to spare";
  EXPECT_EQ(rig->value({{"metric", "md.degraded_arrays"}}), 1u);
}

TEST(Sensors, HaveTheirTemperatureUnderChipAndLabel) {
  const TempDir machine;
  machine.write("sys/class/hwmon/hwmon0/name", "coretemp\n");
  machine.write("sys/class/hwmon/hwmon0/temp1_input", "45500\n");
  machine.write("sys/class/hwmon/hwmon0/temp1_label", "Package id 0\n");
  machine.write("sys/class/hwmon/hwmon0/temp2_input", "-3000\n");
  machine.write("sys/class/hwmon/hwmon0/fan1_input", "1200\n");
  for (const char* number : {"1", "2"}) {
    machine.write("sys/class/hwmon/hwmon" + std::string(number) + "/name", "nvme\n");
    machine.write("sys/class/hwmon/hwmon" + std::string(number) + "/temp1_input", std::string(number) + "0000\n");
    fs::create_symlink("../../nvme/nvme" + std::string(number), machine.path + "/sys/class/hwmon/hwmon" + number + "/device");
  }
  const auto rig = collected(makeHardwareSensors, machine.path);
  const auto celsius = [&](const char* chip, const char* sensor) {
    return rig->value({{"chip", chip}, {"metric", "hw.temp"}, {"sensor", sensor}});
  };
  EXPECT_EQ(celsius("coretemp", "Package id 0"), std::bit_cast<std::uint64_t>(45.5));
  EXPECT_EQ(celsius("coretemp", "temp2"), std::bit_cast<std::uint64_t>(-3.0));
  EXPECT_EQ(celsius("nvme-nvme1", "temp1"), std::bit_cast<std::uint64_t>(10.0)) << "twins are told apart by their device";
  EXPECT_EQ(celsius("nvme-nvme2", "temp1"), std::bit_cast<std::uint64_t>(20.0));
  EXPECT_EQ(rig->series.count(), 4u);
}

TEST(Sensors, KeepTheirValueBetweenReadsAndLoseItWhenTheyFail) {
  const TempDir machine;
  machine.write("sys/class/hwmon/hwmon0/name", "acpitz\n");
  machine.write("sys/class/hwmon/hwmon0/temp1_input", "30000\n");
  Rig rig(machine.path);
  const auto sensors = makeHardwareSensors(optionsFor(machine.path));
  rig.collect(*sensors);
  machine.write("sys/class/hwmon/hwmon0/temp1_input", "");
  rig.collect(*sensors);
  const LabelMap labels{{"chip", "acpitz"}, {"metric", "hw.temp"}, {"sensor", "temp1"}};
  EXPECT_EQ(rig.value(labels), std::bit_cast<std::uint64_t>(30.0));
  for (int scan = 0; scan < 5; ++scan) {
    rig.collect(*sensors);
  }
  EXPECT_FALSE(rig.value(labels));
}

TEST(Disks, OfKernelNamesHaveTheirAliasBeside) {
  const TempDir machine;
  machine.write("sys/block/dm-0/dm/name", "vg-root\n");
  machine.write("sys/block/nvme0n1/device/model", "Samsung SSD  980   \n");
  machine.write("sys/block/nvme0n1/device/serial", "S64A\n");
  machine.write("sys/block/nvme0n1/nvme0n1p2/partition", "2\n");
  fs::create_directories(machine.path + "/sys/class/block");
  for (const auto& [name, target] : {std::pair{"dm-0", "dm-0"}, std::pair{"nvme0n1", "nvme0n1"},
                                     std::pair{"nvme0n1p2", "nvme0n1/nvme0n1p2"}}) {
    fs::create_symlink("../../block/" + std::string(target), machine.path + "/sys/class/block/" + name);
  }
  machine.write("proc/diskstats", "253 0 dm-0 1\n259 0 nvme0n1 2\n259 2 nvme0n1p2 3\n8 0 sda 4\n");
  Rig rig(machine.path);
  const auto disks = makeDisks(optionsFor(machine.path));
  rig.collect(*disks);
  const auto reads = [&](const char* device, const char* alias) {
    return rig.value({{"alias", alias}, {"device", device}, {"metric", "disk.read.ops"}});
  };
  EXPECT_EQ(reads("dm-0", "vg-root"), 1u);
  EXPECT_EQ(reads("nvme0n1", "Samsung_SSD_980_S64A"), 2u);
  EXPECT_EQ(reads("nvme0n1p2", "Samsung_SSD_980_S64A-part2"), 3u);
  EXPECT_EQ(rig.value({{"device", "sda"}, {"metric", "disk.read.ops"}}), 4u);
  // The number is given to another device.
  machine.write("proc/diskstats", "8 0 sda 4\n");
  rig.collect(*disks);
  machine.write("sys/block/dm-0/dm/name", "vg-other\n");
  machine.write("proc/diskstats", "253 0 dm-0 5\n8 0 sda 4\n");
  rig.collect(*disks);
  EXPECT_EQ(reads("dm-0", "vg-other"), 5u);
  EXPECT_FALSE(reads("dm-0", "vg-root"));
}

TEST(Machine, OfAnyBytesIsSafe) {
  const TempDir machine;
  Mutator mutator(17);
  const std::pair<Make, std::vector<const char*>> collectors[] = {
      {makeUptime, {"uptime"}},          {makeLoadAverage, {"loadavg"}},     {makeCpuStat, {"stat"}},
      {makeMemInfo, {"meminfo"}},        {makeVmStat, {"vmstat"}},           {makeOpenFiles, {"sys/fs/file-nr"}},
      {makeNetInterfaces, {"net/dev"}},  {makeDisks, {"diskstats"}},         {makePressure, {"pressure/cpu"}},
      {makeNetSnmp6, {"net/snmp6"}},     {makeSocketStat, {"net/sockstat"}}, {makeNetCounters, {"net/snmp", "net/netstat"}},
      {makeMdArrays, {"mdstat"}},
  };
  for (const auto& [make, files] : collectors) {
    Rig rig(machine.path);
    const auto collector = make(optionsFor(machine.path));
    for (int round = 0; round < 60; ++round) {
      for (const char* file : files) {
        std::string text = textOf(recordedRoot() + "/proc/" + file);
        if (text.empty()) {
          text = "md0 : active raid1 a[0] b[1]\n 1 blocks [2/1] [U_]\n";
        }
        // Small, so that the changes hit.
        machine.write(std::string("proc/") + file, mutator.mutate(text.substr(0, 400)));
      }
      rig.collect(*collector);
    }
  }
}

} // namespace
