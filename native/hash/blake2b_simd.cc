// A row of BLAKE2b's 4 × 4 words in one register: the four columns, then the four diagonals, are mixed at once.
#include "hash/blake2b_rounds.hpp"

#if defined(__x86_64__)

#include <immintrin.h>
#include <utility>

namespace stellwerk::blake2b {
namespace {

struct Avx2 {
  template <int Bits> [[gnu::target("avx2"), gnu::always_inline]] static inline __m256i rotate(__m256i x) noexcept {
    if constexpr (Bits == 32) {
      return _mm256_shuffle_epi32(x, _MM_SHUFFLE(2, 3, 0, 1));
    } else if constexpr (Bits == 24) {
      return _mm256_shuffle_epi8(x, _mm256_setr_epi8(3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10, 3, 4, 5, 6, 7,
                                                     0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10));
    } else if constexpr (Bits == 16) {
      return _mm256_shuffle_epi8(x, _mm256_setr_epi8(2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9, 2, 3, 4, 5, 6,
                                                     7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9));
    } else {
      return _mm256_or_si256(_mm256_srli_epi64(x, 63), _mm256_add_epi64(x, x));
    }
  }
};

struct Avx512 {
  template <int Bits>
  [[gnu::target("avx2,avx512f,avx512vl"), gnu::always_inline]] static inline __m256i rotate(__m256i x) noexcept {
    return _mm256_ror_epi64(x, Bits);
  }
};

} // namespace

// The same text for each instruction set: a template cannot carry a target attribute by its argument.
#define STELLWERK_BLAKE2B(Name, Rotations, Target)                                                                     \
  namespace {                                                                                                          \
  struct Name##Rows {                                                                                                  \
    __m256i a, b, c, d;                                                                                                \
    [[gnu::target(Target), gnu::always_inline]] inline void half(__m256i x, __m256i y) noexcept {                      \
      a = _mm256_add_epi64(a, _mm256_add_epi64(b, x));                                                                 \
      d = Rotations::rotate<32>(_mm256_xor_si256(d, a));                                                               \
      c = _mm256_add_epi64(c, d);                                                                                      \
      b = Rotations::rotate<24>(_mm256_xor_si256(b, c));                                                               \
      a = _mm256_add_epi64(a, _mm256_add_epi64(b, y));                                                                 \
      d = Rotations::rotate<16>(_mm256_xor_si256(d, a));                                                               \
      c = _mm256_add_epi64(c, d);                                                                                      \
      b = Rotations::rotate<63>(_mm256_xor_si256(b, c));                                                               \
    }                                                                                                                  \
    template <std::size_t Round>                                                                                       \
    [[gnu::target(Target), gnu::always_inline]] inline void round(const long long* m) noexcept {                       \
      constexpr const std::uint8_t* s = kSigma[Round % 10];                                                            \
      half(_mm256_setr_epi64x(m[s[0]], m[s[2]], m[s[4]], m[s[6]]),                                                     \
           _mm256_setr_epi64x(m[s[1]], m[s[3]], m[s[5]], m[s[7]]));                                                    \
      /* Row a stays; the others turn so that the diagonals stand in columns. */                                       \
      a = _mm256_permute4x64_epi64(a, _MM_SHUFFLE(2, 1, 0, 3));                                                        \
      d = _mm256_permute4x64_epi64(d, _MM_SHUFFLE(1, 0, 3, 2));                                                        \
      c = _mm256_permute4x64_epi64(c, _MM_SHUFFLE(0, 3, 2, 1));                                                        \
      half(_mm256_setr_epi64x(m[s[14]], m[s[8]], m[s[10]], m[s[12]]),                                                  \
           _mm256_setr_epi64x(m[s[15]], m[s[9]], m[s[11]], m[s[13]]));                                                 \
      a = _mm256_permute4x64_epi64(a, _MM_SHUFFLE(0, 3, 2, 1));                                                        \
      d = _mm256_permute4x64_epi64(d, _MM_SHUFFLE(1, 0, 3, 2));                                                        \
      c = _mm256_permute4x64_epi64(c, _MM_SHUFFLE(2, 1, 0, 3));                                                        \
    }                                                                                                                  \
    template <std::size_t... Round>                                                                                    \
    [[gnu::target(Target), gnu::always_inline]] inline void rounds(const long long* m,                                 \
                                                                   std::index_sequence<Round...>) noexcept {           \
      (round<Round>(m), ...);                                                                                          \
    }                                                                                                                  \
  };                                                                                                                   \
  }                                                                                                                    \
  [[gnu::target(Target)]] void compress##Name(std::uint64_t* chain, const std::uint8_t* bytes, std::size_t blocks,     \
                                              std::uint64_t count, bool last, std::size_t lastBytes) noexcept {        \
    const auto* start = reinterpret_cast<const __m256i*>(kStart.data());                                               \
    auto* rows = reinterpret_cast<__m256i*>(chain);                                                                    \
    __m256i low = _mm256_loadu_si256(rows);                                                                            \
    __m256i high = _mm256_loadu_si256(rows + 1);                                                                       \
    for (; blocks > 0; --blocks, bytes += 128) {                                                                       \
      count += last ? lastBytes : 128;                                                                                 \
      long long m[16];                                                                                                 \
      __builtin_memcpy(m, bytes, sizeof m);                                                                            \
      const __m256i flags = _mm256_setr_epi64x(static_cast<long long>(count), 0, last ? -1 : 0, 0);                    \
      Name##Rows v = {low, high, _mm256_loadu_si256(start), _mm256_xor_si256(_mm256_loadu_si256(start + 1), flags)};   \
      v.rounds(m, std::make_index_sequence<kRounds>{});                                                                \
      low = _mm256_xor_si256(low, _mm256_xor_si256(v.a, v.c));                                                         \
      high = _mm256_xor_si256(high, _mm256_xor_si256(v.b, v.d));                                                       \
    }                                                                                                                  \
    _mm256_storeu_si256(rows, low);                                                                                    \
    _mm256_storeu_si256(rows + 1, high);                                                                               \
  }

STELLWERK_BLAKE2B(Avx2, Avx2, "avx2")
STELLWERK_BLAKE2B(Avx512, Avx512, "avx2,avx512f,avx512vl")

#undef STELLWERK_BLAKE2B

} // namespace stellwerk::blake2b

#endif
