#include "knot/status.hpp"

#include "base/fd.hpp"

#include <cstdio>
#include <fcntl.h>

namespace stellwerk::knot {
namespace {

const char* nameOf(Phase phase) noexcept {
  switch (phase) {
  case Phase::starting:
    return "starting";
  case Phase::running:
    return "running";
  case Phase::stopping:
    return "stopping";
  case Phase::ended:
    return "ended";
  }
  return "";
}

// Length of the UTF-8 sequence at `text` (RFC 3629), 0 where it is none.
std::size_t sequenceAt(std::string_view text) noexcept {
  const auto byte = [&](std::size_t index) { return static_cast<unsigned char>(text[index]); };
  const unsigned first = byte(0);
  const std::size_t length = first < 0x80 ? 1 : first >= 0xC2 && first < 0xE0 ? 2 : (first & 0xF0) == 0xE0 ? 3
                             : first >= 0xF0 && first < 0xF5                  ? 4
                                                                              : 0;
  if (length == 0 || length > text.size()) {
    return 0;
  }
  for (std::size_t index = 1; index < length; index++) {
    if ((byte(index) & 0xC0) != 0x80) {
      return 0;
    }
  }
  const unsigned second = length > 1 ? byte(1) : 0;
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool outside = (first == 0xED && second >= 0xA0) || (first == 0xF4 && second >= 0x90);
  return overlong || outside ? 0 : length;
}

class Writer {
public:
  explicit Writer(std::span<char> buffer) : buffer_(buffer) {}

  Writer& raw(std::string_view text) noexcept {
    const std::size_t fits = text.size() < buffer_.size() - used_ ? text.size() : buffer_.size() - used_;
    memcpy(buffer_.data() + used_, text.data(), fits);
    used_ += fits;
    return *this;
  }

  Writer& number(std::uint64_t value) noexcept {
    char digits[24];
    const int length = snprintf(digits, sizeof digits, "%llu", static_cast<unsigned long long>(value));
    return raw({digits, static_cast<std::size_t>(length)});
  }

  Writer& number(const std::optional<int>& value) noexcept {
    return value ? number(static_cast<std::uint64_t>(*value)) : raw("null");
  }

  Writer& string(std::string_view text) noexcept {
    raw("\"");
    while (!text.empty()) {
      const std::size_t length = sequenceAt(text);
      const auto first = static_cast<unsigned char>(text[0]);
      if (length == 0) {
        raw("\\ufffd");
      } else if (first == '"' || first == '\\') {
        raw("\\").raw(text.substr(0, 1));
      } else if (first < 0x20) {
        char escape[8];
        snprintf(escape, sizeof escape, "\\u%04x", first);
        raw({escape, 6});
      } else {
        raw(text.substr(0, length));
      }
      text.remove_prefix(length == 0 ? 1 : length);
    }
    return raw("\"");
  }

  std::string_view text() const noexcept { return {buffer_.data(), used_}; }

private:
  std::span<char> buffer_;
  std::size_t used_ = 0;
};

} // namespace

std::string_view encodeStatus(const Status& status, std::span<char, kStatusBytes> buffer) noexcept {
  Writer out(buffer);
  out.raw("{\"version\":1,\"phase\":").string(nameOf(status.phase));
  out.raw(",\"knotPid\":").number(static_cast<std::uint64_t>(status.knotPid));
  out.raw(",\"knotStartTime\":").number(status.knotStartTime);
  out.raw(",\"pid\":").number(static_cast<std::uint64_t>(status.pid));
  out.raw(",\"startTime\":").number(status.startTime);
  out.raw(",\"startedAtMs\":").number(status.startedAtMs);
  out.raw(",\"endedAtMs\":").number(status.endedAtMs);
  out.raw(",\"exitCode\":").number(status.exitCode);
  out.raw(",\"signal\":").number(status.signal);
  out.raw(",\"restarts\":").number(status.restarts);
  out.raw(",\"oomKills\":").number(status.oomKills);
  out.raw(",\"memoryPressure\":");
  if (status.memoryPressure.empty()) {
    out.raw("null");
  } else {
    out.string(status.memoryPressure);
  }
  out.raw(",\"failure\":");
  if (status.failure == nullptr) {
    out.raw("null");
  } else {
    out.raw("{\"step\":").string(status.failure->step);
    out.raw(",\"call\":").string(status.failure->call);
    out.raw(",\"subject\":").string(status.failure->subject);
    out.raw(",\"errno\":").number(static_cast<std::uint64_t>(status.failure->error)).raw("}");
  }
  return out.raw("}\n").text();
}

std::uint64_t parseStartTime(std::string_view stat) noexcept {
  std::size_t at = stat.rfind(')');
  if (at == std::string_view::npos) {
    return 0;
  }
  // Field 3 follows the first space; field 22 the twentieth.
  for (int field = 2; field < 22; field++) {
    at = stat.find(' ', at + 1);
    if (at == std::string_view::npos) {
      return 0;
    }
  }
  std::uint64_t value = 0;
  for (at++; at < stat.size() && stat[at] >= '0' && stat[at] <= '9'; at++) {
    value = value * 10 + static_cast<std::uint64_t>(stat[at] - '0');
  }
  return value;
}

std::uint64_t startTimeOf(pid_t pid) noexcept {
  char path[32];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  const Fd file(open(path, O_RDONLY | O_CLOEXEC));
  char text[1024];
  const ssize_t got = file ? read(file.get(), text, sizeof text) : -1;
  return got > 0 ? parseStartTime({text, static_cast<std::size_t>(got)}) : 0;
}

Result<Done> writeStatus(int stateDir, const Status& status) noexcept {
  char buffer[kStatusBytes];
  const std::string_view text = encodeStatus(status, buffer);
  const Fd file(openat(stateDir, "status.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!file || write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return Failure::of("write status", file ? "write" : "open", "status.tmp");
  }
  if (renameat(stateDir, "status.tmp", stateDir, "status") != 0) {
    return Failure::of("write status", "rename", "status");
  }
  return Done{};
}

} // namespace stellwerk::knot
