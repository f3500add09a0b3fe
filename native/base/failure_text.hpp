// The one place that words a Failure.
#pragma once

#include "base/failure.hpp"

#include <cstdio>
#include <cstring>
#include <string>

namespace stellwerk {

// "bind: openat2: /x: No such file or directory"; a call that repeats the step and an empty subject are left out.
inline std::string describe(const Failure& failure) {
  std::string text = failure.step;
  for (const char* part : {failure.call, failure.subject}) {
    if (*part != '\0' && text != part) {
      text += ": ";
      text += part;
    }
  }
  char buffer[128] = {};
  text += ": ";
  text += strerror_r(failure.error, buffer, sizeof buffer); // the GNU variant: returns the text
  return text;
}

} // namespace stellwerk
