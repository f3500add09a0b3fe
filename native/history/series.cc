#include "history/series.hpp"

#include <algorithm>

namespace stellwerk {

using namespace codec;

namespace {
constexpr std::uint8_t kMostlyDecimal = 6; // of 8: below it XOR is cheaper than the 9 bytes of each exception
}

void SeriesCode::append(BlockPool& pool, Kind kind, std::uint32_t scan, std::uint64_t word, std::uint32_t oldest) {
  if (open_ == kNoBlock) {
    if (kind == Kind::Float) {
      std::uint64_t scaled = 0;
      decimals_ = toDecimal(word, exponent_, scaled) ? 8 : 0;
    }
    chooseMode(kind, word);
    openBlock(pool, scan, last_, 0);
    first_ = open_;
    end_ = scan;
  } else if (scan > end_) {
    flushRun(pool);
    Bytes gap = codeGap(scan - end_);
    if (!fits(pool, gap)) {
      openBlock(pool, end_, last_, step_);
    }
    write(pool, gap);
    end_ = scan;
  }
  encode(pool, kind, scan, word);
  learn(kind, word);
  word_ = word;
  end_ = scan + 1;
  ++samples_;
  ++pool[open_].samples;
  trim(pool, oldest);
}

void SeriesCode::encode(BlockPool& pool, Kind kind, std::uint32_t scan, std::uint64_t word) {
  // The second round is the same sample in a fresh block, whose mode may be another one.
  for (int round = 0;; ++round) {
    Bytes op;
    std::uint64_t scaled = word;
    bool literal = mode_.coder == Coder::Decimal && !toDecimal(word, mode_.exponent, scaled);
    if (literal) {
      op = codeWord(word);
    } else if (scaled == predict()) {
      ++run_;
      step_ = mode_.stepped ? step_ : 0;
      last_ = scaled;
      return;
    } else if (mode_.coder == Coder::Xor) {
      op = codeXor(scaled ^ last_);
    } else {
      std::uint64_t residual = scaled - predict();
      bool multiple = (residual & ((std::uint64_t{1} << shift_) - 1)) == 0;
      op = multiple ? codeSymbol(zigzag(static_cast<std::uint64_t>(static_cast<std::int64_t>(residual) >> shift_)))
                    : Bytes{};
      if (!multiple) {
        // Decimal literals leave the predictor alone, so there the shift stays 0 (chooseMode).
        op = codeWord(scaled);
      }
    }
    flushRun(pool);
    if (fits(pool, op) || round == 1) {
      write(pool, op);
      if (!literal) {
        step_ = scaled - last_;
        last_ = scaled;
      }
      return;
    }
    chooseMode(kind, word_);
    openBlock(pool, scan, last_, step_);
  }
}

// Picks coder, predictor and shift for the block that starts now, from what the last block saw; sets last_ to `word`
// in the new coder's scale.
void SeriesCode::chooseMode(Kind kind, std::uint64_t word) noexcept {
  Coder before = mode_.coder;
  last_ = word;
  mode_ = {};
  if (kind == Kind::Float) {
    mode_.coder = decimals_ >= kMostlyDecimal ? Coder::Decimal : Coder::Xor;
    if (mode_.coder == Coder::Decimal) {
      mode_.exponent = exponent_;
      if (!toDecimal(word, exponent_, last_)) {
        last_ = 0;
      }
    }
    if (before != mode_.coder) {
      step_ = 0;
    }
  }
  shift_ = 0;
  if (mode_.coder != Coder::Xor) {
    mode_.stepped = steppedCost_ < plainCost_;
  }
  if (mode_.coder == Coder::Integer && seenBits_ != 0) {
    shift_ = static_cast<std::uint8_t>(std::min(std::countr_zero(seenBits_), 32));
  }
  seenBits_ = 0;
  plainCost_ = 0;
  steppedCost_ = 0;
}

void SeriesCode::openBlock(BlockPool& pool, std::uint32_t scan, std::uint64_t last, std::uint64_t step) {
  std::uint32_t index = pool.take();
  Block& block = pool[index];
  block.firstScan = scan;
  block.mode = mode_.pack();
  block.shift = shift_;
  for (unsigned i = 0; i < 8; ++i) {
    block.bytes[i] = static_cast<std::uint8_t>(last >> (8 * i));
  }
  block.used = 8;
  if (open_ != kNoBlock) {
    pool[open_].next = index;
  }
  open_ = index;
  if (mode_.stepped) {
    Bytes start;
    putVarint(start, zigzag(step));
    write(pool, start);
  }
}

void SeriesCode::flushRun(BlockPool& pool) {
  if (run_ == 0) {
    return;
  }
  Bytes op = codeRun(run_);
  if (!fits(pool, op)) {
    // The run moves to a new block of the same mode, which starts where the run did.
    std::uint64_t last = mode_.stepped ? last_ - step_ * run_ : last_;
    pool[open_].samples -= run_;
    openBlock(pool, end_ - run_, last, step_);
    pool[open_].samples += run_;
  }
  write(pool, op);
  run_ = 0;
}

bool SeriesCode::fits(const BlockPool& pool, const Bytes& op) const noexcept {
  return pool[open_].used + op.size <= pool[open_].bytes.size();
}

void SeriesCode::write(BlockPool& pool, const Bytes& op) noexcept {
  Block& block = pool[open_];
  std::copy_n(op.data.begin(), op.size, block.bytes.begin() + block.used);
  block.used = static_cast<std::uint8_t>(block.used + op.size);
}

// Keeps what chooseMode needs. word_ is still the sample before.
void SeriesCode::learn(Kind kind, std::uint64_t word) noexcept {
  if (samples_ == 0) {
    return;
  }
  std::uint64_t now = word;
  std::uint64_t before = word_;
  if (kind == Kind::Float) {
    std::uint8_t exponent = exponent_;
    while (exponent <= kMaxExponent && !toDecimal(word, exponent, now)) {
      ++exponent;
    }
    bool decimal = exponent <= kMaxExponent;
    decimals_ = static_cast<std::uint8_t>(decimal ? std::min(decimals_ + 1, 8) : decimals_ > 0 ? decimals_ - 1 : 0);
    if (!decimal) {
      return;
    }
    exponent_ = exponent;
    if (!toDecimal(word_, exponent, before)) {
      return;
    }
  }
  std::uint64_t plain = now - before;
  auto add = [](std::uint16_t& cost, std::uint64_t residual) {
    cost = static_cast<std::uint16_t>(std::min(cost + symbolCost(zigzag(residual)), 60000));
  };
  add(plainCost_, plain);
  add(steppedCost_, plain - learnedStep_);
  learnedStep_ = plain;
  seenBits_ |= plain;
}

void SeriesCode::trim(BlockPool& pool, std::uint32_t oldest) noexcept {
  while (first_ != open_ && pool[pool[first_].next].firstScan <= oldest) {
    std::uint32_t next = pool[first_].next;
    samples_ -= pool[first_].samples;
    pool.give(first_);
    first_ = next;
  }
}

void SeriesCode::adopt(BlockPool& pool, const Block& block, std::uint32_t openRun) {
  const std::uint32_t index = pool.take();
  pool[index] = block;
  pool[index].next = kNoBlock;
  (open_ == kNoBlock ? first_ : pool[open_].next) = index;
  open_ = index;
  run_ = openRun;
}

void SeriesCode::clear(BlockPool& pool) noexcept {
  while (first_ != kNoBlock) {
    std::uint32_t next = pool[first_].next;
    pool.give(first_);
    first_ = next;
  }
  *this = SeriesCode{};
}

} // namespace stellwerk
