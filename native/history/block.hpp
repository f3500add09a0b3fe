// Fixed-size blocks that hold the coded samples, and the pool they come from.
// One size for all: a freed block fits every series, so a steady store neither allocates nor fragments.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace stellwerk {

inline constexpr std::uint32_t kNoBlock = 0xffffffff;

struct Block {
  // 128 bytes = two cache lines: a series that changes by about a byte a sample seals one every four minutes at 2 s,
  // so a whole-block trim keeps at most 7 % more than the hour, and a constant series costs 0.07 bytes a sample.
  static constexpr std::size_t kSize = 128;
  static constexpr std::size_t kHeader = 15;

  std::uint32_t next;      // kNoBlock in the newest
  std::uint32_t firstScan; // scan index of the first operation
  std::uint32_t samples;   // present samples held, those of a run still open included
  std::uint8_t mode;       // see codec.hpp
  std::uint8_t shift;      // residuals are multiples of 2^shift
  std::uint8_t used;
  std::array<std::uint8_t, kSize - kHeader> bytes;
};
static_assert(sizeof(Block) == Block::kSize);

class BlockPool {
public:
  std::uint32_t take() {
    if (free_ == kNoBlock) {
      grow();
    }
    std::uint32_t index = free_;
    Block& block = (*this)[index];
    free_ = block.next;
    block.next = kNoBlock;
    block.samples = 0;
    block.used = 0;
    ++inUse_;
    return index;
  }

  void give(std::uint32_t index) noexcept {
    (*this)[index].next = free_;
    free_ = index;
    --inUse_;
  }

  Block& operator[](std::uint32_t index) noexcept { return slabs_[index / kPerSlab][index % kPerSlab]; }
  const Block& operator[](std::uint32_t index) const noexcept { return slabs_[index / kPerSlab][index % kPerSlab]; }

  std::size_t bytesInUse() const noexcept { return inUse_ * sizeof(Block); }
  std::size_t bytesHeld() const noexcept { return slabs_.size() * kPerSlab * sizeof(Block); }

private:
  static constexpr std::uint32_t kPerSlab = 2048; // 256 KiB at once: rare enough, and a small host stays small

  void grow() {
    auto base = static_cast<std::uint32_t>(slabs_.size()) * kPerSlab;
    slabs_.push_back(std::make_unique<Block[]>(kPerSlab));
    for (std::uint32_t i = kPerSlab; i-- > 0;) {
      slabs_.back()[i].next = free_;
      free_ = base + i;
    }
  }

  std::vector<std::unique_ptr<Block[]>> slabs_;
  std::uint32_t free_ = kNoBlock;
  std::size_t inUse_ = 0;
};

} // namespace stellwerk
