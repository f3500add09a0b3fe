// Kernel files that are read again each scan: the descriptor stays open and is read from 0, which halves the calls.
#pragma once

#include "base/fd.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace stellwerk {

// How many descriptors may stay open. Beyond it files are opened and closed at each read.
class FdBudget {
public:
  // Raises RLIMIT_NOFILE (getrlimit(2)) as far as the user may, and leaves a reserve to the rest of the process.
  static FdBudget ofProcess() noexcept;
  explicit FdBudget(std::size_t limit) noexcept : limit_(limit) {}

  bool take() noexcept {
    if (used_ >= limit_) {
      return false;
    }
    ++used_;
    return true;
  }
  void give() noexcept { --used_; }
  std::size_t used() const noexcept { return used_; }
  std::size_t limit() const noexcept { return limit_; }

private:
  std::size_t limit_;
  std::size_t used_ = 0;
};

// The buffer and the counts that all reads of one scan share.
struct Reader {
  explicit Reader(FdBudget budget, std::size_t bytes = 64 * 1024) : budget(budget), buffer(bytes) {}

  FdBudget budget;
  std::vector<char> buffer; // grows to the largest file met, never per read
  std::uint64_t filesRead = 0;
};

enum class ReadWhole : std::uint8_t {
  Once, // single-record seq_files (cgroup files, meminfo, stat): one pread has all of it
  Loop, // multi-record ones (diskstats, net/dev) come page by page
};

class KeptFile {
public:
  KeptFile() noexcept = default;
  KeptFile(KeptFile&& other) noexcept
      : fd_(std::move(other.fd_)), budget_(std::exchange(other.budget_, nullptr)) {}
  KeptFile& operator=(KeptFile&& other) noexcept {
    if (this != &other) {
      close();
      fd_ = std::move(other.fd_);
      budget_ = std::exchange(other.budget_, nullptr);
    }
    return *this;
  }
  ~KeptFile() { close(); }

  // The text, valid until the reader's next read. False with errno: nothing there (now). A file that has vanished
  // (ENODEV of a removed cgroup, ESRCH of a dead process) is closed, and opened anew at the next read.
  bool read(Reader& reader, int directory, const char* path, std::string_view& text, ReadWhole whole = ReadWhole::Once);
  void close() noexcept;
  bool open() const noexcept { return static_cast<bool>(fd_); }

private:
  Fd fd_;
  FdBudget* budget_ = nullptr; // set while fd_ counts against it
};

} // namespace stellwerk
