// The thread of the scan: spec/cantal.md 9 and 10, rows 20 and 52.
#include "fixture.hpp"
#include "scanner/scan_thread.hpp"

#include <atomic>
#include <pthread.h>

using namespace stellwerk;
using namespace stellwerk::test;
using namespace std::chrono_literals;

namespace {

ScanOptions optionsFor(const TempDir& machine, std::int64_t intervalMs) {
  return {intervalMs, 3'600'000, machine.path + "/proc", machine.path + "/sys", 1000};
}

// Death tests fork; the thread must be of the child.
void scanUntil(const std::function<void()>& end) {
  const TempDir machine;
  Scan scan(optionsFor(machine, 10));
  ScanThread thread(scan, end);
  std::this_thread::sleep_for(60s);
}

struct ScanThreadDeath : testing::Test {
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(ScanThreadDeath, ByItsOwnEndEndsTheProcess) {
  EXPECT_EXIT(scanUntil([] { pthread_exit(nullptr); }), testing::ExitedWithCode(82), "the scan thread has ended");
}

TEST_F(ScanThreadDeath, ByAnExceptionOfTheLibraryEndsTheProcess) {
  EXPECT_EXIT(scanUntil([] { std::terminate(); }), testing::ExitedWithCode(82), "the scan thread has ended");
}

TEST_F(ScanThreadDeath, OfAnotherThreadIsAnAbortAsEver) {
  EXPECT_EXIT(
      {
        const TempDir machine;
        Scan scan(optionsFor(machine, 10));
        std::atomic<bool> scanned = false;
        ScanThread thread(scan, [&] { scanned = true; });
        while (!scanned) {
          std::this_thread::sleep_for(1ms);
        }
        std::terminate();
      },
      testing::KilledBySignal(SIGABRT), "");
}

TEST(ScanThread, ThatIsStoppedEndsOnlyItself) {
  const TempDir machine;
  Scan scan(optionsFor(machine, 10));
  for (int round = 0; round < 3; ++round) {
    std::atomic<bool> scanned = false;
    ScanThread thread(scan, [&] { scanned = true; });
    while (!scanned) {
      std::this_thread::sleep_for(1ms);
    }
  }
  EXPECT_GE(scan.publication().health().scans, 3u);
}

TEST(ScanThread, ThatTakesLongerThanItsPeriodCountsWhatItMissedAndNeverOverlaps) {
  const TempDir machine;
  Scan scan(optionsFor(machine, 10));
  std::atomic<int> under = 0;
  std::atomic<int> most = 0;
  std::atomic<int> scans = 0;
  {
    ScanThread thread(scan, [&] {
      most = std::max<int>(most, ++under);
      std::this_thread::sleep_for(35ms);
      --under;
      ++scans;
    });
    while (scans < 5) {
      std::this_thread::sleep_for(1ms);
    }
  }
  EXPECT_EQ(most, 1);
  // Of a period of 10 ms with scans of 35 ms at least three are missed each time; told by the next scan.
  EXPECT_GE(scan.publication().health().missedScans, 3u * 4);
}

TEST(ScanThread, HasItsNameWhileItScans) {
  const TempDir machine;
  Scan scan(optionsFor(machine, 10));
  std::string name;
  std::atomic<bool> asked = false;
  {
    ScanThread thread(scan, [&] {
      if (!asked) {
        char text[16] = {};
        pthread_getname_np(pthread_self(), text, sizeof text);
        name = text;
        asked = true;
      }
    });
    while (!asked) {
      std::this_thread::sleep_for(1ms);
    }
  }
  EXPECT_EQ(name, "scan");
}

} // namespace
