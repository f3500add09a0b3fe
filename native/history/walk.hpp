// Follows the operations of a block. Safe with any bytes: a snapshot may hold what no store has written.
#pragma once

#include "history/block.hpp"
#include "history/codec.hpp"

namespace stellwerk {

// Where a predictor stands.
struct Track {
  std::uint64_t last = 0;
  std::uint64_t step = 0;

  std::uint64_t predict() const noexcept { return last + step; }
  void follow(codec::Predictor predictor, std::uint64_t value) noexcept {
    if (predictor == codec::Predictor::Line) {
      step = value - last;
    }
    last = value;
  }
};

// The step before the first sample stands before the operations; Predictor::Last has none.
inline Track startOf(const Block& block, codec::BitReader& in) noexcept {
  Track track{block.base(), 0};
  if (codec::Mode::unpack(block.mode).predictor != codec::Predictor::Last) {
    track.step = in.take(1) == 0 ? codec::unzigzag(in.golomb(codec::kStepOrder)) : in.word();
  }
  return track;
}

struct Walked {
  bool sound = false; // false: the block is damaged
  Track end;          // behind the last operation
};

// Calls sink.run(track, count), sink.gap(count), sink.one(value) and sink.literal(word), each false to stop; all but the
// literal are in the coder's own scale.
template <class Sink> Walked walk(const Block& block, Sink&& sink) {
  using namespace codec;
  const Mode mode = Mode::unpack(block.mode);
  BitReader in(block.bytes(), block.used);
  Track track = startOf(block, in);
  Order order(block.order);
  Window window;
  while (!in.done()) {
    if (in.take(1) == 0) {
      std::uint64_t value = 0;
      if (mode.coder == Coder::Xor) {
        if (in.take(1) == 1) {
          const std::uint64_t both = in.take(12);
          window = {static_cast<std::uint8_t>(both & 63), static_cast<std::uint8_t>((both >> 6) + 1)};
        }
        const unsigned covered = unsigned{window.leading} + window.length;
        if (window.length == 0 || covered > 64) {
          return {};
        }
        std::uint64_t bits = in.take(std::min<unsigned>(window.length, 32));
        if (window.length > 32) {
          bits |= in.take(window.length - 32u) << 32;
        }
        value = track.last ^ bits << (64 - covered);
      } else {
        const std::uint64_t residual = in.golomb(order.value());
        order.learn(residual);
        value = track.predict() + (unzigzag(residual + 1) << block.shift);
      }
      track.follow(mode.predictor, value);
      if (in.broken()) {
        return {};
      }
      if (!sink.one(value)) {
        return {true, track};
      }
    } else if (in.take(1) == 0) {
      const std::uint64_t count = in.golomb(kCountOrder) + 1;
      if (in.broken() || count > Block::kMostSamples) {
        return {};
      }
      if (!sink.run(track, static_cast<std::uint32_t>(count))) {
        return {true, track};
      }
      track.last += track.step * count;
    } else if (in.take(1) == 0) {
      const std::uint64_t count = in.golomb(kCountOrder) + 1;
      if (in.broken() || count > 0x7fffffff) {
        return {};
      }
      if (!sink.gap(static_cast<std::uint32_t>(count))) {
        return {true, track};
      }
    } else {
      const std::uint64_t word = in.word();
      if (in.broken()) {
        return {};
      }
      // A float that is no short decimal has no place on the predictor's scale.
      if (mode.coder != Coder::Decimal) {
        track.follow(mode.predictor, word);
      }
      if (!sink.literal(word)) {
        return {true, track};
      }
    }
  }
  return {!in.broken(), track};
}

} // namespace stellwerk
