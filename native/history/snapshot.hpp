// The hour as bytes, and back: what a restart keeps. The blocks are written as they are in memory, so a snapshot costs a
// copy and no coding; what is read was perhaps written by a disk that failed, or by somebody else, so every byte of it is
// checked before it is decoded.
//
//   magic "STWHIST2" · u32 stamps · u32 series · u32 first scan · i64 stamp …
//   per series: u32 key length · key · u8 kind · u32 open run · u32 blocks
//     per block: u32 first scan · u8 mode · u8 shift · u8 order · u16 used (bits) · u64 base · bytes
//   u32 CRC-32C of all before it
//
// Numbers are little-endian.
#pragma once

#include "history/history.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace stellwerk {

class SnapshotWriter {
public:
  explicit SnapshotWriter(const Timeline& timeline);
  // Series may be added under a lock of the history each: what they got since the writer was made is not read back.
  void add(std::string_view key, Kind kind, const SeriesCode& series, const BlockPool& pool);
  // The snapshot; the writer is used up.
  std::vector<std::uint8_t> finish();

private:
  std::vector<std::uint8_t> bytes_;
  std::uint32_t series_ = 0;
};

class SnapshotReader {
public:
  // What is wrong with the whole; null: nothing. `bytes` must outlive the reader.
  const char* open(std::span<const std::uint8_t> bytes);

  const std::vector<std::int64_t>& stamps() const noexcept { return stamps_; }
  std::uint32_t series() const noexcept { return series_; }

  struct Series {
    std::string_view key;
    Kind kind{};
  };
  // Calls sink(index into stamps(), word) for its samples, oldest first. False where it is damaged: then the rest of the
  // snapshot cannot be read either.
  template <class Start, class Sink> bool next(Start start, Sink sink) {
    Series series;
    SeriesCode code;
    const bool sound = take(series, code);
    if (!sound) {
      code.clear(pool_);
      return false;
    }
    start(series);
    const std::uint32_t from = firstScan_;
    code.decode(pool_, from, from + static_cast<std::uint32_t>(stamps_.size()),
                [&](std::uint32_t scan, std::uint64_t word) { sink(scan - from, word); });
    code.clear(pool_);
    return true;
  }

private:
  bool take(Series& series, SeriesCode& code);

  std::span<const std::uint8_t> rest_;
  std::vector<std::int64_t> stamps_;
  std::uint32_t series_ = 0;
  std::uint32_t firstScan_ = 0;
  BlockPool pool_; // of one series at a time
};

// Castagnoli (RFC 3720, B.4).
std::uint32_t crc32c(std::span<const std::uint8_t> bytes) noexcept;

} // namespace stellwerk
