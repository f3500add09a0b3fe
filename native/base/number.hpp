// Numbers and words out of kernel text: no allocation, no locale, never past the end.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>

namespace stellwerk {

// A place in a text. Each read advances it only when it succeeds.
struct Cursor {
  const char* at;
  const char* end;

  explicit Cursor(std::string_view text) noexcept : at(text.data()), end(text.data() + text.size()) {}

  bool done() const noexcept { return at == end; }

  void skipSpaces() noexcept {
    while (at != end && (*at == ' ' || *at == '\t')) {
      ++at;
    }
  }

  bool skip(char wanted) noexcept {
    if (at == end || *at != wanted) {
      return false;
    }
    ++at;
    return true;
  }

  // Up to the next blank or line end; may be empty.
  std::string_view word() noexcept {
    skipSpaces();
    const char* start = at;
    while (at != end && *at != ' ' && *at != '\t' && *at != '\n') {
      ++at;
    }
    return {start, static_cast<std::size_t>(at - start)};
  }

  // Up to and without the next line end.
  std::string_view line() noexcept {
    const char* start = at;
    const void* stop = at == end ? nullptr : std::memchr(at, '\n', static_cast<std::size_t>(end - at));
    at = stop == nullptr ? end : static_cast<const char*>(stop) + 1;
    return {start, static_cast<std::size_t>(at - start) - (stop == nullptr ? 0 : 1)};
  }

  bool readUnsigned(std::uint64_t& value) noexcept {
    const char* here = at;
    std::uint64_t sum = 0;
    while (here != end) {
      unsigned digit = static_cast<unsigned char>(*here) - unsigned{'0'};
      if (digit > 9) {
        break;
      }
      // 2^64 has 20 digits: only the last of them can overflow.
      if (here - at >= 19 && (here - at > 19 || sum > (std::numeric_limits<std::uint64_t>::max() - digit) / 10)) {
        return false;
      }
      sum = sum * 10 + digit;
      ++here;
    }
    if (here == at) {
      return false;
    }
    at = here;
    value = sum;
    return true;
  }

  bool readSigned(std::int64_t& value) noexcept {
    auto [stop, error] = std::from_chars(at, end, value);
    if (error != std::errc{}) {
      return false;
    }
    at = stop;
    return true;
  }

  bool readFloat(double& value) noexcept {
    auto [stop, error] = std::from_chars(at, end, value);
    if (error != std::errc{}) {
      return false;
    }
    at = stop;
    return true;
  }
};

// The whole text as one number.
inline bool parseUnsigned(std::string_view text, std::uint64_t& value) noexcept {
  Cursor cursor(text);
  return cursor.readUnsigned(value) && cursor.done();
}

} // namespace stellwerk
