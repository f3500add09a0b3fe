#include "container/folder.hpp"

#include "base/fd.hpp"

#include <fcntl.h>
#include <string_view>
#include <sys/stat.h>

namespace stellwerk {
namespace {

constexpr const char* kStep = "make folder";
constexpr int kFolder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

} // namespace

Result<Done> makeFolderBeneath(const std::string& base, const std::string& path, const FolderOwner& owner) {
  Fd at(open(base.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!at) {
    return Failure::of(kStep, "open", base.c_str());
  }
  bool made = false;
  for (std::size_t from = base.size(); from < path.size();) {
    const std::size_t end = std::min(path.find('/', from), path.size());
    const std::string name = path.substr(from, end - from);
    from = end + 1;
    if (name.empty() || name == ".") {
      continue;
    }
    if (name == "..") {
      return Failure::of(kStep, "open", path.c_str(), EXDEV);
    }
    made = mkdirat(at.get(), name.c_str(), 0755) == 0;
    if (!made && errno != EEXIST) {
      return Failure::of(kStep, "mkdir", path.c_str());
    }
    Fd next(openat(at.get(), name.c_str(), kFolder));
    if (!next) {
      // ENOTDIR: O_NOFOLLOW met a symbolic link, or there is a file.
      return Failure::of(kStep, "open", path.substr(0, end).c_str());
    }
    if (made && fchmod(next.get(), 0755) != 0) {
      return Failure::of(kStep, "chmod", path.c_str());
    }
    at = std::move(next);
  }
  // On the descriptor: what is there under the name by now may be another.
  if (made && (fchown(at.get(), owner.uid, owner.gid) != 0 || fchmod(at.get(), owner.mode) != 0)) {
    return Failure::of(kStep, "chown", path.c_str());
  }
  return Done{};
}

} // namespace stellwerk
