#include "hash/folder_names.hpp"

#include "hash/beneath.hpp"
#include "hash/parallel.hpp"

#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <string_view>
#include <sys/stat.h>

namespace stellwerk {
namespace {

constexpr const char* kStep = "list folder";

struct CloseDir {
  void operator()(DIR* stream) const noexcept { closedir(stream); }
};

char kindOf(int folder, const dirent& entry, int& error) noexcept {
  mode_t type = DTTOIF(entry.d_type);
  if (entry.d_type == DT_UNKNOWN) { // some file systems do not tell
    struct stat status;
    if (fstatat(folder, entry.d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
      error = errno;
      return 'o';
    }
    type = status.st_mode & S_IFMT;
  }
  return type == S_IFDIR ? 'd' : type == S_IFREG ? 'f' : type == S_IFLNK ? 'l' : 'o';
}

Result<Done> listOne(int base, const std::string& folder, std::string& text) {
  Fd fd(openBeneathFolder(base, folder.c_str(), O_RDONLY | O_DIRECTORY));
  if (!fd) {
    return Failure::of(kStep, "openat2", folder.c_str());
  }
  const std::unique_ptr<DIR, CloseDir> stream(fdopendir(fd.get()));
  if (!stream) {
    return Failure::of(kStep, "fdopendir", folder.c_str());
  }
  (void)fd.release(); // the stream's now
  std::vector<std::string> entries;
  while (true) {
    errno = 0;
    const dirent* entry = readdir(stream.get());
    if (entry == nullptr) {
      if (errno != 0) {
        return Failure::of(kStep, "readdir", folder.c_str());
      }
      break;
    }
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") {
      continue;
    }
    if (!isUtf8(name)) {
      return Failure::of(kStep, "name is no UTF-8", (folder + "/" + entry->d_name).c_str(), EILSEQ);
    }
    int error = 0;
    const char kind = kindOf(dirfd(stream.get()), *entry, error);
    if (error == ENOENT) {
      continue; // gone between the two calls
    }
    if (error != 0) {
      return Failure::of(kStep, "fstatat", (folder + "/" + entry->d_name).c_str(), error);
    }
    entries.emplace_back(std::string(name) + kind); // the kind behind the name, out of the order's way
  }
  const auto nameOf = [](const std::string& entry) { return std::string_view(entry).substr(0, entry.size() - 1); };
  std::sort(entries.begin(), entries.end(),
            [&](const std::string& a, const std::string& b) { return nameOf(a) < nameOf(b); });
  for (const std::string& entry : entries) {
    text += entry.back();
    text += nameOf(entry);
    text += '\0';
  }
  text += '\0';
  return Done{};
}

} // namespace

// Unicode 15, table 3-7: well-formed UTF-8 byte sequences.
bool isUtf8(std::string_view text) noexcept {
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = [&](std::size_t index) noexcept -> unsigned {
      return index < text.size() ? static_cast<unsigned char>(text[index]) : 0;
    };
    const auto within = [&](std::size_t index, unsigned low, unsigned high) noexcept {
      return byte(index) >= low && byte(index) <= high;
    };
    const unsigned first = byte(at);
    std::size_t length = 0;
    if (first < 0x80) {
      length = 1;
    } else if (first >= 0xC2 && first <= 0xDF) {
      length = within(at + 1, 0x80, 0xBF) ? 2 : 0;
    } else if (first >= 0xE0 && first <= 0xEF) {
      const bool second = within(at + 1, first == 0xE0 ? 0xA0 : 0x80, first == 0xED ? 0x9F : 0xBF);
      length = second && within(at + 2, 0x80, 0xBF) ? 3 : 0;
    } else if (first >= 0xF0 && first <= 0xF4) {
      const bool second = within(at + 1, first == 0xF0 ? 0x90 : 0x80, first == 0xF4 ? 0x8F : 0xBF);
      length = second && within(at + 2, 0x80, 0xBF) && within(at + 3, 0x80, 0xBF) ? 4 : 0;
    }
    if (length == 0) {
      return false;
    }
    at += length;
  }
  return true;
}

Result<std::string> listFolders(const std::string& root, const std::string& below,
                                const std::vector<std::string>& folders, unsigned threads) {
  auto base = openFolderWithin(root, below, kStep);
  if (!base) {
    return base.failure();
  }
  std::vector<std::string> texts(folders.size());
  const auto listed = inParallel(folders.size(), threads, 8, [&](std::size_t index) {
    return listOne(base.value().get(), folders[index], texts[index]);
  });
  if (!listed) {
    return listed.failure();
  }
  std::string all;
  std::size_t size = 0;
  for (const std::string& text : texts) {
    size += text.size();
  }
  all.reserve(size);
  for (const std::string& text : texts) {
    all += text;
  }
  return all;
}

} // namespace stellwerk
