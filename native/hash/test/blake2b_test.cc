#include "hash/blake2b.hpp"

#include <gtest/gtest.h>
#include <random>
#include <string>
#include <vector>

namespace stellwerk {
namespace {

std::string hex(std::span<const std::uint8_t> bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

std::span<const std::uint8_t> bytesOf(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string digest(std::span<const std::uint8_t> bytes, std::size_t size = 64) {
  Blake2b hash(size);
  hash.update(bytes);
  std::uint8_t digest[64];
  hash.finish(digest);
  return hex({digest, size});
}

std::vector<std::uint8_t> sequence(std::size_t size) {
  std::vector<std::uint8_t> bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::uint8_t>(i * 7 + (i >> 8) * 31);
  }
  return bytes;
}

class EveryKernel : public testing::TestWithParam<Blake2b::Kernel> {
protected:
  void SetUp() override {
    if (!Blake2b::available(GetParam())) {
      GTEST_SKIP() << "this processor cannot";
    }
    Blake2b::use(GetParam());
  }
  void TearDown() override { Blake2b::use(Blake2b::best()); }
};

TEST_P(EveryKernel, GivesTheDigestOfAppendixA) {
  EXPECT_EQ(digest(bytesOf("abc")), "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
                                    "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
}

TEST_P(EveryKernel, GivesTheDigestOfNothing) {
  EXPECT_EQ(digest({}), "786a02f742015903c6c6fd852552d272912f4740e15847618a86e217f71f5419"
                        "d25e1031afee585313896444934eb04b903a685b1448b755d56f701afe9be2ce");
}

// What `printf abc | b2sum -l 256` prints.
TEST_P(EveryKernel, GivesShorterDigests) {
  EXPECT_EQ(digest(bytesOf("abc"), 32), "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}

// The expected value is OpenSSL's: BLAKE2b of the digests of all lengths in a row.
TEST_P(EveryKernel, AgreesWithOpensslForEveryLengthUpTo1024) {
  Blake2b all;
  for (std::size_t size = 0; size <= 1024; ++size) {
    Blake2b hash;
    hash.update(sequence(size));
    std::uint8_t one[64];
    hash.finish(one);
    all.update(one);
  }
  std::uint8_t result[64];
  all.finish(result);
  EXPECT_EQ(hex(result), "8b070732dd76fe58b38209d433945e27250d562baedbc9d91399848e6eb563a6"
                         "abcd0d9310e8ff9cc420697b248dc7d80abced80977a30031eef39c524cd554e");
}

TEST_P(EveryKernel, TakesAStreamInPiecesOfAnySize) {
  std::mt19937_64 random(7);
  const auto bytes = sequence(5000);
  for (int round = 0; round < 300; ++round) {
    const std::size_t size = random() % bytes.size();
    Blake2b hash;
    for (std::size_t at = 0; at < size;) {
      const std::size_t taken = std::min<std::size_t>(size - at, random() % (random() % 2 == 0 ? 5 : 700));
      hash.update(std::span(bytes).subspan(at, taken));
      at += taken;
      if (random() % 3 == 0) { // put down and taken up again
        const Blake2b::State state = hash.state();
        Blake2b other;
        ASSERT_TRUE(Blake2b::restore(state, other));
        ASSERT_EQ(other.state(), state);
        hash = other;
      }
    }
    std::uint8_t result[64];
    hash.finish(result);
    ASSERT_EQ(hex(result), digest(std::span(bytes).first(size)));
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, EveryKernel,
                         testing::Values(Blake2b::Kernel::portable, Blake2b::Kernel::avx2, Blake2b::Kernel::avx512));

TEST(Blake2bState, RefusesBytesThatAreNoState) {
  Blake2b hash;
  std::vector<std::uint8_t> state(Blake2b::kStateSize);
  const Blake2b::State good = hash.state();
  std::copy(good.begin(), good.end(), state.begin());
  EXPECT_TRUE(Blake2b::restore(state, hash));
  EXPECT_FALSE(Blake2b::restore(std::span(state).first(state.size() - 1), hash));
  for (const auto& [place, value] : {std::pair{72, 129}, {73, 0}, {73, 65}, {64, 1}}) {
    auto bad = state;
    bad[static_cast<std::size_t>(place)] = static_cast<std::uint8_t>(value);
    EXPECT_FALSE(Blake2b::restore(bad, hash)) << place;
  }
}

} // namespace
} // namespace stellwerk
