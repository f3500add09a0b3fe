#include "history/series.hpp"

namespace stellwerk {

using namespace codec;

void SeriesCode::append(BlockPool& pool, Kind kind, std::uint32_t scan, std::uint64_t word, std::uint32_t oldest) {
  if (open_ == kNoBlock) {
    openBlock(pool, BlockPool::Size::Small, scan, firstPlan(kind, word));
    first_ = open_;
    end_ = scan;
  } else if (scan > end_) {
    flushRun(pool);
    const Bits gap = codeGap(scan - end_);
    if (!fits(pool, gap)) {
      openBlock(pool, BlockPool::sizeAfter(open_), end_, planAfter(pool[open_], kind));
    }
    write(pool, gap);
    end_ = scan;
  }
  if (pool[open_].samples == Block::kMostSamples) {
    flushRun(pool);
    openBlock(pool, BlockPool::Size::Small, scan, planAfter(pool[open_], kind));
  }
  // The second time is the same sample in a fresh block, which has room for every operation.
  while (!encode(pool, word)) {
    openBlock(pool, BlockPool::sizeAfter(open_), scan, planAfter(pool[open_], kind));
  }
  end_ = scan + 1;
  ++samples_;
  ++pool[open_].samples;
  trim(pool, oldest);
}

// False: there is no room for it in this block.
bool SeriesCode::encode(BlockPool& pool, std::uint64_t word) {
  const Mode mode = Mode::unpack(pool[open_].mode);
  std::uint64_t value = word;
  const bool onScale = mode.coder != Coder::Decimal || toDecimal(word, mode.exponent, value);
  const std::uint64_t predicted = track_.predict();
  if (onScale && value == predicted) {
    ++run_;
    track_.last = value;
    return true;
  }
  flushRun(pool);

  Bits op;
  Window window = window_;
  std::uint64_t residual = kMostResidual;
  if (mode.coder == Coder::Xor) {
    op = codeXor(value ^ predicted, window);
  } else if (onScale) {
    const unsigned shift = pool[open_].shift;
    const std::uint64_t difference = value - predicted;
    if (lowBits(difference, shift) == 0) {
      residual = zigzag(static_cast<std::uint64_t>(static_cast<std::int64_t>(difference) >> shift)) - 1;
    }
    if (residual < kMostResidual) {
      op = codeResidual(residual, order_.value());
    }
  }
  const bool literal = op.size == 0 || op.size > kLiteralBits;
  if (literal) {
    op = codeWord(word);
  }
  if (!fits(pool, op)) {
    return false;
  }
  write(pool, op);
  if (!literal) {
    window_ = window;
    if (mode.coder != Coder::Xor) {
      order_.learn(residual);
    }
  }
  // A float that is no short decimal has no place on the predictor's scale (walk.hpp).
  if (!literal || mode.coder != Coder::Decimal) {
    track_.follow(mode.predictor, value);
  }
  return true;
}

void SeriesCode::openBlock(BlockPool& pool, BlockPool::Size size, std::uint32_t scan, const Plan& plan) {
  const std::uint32_t index = pool.take(size);
  Block& block = pool[index];
  block.firstScan = scan;
  block.mode = plan.mode.pack();
  block.shift = plan.shift;
  block.order = plan.order;
  block.setBase(plan.start.last);
  if (open_ != kNoBlock) {
    pool[open_].next = index;
  }
  open_ = index;
  track_ = plan.start;
  order_ = Order(plan.order);
  window_ = {};
  if (plan.mode.predictor != Predictor::Last) {
    write(pool, codeStep(plan.start.step));
  }
}

void SeriesCode::flushRun(BlockPool& pool) {
  if (run_ == 0) {
    return;
  }
  const Bits op = codeRun(run_);
  if (!fits(pool, op)) {
    // The run moves to a new block of the same mode, which starts where the run did.
    Block& full = pool[open_];
    full.samples = static_cast<std::uint16_t>(full.samples - run_);
    const Track end = track_;
    const Plan plan{Mode::unpack(full.mode), full.shift, static_cast<std::uint8_t>(order_.value()),
                    {end.last - end.step * run_, end.step}};
    openBlock(pool, BlockPool::sizeAfter(open_), end_ - run_, plan);
    pool[open_].samples = static_cast<std::uint16_t>(run_);
    track_ = end;
  }
  write(pool, op);
  run_ = 0;
}

bool SeriesCode::fits(const BlockPool& pool, const Bits& op) const noexcept {
  return pool[open_].used + op.size <= BlockPool::capacity(open_);
}

void SeriesCode::write(BlockPool& pool, const Bits& op) noexcept {
  Block& block = pool[open_];
  writeBits(block.bytes(), block.used, op);
  block.used = static_cast<std::uint16_t>(block.used + op.size);
}

void SeriesCode::trim(BlockPool& pool, std::uint32_t oldest) noexcept {
  while (first_ != open_ && pool[pool[first_].next].firstScan <= oldest) {
    const std::uint32_t next = pool[first_].next;
    samples_ -= pool[first_].samples;
    pool.give(first_);
    first_ = next;
  }
}

Block& SeriesCode::adopt(BlockPool& pool, std::uint32_t openRun) {
  const std::uint32_t index = pool.take(BlockPool::Size::Large);
  (open_ == kNoBlock ? first_ : pool[open_].next) = index;
  open_ = index;
  run_ = openRun;
  return pool[index];
}

void SeriesCode::clear(BlockPool& pool) noexcept {
  while (first_ != kNoBlock) {
    const std::uint32_t next = pool[first_].next;
    pool.give(first_);
    first_ = next;
  }
  *this = SeriesCode{};
}

} // namespace stellwerk
