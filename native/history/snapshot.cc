#include "history/snapshot.hpp"

#include "history/check.hpp"

#include <array>
#include <cstring>

namespace stellwerk {

namespace {

constexpr std::string_view kMagic = "STWHIST2";
constexpr std::size_t kSeriesAt = kMagic.size() + sizeof(std::uint32_t);
// Far above what a scanner keeps (a week at 10 ms is not offered): a bound for what damage could ask for.
constexpr std::uint32_t kMostStamps = 100'000'000;
constexpr std::uint32_t kMostKey = 1 << 20;

template <class Number> void put(std::vector<std::uint8_t>& bytes, Number value) {
  const std::size_t at = bytes.size();
  bytes.resize(at + sizeof value);
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

void putBytes(std::vector<std::uint8_t>& bytes, const void* from, std::size_t size) {
  const std::size_t at = bytes.size();
  bytes.resize(at + size);
  if (size > 0) {
    std::memcpy(bytes.data() + at, from, size);
  }
}

template <class Number> bool get(std::span<const std::uint8_t>& bytes, Number& value) {
  if (bytes.size() < sizeof value) {
    return false;
  }
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes = bytes.subspan(sizeof value);
  return true;
}

constexpr std::array<std::uint32_t, 256> crcTable() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) {
      value = (value >> 1) ^ ((value & 1) != 0 ? 0x82f63b78u : 0);
    }
    table[i] = value;
  }
  return table;
}

} // namespace

std::uint32_t crc32c(std::span<const std::uint8_t> bytes) noexcept {
  static constexpr auto kTable = crcTable();
  std::uint32_t crc = 0xffffffff;
  for (const std::uint8_t byte : bytes) {
    crc = (crc >> 8) ^ kTable[(crc ^ byte) & 0xff];
  }
  return ~crc;
}

SnapshotWriter::SnapshotWriter(const Timeline& timeline) {
  putBytes(bytes_, kMagic.data(), kMagic.size());
  put(bytes_, timeline.end() - timeline.first());
  put(bytes_, series_);
  put(bytes_, timeline.first());
  for (std::uint32_t scan = timeline.first(); scan != timeline.end(); ++scan) {
    put(bytes_, timeline.at(scan));
  }
}

void SnapshotWriter::add(std::string_view key, Kind kind, const SeriesCode& series, const BlockPool& pool) {
  if (series.empty()) {
    return;
  }
  ++series_;
  put(bytes_, static_cast<std::uint32_t>(key.size()));
  putBytes(bytes_, key.data(), key.size());
  put(bytes_, static_cast<std::uint8_t>(kind));
  put(bytes_, series.openRun());
  const std::size_t countAt = bytes_.size();
  std::uint32_t count = 0;
  put(bytes_, count);
  series.eachBlock(pool, [&](const Block& block) {
    ++count;
    put(bytes_, block.firstScan);
    put(bytes_, block.mode);
    put(bytes_, block.shift);
    put(bytes_, block.order);
    put(bytes_, block.used);
    put(bytes_, block.base());
    putBytes(bytes_, block.bytes(), (block.used + 7u) / 8);
  });
  std::memcpy(bytes_.data() + countAt, &count, sizeof count);
}

std::vector<std::uint8_t> SnapshotWriter::finish() {
  std::memcpy(bytes_.data() + kSeriesAt, &series_, sizeof series_);
  put(bytes_, crc32c(bytes_));
  return std::move(bytes_);
}

void History::save(std::uint32_t id, std::string_view key, Kind kind, SnapshotWriter& writer) const {
  if (id < size()) {
    writer.add(key, kind, at(id), pool_);
  }
}

const char* SnapshotReader::open(std::span<const std::uint8_t> bytes) {
  std::uint32_t count = 0;
  std::uint32_t sum = 0;
  if (bytes.size() < kMagic.size() || std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    return "it is no snapshot of this version";
  }
  if (bytes.size() < kMagic.size() + sizeof sum) {
    return "it is cut short";
  }
  auto tail = bytes.last(sizeof sum);
  rest_ = bytes.first(bytes.size() - sizeof sum);
  get(tail, sum);
  if (crc32c(rest_) != sum) {
    return "its checksum is wrong: it is cut short or damaged";
  }
  rest_ = rest_.subspan(kMagic.size());
  if (!get(rest_, count) || !get(rest_, series_) || !get(rest_, firstScan_) || count > kMostStamps ||
      rest_.size() / sizeof(std::int64_t) < count || firstScan_ > 0xffffffff - kMostStamps) {
    return "its header makes no sense";
  }
  stamps_.resize(count);
  for (std::int64_t& stamp : stamps_) {
    get(rest_, stamp);
    if (&stamp != stamps_.data() && stamp <= *(&stamp - 1)) {
      return "its time stamps do not rise";
    }
  }
  return nullptr;
}

bool SnapshotReader::take(Series& series, SeriesCode& code) {
  std::uint32_t length = 0;
  std::uint8_t kind = 0;
  std::uint32_t run = 0;
  std::uint32_t count = 0;
  if (!get(rest_, length) || length > kMostKey || rest_.size() < length) {
    return false;
  }
  series.key = {reinterpret_cast<const char*>(rest_.data()), length};
  rest_ = rest_.subspan(length);
  if (!get(rest_, kind) || kind > static_cast<std::uint8_t>(Kind::Float) || !get(rest_, run) || !get(rest_, count) ||
      run > kMostStamps) {
    return false;
  }
  series.kind = static_cast<Kind>(kind);
  std::uint64_t free = 0; // the first scan that the next block may begin with
  for (std::uint32_t i = 0; i < count; ++i) {
    Block& block = code.adopt(pool_, i + 1 == count ? run : 0);
    std::uint64_t base = 0;
    if (!get(rest_, block.firstScan) || !get(rest_, block.mode) || !get(rest_, block.shift) ||
        !get(rest_, block.order) || !get(rest_, block.used) || !get(rest_, base)) {
      return false;
    }
    const std::size_t size = (block.used + 7u) / 8;
    if (size > Block::kLarge - Block::kHeader || rest_.size() < size) {
      return false;
    }
    block.setBase(base);
    std::copy_n(rest_.begin(), size, block.bytes());
    rest_ = rest_.subspan(size);
    const auto scans = checkBlock(block);
    if (!scans || block.firstScan < free) {
      return false;
    }
    free = std::uint64_t{block.firstScan} + *scans + (i + 1 == count ? run : 0);
    if (free > 0xffffffff) {
      return false;
    }
  }
  return true;
}

} // namespace stellwerk
