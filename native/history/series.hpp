// One series' coded past: a chain of blocks and the encoder's state at its end.
#pragma once

#include "history/block.hpp"
#include "history/codec.hpp"
#include "history/kind.hpp"
#include "history/plan.hpp"
#include "history/walk.hpp"

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
  // Puts a checked block behind what is there: the caller fills it. Such a series can be decoded, not appended to.
  Block& adopt(BlockPool& pool, std::uint32_t openRun);

private:
  void openBlock(BlockPool& pool, BlockPool::Size size, std::uint32_t scan, const Plan& plan);
  bool fits(const BlockPool& pool, const codec::Bits& op) const noexcept;
  void write(BlockPool& pool, const codec::Bits& op) noexcept;
  void flushRun(BlockPool& pool);
  bool encode(BlockPool& pool, std::uint64_t word);
  void trim(BlockPool& pool, std::uint32_t oldest) noexcept;

  Track track_; // at the newest sample, in the open block's own scale
  std::uint32_t first_ = kNoBlock;
  std::uint32_t open_ = kNoBlock;
  std::uint32_t end_ = 0;
  std::uint32_t run_ = 0; // samples as predicted that are not written yet
  std::uint32_t samples_ = 0;
  codec::Order order_;
  codec::Window window_;
};

template <class Sink>
void SeriesCode::decode(const BlockPool& pool, std::uint32_t from, std::uint32_t to, Sink sink) const {
  std::uint32_t index = first_;
  if (index == kNoBlock) {
    return;
  }
  while (pool[index].next != kNoBlock && pool[pool[index].next].firstScan <= from) {
    index = pool[index].next;
  }

  struct Emitter {
    Sink& sink;
    std::uint64_t scan;
    std::uint32_t from;
    std::uint32_t to;
    codec::Mode mode;

    std::uint64_t asWord(std::uint64_t value) const {
      return mode.coder == codec::Coder::Decimal ? codec::fromDecimal(value, mode.exponent) : value;
    }
    bool literal(std::uint64_t word) {
      if (scan >= from && scan < to) {
        sink(static_cast<std::uint32_t>(scan), word);
      }
      return ++scan < to;
    }
    bool one(std::uint64_t value) { return literal(asWord(value)); }
    bool gap(std::uint32_t count) { return (scan += count) < to; }
    bool run(Track track, std::uint32_t count) {
      // What lies before the window at once: a constant series is one run of hours.
      const auto skipped = static_cast<std::uint32_t>(std::min<std::uint64_t>(count, scan < from ? from - scan : 0));
      const std::uint64_t end = std::min<std::uint64_t>(scan + count, to);
      const std::uint64_t all = scan + count;
      std::uint64_t value = track.last + track.step * skipped;
      if (track.step == 0) {
        const std::uint64_t word = asWord(value);
        for (scan += skipped; scan < end; ++scan) {
          sink(static_cast<std::uint32_t>(scan), word);
        }
      } else {
        for (scan += skipped; scan < end; ++scan) {
          value += track.step;
          sink(static_cast<std::uint32_t>(scan), asWord(value));
        }
      }
      scan = all;
      return scan < to;
    }
  };

  for (; index != kNoBlock; index = pool[index].next) {
    const Block& block = pool[index];
    if (block.firstScan >= to) {
      return;
    }
    Emitter emitter{sink, block.firstScan, from, to, codec::Mode::unpack(block.mode)};
    const Walked walked = walk(block, emitter);
    if (index == open_ && run_ > 0 && emitter.scan < to) {
      emitter.run(walked.end, run_);
    }
  }
}

} // namespace stellwerk
