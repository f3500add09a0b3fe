// How full file systems are. statvfs(2) of a dead NFS server never returns, so it is called by a thread that may be left
// behind: the scan only takes what there is.
#pragma once

#include "scanner/collector.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace stellwerk {

struct FileSystemUse {
  std::uint64_t size = 0; // bytes, as are the next two
  std::uint64_t free = 0;
  std::uint64_t available = 0; // to users without privileges
  std::uint64_t files = 0;     // inodes
  std::uint64_t freeFiles = 0;
};

using StatFileSystem = std::function<std::optional<FileSystemUse>(const std::string&)>;

// Mount points of proc_pid_mountinfo(5) on which something is kept: each device once, by its shortest mount point, and
// nothing that lives in the kernel or in memory only, except as `/`.
std::vector<std::string> keptFileSystems(std::string_view mountinfo);

class FileSystems final : public Collector {
public:
  FileSystems(const std::string& procRoot, StatFileSystem stat);
  ~FileSystems() override;
  const char* name() const noexcept override { return "file systems"; }
  void collect(ScanContext& context) override;

private:
  struct Asking;
  struct Mount {
    std::string path;
    SeriesRef refs[5];
  };
  void askAgain(ScanContext& context);

  std::string path_;
  KeptFile file_;
  std::shared_ptr<Asking> asking_;
  std::vector<Mount> mounts_;
};

} // namespace stellwerk
