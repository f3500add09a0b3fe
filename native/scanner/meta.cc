#include "scanner/meta.hpp"

#include "base/number.hpp"
#include "scanner/labels_json.hpp"

#include <map>

namespace stellwerk {

namespace {

constexpr std::uint64_t kMostNumberSize = 255;
constexpr std::uint64_t kMostSize = 65'535;

std::string_view trim(std::string_view text) noexcept {
  auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && blank(text.front())) {
    text.remove_prefix(1);
  }
  while (!text.empty() && blank(text.back())) {
    text.remove_suffix(1);
  }
  return text;
}

std::string_view field(std::string_view& head) noexcept {
  std::size_t blank = head.find(' ');
  std::string_view word = head.substr(0, blank);
  head.remove_prefix(blank == std::string_view::npos ? head.size() : blank + 1);
  return word;
}

// nullptr, or what is wrong.
const char* parseLine(std::string_view line, Meta& meta, std::map<OwnedLabels, std::size_t>& seen) {
  if (line.empty()) {
    return "empty line";
  }
  if (!validUtf8(line)) {
    return "not UTF-8";
  }
  std::size_t colon = line.find(':');
  std::string_view head = trim(line.substr(0, colon));
  std::string_view type = field(head);
  std::uint64_t size = 0;
  if (!parseUnsigned(field(head), size)) {
    return "size is no number";
  }
  bool level = type == "level";
  bool number = level || type == "counter";
  if (size > (number ? kMostNumberSize : kMostSize)) {
    return "size out of range";
  }
  auto offset = meta.totalSize;
  meta.totalSize += size;
  if (type == "pad") {
    return nullptr;
  }
  std::string_view parameter = field(head);
  if (level && parameter != "signed" && parameter != "unsigned" && parameter != "float") {
    return "unknown kind of level";
  }
  if (colon == std::string_view::npos) {
    return "no JSON";
  }
  OwnedLabels labels;
  LabelsResult result = parseLabels(trim(line.substr(colon + 1)), labels);
  if (result == LabelsResult::Invalid) {
    return "bad JSON";
  }
  bool state = type == "state";
  if (!number && !state) {
    meta.unknownTypes.emplace_back(type);
    return nullptr;
  }
  if (result == LabelsResult::NotLabels || (number ? size != 8 : size <= 8)) {
    return nullptr;
  }
  ValueType valueType = state                      ? ValueType::State
                        : !level                   ? ValueType::Counter
                        : parameter == "signed"    ? ValueType::Signed
                        : parameter == "unsigned"  ? ValueType::Unsigned
                                                   : ValueType::Float;
  MetaEntry entry{valueType, static_cast<std::uint32_t>(size), static_cast<std::uint32_t>(offset), labels};
  auto [found, isNew] = seen.emplace(std::move(labels), meta.entries.size());
  if (isNew) {
    meta.entries.push_back(std::move(entry));
  } else {
    meta.entries[found->second] = std::move(entry); // the later one wins
  }
  return nullptr;
}

} // namespace

Meta parseMeta(std::string_view text) {
  Meta meta;
  std::map<OwnedLabels, std::size_t> seen;
  Cursor cursor(text);
  std::uint32_t number = 0;
  while (!cursor.done()) {
    ++number;
    const char* error = number > kMostMetaEntries ? "too many entries" : parseLine(trim(cursor.line()), meta, seen);
    if (error != nullptr) {
      meta = {};
      meta.error = error;
      meta.errorLine = number;
      return meta;
    }
  }
  return meta;
}

} // namespace stellwerk
