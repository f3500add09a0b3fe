// What the program writes: taken from a pipe, appended to a file that may be moved away, rotated and reopened.
#pragma once

#include "base/failure.hpp"
#include "base/fd.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <sys/types.h>

namespace stellwerk::knot {

struct OutputPlan {
  std::string file;            // on the host; empty: nothing is kept
  std::string insideFile;      // in the container, instead of `file`; opened with the program's ids
  std::uint64_t mostBytes = 0; // `file` is rotated when it has grown so large; 0: never
  unsigned files = 1;          // how many rotated ones are kept: `file.1`, the youngest, to `file.N`
  bool copyToOwn = false;      // also to the knot's own standard output
};

// Ids as the host sees them.
struct OutputOwner {
  uid_t uid = 0;
  gid_t gid = 0;
};

class Output {
public:
  explicit Output(const OutputPlan& plan) : plan_(plan) {}

  // Makes the pipe; the writing end is what the program gets as 1 and 2.
  Result<Fd> makePipe(OutputOwner owner) noexcept;
  // Opens the host file; nothing where there is none.
  Result<Done> openFile() noexcept;
  // Opens the file inside. `root`: O_PATH descriptor of the container's `/`, kept for reopen().
  Result<Done> openInside(Fd root) noexcept;
  // The folder of the file inside, O_PATH, for a rule that lets it be opened again; invalid where there is none.
  Fd insideFolder() const noexcept;

  int pipe() const noexcept { return pipe_.get(); }
  // Moves what is there. False: all writers are gone.
  bool take() noexcept;
  // All that is left when the container has ended.
  void drain() noexcept;
  void reopen() noexcept;
  void append(std::string_view text) noexcept;
  // Whether the last text ended without a line end.
  bool midLine() const noexcept { return midLine_; }

private:
  bool wasReplaced() const noexcept;
  void rotate() noexcept;

  const OutputPlan& plan_;
  OutputOwner owner_;
  Fd pipe_;
  Fd file_;
  Fd root_;
  bool midLine_ = false;
};

} // namespace stellwerk::knot
