#include "knot/memory_events.hpp"

#include <fcntl.h>

namespace stellwerk::knot {

std::uint64_t parseOomKills(std::string_view text) noexcept {
  constexpr std::string_view key = "oom_kill ";
  for (std::size_t at = text.find(key); at != std::string_view::npos; at = text.find(key, at + 1)) {
    if (at != 0 && text[at - 1] != '\n') {
      continue;
    }
    std::uint64_t value = 0;
    for (std::size_t digit = at + key.size(); digit < text.size() && text[digit] >= '0' && text[digit] <= '9'; digit++) {
      value = value * 10 + static_cast<std::uint64_t>(text[digit] - '0');
    }
    return value;
  }
  return 0;
}

void MemoryEvents::open(const std::vector<std::string>& cgroups) {
  for (const std::string& folder : cgroups) {
    for (const char* name : {"/memory.events", "/memory.oom_control"}) {
      events_.reset(::open((folder + name).c_str(), O_RDONLY | O_CLOEXEC));
      if (events_) {
        pressure_.reset(::open((folder + "/memory.pressure").c_str(), O_RDONLY | O_CLOEXEC));
        before_ = total();
        return;
      }
    }
  }
}

std::uint64_t MemoryEvents::total() const noexcept {
  char text[512];
  const ssize_t got = events_ ? pread(events_.get(), text, sizeof text, 0) : -1;
  return got > 0 ? parseOomKills({text, static_cast<std::size_t>(got)}) : 0;
}

std::uint64_t MemoryEvents::oomKills() const noexcept {
  const std::uint64_t now = total();
  return now > before_ ? now - before_ : 0;
}

std::string_view MemoryEvents::pressure() noexcept {
  const ssize_t got = pressure_ ? pread(pressure_.get(), line_, sizeof line_, 0) : -1;
  const std::string_view text(line_, got > 0 ? static_cast<std::size_t>(got) : 0);
  return text.starts_with("some ") ? text.substr(0, text.find('\n')) : std::string_view();
}

} // namespace stellwerk::knot
