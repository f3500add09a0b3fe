// The knot's messages: `[RFC 3339][LEVEL] text` lines, appended to the sandbox's log.
#pragma once

#include "base/fd.hpp"

#include <string>

namespace stellwerk::knot {

// In the order of lithos 2.1, log-level.
enum class Level { error, warn, info, debug, trace };

// `2026-01-31T23:59:59.123Z`, for lines of logs.
struct TimeText {
  char text[32];
};
TimeText timeText(long long msSince1970) noexcept;

class Log {
public:
  // An empty path, like a file that cannot be opened: messages go to standard error.
  void open(const std::string& path, Level most);
  // After logrotate and the like.
  void reopen();
  // Long texts are cut. A full disk loses the message, nothing else.
  [[gnu::format(printf, 3, 4)]] void say(Level level, const char* format, ...) noexcept;

private:
  std::string path_;
  Fd file_;
  Level most_ = Level::warn;
};

} // namespace stellwerk::knot
