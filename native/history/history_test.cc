#include "history/floats.hpp"
#include "history/history.hpp"

#include "history/watch.hpp"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <functional>
#include <limits>
#include <optional>
#include <random>

namespace stellwerk {
namespace {

using Samples = std::vector<std::optional<std::uint64_t>>;

// Appends, reads the whole and some windows back, and compares every bit.
void expectRoundTrip(Kind kind, const Samples& samples) {
  History history(1'000'000'000);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    history.beginScan(static_cast<std::int64_t>(i) * 2000);
    if (samples[i]) {
      history.append(0, kind, *samples[i]);
    }
  }
  auto total = static_cast<std::uint32_t>(samples.size());
  for (std::uint32_t from : {0u, total / 3, total / 2, total - 1}) {
    for (std::uint32_t to : {total, (from + total) / 2}) {
      Samples back(total);
      history.read(0, from, to, [&](std::uint32_t scan, std::uint64_t word) {
        ASSERT_GE(scan, from);
        ASSERT_LT(scan, to);
        ASSERT_FALSE(back[scan].has_value());
        back[scan] = word;
      });
      for (std::uint32_t scan = from; scan < to; ++scan) {
        ASSERT_EQ(back[scan], samples[scan]) << "scan " << scan << " of [" << from << ", " << to << ")";
      }
    }
  }
}

std::uint64_t bits(double value) { return std::bit_cast<std::uint64_t>(value); }

Samples generate(std::size_t count, std::mt19937_64& random, double gaps, const std::function<std::uint64_t()>& next) {
  Samples samples;
  while (samples.size() < count) {
    if (std::generate_canonical<double, 32>(random) < gaps) {
      std::size_t length = random() % 3 == 0 ? 1 + random() % 1000 : 1 + random() % 32;
      samples.resize(std::min(count, samples.size() + length));
    } else {
      samples.emplace_back(next());
    }
  }
  return samples;
}

TEST(History, ReturnsIntegersBitForBit) {
  std::mt19937_64 random(20261124);
  const std::uint64_t extremes[] = {0,
                                    1,
                                    std::numeric_limits<std::uint64_t>::max(),
                                    static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::min()),
                                    static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())};
  for (int round = 0; round < 200; ++round) {
    std::uint64_t value = random() >> random() % 64;
    std::uint64_t grain = std::uint64_t{1} << random() % 14;
    unsigned width = static_cast<unsigned>(random() % 40);
    unsigned style = static_cast<unsigned>(random() % 6);
    auto next = [&]() -> std::uint64_t {
      switch (random() % 50 == 0 ? 5 : style) {
      case 0: // a level that walks
        value += (random() % (2u << width % 20) - (1u << width % 20)) * grain;
        break;
      case 1: // a steady counter
        value += 200 + random() % 3;
        break;
      case 2: // mostly constant
        value += random() % 20 == 0 ? grain : 0;
        break;
      case 3: // a counter that is reset
        value = random() % 100 == 0 ? 0 : value + (random() >> (24 + width));
        break;
      case 4: // noise
        value = random() >> width;
        break;
      default:
        value = extremes[random() % std::size(extremes)];
      }
      return value;
    };
    for (Kind kind : {Kind::Counter, Kind::Integer}) {
      expectRoundTrip(kind, generate(1 + random() % 3000, random, round % 3 == 0 ? 0.01 : 0.0, next));
      if (HasFatalFailure()) {
        FAIL() << "round " << round;
      }
    }
  }
}

TEST(History, ReturnsFloatsBitForBit) {
  std::mt19937_64 random(7);
  const double extremes[] = {0.0, -0.0, std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(),
                             std::numeric_limits<double>::max(), std::numeric_limits<double>::denorm_min(), 0.1, 1e300,
                             9007199254740992.0, 9007199254740993.0};
  for (int round = 0; round < 200; ++round) {
    double value = static_cast<double>(random() % 100000) / 100;
    unsigned style = static_cast<unsigned>(random() % 7);
    double grain = std::pow(10, random() % 12);
    auto next = [&]() -> std::uint64_t {
      switch (random() % 50 == 0 ? 4 : style) {
      case 5: // decimals of some length, which changes now and then
        grain = random() % 300 == 0 ? std::pow(10, random() % 12) : grain;
        value = std::round((value + std::generate_canonical<double, 53>(random)) * grain) / grain;
        break;
      case 6: // turns from one kind into another
        value = random() % 400 < 200 ? value + 0.25 : std::sqrt(std::fabs(value)) + 1;
        style = random() % 100 == 0 ? static_cast<unsigned>(random() % 7) : style;
        break;
      case 0: // as the kernel prints
        value = std::round(value * 100 + static_cast<double>(random() % 7) - 3) / 100;
        break;
      case 1: // uptime
        value = std::round(value * 100 + 200) / 100;
        break;
      case 2: // any double
        value = std::bit_cast<double>(random());
        if (std::isnan(value)) {
          value = 1;
        }
        break;
      case 3:
        value += std::generate_canonical<double, 53>(random);
        break;
      default:
        value = extremes[random() % std::size(extremes)];
      }
      return bits(value);
    };
    expectRoundTrip(Kind::Float, generate(1 + random() % 3000, random, round % 3 == 0 ? 0.01 : 0.0, next));
    if (HasFatalFailure()) {
      FAIL() << "round " << round;
    }
  }
}

TEST(History, ReturnsSeriesThatHardlyEverChange) {
  for (std::uint64_t step : {0u, 7u}) {
    Samples samples;
    for (std::uint64_t i = 0; i < 200'000; ++i) {
      samples.emplace_back(i < 150'000 ? 5 + i * step : i * (step + 1));
    }
    expectRoundTrip(Kind::Counter, samples);
  }
}

TEST(Watch, SurvivesAnySampleAndTakesNoResetForAnAnomaly) {
  std::mt19937_64 random(11);
  for (Kind kind : {Kind::Counter, Kind::Integer, Kind::Float}) {
    Watch watch;
    for (std::uint32_t scan = 0; scan < 10'000; ++scan) {
      watch.see(kind, random() >> random() % 64, static_cast<double>(random() % 5), scan);
      ASSERT_TRUE(std::isfinite(watch.score()));
    }
  }
  Watch watch;
  std::uint64_t count = 0;
  for (std::uint32_t scan = 0; scan < 2000; ++scan) {
    count = scan % 100 == 99 ? 0 : count + 50 + random() % 10;
    watch.see(Kind::Counter, count, 2, scan);
    ASSERT_FALSE(watch.anomalous());
  }
}

TEST(Watch, TakesANewLevelForUsualAfterSomeMinutes) {
  std::mt19937_64 random(12);
  Watch watch;
  std::uint32_t scan = 0;
  for (; scan < 1000; ++scan) {
    watch.see(Kind::Integer, 10'000 + random() % 100, 2, scan);
  }
  std::uint32_t marked = 0;
  for (; scan < 2000; ++scan) {
    watch.see(Kind::Integer, 50'000 + random() % 100, 2, scan);
    marked += watch.anomalous() ? 1 : 0;
  }
  EXPECT_GT(marked, 10u);
  EXPECT_LT(marked, 900u);
  EXPECT_FALSE(watch.anomalous());
}

TEST(History, TakesNanForAMissingSample) {
  History history(1'000'000);
  history.beginScan(1);
  history.append(0, Kind::Float, bits(1.5));
  history.beginScan(2);
  history.append(0, Kind::Float, bits(std::numeric_limits<double>::quiet_NaN()));
  history.beginScan(3);
  history.append(0, Kind::Float, bits(2.5));
  std::vector<std::uint32_t> scans;
  history.read(0, 0, 3, [&](std::uint32_t scan, std::uint64_t) { scans.push_back(scan); });
  EXPECT_EQ(scans, (std::vector<std::uint32_t>{0, 2}));
}

TEST(History, KeepsExactlyTheMissingScans) {
  for (std::uint32_t missing : {1u, 31u, 32u, 1000u}) {
    History history(1'000'000'000);
    for (std::uint32_t scan = 0; scan < missing + 2; ++scan) {
      history.beginScan(scan + 1);
      if (scan == 0 || scan == missing + 1) {
        history.append(0, Kind::Integer, scan);
      }
    }
    std::vector<std::uint32_t> scans;
    history.read(0, 0, missing + 2, [&](std::uint32_t scan, std::uint64_t) { scans.push_back(scan); });
    EXPECT_EQ(scans, (std::vector<std::uint32_t>{0, missing + 1}));
  }
}

TEST(History, ReadsPlainNumbersFromTheAskedScanBack) {
  History history(1'000'000);
  for (std::int64_t scan = 0; scan < 5; ++scan) {
    history.beginScan(scan * 2000);
    if (scan != 2) {
      history.append(0, Kind::Integer, static_cast<std::uint64_t>(-scan));
    }
  }
  std::array<double, 6> numbers{};
  // The newest scan has come since the question was asked.
  ASSERT_TRUE(readFloats(history, 0, Kind::Integer, 6000, numbers));
  EXPECT_EQ(numbers[0], -3);
  EXPECT_TRUE(std::isnan(numbers[1]));
  EXPECT_EQ(numbers[2], -1);
  EXPECT_EQ(numbers[3], 0);
  EXPECT_TRUE(std::isnan(numbers[4]) && std::isnan(numbers[5])); // before there were any
  EXPECT_FALSE(readFloats(history, 0, Kind::Integer, 6001, numbers));
}

TEST(History, ReadsNoPlainNumbersBeyondWhatTheyHoldExactly) {
  constexpr std::uint64_t kMost = (std::uint64_t{1} << 53) - 1;
  const auto exact = [](Kind kind, std::uint64_t word) {
    History history(1'000'000);
    history.beginScan(2000);
    history.append(0, kind, word);
    double number = 0;
    return readFloats(history, 0, kind, 2000, {&number, 1});
  };
  EXPECT_TRUE(exact(Kind::Counter, kMost));
  EXPECT_FALSE(exact(Kind::Counter, kMost + 1));
  EXPECT_FALSE(exact(Kind::Counter, ~std::uint64_t{0}));
  EXPECT_TRUE(exact(Kind::Integer, -kMost));
  EXPECT_FALSE(exact(Kind::Integer, -kMost - 1));
  EXPECT_TRUE(exact(Kind::Float, bits(1e300)));
}

TEST(History, DropsWhatIsOlderThanItKeepsAndThenNeedsNoMoreMemory) {
  constexpr std::uint32_t kSeries = 50;
  History history(3'600'000);
  std::mt19937_64 random(3);
  std::size_t held = 0;
  for (std::uint32_t scan = 0; scan < 9000; ++scan) {
    history.beginScan(std::int64_t{scan} * 2000);
    for (std::uint32_t id = 0; id < kSeries; ++id) {
      history.append(id, Kind::Integer, random() % 1000 * id);
    }
    if (scan == 4000) {
      held = history.blockBytesHeld();
    }
  }
  EXPECT_EQ(history.timeline().end() - history.timeline().first(), 1801u);
  EXPECT_EQ(history.blockBytesHeld(), held);
  EXPECT_LT(history.samples(), std::uint64_t{kSeries} * 1801 * 12 / 10);
  std::uint32_t count = 0;
  history.read(7, history.timeline().first(), history.timeline().end(), [&](auto, auto) { ++count; });
  EXPECT_EQ(count, 1801u);
}

TEST(History, GivesAnErasedSeriesBlocksBack) {
  History history(3'600'000);
  for (std::uint32_t scan = 0; scan < 500; ++scan) {
    history.beginScan(scan + 1);
    history.append(3, Kind::Counter, std::uint64_t{scan} * scan * 977);
  }
  std::size_t before = history.bytes();
  history.erase(3);
  EXPECT_LT(history.bytes(), before);
  EXPECT_EQ(history.samples(), 0u);
  history.append(3, Kind::Float, bits(-0.0));
  std::vector<std::uint64_t> words;
  history.read(3, 0, 500, [&](std::uint32_t, std::uint64_t word) { words.push_back(word); });
  EXPECT_EQ(words, (std::vector<std::uint64_t>{bits(-0.0)}));
}

} // namespace
} // namespace stellwerk
