#include "hash/fill.hpp"

#include "hash/beneath.hpp"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <string>

namespace stellwerk {
namespace {

constexpr const char* kStep = "read file";

Failure changed(const FileEntry& entry) {
  return Failure::of(kStep, "changed while it was read", entry.path.c_str(), ESTALE);
}

void append(Piece& piece, const std::string& text) noexcept {
  std::memcpy(piece.bytes.get() + piece.size, text.data(), text.size());
  piece.size += text.size();
}

Result<Done> checkSame(const FileEntry& entry, int result, const struct stat& status) {
  if (result != 0) {
    return Failure::of(kStep, "fstat", entry.path.c_str());
  }
  if (!entry.same(status)) {
    return changed(entry);
  }
  return Done{};
}

Result<Done> appendLink(const FileList& list, std::size_t index, Piece& piece) {
  const FileEntry& entry = list.entries[index];
  constexpr char kKey[] = "symlink"; // with its NUL
  append(piece, std::string(kKey, sizeof kKey));
  auto* to = reinterpret_cast<char*>(piece.bytes.get() + piece.size);
  const ssize_t length = readlinkat(list.folder.get(), entry.path.c_str(), to, entry.size + 1);
  if (length < 0) {
    return Failure::of(kStep, "readlinkat", entry.path.c_str());
  }
  if (static_cast<std::uint64_t>(length) != entry.size) {
    return changed(entry);
  }
  piece.contents.push_back({.entry = index, .from = piece.size, .size = entry.size, .ends = true});
  piece.size += entry.size;
  piece.bytes[piece.size++] = 0; // in the place of the byte that a longer target would have taken
  struct stat status;
  return checkSame(entry, fstatat(list.folder.get(), entry.path.c_str(), &status, AT_SYMLINK_NOFOLLOW), status);
}

Result<Done> appendContent(const FileList& list, const Job& job, std::size_t index, Piece& piece) {
  const FileEntry& entry = list.entries[index];
  const bool whole = job.count > 1 || (job.offset == 0 && job.ends);
  const std::uint64_t wanted = whole ? entry.size : job.length;
  const Fd file(openBeneathFolder(list.folder.get(), entry.path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY));
  if (!file) {
    return Failure::of(kStep, "openat2", entry.path.c_str());
  }
  const std::size_t from = piece.size;
  // With the last stretch one byte more: a file that has grown is seen, and a full answer says there is no more.
  const std::uint64_t asked = wanted + (job.ends ? 1 : 0);
  std::uint64_t got = 0;
  while (got < wanted || (got == 0 && wanted == 0)) {
    const ssize_t count = pread(file.get(), piece.bytes.get() + from + got, asked - got,
                                static_cast<off_t>(job.offset + got));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return Failure::of(kStep, "read", entry.path.c_str());
    }
    if (count == 0) {
      break;
    }
    got += static_cast<std::uint64_t>(count);
  }
  if (got != wanted) {
    return changed(entry);
  }
  struct stat status;
  const auto same = checkSame(entry, fstat(file.get(), &status), status);
  if (!same) {
    return same;
  }
  piece.size += wanted;
  piece.contents.push_back({.entry = index, .from = from, .size = wanted, .ends = job.ends});
  return Done{};
}

} // namespace

Result<Done> fill(const FileList& list, const Job& job, Piece& piece) {
  if (piece.room < job.room) {
    piece.bytes.reset(new std::uint8_t[job.room]); // not made zero: it is written before it is read
    piece.room = job.room;
  }
  piece.size = 0;
  piece.contents.clear();
  std::string head;
  for (std::size_t index = job.first; index < job.first + job.count; ++index) {
    const FileEntry& entry = list.entries[index];
    if (job.offset == 0) {
      head.clear();
      list.head(entry, head);
      append(piece, head);
    }
    Result<Done> done = Done{};
    if (entry.isFile()) {
      done = appendContent(list, job, index, piece);
    } else if (entry.isLink()) {
      done = appendLink(list, index, piece);
    }
    if (!done) {
      return done;
    }
  }
  return Done{};
}

} // namespace stellwerk
