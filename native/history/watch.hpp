// Whether a series does what it did in its hour: a marker per series, kept with each sample.
//
// What is watched is the value of a level and the rate of a counter. Mean and mean absolute deviation are kept as
// exponentially weighted averages (Roberts 1959) over about kMemory samples, and a sample further off than kClip
// deviations counts as one that is just so far off: a fault does not teach that faults are usual. The score is the
// distance from the mean in standard deviations (of a normal distribution with that mean deviation); a series is
// anomalous when it was beyond kBeyond, on the same side, for kInARow scans. A level that stays where it has gone is
// usual again after some minutes.
#pragma once

#include "history/kind.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace stellwerk {

class Watch {
public:
  static constexpr std::uint16_t kWarmUp = 150; // samples: five minutes at 2 s
  static constexpr float kMemory = 450;         // samples: a quarter of an hour at 2 s
  static constexpr float kClip = 4;
  static constexpr float kBeyond = 10;
  static constexpr std::uint8_t kInARow = 5;

  // `seconds` since the sample before, of a counter.
  void see(Kind kind, std::uint64_t word, double seconds, std::uint32_t scan) noexcept {
    double value = kind == Kind::Float     ? std::bit_cast<double>(word)
                   : kind == Kind::Counter ? static_cast<double>(word)
                                           : static_cast<double>(static_cast<std::int64_t>(word));
    constexpr double kMost = 1e30; // nothing that is measured; its square is still a number
    if (!(std::abs(value) < kMost)) {
      return;
    }
    if (kind == Kind::Counter) {
      const double step = value - last_;
      last_ = value;
      // The first one has no rate, nor has one that was reset.
      if (!begun_ || step < 0 || seconds <= 0) {
        begun_ = true;
        return;
      }
      value = step / seconds;
    }
    if (seen_ == 0) {
      mean_ = value;
    }
    const double off = value - mean_;
    // A step of one in what hardly moves is no news, nor are three hundredths of what is large.
    const double least = std::max(std::abs(mean_) * 0.03, kind == Kind::Float ? 1e-9 : 1.0);
    const double deviation = std::max<double>(deviation_, least);
    constexpr double kOfNormal = 1.2533; // standard deviation / mean absolute deviation
    const double score = std::clamp(off / (deviation * kOfNormal), -1e6, 1e6);
    const bool warm = seen_ >= kWarmUp;
    const bool beyond = warm && std::abs(score) > kBeyond && (inARow_ == 0 || (score > 0) == (score_ > 0));
    if (beyond && inARow_ == 0) {
      since_ = scan;
    }
    inARow_ = beyond ? static_cast<std::uint8_t>(std::min(inARow_ + 1, 255)) : std::uint8_t{0};
    score_ = static_cast<float>(score);
    const double learned = warm ? std::clamp(off, -kClip * deviation, kClip * deviation) : off;
    seen_ = static_cast<std::uint16_t>(std::min(seen_ + 1, 60'000));
    const double share = 1 / std::min<double>(seen_, kMemory);
    mean_ += share * learned;
    deviation_ += static_cast<float>(share * (std::abs(learned) - deviation_));
  }

  bool anomalous() const noexcept { return inARow_ >= kInARow; }
  // Standard deviations from the mean; below 0: less than usual.
  float score() const noexcept { return score_; }
  // The scan in which it began.
  std::uint32_t since() const noexcept { return since_; }

private:
  double last_ = 0; // of a counter
  double mean_ = 0;
  float deviation_ = 0;
  float score_ = 0;
  std::uint32_t since_ = 0;
  std::uint16_t seen_ = 0;
  std::uint8_t inARow_ = 0;
  bool begun_ = false;
};

} // namespace stellwerk
