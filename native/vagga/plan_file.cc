#include "vagga/plan_file.hpp"

#include "base/fd.hpp"
#include "vagga/plan.hpp"

#include <cerrno>
#include <climits>
#include <fcntl.h>
#include <sys/stat.h>

namespace stellwerk::vagga {
namespace {

constexpr const char* kBelowCache = "stellwerk/vagga-plans";

bool isOwnAndPrivate(const struct stat& status, mode_t others) noexcept {
  return status.st_uid == geteuid() && (status.st_mode & others) == 0;
}

// `project` is a path without symbolic links.
bool isBelow(int folder, const std::string& project) {
  char real[PATH_MAX];
  const ssize_t size = readlink(("/proc/self/fd/" + std::to_string(folder)).c_str(), real, sizeof real);
  const std::string_view path(real, size > 0 ? static_cast<std::size_t>(size) : 0);
  return path.empty() || path == project || path.starts_with(project + '/');
}

} // namespace

std::optional<std::string> plansFolder(const Environment& environment) {
  const auto cache = valueOf(environment, "XDG_CACHE_HOME");
  if (cache && cache->starts_with('/')) {
    return std::string(*cache) + '/' + kBelowCache;
  }
  const auto home = valueOf(environment, "HOME");
  if (!home || !home->starts_with('/')) {
    return std::nullopt;
  }
  return std::string(*home) + "/.cache/" + kBelowCache;
}

std::optional<std::string> planName(const std::string& project, std::string_view command) {
  struct stat status;
  if (stat(project.c_str(), &status) != 0) {
    return std::nullopt;
  }
  return std::to_string(status.st_dev) + '-' + std::to_string(status.st_ino) + '.' + std::string(command);
}

std::variant<std::string, Refused> readPlan(const std::string& folder, const std::string& name,
                                            const std::string& project) {
  const Fd plans(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!plans) {
    return Refused{"there is no plan yet"};
  }
  struct stat status;
  if (fstat(plans.get(), &status) != 0 || !isOwnAndPrivate(status, 077)) {
    return Refused{folder + " is not the user's own alone"};
  }
  if (isBelow(plans.get(), project)) {
    return Refused{"containers of the project could write plans"};
  }
  const Fd file(openat(plans.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file) {
    return Refused{errno == ENOENT ? "there is no plan yet" : name + " cannot be opened"};
  }
  if (fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_nlink != 1 ||
      !isOwnAndPrivate(status, 077)) {
    return Refused{name + " is not the user's own alone"};
  }
  if (status.st_size < 0 || static_cast<std::uint64_t>(status.st_size) > kMostPlanBytes) {
    return Refused{name + " is too large"};
  }
  std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t got = read(file.get(), bytes.data() + size, bytes.size() - size);
    if (got <= 0) {
      return Refused{name + " cannot be read"};
    }
    size += static_cast<std::size_t>(got);
  }
  return bytes;
}

} // namespace stellwerk::vagga
