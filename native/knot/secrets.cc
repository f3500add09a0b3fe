#include "knot/secrets.hpp"

#include "base/fd.hpp"

#include <fcntl.h>
#include <string_view>
#include <sys/stat.h>

namespace stellwerk::knot {
namespace {

constexpr const char* kStep = "read secrets";

} // namespace

Result<Done> takeSecrets(const std::string& path, std::vector<std::string>& env) {
  const Fd file(open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  struct stat status;
  if (!file || fstat(file.get(), &status) != 0) {
    return Failure::of(kStep, "open", path.c_str());
  }
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  if (pread(file.get(), text.data(), text.size(), 0) != status.st_size) {
    return Failure::of(kStep, "read", path.c_str());
  }
  const std::string nothing(text.size(), '\0');
  if (pwrite(file.get(), nothing.data(), nothing.size(), 0) < 0 || unlink(path.c_str()) != 0) {
    return Failure::of(kStep, "unlink", path.c_str());
  }
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\0');
    env.emplace_back(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  explicit_bzero(text.data(), text.size());
  return Done{};
}

void wipe(std::vector<std::string>& env, std::size_t count) noexcept {
  for (std::size_t index = env.size() - count; index < env.size(); index++) {
    explicit_bzero(env[index].data(), env[index].size());
  }
}

} // namespace stellwerk::knot
