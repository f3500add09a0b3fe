#include "scanner/series_table.hpp"

#include <algorithm>

namespace stellwerk {

void encodeKey(std::vector<Label>& labels, std::string& key) {
  std::sort(labels.begin(), labels.end());
  key.clear();
  auto put = [&key](std::string_view text) {
    auto length = static_cast<std::uint32_t>(text.size());
    key.append(reinterpret_cast<const char*>(&length), sizeof length);
    key.append(text);
  };
  for (const Label& label : labels) {
    put(label.first);
    put(label.second);
  }
}

bool checkKey(std::string_view key, std::vector<Label>& labels) {
  auto take = [&key](std::string_view& text) {
    std::uint32_t length = 0;
    if (key.size() < sizeof length) {
      return false;
    }
    key.copy(reinterpret_cast<char*>(&length), sizeof length);
    key.remove_prefix(sizeof length);
    if (key.size() < length) {
      return false;
    }
    text = key.substr(0, length);
    key.remove_prefix(length);
    return true;
  };
  while (!key.empty()) {
    Label label;
    if (!take(label.first) || !take(label.second)) {
      return false;
    }
    labels.push_back(label);
  }
  return true;
}

SeriesRef SeriesTable::intern(std::vector<Label>& labels, Kind kind) {
  encodeKey(labels, scratch_);
  auto found = ids_.find(scratch_);
  if (found != ids_.end()) {
    SeriesRef ref{found->second, generations_[found->second]};
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
  keys_[id] = std::make_unique<const std::string>(scratch_);
  ids_.emplace(*keys_[id], id);
  return {id, generations_[id]};
}

void SeriesTable::retire(SeriesRef ref) {
  if (ref.id >= size() || !live(ref)) {
    return;
  }
  auto found = ids_.find(*keys_[ref.id]);
  if (found != ids_.end() && found->second == ref.id) {
    ids_.erase(found);
  }
  ++generations_[ref.id]; // its holders ask again and get a new one
}

void SeriesTable::expire(std::uint32_t id) {
  std::lock_guard lock(mutex_);
  auto found = ids_.find(*keys_[id]);
  if (found != ids_.end() && found->second == id) {
    ids_.erase(found);
  }
  keys_[id].reset();
  ++generations_[id];
  ++room_;
  ++keyGeneration_;
  free_.push_back(id);
}

} // namespace stellwerk
