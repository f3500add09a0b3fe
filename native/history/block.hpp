// Blocks of three sizes that hold the coded samples, and the pool they come from.
// A freed block fits every series, so a steady store neither allocates nor fragments.
#pragma once

#include "history/codec.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

namespace stellwerk {

inline constexpr std::uint32_t kNoBlock = 0xffffffff;

// The code follows the header: `used` bits in bytes().
struct Block {
  // Three cache lines: a series that changes at each scan by some two bytes seals one every two or three minutes at 2 s,
  // so a whole-block trim keeps at most 5 % more than the hour.
  static constexpr std::size_t kLarge = 192;
  // What a series begins with: most of them stay as they are, or end soon.
  static constexpr std::size_t kSmall = 32;
  // What comes then: few changes an hour fit in.
  static constexpr std::size_t kMedium = 64;
  static constexpr std::size_t kHeader = 23;
  // What a block may cover: a constant series has one each day and a half at 2 s.
  static constexpr std::uint32_t kMostSamples = 0xffff;

  std::uint64_t base() const noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, tail, sizeof word);
    return word;
  }
  void setBase(std::uint64_t word) noexcept { std::memcpy(tail, &word, sizeof word); }
  std::uint8_t* bytes() noexcept { return reinterpret_cast<std::uint8_t*>(this) + kHeader; }
  const std::uint8_t* bytes() const noexcept { return reinterpret_cast<const std::uint8_t*>(this) + kHeader; }

  std::uint32_t next;      // kNoBlock in the newest
  std::uint32_t firstScan; // scan index of the first operation
  std::uint16_t samples;   // present samples held, those of a run still open included
  std::uint16_t used;      // bits
  std::uint8_t mode;       // see codec.hpp
  std::uint8_t shift;      // residuals are multiples of 2^shift
  std::uint8_t order;      // the residuals' code begins with
  std::uint8_t tail[9];    // unaligned: the predicted value before the first sample, then the code
};
static_assert(offsetof(Block, tail) == Block::kHeader - sizeof(std::uint64_t));
static_assert(sizeof(Block) <= Block::kSmall);

// Memory for blocks of one size.
class Slabs {
public:
  explicit Slabs(std::size_t size) : size_(size) {}

  std::uint32_t take() {
    if (free_ == kNoBlock) {
      grow();
    }
    const std::uint32_t index = free_;
    free_ = (*this)[index].next;
    std::memset(static_cast<void*>(&(*this)[index]), 0, size_);
    ++inUse_;
    return index;
  }
  void give(std::uint32_t index) noexcept {
    (*this)[index].next = free_;
    free_ = index;
    --inUse_;
  }
  Block& operator[](std::uint32_t index) const noexcept {
    return *reinterpret_cast<Block*>(slabs_[index / kPerSlab].get() + index % kPerSlab * size_);
  }
  std::size_t bytesInUse() const noexcept { return inUse_ * size_; }
  std::size_t bytesHeld() const noexcept { return slabs_.size() * kPerSlab * size_; }

private:
  static constexpr std::uint32_t kPerSlab = 256; // 48 KiB at once: rare enough, and a small host stays small

  void grow() {
    const auto base = static_cast<std::uint32_t>(slabs_.size()) * kPerSlab;
    slabs_.push_back(std::make_unique<std::byte[]>(kPerSlab * size_));
    for (std::uint32_t i = kPerSlab; i-- > 0;) {
      Block& block = *new (&(*this)[base + i]) Block;
      block.next = free_;
      free_ = base + i;
    }
  }

  std::size_t size_;
  std::vector<std::unique_ptr<std::byte[]>> slabs_;
  std::uint32_t free_ = kNoBlock;
  std::size_t inUse_ = 0;
};

class BlockPool {
public:
  enum class Size : std::uint32_t { Large = 0, Medium = 1, Small = 2 };

  std::uint32_t take(Size size) {
    const auto kind = static_cast<std::uint32_t>(size);
    const std::uint32_t index = slabs_[kind].take() | kind << kSizeAt;
    (*this)[index].next = kNoBlock;
    return index;
  }
  void give(std::uint32_t index) noexcept { slabs_[index >> kSizeAt].give(index & kIndex); }
  Block& operator[](std::uint32_t index) noexcept { return slabs_[index >> kSizeAt][index & kIndex]; }
  const Block& operator[](std::uint32_t index) const noexcept { return slabs_[index >> kSizeAt][index & kIndex]; }
  // Bits of code that it has room for.
  static unsigned capacity(std::uint32_t index) noexcept {
    return static_cast<unsigned>(kSizes[index >> kSizeAt] - Block::kHeader) * 8;
  }
  // Of the block behind this one.
  static Size sizeAfter(std::uint32_t index) noexcept {
    return index >> kSizeAt == static_cast<std::uint32_t>(Size::Small) ? Size::Medium : Size::Large;
  }

  std::size_t bytesInUse() const noexcept {
    return slabs_[0].bytesInUse() + slabs_[1].bytesInUse() + slabs_[2].bytesInUse();
  }
  std::size_t bytesHeld() const noexcept {
    return slabs_[0].bytesHeld() + slabs_[1].bytesHeld() + slabs_[2].bytesHeld();
  }

private:
  static constexpr unsigned kSizeAt = 30; // an index has its block's size in the two highest bits
  static constexpr std::uint32_t kIndex = (1u << kSizeAt) - 1;
  static constexpr std::array<std::size_t, 3> kSizes = {Block::kLarge, Block::kMedium, Block::kSmall};

  std::array<Slabs, 3> slabs_{Slabs(kSizes[0]), Slabs(kSizes[1]), Slabs(kSizes[2])};
};
// The longest operation must find room in an empty small block.
static_assert((Block::kSmall - Block::kHeader) * 8 >= codec::kLiteralBits);

} // namespace stellwerk
