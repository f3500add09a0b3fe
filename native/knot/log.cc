#include "knot/log.hpp"

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fcntl.h>

namespace stellwerk::knot {
namespace {

constexpr long long kMsPerSecond = 1000;
constexpr long kNsPerMs = 1'000'000;
constexpr const char* kNames[] = {"ERROR", "WARN", "INFO", "DEBUG", "TRACE"};

} // namespace

TimeText timeText(long long msSince1970) noexcept {
  const time_t seconds = static_cast<time_t>(msSince1970 / kMsPerSecond);
  tm parts = {};
  gmtime_r(&seconds, &parts);
  TimeText result = {};
  const std::size_t length = strftime(result.text, sizeof result.text, "%Y-%m-%dT%H:%M:%S", &parts);
  snprintf(result.text + length, sizeof result.text - length, ".%03dZ", static_cast<int>(msSince1970 % kMsPerSecond));
  return result;
}

void Log::open(const std::string& path, Level most) {
  path_ = path;
  most_ = most;
  reopen();
}

void Log::reopen() {
  if (!path_.empty()) {
    file_.reset(::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640));
  }
}

void Log::say(Level level, const char* format, ...) noexcept {
  if (level > most_) {
    return;
  }
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  const TimeText time = timeText(static_cast<long long>(now.tv_sec) * kMsPerSecond + now.tv_nsec / kNsPerMs);
  char line[1024];
  int used = snprintf(line, sizeof line, "[%s][%s] ", time.text, kNames[static_cast<int>(level)]);
  va_list arguments;
  va_start(arguments, format);
  used += vsnprintf(line + used, sizeof line - static_cast<std::size_t>(used) - 1, format, arguments);
  va_end(arguments);
  const std::size_t length = static_cast<std::size_t>(used) < sizeof line - 1 ? static_cast<std::size_t>(used)
                                                                               : sizeof line - 2;
  line[length] = '\n';
  if (write(file_ ? file_.get() : STDERR_FILENO, line, length + 1) < 0) {
    // Nobody is left to tell.
  }
}

} // namespace stellwerk::knot
