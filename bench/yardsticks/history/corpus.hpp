// A recorded hour of a real host, as scripts/record-corpus.mjs packs it and bench/corpus.ts unpacks it:
//
//   u32 series · u32 scans · f64 stamp (ms) … · per series: u32 bytes · u8 kind · u16 labels · labels · samples
//   label: u16 length · name · u16 length · value
//   samples: varint run lengths, present and missing in turn, until all scans are covered; then for each present one the
//   zigzag varint of the wrapping difference to the one before (to 0 for the first)
//
// Numbers are little-endian.
#pragma once

#include "history/kind.hpp"

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace stellwerk::bench {

struct RecordedSeries {
  Kind kind{};
  std::vector<std::pair<std::string, std::string>> labels;
  std::vector<std::uint64_t> words; // of every scan
  std::vector<bool> present;
};

struct Corpus {
  std::vector<std::int64_t> stamps;
  std::vector<RecordedSeries> series;
};

// Reads the file of a corpus, or of keys: each u8 kind · u16 labels · labels.
class CorpusReader {
public:
  explicit CorpusReader(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(file), {});
  }

  // nullopt: not such a file, or cut short.
  std::optional<Corpus> read() {
    Corpus corpus;
    const auto series = number<std::uint32_t>();
    const auto scans = number<std::uint32_t>();
    for (std::uint32_t i = 0; i < scans && fine_; ++i) {
      corpus.stamps.push_back(static_cast<std::int64_t>(number<double>()));
    }
    for (std::uint32_t i = 0; i < series && fine_; ++i) {
      corpus.series.push_back(one(scans));
    }
    return fine_ && at_ == bytes_.size() && series > 0 ? std::optional(std::move(corpus)) : std::nullopt;
  }

  // Without samples.
  std::optional<std::vector<RecordedSeries>> readKeys() {
    std::vector<RecordedSeries> keys;
    while (fine_ && at_ < bytes_.size()) {
      keys.push_back(key());
    }
    return fine_ ? std::optional(std::move(keys)) : std::nullopt;
  }

private:
  RecordedSeries key() {
    RecordedSeries series;
    series.kind = static_cast<Kind>(number<std::uint8_t>());
    for (auto labels = number<std::uint16_t>(); labels > 0 && fine_; --labels) {
      std::string name = text();
      series.labels.emplace_back(std::move(name), text());
    }
    return series;
  }

  RecordedSeries one(std::uint32_t scans) {
    number<std::uint32_t>(); // its size: for readers that pick
    RecordedSeries series = key();
    bool present = true;
    while (series.present.size() < scans && fine_) {
      const std::uint64_t run = varint();
      fine_ = fine_ && run <= scans - series.present.size();
      series.present.insert(series.present.end(), fine_ ? run : 0, present);
      present = !present;
    }
    std::uint64_t word = 0;
    for (std::uint32_t scan = 0; scan < scans && fine_; ++scan) {
      if (series.present[scan]) {
        const std::uint64_t symbol = varint();
        word += (symbol >> 1) ^ (0 - (symbol & 1));
      }
      series.words.push_back(word);
    }
    return series;
  }

  template <class Number> Number number() {
    Number value{};
    if (bytes_.size() - at_ < sizeof value) {
      fine_ = false;
      return value;
    }
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  std::string text() {
    const auto length = number<std::uint16_t>();
    if (bytes_.size() - at_ < length) {
      fine_ = false;
      return {};
    }
    std::string value(bytes_.data() + at_, length);
    at_ += length;
    return value;
  }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      const auto byte = number<std::uint8_t>();
      value |= std::uint64_t{byte & 0x7fu} << (shift & 63);
      if (byte < 0x80) {
        return value;
      }
    }
    fine_ = false;
    return 0;
  }

  std::vector<char> bytes_;
  std::size_t at_ = 0;
  bool fine_ = true;
};

} // namespace stellwerk::bench
