#include "history/plan.hpp"

#include <array>
#include <bit>
#include <cstdlib>
#include <span>

namespace stellwerk {

using namespace codec;

namespace {

// The kernel prints two decimals nearly everywhere.
constexpr std::uint8_t kUsualExponent = 2;
// Of the samples, an eighth may be no short decimals: each is then a literal, which costs as much as ten others.
constexpr std::size_t kOffScaleShare = 8;

// The samples of a block, thinned out where they are as predicted: there are more of them than choosing needs.
class Seen {
public:
  explicit Seen(const Block& block) : mode_(Mode::unpack(block.mode)) {
    BitReader in(block.bytes(), block.used);
    const Track start = startOf(block, in);
    before_ = asWord(start.last - start.step);
    last_ = asWord(start.last);
    add(last_);
    walk(block, *this);
  }

  bool run(Track track, std::uint32_t count) {
    for (std::uint32_t i = 0; i < std::min(count, kOfRun); ++i) {
      track.last += track.step;
      add(asWord(track.last));
    }
    if (count > kOfRun) {
      track.last += track.step * (count - kOfRun);
      last_ = asWord(track.last);
      before_ = asWord(track.last - track.step);
    }
    steps_ += count;
    return true;
  }
  bool gap(std::uint32_t) { return true; }
  bool one(std::uint64_t value) { return literal(asWord(value)); }
  bool literal(std::uint64_t word) {
    before_ = last_;
    last_ = word;
    add(word);
    ++steps_;
    return true;
  }

  std::span<const std::uint64_t> words() const noexcept { return {words_.data(), size_}; }
  std::uint64_t first() const noexcept { return words_[0]; }
  std::uint64_t before() const noexcept { return before_; }
  std::uint64_t last() const noexcept { return last_; }
  std::uint32_t steps() const noexcept { return steps_; }

private:
  static constexpr std::uint32_t kOfRun = 8;

  std::uint64_t asWord(std::uint64_t value) const noexcept {
    return mode_.coder == Coder::Decimal ? fromDecimal(value, mode_.exponent) : value;
  }
  void add(std::uint64_t word) noexcept {
    if (size_ < words_.size()) {
      words_[size_++] = word;
    }
  }

  Mode mode_;
  std::array<std::uint64_t, 192> words_;
  std::size_t size_ = 0;
  std::uint64_t before_ = 0;
  std::uint64_t last_ = 0;
  std::uint32_t steps_ = 0;
};

// The smallest exponent with which nearly all are short decimals; kMaxExponent + 1: there is none.
std::uint8_t decimalExponent(std::span<const std::uint64_t> words) noexcept {
  std::array<std::size_t, kMaxExponent + 2> needed{};
  for (const std::uint64_t word : words) {
    std::uint8_t exponent = 0;
    for (std::uint64_t scaled = 0; exponent <= kMaxExponent && !toDecimal(word, exponent, scaled);) {
      ++exponent;
    }
    ++needed[exponent];
  }
  std::size_t beyond = words.size();
  for (std::uint8_t exponent = 0; exponent <= kMaxExponent; ++exponent) {
    beyond -= needed[exponent];
    if (beyond * kOffScaleShare <= words.size()) {
      return exponent;
    }
  }
  return kMaxExponent + 1;
}

// About twice the bits that a residual takes.
std::uint32_t cost(std::uint64_t difference, unsigned shift) noexcept {
  const std::uint64_t symbol = zigzag(static_cast<std::uint64_t>(static_cast<std::int64_t>(difference) >> shift));
  return symbol == 0 ? 1 : 2 + 2 * static_cast<std::uint32_t>(std::bit_width(symbol));
}

} // namespace

Plan firstPlan(Kind kind, std::uint64_t word) noexcept {
  Plan plan;
  plan.start.last = word;
  if (kind == Kind::Float) {
    const bool decimal = toDecimal(word, kUsualExponent, plan.start.last);
    plan.mode.coder = decimal ? Coder::Decimal : Coder::Xor;
    plan.mode.exponent = decimal ? kUsualExponent : std::uint8_t{0};
  }
  return plan;
}

Plan planAfter(const Block& block, Kind kind) noexcept {
  const Seen seen(block);
  Plan plan;
  if (kind == Kind::Float) {
    const std::uint8_t exponent = decimalExponent(seen.words());
    plan.mode.coder = exponent <= kMaxExponent ? Coder::Decimal : Coder::Xor;
    plan.mode.exponent = exponent <= kMaxExponent ? exponent : std::uint8_t{0};
  }
  auto scaled = [&plan](std::uint64_t word, std::uint64_t otherwise) {
    if (plan.mode.coder != Coder::Decimal) {
      return word;
    }
    std::uint64_t value = otherwise;
    return toDecimal(word, plan.mode.exponent, value) ? value : otherwise;
  };
  const std::uint64_t first = scaled(seen.first(), 0);
  plan.start.last = scaled(seen.last(), first);
  if (plan.mode.coder == Coder::Xor) {
    return plan;
  }

  std::uint64_t bits = 0;
  std::uint64_t value = first;
  for (const std::uint64_t word : seen.words()) {
    const std::uint64_t next = scaled(word, value);
    bits |= next - value;
    value = next;
  }
  // Decimal literals leave the predictor where it is, so there everything must be a multiple.
  plan.shift = static_cast<std::uint8_t>(bits == 0 || plan.mode.coder == Coder::Decimal ? 0 : std::countr_zero(bits));

  const auto rise = static_cast<std::int64_t>(plan.start.last - first);
  const std::int64_t mean = seen.steps() == 0 ? 0 : rise / std::int64_t{seen.steps()};
  const std::uint64_t fixed = static_cast<std::uint64_t>(mean) >> plan.shift << plan.shift;
  std::array<std::uint32_t, 3> costs{};
  std::uint64_t step = 0;
  value = first;
  bool begun = false;
  for (const std::uint64_t word : seen.words()) {
    const std::uint64_t next = scaled(word, value);
    const std::uint64_t difference = next - value;
    if (begun) {
      costs[0] += cost(difference, plan.shift);
      costs[1] += cost(difference - step, plan.shift);
      costs[2] += cost(difference - fixed, plan.shift);
    }
    begun = true;
    step = difference;
    value = next;
  }
  const auto best = static_cast<std::size_t>(std::min_element(costs.begin(), costs.end()) - costs.begin());
  plan.mode.predictor = static_cast<Predictor>(best);
  const std::uint64_t lastStep = plan.start.last - scaled(seen.before(), plan.start.last);
  plan.start.step = best == 0 ? 0 : best == 1 ? lastStep : fixed;
  const std::size_t count = seen.words().size();
  const std::uint32_t width = count < 2 ? 0 : costs[best] / 2 / static_cast<std::uint32_t>(count - 1);
  plan.order = static_cast<std::uint8_t>(std::min(width > 2 ? width - 2 : 0, kMaxOrder));
  return plan;
}

} // namespace stellwerk
