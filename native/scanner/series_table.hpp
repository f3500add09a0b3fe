// All series by key: labels ↔ id, newest value, and whether this scan saw it.
// One thread writes (the scan). Others may read the keys under keysMutex(), which is taken for writing only when a key
// comes or goes, never for a value.
#pragma once

#include "history/kind.hpp"
#include "scanner/key_index.hpp"

#include <bit>
#include <cstring>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stellwerk {

using Label = std::pair<std::string_view, std::string_view>;

// Remembered by collectors, so that a known series costs no lookup. Dead once the series has expired.
struct SeriesRef {
  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr std::uint32_t kRefused = 0xfffffffe;
  std::uint32_t id = kNone;
  std::uint32_t generation = 0;
};

// A key's bytes behind their length: with a hundred thousand of them, the 40 bytes that a string takes count.
class HeldKey {
public:
  HeldKey() = default;
  explicit HeldKey(std::string_view text) : bytes_(std::make_unique<char[]>(sizeof(std::uint32_t) + text.size())) {
    const auto length = static_cast<std::uint32_t>(text.size());
    std::memcpy(bytes_.get(), &length, sizeof length);
    text.copy(bytes_.get() + sizeof length, length);
  }
  bool held() const noexcept { return bytes_ != nullptr; }
  // Only where one is held.
  std::string_view text() const noexcept {
    std::uint32_t length = 0;
    std::memcpy(&length, bytes_.get(), sizeof length);
    return {bytes_.get() + sizeof length, length};
  }

private:
  std::unique_ptr<char[]> bytes_;
};

class SeriesTable {
public:
  explicit SeriesTable(std::uint32_t maxSeries) : maxSeries_(maxSeries) {}

  void beginScan() noexcept { std::fill(fresh_.begin(), fresh_.end(), std::uint8_t{0}); }

  bool live(SeriesRef ref) const noexcept {
    if (ref.id < generations_.size()) {
      return generations_[ref.id] == ref.generation;
    }
    return ref.id == SeriesRef::kRefused && ref.generation == room_;
  }

  // Finds or makes. A key whose kind has changed starts a new series. Over the limit: a refused ref, which stays live
  // until there is room, so that a flood of keys is not looked up again each scan.
  SeriesRef intern(std::vector<Label>& labels, Kind kind);
  // `key`: as encodeKey() makes it.
  SeriesRef intern(std::string_view key, Kind kind);

  void set(SeriesRef ref, std::uint64_t word) noexcept {
    if (ref.id < values_.size()) {
      values_[ref.id] = word;
      fresh_[ref.id] = 1;
    }
  }

  // The key is free for a new series; this one keeps its history until it expires.
  void retire(SeriesRef ref);
  // Forgets the id altogether; it will be given to another key.
  void expire(std::uint32_t id);

  std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(values_.size()); }
  bool used(std::uint32_t id) const noexcept { return keys_[id].held(); }
  bool fresh(std::uint32_t id) const noexcept { return fresh_[id] != 0; }
  Kind kind(std::uint32_t id) const noexcept { return kinds_[id]; }
  std::uint64_t value(std::uint32_t id) const noexcept { return values_[id]; }
  const std::uint64_t* values() const noexcept { return values_.data(); }
  const Kind* kinds() const noexcept { return kinds_.data(); }
  const std::uint8_t* freshness() const noexcept { return fresh_.data(); }

  std::uint32_t count() const noexcept { return size() - static_cast<std::uint32_t>(free_.size()); }
  std::uint64_t refused() const noexcept { return refused_; }

  std::mutex& keysMutex() const noexcept { return mutex_; }
  // With keysMutex() held, from any thread:
  std::uint32_t keyGeneration() const noexcept { return keyGeneration_; }
  std::uint32_t keyCount() const noexcept { return static_cast<std::uint32_t>(keys_.size()); }
  std::optional<std::string_view> key(std::uint32_t id) const noexcept {
    return keys_[id].held() ? std::optional(keys_[id].text()) : std::nullopt;
  }
  Kind keyKind(std::uint32_t id) const noexcept { return kinds_[id]; }

private:
  auto keyOf() const noexcept {
    return [this](std::uint32_t id) { return keys_[id].text(); };
  }
  void unlist(std::uint32_t id);

  std::uint32_t maxSeries_;
  KeyIndex ids_;
  std::vector<HeldKey> keys_;
  std::vector<Kind> kinds_;
  std::vector<std::uint64_t> values_;
  std::vector<std::uint8_t> fresh_;
  std::vector<std::uint32_t> generations_;
  std::vector<std::uint32_t> free_;
  std::string scratch_;
  std::uint64_t refused_ = 0;
  std::uint32_t room_ = 0; // rises when an id becomes free
  std::uint32_t keyGeneration_ = 0;
  mutable std::mutex mutex_;
};

// A key as bytes: each label's name and value, sorted by name, each behind its length: a byte, or 255 and 32 bits.
void encodeKey(std::vector<Label>& labels, std::string& key);
// The next text of a key; false: it is cut short.
inline bool takeKeyText(std::string_view& key, std::string_view& text) noexcept {
  if (key.empty()) {
    return false;
  }
  std::uint32_t length = static_cast<unsigned char>(key.front());
  key.remove_prefix(1);
  if (length == 0xff) {
    if (key.size() < sizeof length) {
      return false;
    }
    key.copy(reinterpret_cast<char*>(&length), sizeof length);
    key.remove_prefix(sizeof length);
  }
  if (key.size() < length) {
    return false;
  }
  text = key.substr(0, length);
  key.remove_prefix(length);
  return true;
}
// sink(name, value) for each label.
template <class Sink> void decodeKey(std::string_view key, Sink sink) {
  Label label;
  while (takeKeyText(key, label.first) && takeKeyText(key, label.second)) {
    sink(label.first, label.second);
  }
}

// The same for bytes that may be no key: false, and `labels` are not to be used.
bool checkKey(std::string_view key, std::vector<Label>& labels);

// A fixed key that remembers its series.
class NamedSeries {
public:
  NamedSeries(std::string name, Kind kind) : name_(std::move(name)), kind_(kind) {}

  void set(SeriesTable& table, std::uint64_t word) {
    if (!table.live(ref_)) {
      std::vector<Label> labels{{"metric", name_}};
      ref_ = table.intern(labels, kind_);
    }
    table.set(ref_, word);
  }
  void setFloat(SeriesTable& table, double value) { set(table, std::bit_cast<std::uint64_t>(value)); }
  const std::string& name() const noexcept { return name_; }

private:
  std::string name_;
  Kind kind_;
  SeriesRef ref_;
};

} // namespace stellwerk
