#include "vagga/proof.hpp"

#include "base/fd.hpp"
#include "vagga/accounts.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>

namespace stellwerk::vagga {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr std::size_t kMostAccountBytes = 4 << 20;
constexpr std::size_t kMostMapBytes = 64 << 10; // 340 lines (user_namespaces(7))

std::int64_t nanoseconds(const timespec& time) noexcept { return time.tv_sec * kNsPerSecond + time.tv_nsec; }

Identity identityOf(const struct stat& status) noexcept {
  return {.device = status.st_dev,
          .inode = status.st_ino,
          .size = static_cast<std::uint64_t>(status.st_size),
          .modifiedNs = nanoseconds(status.st_mtim),
          .changedNs = nanoseconds(status.st_ctim),
          .mode = status.st_mode};
}

bool samePlace(const Identity& was, const Identity& is) noexcept {
  return was.device == is.device && was.inode == is.inode && was.mode == is.mode;
}

bool leadsTo(const Input& input) {
  std::string text(input.target.size() + 1, '\0');
  const ssize_t size = readlink(input.path.c_str(), text.data(), text.size());
  return size >= 0 && text.substr(0, static_cast<std::size_t>(size)) == input.target;
}

bool grants(const Input& input, std::string_view account, std::uint32_t uid) {
  const auto text = readFile(input.path.c_str(), kMostAccountBytes);
  return text && grantsOf(*text, account, uid) == input.target;
}

bool holds(const Input& input, std::string_view account, std::uint32_t uid) {
  struct stat status;
  const char* path = input.path.c_str();
  switch (input.kind) {
  case Input::Kind::file:
    return stat(path, &status) == 0 && identityOf(status) == input.identity;
  case Input::Kind::entry:
    return lstat(path, &status) == 0 && identityOf(status) == input.identity;
  case Input::Kind::folder:
    return lstat(path, &status) == 0 && samePlace(input.identity, identityOf(status));
  case Input::Kind::absent:
    return stat(path, &status) != 0 && (errno == ENOENT || errno == ENOTDIR);
  case Input::Kind::exists:
    return stat(path, &status) == 0;
  case Input::Kind::link:
    return leadsTo(input);
  case Input::Kind::grants:
    return grants(input, account, uid);
  }
  return false;
}

bool hasProgram(std::string_view path, const char* name) {
  for (;;) {
    const std::size_t colon = path.find(':');
    const std::string folder(path.substr(0, colon));
    if (access((folder.empty() ? "." : folder + '/' + name).c_str(), X_OK) == 0) {
      return true;
    }
    if (colon == std::string_view::npos) {
      return false;
    }
    path = path.substr(colon + 1);
  }
}

} // namespace

std::string whatHasChanged(const std::vector<Input>& inputs, std::string_view account, std::uint32_t uid) {
  for (const Input& input : inputs) {
    if (!holds(input, account, uid)) {
      return input.path + " has changed";
    }
  }
  return {};
}

std::string whyNot(const Plan& plan, const Caller& caller) {
  if (plan.package != caller.package) {
    return "another installation wrote the plan";
  }
  if (plan.project != caller.project || plan.command != caller.command) {
    return "the plan is one of another project or command";
  }
  if (plan.uid != geteuid() || plan.gid != getegid() || readFile("/proc/self/uid_map", kMostMapBytes) != plan.uidMap ||
      readFile("/proc/self/gid_map", kMostMapBytes) != plan.gidMap) {
    return "the user or the group is another one";
  }
  const auto passwd = readFile("/etc/passwd", kMostAccountBytes);
  if (!passwd || accountName(*passwd, plan.uid) != plan.account) {
    return "the user has another name";
  }
  if (caller.hasArguments && !plan.acceptsArguments) {
    return "the command takes no arguments";
  }
  for (const Variable& variable : plan.variables) {
    const auto now = valueOf(caller.environment, variable.name);
    if (now.has_value() != variable.value.has_value() || (now && *now != *variable.value)) {
      return "variable " + variable.name + " has changed";
    }
  }
  if (plan.mappers) {
    const auto path = valueOf(caller.environment, "PATH").value_or("/usr/local/bin:/usr/bin:/bin");
    if (!hasProgram(path, "newuidmap") || !hasProgram(path, "newgidmap")) {
      return "newuidmap or newgidmap is not in PATH";
    }
  }
  return whatHasChanged(plan.inputs, plan.account, plan.uid);
}

std::optional<std::string> readFile(const char* path, std::size_t most) {
  const Fd file(open(path, O_RDONLY | O_CLOEXEC));
  if (!file) {
    return std::nullopt;
  }
  std::string text;
  char block[4096];
  ssize_t got = 0;
  while ((got = read(file.get(), block, sizeof block)) > 0) {
    text.append(block, static_cast<std::size_t>(got));
    if (text.size() > most) {
      return std::nullopt;
    }
  }
  return got == 0 ? std::optional(text) : std::nullopt;
}

} // namespace stellwerk::vagga
