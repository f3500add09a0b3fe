#include "hash/file_list.hpp"

#include "hash/beneath.hpp"
#include "hash/blake2b.hpp"
#include "hash/parallel.hpp"

#include <algorithm>
#include <charconv>
#include <fcntl.h>
#include <string_view>

namespace stellwerk {
namespace {

constexpr const char* kStep = "look at file";
// What ids outside of every map are seen as: /proc/sys/kernel/overflowuid.
constexpr std::uint32_t kOverflowId = 65534;

std::uint32_t inside(const std::vector<IdSpan>& map, std::uint32_t id) noexcept {
  for (const IdSpan& span : map) {
    if (id >= span.outside && id - span.outside < span.count) {
      return span.inside + (id - span.outside);
    }
  }
  return map.empty() ? id : kOverflowId;
}

void field(std::string& text, std::string_view key, std::string_view value) {
  text += key;
  text += '\0';
  text += value;
  text += '\0';
}

void field(std::string& text, std::string_view key, std::uint64_t value) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  field(text, key, std::string_view(digits, static_cast<std::size_t>(end - digits)));
}

// Fixed-size numbers in a row: no two lists give the same bytes.
class Print {
public:
  void number(std::uint64_t value) noexcept {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
    hash_.update({bytes, sizeof value});
  }
  void text(std::string_view text) noexcept {
    number(text.size());
    hash_.update({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  }
  void map(const std::vector<IdSpan>& map) noexcept {
    number(map.size());
    for (const IdSpan& span : map) {
      number(span.inside);
      number(span.outside);
      number(span.count);
    }
  }
  void finish(std::array<std::uint8_t, 64>& digest) noexcept { hash_.finish(digest.data()); }

private:
  Blake2b hash_;
};

void printEntry(Print& print, const FileEntry& entry) noexcept {
  print.text(entry.path);
  print.number(entry.mode);
  print.number(entry.uid);
  print.number(entry.gid);
  if (S_ISDIR(entry.mode)) {
    return; // its times move with files that were not taken
  }
  print.number(entry.device);
  print.number(entry.inode);
  print.number(entry.size);
  for (const timespec& time : {entry.modified, entry.changed}) {
    print.number(static_cast<std::uint64_t>(time.tv_sec));
    print.number(static_cast<std::uint64_t>(time.tv_nsec));
  }
}

void printAll(FileList& list) {
  const FileRequest& request = list.request;
  Print print;
  print.number(1); // the format of what follows
  print.text(request.root);
  print.text(request.below);
  print.text(request.prefix);
  print.number(static_cast<std::uint64_t>(request.form));
  print.number(request.preserveModes ? 1 : 0);
  print.number(request.umask);
  print.number(static_cast<std::uint64_t>(request.ownerUid));
  print.number(static_cast<std::uint64_t>(request.ownerGid));
  print.map(request.uidMap);
  print.map(request.gidMap);
  print.number(list.entries.size());
  for (const FileEntry& entry : list.entries) {
    printEntry(print, entry);
  }
  print.finish(list.fingerprint);
}

std::int64_t nanoseconds(const timespec& time) noexcept {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

bool equal(const timespec& a, const timespec& b) noexcept { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

Result<Done> look(int folder, FileEntry& entry) {
  struct stat status;
  if (fstatat(folder, entry.path.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return Failure::of(kStep, "fstatat", entry.path.c_str());
  }
  if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode) && !S_ISLNK(status.st_mode)) {
    return Failure::of(kStep, "neither file, folder nor symbolic link", entry.path.c_str(), EINVAL);
  }
  entry.device = status.st_dev;
  entry.inode = status.st_ino;
  entry.mode = status.st_mode;
  entry.uid = status.st_uid;
  entry.gid = status.st_gid;
  entry.size = S_ISDIR(status.st_mode) ? 0 : static_cast<std::uint64_t>(status.st_size);
  entry.modified = status.st_mtim;
  entry.changed = status.st_ctim;
  return Done{};
}

} // namespace

bool FileEntry::same(const struct stat& status) const noexcept {
  return status.st_dev == device && status.st_ino == inode && status.st_mode == mode && status.st_uid == uid &&
         status.st_gid == gid && static_cast<std::uint64_t>(status.st_size) == size &&
         equal(status.st_mtim, modified) && equal(status.st_ctim, changed);
}

void FileList::head(const FileEntry& entry, std::string& into) const {
  into += "filename";
  into += '\0';
  into += request.prefix;
  if (entry.path != ".") {
    into += '/';
    into += entry.path;
  } else if (request.prefix.empty()) {
    into += '/';
  }
  into += '\0';
  const bool executable = (entry.mode & S_IXUSR) != 0;
  if (request.form == FileForm::depends) {
    if (entry.isFile()) {
      field(into, "is_executable", executable ? "true" : "false");
    }
    return;
  }
  if (!entry.isLink()) {
    const bool kept = request.form == FileForm::content || request.preserveModes;
    const unsigned full = S_ISDIR(entry.mode) || executable ? 0777 : 0666;
    field(into, "mode", kept ? entry.mode & 07777 : full & ~request.umask);
  }
  const bool given = request.form == FileForm::copy;
  const auto idOf = [given](std::int64_t owner, const std::vector<IdSpan>& map, std::uint32_t id) {
    return given && owner >= 0 ? static_cast<std::uint64_t>(owner) : inside(map, id);
  };
  field(into, "uid", idOf(request.ownerUid, request.uidMap, entry.uid));
  field(into, "gid", idOf(request.ownerGid, request.gidMap, entry.gid));
}

Result<std::unique_ptr<FileList>> makeFileList(FileRequest request, unsigned threads) {
  auto list = std::make_unique<FileList>();
  auto folder = openFolderWithin(request.root, request.below, kStep);
  if (!folder) {
    return folder.failure();
  }
  list->folder = std::move(folder).value();
  list->entries.resize(request.entries.size());
  for (std::size_t index = 0; index < request.entries.size(); ++index) {
    list->entries[index].path = std::move(request.entries[index]);
  }
  request.entries.clear();
  list->request = std::move(request);
  const auto looked = inParallel(list->entries.size(), threads, 128, [&](std::size_t index) {
    return look(list->folder.get(), list->entries[index]);
  });
  if (!looked) {
    return looked.failure();
  }
  for (const FileEntry& entry : list->entries) {
    if (!S_ISDIR(entry.mode)) {
      list->newestChangeNs = std::max(list->newestChangeNs, nanoseconds(entry.changed));
      list->bytes += entry.isFile() ? entry.size : 0;
    }
  }
  printAll(*list);
  return list;
}

} // namespace stellwerk
