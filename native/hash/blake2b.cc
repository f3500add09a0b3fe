#include "hash/blake2b.hpp"

#include "hash/blake2b_rounds.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

static_assert(std::endian::native == std::endian::little, "words of BLAKE2b are little-endian, and loaded as they are");

namespace stellwerk {
namespace blake2b {
namespace {

template <std::size_t A, std::size_t B, std::size_t C, std::size_t D>
[[gnu::always_inline]] inline void mix(std::uint64_t* v, std::uint64_t x, std::uint64_t y) noexcept {
  v[A] += v[B] + x;
  v[D] = std::rotr(v[D] ^ v[A], 32);
  v[C] += v[D];
  v[B] = std::rotr(v[B] ^ v[C], 24);
  v[A] += v[B] + y;
  v[D] = std::rotr(v[D] ^ v[A], 16);
  v[C] += v[D];
  v[B] = std::rotr(v[B] ^ v[C], 63);
}

template <std::size_t Round> [[gnu::always_inline]] inline void round(std::uint64_t* v, const std::uint64_t* m) noexcept {
  constexpr const std::uint8_t* s = kSigma[Round % 10];
  mix<0, 4, 8, 12>(v, m[s[0]], m[s[1]]);
  mix<1, 5, 9, 13>(v, m[s[2]], m[s[3]]);
  mix<2, 6, 10, 14>(v, m[s[4]], m[s[5]]);
  mix<3, 7, 11, 15>(v, m[s[6]], m[s[7]]);
  mix<0, 5, 10, 15>(v, m[s[8]], m[s[9]]);
  mix<1, 6, 11, 12>(v, m[s[10]], m[s[11]]);
  mix<2, 7, 8, 13>(v, m[s[12]], m[s[13]]);
  mix<3, 4, 9, 14>(v, m[s[14]], m[s[15]]);
}

template <std::size_t... Round>
[[gnu::always_inline]] inline void rounds(std::uint64_t* v, const std::uint64_t* m,
                                          std::index_sequence<Round...>) noexcept {
  (round<Round>(v, m), ...);
}

} // namespace

void compressPortable(std::uint64_t* chain, const std::uint8_t* bytes, std::size_t blocks, std::uint64_t count,
                      bool last, std::size_t lastBytes) noexcept {
  for (; blocks > 0; --blocks, bytes += Blake2b::kBlock) {
    count += last ? lastBytes : Blake2b::kBlock;
    std::uint64_t m[16];
    std::memcpy(m, bytes, sizeof m);
    std::uint64_t v[16];
    std::copy_n(chain, 8, v);
    std::copy(kStart.begin(), kStart.end(), v + 8);
    v[12] ^= count;
    v[14] ^= last ? ~std::uint64_t{0} : 0;
    rounds(v, m, std::make_index_sequence<kRounds>{});
    for (std::size_t i = 0; i < 8; ++i) {
      chain[i] ^= v[i] ^ v[i + 8];
    }
  }
}

namespace {

Compress compressOf(Blake2b::Kernel kernel) noexcept {
#if defined(__x86_64__)
  switch (kernel) {
  case Blake2b::Kernel::avx512:
    return compressAvx512;
  case Blake2b::Kernel::avx2:
    return compressAvx2;
  case Blake2b::Kernel::portable:
    break;
  }
#else
  (void)kernel;
#endif
  return compressPortable;
}

std::atomic<Compress>& chosen() noexcept {
  static std::atomic<Compress> function = compressOf(Blake2b::best());
  return function;
}

} // namespace
} // namespace blake2b

bool Blake2b::available(Kernel kernel) noexcept {
#if defined(__x86_64__)
  switch (kernel) {
  case Kernel::avx512:
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl");
  case Kernel::avx2:
    return __builtin_cpu_supports("avx2");
  case Kernel::portable:
    return true;
  }
#endif
  return kernel == Kernel::portable;
}

Blake2b::Kernel Blake2b::best() noexcept {
  for (const Kernel kernel : {Kernel::avx512, Kernel::avx2}) {
    if (available(kernel)) {
      return kernel;
    }
  }
  return Kernel::portable;
}

void Blake2b::use(Kernel kernel) noexcept { blake2b::chosen() = blake2b::compressOf(kernel); }

Blake2b::Blake2b(std::size_t digestSize) noexcept : chain_(blake2b::kStart), digestSize_(digestSize) {
  chain_[0] ^= 0x01010000 ^ digestSize; // fan-out 1, depth 1, no key
}

void Blake2b::update(std::span<const std::uint8_t> bytes) noexcept {
  const blake2b::Compress compress = blake2b::chosen();
  // A full block waits until more is known to follow: only finish may compress the last one.
  if (filled_ > 0 || bytes.size() <= kBlock) {
    const std::size_t taken = std::min(bytes.size(), kBlock - filled_);
    if (taken > 0) {
      std::memcpy(block_.data() + filled_, bytes.data(), taken);
    }
    filled_ += taken;
    bytes = bytes.subspan(taken);
    if (bytes.empty()) {
      return;
    }
    compress(chain_.data(), block_.data(), 1, count_, false, 0);
    count_ += kBlock;
    filled_ = 0;
  }
  const std::size_t blocks = (bytes.size() - 1) / kBlock;
  compress(chain_.data(), bytes.data(), blocks, count_, false, 0);
  count_ += blocks * kBlock;
  bytes = bytes.subspan(blocks * kBlock);
  std::memcpy(block_.data(), bytes.data(), bytes.size());
  filled_ = bytes.size();
}

void Blake2b::finish(std::uint8_t* digest) noexcept {
  std::fill(block_.begin() + static_cast<std::ptrdiff_t>(filled_), block_.end(), std::uint8_t{0});
  blake2b::chosen().load()(chain_.data(), block_.data(), 1, count_, true, filled_);
  std::memcpy(digest, chain_.data(), digestSize_);
}

Blake2b::State Blake2b::state() const noexcept {
  State state = {};
  std::memcpy(state.data(), chain_.data(), 64);
  std::memcpy(state.data() + 64, &count_, 8);
  state[72] = static_cast<std::uint8_t>(filled_);
  state[73] = static_cast<std::uint8_t>(digestSize_);
  std::memcpy(state.data() + 74, block_.data(), filled_); // what lies behind is 0: equal states have equal bytes
  return state;
}

bool Blake2b::restore(std::span<const std::uint8_t> bytes, Blake2b& into) noexcept {
  if (bytes.size() != kStateSize || bytes[72] > kBlock || bytes[73] == 0 || bytes[73] > kLongest) {
    return false;
  }
  std::memcpy(into.chain_.data(), bytes.data(), 64);
  std::memcpy(&into.count_, bytes.data() + 64, 8);
  into.filled_ = bytes[72];
  into.digestSize_ = bytes[73];
  std::memcpy(into.block_.data(), bytes.data() + 74, kBlock);
  return into.count_ % kBlock == 0;
}

} // namespace stellwerk
