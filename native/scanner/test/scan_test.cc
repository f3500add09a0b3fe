// Whole scans: stamps, history, snapshot, expiry; on a machine of folders and on this one.
#include "fixture.hpp"

#include <bit>

using namespace stellwerk;
using namespace stellwerk::test;

namespace {

struct Host {
  explicit Host(std::int64_t keepMs = 3'600'000, std::uint32_t maxSeries = 100'000) {
    machine.write("proc/uptime", "100.25 200.50\n");
    machine.write("proc/loadavg", "0.20 0.18 0.12 1/80 11206\n");
    machine.write("proc/stat", "cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\nctxt 77\nbtime 1000\nprocesses 5\n");
    machine.write("proc/meminfo", "MemTotal:     1000 kB\nHugePages_Total:  3\nActive(anon): 5 kB\n");
    machine.write("proc/net/dev", "Inter-|   Receive        |  Transmit\n face |bytes packets|bytes packets\n  lo: 1 2 3 4\neth0:1:5 6 7 8\n");
    machine.write("proc/net/netstat", "TcpExt: ListenDrops MaxConn\nTcpExt: 4 -1\n");
    machine.write("proc/diskstats", "8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n7 0 loop0 1 2 3 4 5 6 7 8 9 10 11\n");
    machine.write("proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=31\n");
    fs::create_directories(machine.path + "/sys/fs/cgroup");
    scan = std::make_unique<Scan>(ScanOptions{2000, keepMs, machine.path + "/proc", machine.path + "/sys", maxSeries});
  }
  void at(std::int64_t wallMs, std::int64_t bootMs) { scan->scan(wallMs, bootMs); }
  std::optional<std::uint64_t> value(const LabelMap& labels) const { return valueOf(scan->series(), labels); }
  std::vector<std::pair<std::int64_t, std::uint64_t>> past(const LabelMap& labels) const {
    std::vector<std::pair<std::int64_t, std::uint64_t>> samples;
    const auto id = idOf(scan->series(), labels);
    scan->publication().withHistory([&](const History& history) {
      const Timeline& line = history.timeline();
      history.read(*id, line.first(), line.end(),
                   [&](std::uint32_t at, std::uint64_t word) { samples.emplace_back(line.at(at), word); });
    });
    return samples;
  }
  TempDir machine;
  std::unique_ptr<Scan> scan;
};

TEST(Scan, HasTheMachinesNumbers) {
  Host host;
  host.at(1'000'000, 0);
  EXPECT_EQ(host.value({{"metric", "uptime"}}), std::bit_cast<std::uint64_t>(100.25));
  EXPECT_EQ(host.value({{"metric", "proc_total"}}), 80u);
  EXPECT_EQ(host.value({{"metric", "last_pid"}}), 11'206u);
  EXPECT_EQ(host.value({{"metric", "cpu.idle"}}), 4u);
  EXPECT_EQ(host.value({{"cpu", "0"}, {"metric", "cpu.steal"}}), 8u);
  EXPECT_EQ(host.value({{"metric", "cpu.ctxt"}}), 77u);
  EXPECT_EQ(host.value({{"metric", "memory.MemTotal"}}), 1'024'000u);
  EXPECT_EQ(host.value({{"metric", "memory.HugePages_Total"}}), 3u);
  EXPECT_EQ(host.value({{"metric", "memory.Active(anon)"}}), 5120u);
  EXPECT_EQ(host.value({{"interface", "lo"}, {"metric", "net.interface.tx.packets"}}), 4u);
  EXPECT_EQ(host.value({{"interface", "eth0:1"}, {"metric", "net.interface.rx.bytes"}}), 5u);
  EXPECT_EQ(host.value({{"metric", "net.TcpExt.ListenDrops"}}), 4u);
  EXPECT_FALSE(host.value({{"metric", "net.TcpExt.MaxConn"}}));
  EXPECT_EQ(host.value({{"device", "sda"}, {"metric", "disk.read.bytes"}}), 1536u);
  EXPECT_FALSE(host.value({{"device", "loop0"}, {"metric", "disk.read.bytes"}}));
  EXPECT_EQ(host.value({{"metric", "psi.cpu.some.total"}}), 31u);
}

TEST(Scan, LosesOnlyTheNumbersOfAMissingFile) {
  Host host;
  host.at(1000, 0);
  fs::remove(host.machine.path + "/proc/loadavg");
  fs::remove(host.machine.path + "/proc/meminfo");
  auto fresh = std::make_unique<Scan>(host.scan->options());
  fresh->scan(1000, 0);
  EXPECT_FALSE(valueOf(fresh->series(), {{"metric", "load_avg_1min"}}));
  EXPECT_TRUE(valueOf(fresh->series(), {{"metric", "uptime"}}));
}

TEST(Scan, StampsRiseAndKeepTheirPaceBehindAClockSetBack) {
  Host host;
  host.at(1'000'000, 0);
  host.at(1'002'000, 2000);
  // Set back by an hour, then a scan every two seconds.
  std::int64_t wall = 1'002'000 - 3'600'000;
  std::int64_t boot = 2000;
  for (int scan = 0; scan < 10; ++scan) {
    host.at(wall += 2000, boot += 2000);
  }
  auto samples = host.past({{"metric", "uptime"}});
  ASSERT_EQ(samples.size(), 12u);
  for (std::size_t i = 2; i < samples.size(); ++i) {
    EXPECT_EQ(samples[i].first - samples[i - 1].first, 1800);
  }
  // The clock is right again, and ahead: no more is made up.
  host.at(2'000'000, boot + 2000);
  EXPECT_EQ(host.past({{"metric", "uptime"}}).back().first, 2'000'000);
  // Even without any time between.
  host.at(0, boot + 2000);
  EXPECT_EQ(host.past({{"metric", "uptime"}}).back().first, 2'000'001);
}

TEST(Scan, CatchesUpWithASmallStepBack) {
  Host host;
  host.at(100'000, 0);
  std::int64_t boot = 0;
  std::int64_t wall = 95'000;
  for (int scan = 0; scan < 30; ++scan) {
    host.at(wall += 2000, boot += 2000);
  }
  EXPECT_EQ(host.past({{"metric", "uptime"}}).back().first, wall);
}

TEST(Scan, SaysAndCountsWhatASteppedClockDidToItsStamps) {
  Host host;
  host.at(100'000, 0);
  host.at(102'000, 2000);
  host.at(103'999, 4000); // slewed
  EXPECT_TRUE(host.scan->notes().take().empty());
  host.at(99'000, 6000);
  EXPECT_EQ(host.scan->publication().health().clockAheadMs, 103'999 + 1800 - 99'000);
  host.at(101'000, 8000);
  EXPECT_EQ(host.scan->publication().health().scansAhead, 2u);
  auto said = host.scan->notes().take();
  ASSERT_EQ(said.size(), 1u); // once for each step
  EXPECT_NE(said[0].find("set back: time stamps are 6799 ms ahead"), std::string::npos) << said[0];
  host.at(200'000, 10'000);
  EXPECT_EQ(host.scan->publication().health().clockAheadMs, 0);
  host.at(86'602'000, 12'000);
  said = host.scan->notes().take();
  ASSERT_EQ(said.size(), 1u);
  EXPECT_NE(said[0].find("set forward by 86400000 ms"), std::string::npos) << said[0];
  // Asleep: both clocks went on, nobody has set one.
  host.at(90'000'000, 3'410'000);
  EXPECT_TRUE(host.scan->notes().take().empty());
}

TEST(Scan, MarksASeriesThatDoesWhatItNeverDid) {
  Host host;
  std::int64_t time = 0;
  std::uint64_t pages = 1000;
  auto scans = [&](int count, std::uint64_t more) {
    for (int i = 0; i < count; ++i) {
      time += 2000;
      pages += more + static_cast<std::uint64_t>(time / 2000 % 3);
      host.machine.write("proc/stat", "cpu  1 2 3 4 5 6 7 8 9 10\nctxt " + std::to_string(pages) + "\nbtime 1000\nprocesses 5\n");
      host.at(time, time);
    }
    return host.scan->publication().anomalies();
  };
  EXPECT_TRUE(scans(300, 20)->empty());
  EXPECT_TRUE(scans(Watch::kInARow - 1, 2000)->empty()) << "one burst is no anomaly";
  EXPECT_TRUE(scans(1, 20)->empty());
  const std::int64_t begun = time + 2000;
  const auto marked = scans(Watch::kInARow, 2000);
  ASSERT_EQ(marked->size(), 1u);
  EXPECT_EQ(marked->front().id, *idOf(host.scan->series(), {{"metric", "cpu.ctxt"}}));
  EXPECT_GT(marked->front().score, Watch::kBeyond);
  EXPECT_EQ(marked->front().since, begun);
  // It is over.
  EXPECT_TRUE(scans(1, 20)->empty());

  // What is usual outlives a restart.
  const auto bytes = host.scan->save();
  auto after = std::make_unique<Scan>(host.scan->options());
  ASSERT_EQ(after->restore(bytes, time + 1).problem, nullptr);
  host.scan = std::move(after);
  EXPECT_EQ(scans(Watch::kInARow, 2000)->size(), 1u);
}

TEST(Scan, RemembersWhatItHasSeenAndNoMore) {
  Host host;
  writeProcess(host.machine, {});
  const LabelMap labels{{"metric", "user_time"}, {"pid", "100"}};
  std::vector<std::pair<std::int64_t, std::uint64_t>> wanted;
  for (std::uint64_t scan = 1; scan <= 200; ++scan) {
    const std::uint64_t ticks = scan * scan;
    writeStat(host.machine, {.userTime = ticks});
    host.at(static_cast<std::int64_t>(scan) * 2000, static_cast<std::int64_t>(scan) * 2000);
    wanted.emplace_back(scan * 2000, ticks);
  }
  EXPECT_EQ(host.past(labels), wanted);
  // The values of the snapshot are those of the last scan.
  const SnapshotView view = host.scan->publication().snapshot();
  EXPECT_EQ(view.generation, 200u);
  EXPECT_EQ(view.memory->values[*idOf(host.scan->series(), labels)], 40'000u);
}

TEST(Scan, LeavesASnapshotAloneForTwoMoreScans) {
  Host host;
  host.at(1000, 0);
  const auto id = *idOf(host.scan->series(), {{"metric", "uptime"}});
  const SnapshotView view = host.scan->publication().snapshot();
  for (int scan = 2; scan <= 3; ++scan) {
    host.machine.write("proc/uptime", std::to_string(100 + scan) + ".25 200.50\n");
    host.at(scan * 1000, scan * 1000);
    EXPECT_EQ(view.memory->values[id], std::bit_cast<std::uint64_t>(100.25));
  }
  EXPECT_EQ(host.value({{"metric", "uptime"}}), std::bit_cast<std::uint64_t>(103.25));
}

TEST(Scan, ForgetsDeadProcessesAfterTheirHourAndUsesTheirIdsAgain) {
  Host host(600'000);
  writeProcess(host.machine, {});
  host.at(1000, 0);
  host.at(1001, 0); // the scanner's own numbers are those of the scan before
  const std::uint32_t with = host.scan->series().count();
  const auto id = *idOf(host.scan->series(), {{"metric", "rss"}, {"pid", "100"}});
  fs::remove_all(host.machine.path + "/proc/100");
  const std::uint32_t generation = host.scan->series().keyGeneration();
  for (std::int64_t now = 3000; now < 590'000; now += 20'000) {
    host.at(now, now);
  }
  EXPECT_EQ(host.scan->series().count(), with);
  for (std::int64_t now = 590'000; now < 720'000; now += 20'000) {
    host.at(now, now);
  }
  EXPECT_EQ(host.scan->series().count(), with - 8);
  EXPECT_FALSE(host.scan->series().used(id));
  EXPECT_GT(host.scan->series().keyGeneration(), generation);
  // Its number of series does not grow by those of others who come and go.
  for (std::uint32_t pid = 200; pid < 400; ++pid) {
    writeProcess(host.machine, {.pid = pid});
    host.at(720'000 + pid * 100'000, 0);
    host.at(720'000 + pid * 100'000 + 2000, 2000);
    fs::remove_all(host.machine.path + "/proc/" + std::to_string(pid));
  }
  EXPECT_LE(host.scan->series().size(), with + 8 * 8);
}

TEST(Scan, TellsOfItselfAndOfTheProgramAroundIt) {
  Host host;
  host.scan->reported().set({"cantal", "websocket.clients"}, {Kind::Integer, 3});
  host.scan->reported().set({"cantal", "carbon.dropped"}, {Kind::Counter, 7});
  host.scan->reported().set({"global", "errors_occured"}, {Kind::Counter, 2});
  host.at(1000, 0);
  host.scan->missed();
  host.scan->notes().reject("bad-meta", "refused", true);
  host.at(3000, 2000);
  host.at(5000, 4000);
  const auto own = [&](const char* metric) { return host.value({{"group", "cantal"}, {"metric", metric}}); };
  EXPECT_EQ(own("websocket.clients"), 3u);
  EXPECT_EQ(own("carbon.dropped"), 7u);
  EXPECT_EQ(host.value({{"group", "global"}, {"metric", "errors_occured"}}), 2u);
  EXPECT_EQ(own("scan.missed"), 1u);
  EXPECT_GT(own("scan.files_read"), 5u);
  EXPECT_GT(own("history.bytes"), 1000u);
  EXPECT_GT(own("scan.duration"), 0u);
  for (const char* phase : {"scan.machine", "scan.cgroups", "scan.processes", "scan.values", "scan.history"}) {
    EXPECT_TRUE(own(phase)) << phase;
    EXPECT_LE(own(phase), own("scan.duration")) << phase;
  }
  EXPECT_EQ(host.value({{"group", "cantal"}, {"metric", "values.rejected"}, {"reason", "bad-meta"}}), 1u);
  EXPECT_EQ(host.past({{"group", "cantal"}, {"metric", "websocket.clients"}}).size(), 3u);
}

TEST(Scan, HasATopOnItsSeriesAndCountsWhatItRefuses) {
  Host host(3'600'000, 20);
  for (int scan = 1; scan <= 5; ++scan) {
    host.at(scan * 1000, scan * 1000);
  }
  EXPECT_EQ(host.scan->series().count(), 20u);
  const Health health = host.scan->publication().health();
  EXPECT_GT(health.refusedSeries, 0u);
  EXPECT_EQ(health.series, 20u);
  EXPECT_EQ(host.scan->notes().take().size(), 1u) << "said once a minute";
  // A process that is new is refused anew.
  writeProcess(host.machine, {.pid = 300});
  for (int scan = 60; scan <= 62; ++scan) {
    host.at(scan * 1000, scan * 1000);
  }
  const auto said = host.scan->notes().take();
  ASSERT_EQ(said.size(), 1u);
  EXPECT_TRUE(said[0].ends_with("new series: there are 20 already (--max-metrics)")) << said[0];
}

TEST(Scan, OfAnyKernelTextIsSafe) {
  Host host;
  Mutator mutator(19);
  const char* files[] = {"uptime", "loadavg", "stat", "meminfo", "net/dev", "net/netstat", "diskstats", "pressure/cpu"};
  std::map<std::string, std::string> texts;
  for (const char* file : files) {
    std::ifstream in(host.machine.path + "/proc/" + file);
    texts[file] = std::string(std::istreambuf_iterator<char>(in), {});
  }
  std::int64_t now = 0;
  for (int round = 0; round < 400; ++round) {
    for (const auto& [file, text] : texts) {
      host.machine.write("proc/" + file, mutator.mutate(text));
    }
    if (round % 20 == 0) { // from the first scan on
      host.scan = std::make_unique<Scan>(host.scan->options());
    }
    now += 1000;
    host.at(now, now);
  }
}

TEST(Scan, OfThisMachineSeesThisProcess) {
  Scan scan({2000, 3'600'000, "/proc", "/sys", 100'000});
  for (int round = 1; round <= 3; ++round) {
    scan.scan(round * 1000, round * 1000);
  }
  const auto rows = scan.publication().processes();
  const auto self = std::find_if(rows->begin(), rows->end(), [](const ProcessRow& row) {
    return row.stat.pid == static_cast<std::uint32_t>(getpid());
  });
  ASSERT_NE(self, rows->end());
  EXPECT_EQ(self->status.uid, getuid());
  EXPECT_GT(self->stat.rssPages, 100u);
}

TEST(Scan, GoesOnAfterARestartWithAHole) {
  Host before;
  before.at(1'000'000, 0);
  const std::uint64_t first = before.scan->series().count();
  before.machine.write("proc/uptime", "102.25 200.50\n");
  before.at(1'002'000, 2000);
  const std::uint64_t second = before.scan->series().count();
  const auto bytes = before.scan->save();

  Host after;
  const Scan::Restored restored = after.scan->restore(bytes, 1'060'000);
  EXPECT_EQ(restored.problem, nullptr);
  EXPECT_EQ(restored.samples, first + second);
  EXPECT_EQ(restored.newerScans, 0u);
  after.at(1'060'000, 500);
  const auto word = [](double value) { return std::bit_cast<std::uint64_t>(value); };
  EXPECT_EQ(after.past({{"metric", "uptime"}}),
            (std::vector<std::pair<std::int64_t, std::uint64_t>>{
                {1'000'000, word(100.25)}, {1'002'000, word(102.25)}, {1'060'000, word(100.25)}}));
}

TEST(Scan, LeavesOutWhatIsNewerThanNowOrTooOld) {
  Host before;
  for (int i = 0; i < 10; ++i) {
    before.at(1'000'000 + i * 2000, i * 2000);
  }
  const auto bytes = before.scan->save();
  Host setBack;
  EXPECT_EQ(setBack.scan->restore(bytes, 1'010'000).newerScans, 5u);
  setBack.at(1'010'000, 0);
  EXPECT_EQ(setBack.past({{"metric", "uptime"}}).size(), 6u);
  EXPECT_EQ(setBack.past({{"metric", "uptime"}}).back().first, 1'010'000);

  Host later;
  later.scan->restore(bytes, 100'000'000);
  later.at(100'000'000, 0);
  EXPECT_EQ(later.past({{"metric", "uptime"}}).size(), 1u);
}

TEST(Scan, TakesNothingOfADamagedSnapshot) {
  Host before;
  before.at(1'000'000, 0);
  auto bytes = before.scan->save();
  bytes[bytes.size() / 2] ^= 1;
  Host after;
  EXPECT_NE(after.scan->restore(bytes, 2'000'000).problem, nullptr);
  EXPECT_EQ(after.scan->series().count(), 0u);
}

} // namespace
