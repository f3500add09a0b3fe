// The lines of a pressure file, machine-wide or of a cgroup: Documentation/accounting/psi.rst.
#pragma once

#include "base/number.hpp"

#include <optional>

namespace stellwerk {

struct PressureLine {
  std::optional<std::uint64_t> total; // µs
  std::optional<double> averages[3];  // % of the last 10 s, 60 s and 300 s
};

struct PressureFile {
  PressureLine some;
  PressureLine full;
};

inline constexpr const char* kPressureAverages[3] = {"avg10", "avg60", "avg300"};

// `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`; the averages are parsed only where they are wanted.
inline PressureFile parsePressure(std::string_view text, bool averages) noexcept {
  PressureFile file;
  Cursor cursor(text);
  while (!cursor.done()) {
    const std::string_view line = cursor.line();
    PressureLine* parsed = line.starts_with("some ") ? &file.some : line.starts_with("full ") ? &file.full : nullptr;
    if (parsed == nullptr) {
      continue;
    }
    const std::size_t at = line.find(" total=");
    std::uint64_t total = 0;
    if (at != std::string_view::npos && Cursor(line.substr(at + 7)).readUnsigned(total)) {
      parsed->total = total;
    }
    Cursor words(line);
    words.word();
    for (std::size_t i = 0; averages && i < 3; ++i) {
      const std::string_view word = words.word();
      const std::size_t equals = word.find('=');
      double percent = 0;
      if (equals != std::string_view::npos && word.substr(0, equals) == kPressureAverages[i] &&
          Cursor(word.substr(equals + 1)).readFloat(percent)) {
        parsed->averages[i] = percent;
      }
    }
  }
  return file;
}

} // namespace stellwerk
