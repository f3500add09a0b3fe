// One series' coded past: a chain of blocks and the encoder's state at its end.
#pragma once

#include "history/block.hpp"
#include "history/codec.hpp"
#include "history/kind.hpp"

#include <algorithm>

namespace stellwerk {

class SeriesCode {
public:
  // Scans between the last append and `scan` are recorded as missing. O(1); takes at most two blocks from the pool.
  // `oldest` is the first scan that anyone may still ask for: blocks that end before it are given back.
  void append(BlockPool& pool, Kind kind, std::uint32_t scan, std::uint64_t word, std::uint32_t oldest);
  void clear(BlockPool& pool) noexcept;

  bool empty() const noexcept { return open_ == kNoBlock; }
  // The scan after the newest sample.
  std::uint32_t end() const noexcept { return end_; }
  std::uint32_t samples() const noexcept { return samples_; }

  // Calls sink(scan, word) for each present sample of [from, to), oldest first.
  template <class Sink> void decode(const BlockPool& pool, std::uint32_t from, std::uint32_t to, Sink sink) const;

  // For a snapshot: the blocks from the oldest, and the samples as predicted that stand in none of them yet.
  template <class Sink> void eachBlock(const BlockPool& pool, Sink sink) const {
    for (std::uint32_t index = first_; index != kNoBlock; index = pool[index].next) {
      sink(pool[index]);
    }
  }
  std::uint32_t openRun() const noexcept { return run_; }
  // Puts a checked block behind what is there. Such a series can be decoded, not appended to.
  void adopt(BlockPool& pool, const Block& block, std::uint32_t openRun);

private:
  std::uint64_t predict() const noexcept { return mode_.stepped ? last_ + step_ : last_; }
  void openBlock(BlockPool& pool, std::uint32_t scan, std::uint64_t last, std::uint64_t step);
  void chooseMode(Kind kind, std::uint64_t word) noexcept;
  void flushRun(BlockPool& pool);
  void write(BlockPool& pool, const codec::Bytes& op) noexcept;
  bool fits(const BlockPool& pool, const codec::Bytes& op) const noexcept;
  void encode(BlockPool& pool, Kind kind, std::uint32_t scan, std::uint64_t word);
  void learn(Kind kind, std::uint64_t word) noexcept;
  void trim(BlockPool& pool, std::uint32_t oldest) noexcept;

  std::uint64_t word_ = 0; // newest sample as it came
  std::uint64_t last_ = 0; // predictor: the newest in the coder's own scale
  std::uint64_t step_ = 0;
  std::uint64_t learnedStep_ = 0; // between the two newest samples
  std::uint64_t seenBits_ = 0; // all steps since the block's start, or-ed: their common trailing zeros are the shift
  std::uint32_t first_ = kNoBlock;
  std::uint32_t open_ = kNoBlock;
  std::uint32_t end_ = 0;
  std::uint32_t run_ = 0; // samples as predicted that are not written yet
  std::uint32_t samples_ = 0;
  std::uint16_t plainCost_ = 0; // bytes that either predictor would have taken since the block's start
  std::uint16_t steppedCost_ = 0;
  codec::Mode mode_;
  std::uint8_t shift_ = 0;
  std::uint8_t exponent_ = 2; // the kernel prints two decimals nearly everywhere
  std::uint8_t decimals_ = 0; // of the last samples: how many were short decimals, 0…8
};

template <class Sink>
void SeriesCode::decode(const BlockPool& pool, std::uint32_t from, std::uint32_t to, Sink sink) const {
  using namespace codec;
  std::uint32_t index = first_;
  if (index == kNoBlock) {
    return;
  }
  while (pool[index].next != kNoBlock && pool[pool[index].next].firstScan <= from) {
    index = pool[index].next;
  }
  for (; index != kNoBlock; index = pool[index].next) {
    const Block& block = pool[index];
    Mode mode = Mode::unpack(block.mode);
    Input in{block.bytes.data()};
    const std::uint8_t* stop = block.bytes.data() + block.used;
    std::uint64_t last = in.little(8);
    std::uint64_t step = mode.stepped ? unzigzag(in.varint()) : 0;
    std::uint32_t scan = block.firstScan;

    auto emit = [&](std::uint64_t scaled) {
      if (scan >= from && scan < to) {
        sink(scan, mode.coder == Coder::Decimal ? fromDecimal(scaled, mode.exponent) : scaled);
      }
      ++scan;
    };
    auto repeat = [&](std::uint64_t count) {
      // Skip what lies before the window at once: a constant series is one run of hours.
      if (scan < from) {
        std::uint64_t skipped = std::min<std::uint64_t>(count, from - scan);
        if (mode.stepped) {
          last += step * skipped;
        }
        scan += static_cast<std::uint32_t>(skipped);
        count -= skipped;
      }
      for (; count > 0 && scan < to; --count) {
        if (mode.stepped) {
          last += step;
        }
        emit(last);
      }
      if (mode.stepped) {
        last += step * count;
      }
      scan += static_cast<std::uint32_t>(count);
    };

    while (in.at < stop && scan < to) {
      std::uint8_t head = *in.at++;
      if (head >= 0x60 && head < 0x80) {
        repeat(head - 0x60u + 1);
      } else if (head == 0xf0) {
        repeat(in.varint());
      } else if (head == 0xf1) {
        scan += static_cast<std::uint32_t>(in.varint());
      } else if (head == 0xf9) {
        std::uint64_t word = in.little(8);
        if (mode.coder == Coder::Decimal) {
          if (scan >= from && scan < to) {
            sink(scan, word);
          }
          ++scan;
        } else {
          step = word - last;
          last = word;
          emit(word);
        }
      } else if (mode.coder == Coder::Xor) {
        unsigned leading = head >> 3;
        unsigned length = (head & 7u) + 1;
        last ^= in.little(length) << (8 * (8 - leading - length));
        emit(last);
      } else {
        std::uint64_t symbol = 0;
        if (head < 0x60) {
          symbol = head + 1u;
        } else if (head < 0xc0) {
          symbol = (std::uint64_t{head & 0x3fu} << 8) + in.little(1) + 97;
        } else if (head < 0xe0) {
          symbol = (std::uint64_t{head & 0x1fu} << 16) + in.little(2) + 97;
        } else if (head < 0xf0) {
          symbol = (std::uint64_t{head & 0x0fu} << 24) + in.little(3) + 97;
        } else {
          symbol = in.little(head - 0xf0u);
        }
        std::uint64_t next = (mode.stepped ? last + step : last) + (unzigzag(symbol) << block.shift);
        step = next - last;
        last = next;
        emit(next);
      }
    }
    if (index == open_ && run_ > 0 && scan < to) {
      repeat(run_);
    }
  }
}

} // namespace stellwerk
