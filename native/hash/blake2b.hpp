// BLAKE2b without a key: RFC 7693. A state can be taken out and put back, so that a known stretch of a stream is skipped.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace stellwerk {

class Blake2b {
public:
  static constexpr std::size_t kBlock = 128;
  static constexpr std::size_t kLongest = 64;
  // 8 words of the chain, the count of bytes, how much of the block is filled, the length of the digest, the block.
  static constexpr std::size_t kStateSize = 64 + 8 + 1 + 1 + kBlock;
  using State = std::array<std::uint8_t, kStateSize>;

  // A digest of 1 to 64 bytes.
  explicit Blake2b(std::size_t digestSize = kLongest) noexcept;

  void update(std::span<const std::uint8_t> bytes) noexcept;
  // Fills as many bytes as the digest has. The object is used up.
  void finish(std::uint8_t* digest) noexcept;
  std::size_t digestSize() const noexcept { return digestSize_; }

  State state() const noexcept;
  // False where the bytes are no state.
  static bool restore(std::span<const std::uint8_t> bytes, Blake2b& into) noexcept;

  // What the processor is used for: "avx512", "avx2" or "portable". Tests run every one that is there.
  enum class Kernel { portable, avx2, avx512 };
  static bool available(Kernel kernel) noexcept;
  static void use(Kernel kernel) noexcept;
  static Kernel best() noexcept;

private:
  std::array<std::uint64_t, 8> chain_;
  std::uint64_t count_ = 0; // bytes compressed so far; 2^64 are never reached, so the upper word of RFC 7693 is 0
  std::size_t filled_ = 0;  // bytes that wait in block_; the last block is only compressed by finish
  std::size_t digestSize_;
  std::array<std::uint8_t, kBlock> block_ = {};
};

} // namespace stellwerk
