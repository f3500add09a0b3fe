#include "scanner/series_table.hpp"

#include <algorithm>

namespace stellwerk {

void encodeKey(std::vector<Label>& labels, std::string& key) {
  std::sort(labels.begin(), labels.end());
  key.clear();
  auto put = [&key](std::string_view text) {
    const auto length = static_cast<std::uint32_t>(text.size());
    key.push_back(static_cast<char>(std::min<std::uint32_t>(length, 0xff)));
    if (length >= 0xff) {
      key.append(reinterpret_cast<const char*>(&length), sizeof length);
    }
    key.append(text);
  };
  for (const Label& label : labels) {
    put(label.first);
    put(label.second);
  }
}

bool checkKey(std::string_view key, std::vector<Label>& labels) {
  while (!key.empty()) {
    Label label;
    if (!takeKeyText(key, label.first) || !takeKeyText(key, label.second)) {
      return false;
    }
    labels.push_back(label);
  }
  return true;
}

SeriesRef SeriesTable::intern(std::vector<Label>& labels, Kind kind) {
  encodeKey(labels, scratch_);
  return intern(scratch_, kind);
}

SeriesRef SeriesTable::intern(std::string_view key, Kind kind) {
  if (const auto found = ids_.find(key, keyOf())) {
    SeriesRef ref{*found, generations_[*found]};
    if (kinds_[ref.id] == kind) {
      return ref;
    }
    retire(ref);
  }
  if (count() >= maxSeries_) {
    ++refused_;
    return {SeriesRef::kRefused, room_};
  }
  std::lock_guard lock(mutex_);
  std::uint32_t id = 0;
  if (free_.empty()) {
    id = size();
    keys_.emplace_back();
    kinds_.push_back(kind);
    values_.push_back(0);
    fresh_.push_back(0);
    generations_.push_back(0);
  } else {
    id = free_.back();
    free_.pop_back();
    kinds_[id] = kind;
    values_[id] = 0;
    ++keyGeneration_; // followers who saw this id under its old key must look again
  }
  keys_[id] = HeldKey(key);
  ids_.insert(id, keyOf());
  return {id, generations_[id]};
}

// Where the key has not passed to a younger series.
void SeriesTable::unlist(std::uint32_t id) {
  const std::string_view key = keys_[id].text();
  if (ids_.find(key, keyOf()) == id) {
    ids_.erase(key, keyOf());
  }
}

void SeriesTable::retire(SeriesRef ref) {
  if (ref.id >= size() || !live(ref)) {
    return;
  }
  unlist(ref.id);
  ++generations_[ref.id]; // its holders ask again and get a new one
}

void SeriesTable::expire(std::uint32_t id) {
  std::lock_guard lock(mutex_);
  unlist(id);
  keys_[id] = HeldKey();
  ++generations_[id];
  ++room_;
  ++keyGeneration_;
  free_.push_back(id);
}

} // namespace stellwerk
