// The files whose names, modes, owners and contents go into a version, in order, as they were when they were looked at.
#pragma once

#include "base/failure.hpp"
#include "base/fd.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <sys/stat.h>
#include <vector>

namespace stellwerk {

// What is told of each entry beside its name (vagga 4, File list).
enum class FileForm : std::uint8_t {
  copy,    // the mode it is to have (not of symbolic links), uid, gid
  depends, // is_executable of files
  content, // mode & 07777, uid, gid: of what is in an image already
};

// Ids outside, from `outside` on, are ids inside from `inside` on.
struct IdSpan {
  std::uint32_t inside = 0;
  std::uint32_t outside = 0;
  std::uint32_t count = 0;
};

struct FileRequest {
  std::string root;                 // absolute
  std::string below;                // a folder in root that `entries` are relative to; empty for root
  std::vector<std::string> entries; // relative to that folder, in the order of the hash; "." is the folder itself
  std::string prefix;               // stands before "/" and the entry in what is hashed; empty for entries of a root
  FileForm form = FileForm::depends;
  bool preserveModes = false; // of copy; else by umask
  unsigned umask = 0;
  std::int64_t ownerUid = -1; // of copy; -1 for the file's own
  std::int64_t ownerGid = -1;
  std::vector<IdSpan> uidMap; // none: ids as they are
  std::vector<IdSpan> gidMap;
};

struct FileEntry {
  std::string path;
  dev_t device;
  ino_t inode;
  mode_t mode;
  uid_t uid;
  gid_t gid;
  std::uint64_t size;
  timespec modified;
  timespec changed;

  bool isFile() const noexcept { return S_ISREG(mode); }
  bool isLink() const noexcept { return S_ISLNK(mode); }
  // Whether a look at the same name finds the same file, unchanged.
  bool same(const struct stat& status) const noexcept;
};

struct FileList {
  FileRequest request; // without its entries
  Fd folder;
  std::vector<FileEntry> entries;
  // BLAKE2b of all that the stream depends on: the form, and path, device, inode, mode, owner, size and times of each.
  std::array<std::uint8_t, 64> fingerprint = {};
  // The latest change (ctime) of a file or symbolic link, in ns; how it is compared decides whether the fingerprint is
  // to be trusted.
  std::int64_t newestChangeNs = 0;
  std::uint64_t bytes = 0;

  // Name, mode and owner of an entry as they go into the stream, without its content.
  void head(const FileEntry& entry, std::string& into) const;
};

// lstat of each entry.
Result<std::unique_ptr<FileList>> makeFileList(FileRequest request, unsigned threads);

} // namespace stellwerk
