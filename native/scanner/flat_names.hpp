// "Which line is this" for files of `NAME VALUE` lines. The kernel writes the same lines in the same order each time,
// so the name expected at a position is compared first, and looked up only when it differs.
#pragma once

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace stellwerk {

template <class Slot> class FlatNames {
public:
  void restart() noexcept { position_ = 0; }

  // make(name) → Slot, called once per name and position.
  template <class Make> Slot& next(std::string_view name, Make make) {
    if (position_ < lines_.size()) {
      Line& line = lines_[position_];
      if (line.name.size() == name.size() && std::memcmp(line.name.data(), name.data(), name.size()) == 0) {
        ++position_;
        return line.slot;
      }
    }
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      if (lines_[i].name == name) {
        position_ = i + 1;
        return lines_[i].slot;
      }
    }
    lines_.push_back({std::string(name), make(name)});
    position_ = lines_.size();
    return lines_.back().slot;
  }

private:
  struct Line {
    std::string name;
    Slot slot;
  };
  std::vector<Line> lines_;
  std::size_t position_ = 0;
};

} // namespace stellwerk
