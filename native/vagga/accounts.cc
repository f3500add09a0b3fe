#include "vagga/accounts.hpp"

#include "base/number.hpp"

namespace stellwerk::vagga {
namespace {

constexpr std::uint64_t kGreatestId = 4294967294; // 2^32 - 2: -1 means "no id" to the kernel
constexpr std::size_t kMostDigits = 10;
constexpr std::string_view kBlanks = " \t\r\v\f";

// Up to the next colon, which is taken off as well.
std::string_view field(std::string_view& rest) {
  const std::size_t colon = rest.find(':');
  const std::string_view text = rest.substr(0, colon);
  rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
  return text;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t from = text.find_first_not_of(kBlanks);
  if (from == std::string_view::npos) {
    return {};
  }
  return text.substr(from, text.find_last_not_of(kBlanks) - from + 1);
}

bool number(std::string_view text, std::uint64_t& value) {
  return text.size() <= kMostDigits && parseUnsigned(text, value);
}

} // namespace

std::optional<std::string> accountName(std::string_view passwd, std::uint32_t uid) {
  for (Cursor lines(passwd); !lines.done();) {
    std::string_view rest = lines.line();
    const std::string_view name = field(rest);
    field(rest);
    std::uint64_t value = 0;
    if (!name.empty() && name[0] != '#' && number(field(rest), value) && value == uid) {
      return std::string(name);
    }
  }
  return std::nullopt;
}

std::optional<std::string> grantsOf(std::string_view text, std::string_view account, std::uint32_t uid) {
  std::string grants;
  for (Cursor lines(text); !lines.done();) {
    std::string_view rest = lines.line();
    rest = trimmed(rest.substr(0, rest.find('#')));
    if (rest.empty()) {
      continue;
    }
    const std::string_view name = field(rest);
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    const bool numbers = number(field(rest), first) && rest.find(':') == std::string_view::npos && number(rest, count);
    if (name.empty() || name.find_first_of(kBlanks) != std::string_view::npos || !numbers || first > kGreatestId ||
        first + count > kGreatestId + 1) {
      return std::nullopt;
    }
    if ((name == account || name == std::to_string(uid)) && count > 0) {
      grants += std::to_string(first);
      grants += ':';
      grants += std::to_string(count);
      grants += '\n';
    }
  }
  return grants;
}

} // namespace stellwerk::vagga
