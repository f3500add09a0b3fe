#include "scanner/process_files.hpp"

#include "base/number.hpp"

namespace stellwerk {

std::optional<ProcessStat> parseProcessStat(std::string_view text) noexcept {
  std::size_t open = text.find('(');
  std::size_t close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    return std::nullopt;
  }
  ProcessStat stat;
  std::uint64_t value = 0;
  if (!Cursor(text.substr(0, open)).readUnsigned(value)) {
    return std::nullopt;
  }
  stat.pid = static_cast<std::uint32_t>(value);
  stat.name = text.substr(open + 1, close - open - 1);
  Cursor rest(text.substr(close + 1));
  std::string_view state = rest.word();
  if (state.empty()) {
    return std::nullopt;
  }
  stat.state = state.front();
  // Field numbers as in the manual page, from 1; some are negative (tpgid, priority).
  for (int field = 4; field <= 28; ++field) {
    std::string_view word = rest.word();
    if (!parseUnsigned(word, value)) {
      bool negative = word.size() > 1 && word.front() == '-';
      if (!negative) {
        if (field <= 24) {
          return std::nullopt;
        }
        break;
      }
      value = 0;
    }
    switch (field) {
    case 4:
      stat.ppid = static_cast<std::uint32_t>(value);
      break;
    case 9:
      stat.flags = static_cast<std::uint32_t>(value);
      break;
    case 14:
      stat.userTime = value;
      break;
    case 15:
      stat.systemTime = value;
      break;
    case 16:
      stat.childUserTime = value;
      break;
    case 17:
      stat.childSystemTime = value;
      break;
    case 20:
      stat.threads = value;
      break;
    case 22:
      stat.startTime = value;
      break;
    case 23:
      stat.vsize = value;
      break;
    case 24:
      stat.rssPages = value;
      break;
    case 28:
      stat.startStack = value;
      break;
    default:
      break;
    }
  }
  return stat;
}

ProcessStatus parseProcessStatus(std::string_view text) noexcept {
  ProcessStatus status;
  Cursor cursor(text);
  while (!cursor.done()) {
    const std::string_view whole = cursor.line();
    // Of sixty lines five are wanted.
    if (whole.empty() || std::string_view("UGVvn").find(whole.front()) == std::string_view::npos) {
      continue;
    }
    Cursor line(whole);
    std::string_view key = line.word();
    std::uint64_t value = 0;
    line.skipSpaces();
    if (key == "Uid:" && line.readUnsigned(value)) {
      status.uid = static_cast<std::uint32_t>(value);
    } else if (key == "Gid:" && line.readUnsigned(value)) {
      status.gid = static_cast<std::uint32_t>(value);
    } else if (key == "VmSwap:" && line.readUnsigned(value)) {
      status.swap = value * 1024;
    } else if (key == "voluntary_ctxt_switches:" && line.readUnsigned(value)) {
      status.voluntarySwitches = value;
    } else if (key == "nonvoluntary_ctxt_switches:" && line.readUnsigned(value)) {
      status.involuntarySwitches = value;
    }
  }
  return status;
}

ProcessIo parseProcessIo(std::string_view text) noexcept {
  ProcessIo io;
  Cursor cursor(text);
  while (!cursor.done()) {
    Cursor line(cursor.line());
    std::string_view key = line.word();
    std::uint64_t value = 0;
    line.skipSpaces();
    if (key == "read_bytes:" && line.readUnsigned(value)) {
      io.readBytes = value;
    } else if (key == "write_bytes:" && line.readUnsigned(value)) {
      io.writeBytes = value;
    }
  }
  return io;
}

std::optional<RunStamp> parseRunStamp(std::string_view text) noexcept {
  Cursor cursor(text);
  RunStamp stamp;
  std::uint64_t waited = 0;
  if (parseUnsigned(cursor.word(), stamp.ran) && parseUnsigned(cursor.word(), waited) &&
      parseUnsigned(cursor.word(), stamp.turns)) {
    return stamp;
  }
  return std::nullopt;
}

ProcessEnvironment parseEnvironment(std::string_view text) noexcept {
  constexpr std::string_view kPath = "CANTAL_PATH=";
  constexpr std::string_view kAppname = "CANTAL_APPNAME=";
  ProcessEnvironment environment;
  while (!text.empty() && (environment.path.empty() || environment.appname.empty())) {
    std::size_t stop = text.find('\0');
    std::string_view entry = text.substr(0, stop);
    text.remove_prefix(stop == std::string_view::npos ? text.size() : stop + 1);
    if (entry.starts_with(kPath) && environment.path.empty()) {
      environment.path = entry.substr(kPath.size());
    } else if (entry.starts_with(kAppname) && environment.appname.empty()) {
      environment.appname = entry.substr(kAppname.size());
    }
  }
  return environment;
}

} // namespace stellwerk
