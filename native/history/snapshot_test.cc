#include "history/snapshot.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <map>
#include <random>

namespace stellwerk {
namespace {

using Words = std::map<std::int64_t, std::uint64_t>; // by stamp
using Contents = std::map<std::string, std::pair<Kind, Words>>;

// A history of all kinds of series, with gaps, resets and extremes.
struct Recorded {
  explicit Recorded(std::uint64_t seed, std::uint32_t scans) {
    std::mt19937_64 random(seed);
    for (std::uint32_t scan = 0; scan < scans; ++scan) {
      const std::int64_t stamp = 1'700'000'000'000 + scan * 2000 + static_cast<std::int64_t>(random() % 3);
      history.beginScan(stamp);
      for (std::uint32_t id = 0; id < 9; ++id) {
        if (random() % 20 == 0) {
          continue;
        }
        const Kind kind = static_cast<Kind>(id % 3);
        std::uint64_t word = id < 3 ? 5 : id < 6 ? scan * 977 + random() % 5 : random() >> random() % 64;
        if (kind == Kind::Float) {
          word = std::bit_cast<std::uint64_t>(static_cast<double>(word) / 100);
        }
        history.append(id, kind, word);
        contents["key" + std::to_string(id)].first = kind;
        contents["key" + std::to_string(id)].second[stamp] = word;
      }
    }
  }
  std::vector<std::uint8_t> save() const {
    SnapshotWriter writer(history.timeline());
    for (const auto& [key, value] : contents) {
      history.save(static_cast<std::uint32_t>(key.back() - '0'), key, value.first, writer);
    }
    return writer.finish();
  }
  History history{3'600'000'000};
  Contents contents;
};

// Null: damaged.
std::optional<Contents> read(std::span<const std::uint8_t> bytes) {
  SnapshotReader reader;
  if (reader.open(bytes) != nullptr) {
    return std::nullopt;
  }
  Contents contents;
  for (std::uint32_t i = 0; i < reader.series(); ++i) {
    std::pair<Kind, Words>* into = nullptr;
    const bool sound = reader.next(
        [&](const SnapshotReader::Series& series) {
          into = &contents[std::string(series.key)];
          into->first = series.kind;
        },
        [&](std::uint32_t scan, std::uint64_t word) { into->second[reader.stamps().at(scan)] = word; });
    if (!sound) {
      return std::nullopt;
    }
  }
  return contents;
}

void fixChecksum(std::vector<std::uint8_t>& bytes) {
  const std::uint32_t sum = crc32c(std::span(bytes).first(bytes.size() - sizeof sum));
  std::memcpy(bytes.data() + bytes.size() - sizeof sum, &sum, sizeof sum);
}

TEST(Snapshot, HasTheChecksumOfTheStandard) {
  const std::string text = "123456789";
  EXPECT_EQ(crc32c({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}), 0xe3069283u);
}

TEST(Snapshot, GivesBackEachSampleBitForBit) {
  for (std::uint32_t scans : {0u, 1u, 2u, 40u, 1800u}) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      const Recorded recorded(seed, scans);
      const auto back = read(recorded.save());
      ASSERT_TRUE(back.has_value());
      ASSERT_EQ(*back, recorded.contents) << "seed " << seed << ", " << scans << " scans";
    }
  }
}

TEST(Snapshot, IsNotReadFurtherThanItsScans) {
  Recorded recorded(1, 50);
  SnapshotWriter writer(recorded.history.timeline());
  recorded.history.beginScan(1'700'001'000'000);
  recorded.history.append(4, Kind::Integer, 1);
  recorded.history.save(4, "key4", Kind::Integer, writer);
  EXPECT_EQ(read(writer.finish())->at("key4"), recorded.contents.at("key4"));
}

TEST(Snapshot, IsRefusedWhereverItIsCutOrChanged) {
  const auto bytes = Recorded(2, 30).save();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(read(std::span(bytes).first(size)));
  }
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    auto damaged = bytes;
    damaged[at] ^= 0x10;
    EXPECT_FALSE(read(damaged)) << "byte " << at;
  }
}

TEST(Snapshot, SurvivesBytesOfAnyKindBehindARightChecksum) {
  std::mt19937_64 random(7);
  const auto bytes = Recorded(3, 200).save();
  int taken = 0;
  for (int round = 0; round < 20'000; ++round) {
    auto damaged = bytes;
    if (round % 4 == 0) {
      damaged.resize(12 + random() % (damaged.size() - 12));
    }
    for (std::uint64_t left = 1 + random() % 8; left > 0; --left) {
      // Behind the magic; half of them where the headers are.
      const std::size_t range = random() % 2 == 0 ? std::min<std::size_t>(damaged.size(), 2000) : damaged.size();
      damaged[8 + random() % (range - 8)] = static_cast<std::uint8_t>(random());
    }
    fixChecksum(damaged);
    taken += read(damaged).has_value() ? 1 : 0;
  }
  EXPECT_GT(taken, 0); // otherwise nothing behind the header was reached
}

} // namespace
} // namespace stellwerk
