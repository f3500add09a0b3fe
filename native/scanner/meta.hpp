// The .meta file of an application: spec/cantal.md 3.2. Written by untrusted programs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stellwerk {

enum class ValueType : std::uint8_t { Counter, Signed, Unsigned, Float, State };

struct MetaEntry {
  ValueType type;
  std::uint32_t size; // bytes
  std::uint32_t offset;
  std::vector<std::pair<std::string, std::string>> labels; // sorted by name
};

struct Meta {
  std::vector<MetaEntry> entries; // those that can be read
  std::uint64_t totalSize = 0;    // that .values must have at least
  std::vector<std::string> unknownTypes;
  // The whole file is refused when `error` is set.
  const char* error = nullptr;
  std::uint32_t errorLine = 0; // from 1
};

inline constexpr std::size_t kMostMetaEntries = 10'000;

Meta parseMeta(std::string_view text);

} // namespace stellwerk
