// What went wrong, said where it happened: the step, the system call, its subject and errno.
// Plain data of fixed size, so that the child of a clone can fill it and write it through a pipe.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>
#include <variant>

namespace stellwerk {

struct Failure {
  static constexpr std::size_t kSubjectSize = 256;

  char step[32] = {};              // what was being done: "mount", "pivot root", "write uid map"
  char call[32] = {};              // the system call: "mount", "openat2"
  char subject[kSubjectSize] = {}; // the path, the name or the value it was about; may be empty
  int error = 0;                   // errno

  // Async-signal-safe: copies and truncates, nothing else.
  static Failure of(const char* step, const char* call, const char* subject = "", int error = errno) noexcept {
    Failure failure;
    copy(failure.step, sizeof failure.step, step);
    copy(failure.call, sizeof failure.call, call);
    copy(failure.subject, sizeof failure.subject, subject);
    failure.error = error;
    return failure;
  }

private:
  static void copy(char* to, std::size_t size, const char* from) noexcept {
    std::size_t length = strnlen(from, size - 1);
    memcpy(to, from, length);
    to[length] = '\0';
  }
};

// Either the value or the Failure. `Result<Done>` for what returns nothing.
struct Done {};

template <class T> class [[nodiscard]] Result {
public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(const Failure& failure) : state_(std::in_place_index<1>, failure) {}

  explicit operator bool() const noexcept { return state_.index() == 0; }
  T& value() & noexcept { return *std::get_if<0>(&state_); }
  const T& value() const& noexcept { return *std::get_if<0>(&state_); }
  T&& value() && noexcept { return std::move(*std::get_if<0>(&state_)); }
  const Failure& failure() const noexcept { return *std::get_if<1>(&state_); }

private:
  std::variant<T, Failure> state_;
};

} // namespace stellwerk
