// Key → id, as nothing but ids: the keys themselves are elsewhere. Open addressing with linear probing (Knuth, The Art of
// Computer Programming 3, 6.4, algorithms L and R): 4 bytes a place, at most three quarters of them taken.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

namespace stellwerk {

class KeyIndex {
public:
  // keyOf(id) → std::string_view, of each id that is in here.
  template <class KeyOf> std::optional<std::uint32_t> find(std::string_view key, KeyOf keyOf) const {
    const std::size_t place = placeOf(key, keyOf);
    return place < places_.size() && places_[place] != kFree ? std::optional(places_[place]) : std::nullopt;
  }

  // The key must not be in here.
  template <class KeyOf> void insert(std::uint32_t id, KeyOf keyOf) {
    if ((count_ + 1) * 4 > places_.size() * 3) {
      std::vector<std::uint32_t> former(places_.empty() ? kLeast : places_.size() * 2, kFree);
      former.swap(places_);
      for (const std::uint32_t old : former) {
        if (old != kFree) {
          places_[placeOf(keyOf(old), keyOf)] = old;
        }
      }
    }
    places_[placeOf(keyOf(id), keyOf)] = id;
    ++count_;
  }

  template <class KeyOf> void erase(std::string_view key, KeyOf keyOf) {
    std::size_t hole = placeOf(key, keyOf);
    if (hole >= places_.size() || places_[hole] == kFree) {
      return;
    }
    // Whoever would not be found over the hole moves into it.
    const std::size_t mask = places_.size() - 1;
    for (std::size_t at = (hole + 1) & mask; places_[at] != kFree; at = (at + 1) & mask) {
      const std::size_t home = hash(keyOf(places_[at])) & mask;
      if (((at - home) & mask) >= ((at - hole) & mask)) {
        places_[hole] = places_[at];
        hole = at;
      }
    }
    places_[hole] = kFree;
    --count_;
  }

private:
  static constexpr std::uint32_t kFree = 0xffffffff;
  static constexpr std::size_t kLeast = 64; // a power of two, as all sizes

  static std::size_t hash(std::string_view key) noexcept { return std::hash<std::string_view>{}(key); }

  // Where the key is, or would be put.
  template <class KeyOf> std::size_t placeOf(std::string_view key, KeyOf keyOf) const {
    if (places_.empty()) {
      return 0;
    }
    const std::size_t mask = places_.size() - 1;
    std::size_t at = hash(key) & mask;
    while (places_[at] != kFree && keyOf(places_[at]) != key) {
      at = (at + 1) & mask;
    }
    return at;
  }

  std::vector<std::uint32_t> places_;
  std::size_t count_ = 0;
};

} // namespace stellwerk
