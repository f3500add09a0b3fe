#include "scanner/labels_json.hpp"

#include <algorithm>
#include <cstdint>

namespace stellwerk {

namespace {

constexpr int kMostDepth = 64; // recursion on a stranger's input

// Length of the valid sequence at the start of `text`, 0 if broken. The Unicode Standard, table 3-7.
std::size_t sequence(std::string_view text) noexcept {
  auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  unsigned head = byte(0);
  auto continues = [&](std::size_t i) { return (byte(i) & 0xc0u) == 0x80u; };
  if (head < 0x80) {
    return 1;
  }
  if (head >= 0xc2 && head <= 0xdf) {
    return continues(1) ? 2 : 0;
  }
  if (head >= 0xe0 && head <= 0xef) {
    bool second = head == 0xe0   ? byte(1) >= 0xa0 && byte(1) <= 0xbf
                  : head == 0xed ? byte(1) >= 0x80 && byte(1) <= 0x9f
                                 : continues(1);
    return second && continues(2) ? 3 : 0;
  }
  if (head >= 0xf0 && head <= 0xf4) {
    bool second = head == 0xf0   ? byte(1) >= 0x90 && byte(1) <= 0xbf
                  : head == 0xf4 ? byte(1) >= 0x80 && byte(1) <= 0x8f
                                 : continues(1);
    return second && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

class Parser {
public:
  explicit Parser(std::string_view text) : text_(text) {}

  LabelsResult labels(OwnedLabels& out) {
    blanks();
    bool plain = peek() == '{';
    if (plain ? !object(out, plain) : !value(0)) {
      return LabelsResult::Invalid;
    }
    blanks();
    if (at_ != text_.size()) {
      return LabelsResult::Invalid;
    }
    return plain ? LabelsResult::Labels : LabelsResult::NotLabels;
  }

private:
  char peek() const noexcept { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char wanted) noexcept {
    if (at_ < text_.size() && text_[at_] == wanted) {
      ++at_;
      return true;
    }
    return false;
  }
  void blanks() noexcept {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
  }
  bool literal(std::string_view wanted) noexcept {
    if (!text_.substr(at_).starts_with(wanted)) {
      return false;
    }
    at_ += wanted.size();
    return true;
  }

  // The outer object. `plain` becomes false when a value is nested, null or a fraction.
  bool object(OwnedLabels& out, bool& plain) {
    take('{');
    blanks();
    if (take('}')) {
      return true;
    }
    for (;;) {
      std::string name;
      blanks();
      if (!string(&name)) {
        return false;
      }
      blanks();
      if (!take(':')) {
        return false;
      }
      blanks();
      std::string content;
      std::size_t start = at_;
      if (peek() == '"') {
        if (!string(&content)) {
          return false;
        }
      } else {
        if (!value(1)) {
          return false;
        }
        content = text_.substr(start, at_ - start);
        bool boolean = content == "true" || content == "false";
        plain = plain && (boolean || (content.find_first_not_of("-0123456789") == std::string::npos));
      }
      out.emplace_back(std::move(name), std::move(content));
      blanks();
      if (take('}')) {
        return true;
      }
      if (!take(',')) {
        return false;
      }
    }
  }

  bool value(int depth) {
    if (depth > kMostDepth) {
      return false;
    }
    switch (peek()) {
    case '"':
      return string(nullptr);
    case '{':
      return members('}', true, depth);
    case '[':
      return members(']', false, depth);
    case 't':
      return literal("true");
    case 'f':
      return literal("false");
    case 'n':
      return literal("null");
    default:
      return number();
    }
  }

  bool members(char close, bool named, int depth) {
    ++at_;
    blanks();
    if (take(close)) {
      return true;
    }
    for (;;) {
      blanks();
      if (named) {
        if (!string(nullptr)) {
          return false;
        }
        blanks();
        if (!take(':')) {
          return false;
        }
        blanks();
      }
      if (!value(depth + 1)) {
        return false;
      }
      blanks();
      if (take(close)) {
        return true;
      }
      if (!take(',')) {
        return false;
      }
    }
  }

  bool digits() noexcept {
    std::size_t start = at_;
    while (peek() >= '0' && peek() <= '9') {
      ++at_;
    }
    return at_ != start;
  }

  bool number() noexcept {
    take('-');
    if (!take('0') && !digits()) {
      return false;
    }
    if (take('.') && !digits()) {
      return false;
    }
    if (take('e') || take('E')) {
      if (!take('+')) {
        take('-');
      }
      return digits();
    }
    return true;
  }

  bool hex(std::uint32_t& unit) noexcept {
    unit = 0;
    for (int i = 0; i < 4; ++i) {
      char c = peek();
      unsigned digit = c >= '0' && c <= '9'   ? static_cast<unsigned>(c - '0')
                       : c >= 'a' && c <= 'f' ? static_cast<unsigned>(c - 'a') + 10
                       : c >= 'A' && c <= 'F' ? static_cast<unsigned>(c - 'A') + 10
                                              : 16;
      if (digit == 16) {
        return false;
      }
      ++at_;
      unit = unit * 16 + digit;
    }
    return true;
  }

  static void append(std::string* out, std::uint32_t point) {
    if (out == nullptr) {
      return;
    }
    auto put = [out](std::uint32_t byte) { *out += static_cast<char>(byte); };
    if (point < 0x80) {
      put(point);
    } else if (point < 0x800) {
      put(0xc0 | point >> 6);
      put(0x80 | (point & 0x3f));
    } else if (point < 0x10000) {
      put(0xe0 | point >> 12);
      put(0x80 | (point >> 6 & 0x3f));
      put(0x80 | (point & 0x3f));
    } else {
      put(0xf0 | point >> 18);
      put(0x80 | (point >> 12 & 0x3f));
      put(0x80 | (point >> 6 & 0x3f));
      put(0x80 | (point & 0x3f));
    }
  }

  bool string(std::string* out) {
    if (!take('"')) {
      return false;
    }
    while (at_ < text_.size()) {
      char c = text_[at_++];
      if (c == '"') {
        return true;
      }
      if (static_cast<unsigned char>(c) < 0x20) {
        return false;
      }
      if (c != '\\') {
        if (out != nullptr) {
          *out += c;
        }
        continue;
      }
      char escape = peek();
      ++at_;
      constexpr std::string_view kFrom = "\"\\/bfnrt";
      constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
      if (escape == 'u') {
        std::uint32_t point = 0;
        if (!hex(point)) {
          return false;
        }
        if (point >= 0xd800 && point < 0xdc00) {
          std::uint32_t low = 0;
          if (!take('\\') || !take('u') || !hex(low) || low < 0xdc00 || low > 0xdfff) {
            return false;
          }
          point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
        } else if (point >= 0xdc00 && point < 0xe000) {
          return false;
        }
        append(out, point);
      } else if (std::size_t index = kFrom.find(escape); escape != '\0' && index != std::string_view::npos) {
        if (out != nullptr) {
          *out += kTo[index];
        }
      } else {
        return false;
      }
    }
    return false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

} // namespace

LabelsResult parseLabels(std::string_view text, OwnedLabels& labels) {
  labels.clear();
  LabelsResult result = Parser(text).labels(labels);
  if (result != LabelsResult::Labels) {
    return result;
  }
  // Stable, so that of equal names the last stands last; then keep that.
  std::stable_sort(labels.begin(), labels.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::size_t kept = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (i + 1 < labels.size() && labels[i].first == labels[i + 1].first) {
      continue;
    }
    if (kept != i) {
      labels[kept] = std::move(labels[i]);
    }
    ++kept;
  }
  labels.resize(kept);
  return result;
}

bool validUtf8(std::string_view text) noexcept {
  while (!text.empty()) {
    std::size_t length = sequence(text);
    if (length == 0) {
      return false;
    }
    text.remove_prefix(length);
  }
  return true;
}

std::string lossyUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    std::size_t length = sequence(text);
    if (length == 0) {
      out += "\xef\xbf\xbd";
      text.remove_prefix(1);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return out;
}

} // namespace stellwerk
