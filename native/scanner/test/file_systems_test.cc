#include "fixture.hpp"

#include "scanner/file_systems.hpp"

#include <condition_variable>
#include <random>

using namespace stellwerk;
using namespace stellwerk::test;

namespace {

TEST(FileSystems, AreThoseOnWhichSomethingIsKeptEachOnce) {
  const char* text = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
                     "23 22 0:5 / /dev rw - devtmpfs udev rw\n"
                     "24 22 0:21 / /run rw - tmpfs tmpfs rw\n"
                     "25 22 8:1 /home /srv/home rw - ext4 /dev/sda1 rw\n"
                     "26 22 8:2 /data /d rw - xfs /dev/sdb rw\n"
                     "27 22 8:2 / /var/lib/a\\040b\\134c rw shared:3 master:2 - xfs /dev/sdb rw\n"
                     "28 22 0:40 / /mnt/nfs rw - nfs4 server:/x rw\n"
                     "29 22 0:41 / /mnt/nfs rw - nfs4 other:/x rw\n"
                     "garbage\n";
  EXPECT_EQ(keptFileSystems(text), (std::vector<std::string>{"/", "/mnt/nfs", "/var/lib/a b\\c"}));
  EXPECT_EQ(keptFileSystems("30 1 0:50 / / rw - overlay overlay rw\n"), (std::vector<std::string>{"/"}));
}

TEST(FileSystems, OfAnyBytesAreSafe) {
  std::mt19937_64 random(4);
  const std::string_view alphabet = "/ -\\0123457\nabext4:";
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (std::uint64_t left = random() % 120; left > 0; --left) {
      text += random() % 10 == 0 ? static_cast<char>(random()) : alphabet[random() % alphabet.size()];
    }
    for (const std::string& path : keptFileSystems(text)) {
      EXPECT_EQ(path[0], '/');
    }
  }
}

// A host with two mounts, of which /slow waits for as long as it is held.
struct Host {
  Host() {
    machine.write("self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/a rw\n23 1 8:2 / /slow rw - nfs4 s:/x rw\n");
    collector = std::make_unique<FileSystems>(machine.path, [state = state](const std::string& path) {
      std::unique_lock lock(state->mutex);
      ++state->asked;
      state->changed.wait(lock, [&] { return path != "/slow" || !state->held; });
      return std::optional(FileSystemUse{1000, 400, 300, 50, state->freeFiles});
    });
  }
  void scan() {
    ++count;
    series.beginScan();
    ScanContext context{series, reader, notes, machine.path, machine.path, count, 0};
    collector->collect(context);
  }
  std::optional<std::uint64_t> value(const char* metric, const char* mount) {
    const auto id = idOf(series, {{"metric", metric}, {"mount", mount}});
    return id && series.fresh(*id) ? std::optional(series.value(*id)) : std::nullopt;
  }
  void hold(bool held) {
    std::lock_guard lock(state->mutex);
    state->held = held;
    state->changed.notify_all();
  }
  // Until a value is there, or some seconds are over.
  std::optional<std::uint64_t> eventually(const char* metric, const char* mount) {
    for (int attempt = 0; attempt < 200; ++attempt) {
      scan();
      if (const auto found = value(metric, mount)) {
        return found;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return std::nullopt;
  }

  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    bool held = false;
    int asked = 0;
    std::uint64_t freeFiles = 7;
  };
  std::shared_ptr<State> state = std::make_shared<State>();
  TempDir machine;
  SeriesTable series{1000};
  Reader reader{FdBudget(10)};
  Notes notes;
  std::uint64_t count = 0;
  std::unique_ptr<FileSystems> collector;
};

TEST(FileSystems, AreThereWithTheFirstScan) {
  Host host;
  host.scan();
  EXPECT_EQ(host.value("fs.size", "/"), 1000u);
  EXPECT_EQ(host.value("fs.free", "/slow"), 400u);
  EXPECT_EQ(host.value("fs.avail", "/"), 300u);
  EXPECT_EQ(host.value("fs.files", "/"), 50u);
  EXPECT_EQ(host.value("fs.files_free", "/"), 7u);
}

TEST(FileSystems, ThatHangLoseOnlyThemselvesAndComeBack) {
  Host host;
  host.hold(true);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 12; ++i) {
    host.scan();
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  EXPECT_EQ(host.eventually("fs.size", "/"), 1000u);
  EXPECT_FALSE(host.value("fs.size", "/slow"));
  EXPECT_EQ(host.notes.take(),
            (std::vector<std::string>{"file system /slow does not answer; it is left out until it does"}));
  host.hold(false);
  EXPECT_EQ(host.eventually("fs.size", "/slow"), 1000u);
}

TEST(FileSystems, ComeBackEvenWhereThereIsNoOther) {
  Host host;
  host.machine.write("self/mountinfo", "23 1 8:2 / /slow rw - nfs4 s:/x rw\n");
  host.hold(true);
  for (int i = 0; i < 12; ++i) {
    host.scan();
  }
  EXPECT_FALSE(host.value("fs.size", "/slow"));
  host.hold(false);
  EXPECT_EQ(host.eventually("fs.size", "/slow"), 1000u);
}

TEST(FileSystems, ThatAreUnmountedAreMissing) {
  Host host;
  host.scan();
  host.machine.write("self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/a rw\n");
  host.collector = std::make_unique<FileSystems>(host.machine.path, [](const std::string&) { return std::optional(FileSystemUse{}); });
  host.count = 0;
  host.scan();
  EXPECT_EQ(host.value("fs.size", "/"), 0u);
  EXPECT_FALSE(host.value("fs.size", "/slow"));
}

TEST(FileSystems, CanBeLeftWhileOneHangs) {
  auto state = [] {
    Host host;
    host.hold(true);
    host.scan();
    return host.state;
  }();
  std::lock_guard lock(state->mutex);
  state->held = false;
  state->changed.notify_all();
}

} // namespace
