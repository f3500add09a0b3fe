#include "container/limits.hpp"

#include <sys/resource.h>

namespace stellwerk {
namespace {

struct Known {
  const char* name;
  int resource;
};
constexpr Known kKnown[] = {{"as", RLIMIT_AS},
                            {"core", RLIMIT_CORE},
                            {"cpu", RLIMIT_CPU},
                            {"data", RLIMIT_DATA},
                            {"fsize", RLIMIT_FSIZE},
                            {"locks", RLIMIT_LOCKS},
                            {"memlock", RLIMIT_MEMLOCK},
                            {"msgqueue", RLIMIT_MSGQUEUE},
                            {"nice", RLIMIT_NICE},
                            {"nofile", RLIMIT_NOFILE},
                            {"nproc", RLIMIT_NPROC},
                            {"rss", RLIMIT_RSS},
                            {"rtprio", RLIMIT_RTPRIO},
                            {"rttime", RLIMIT_RTTIME},
                            {"sigpending", RLIMIT_SIGPENDING},
                            {"stack", RLIMIT_STACK}};

constexpr const char* kStep = "set resource limit";

} // namespace

std::optional<int> limitNumber(const std::string& name) {
  for (const Known& known : kKnown) {
    if (name == known.name) {
      return known.resource;
    }
  }
  return std::nullopt;
}

Result<std::vector<NumberedLimit>> numberLimits(const std::vector<Limit>& limits) {
  std::vector<NumberedLimit> numbered;
  for (const Limit& limit : limits) {
    const auto resource = limitNumber(limit.name);
    if (!resource) {
      return Failure::of("check spec", "rlimit", limit.name.c_str(), EINVAL);
    }
    numbered.push_back({*resource, limit.value, limit.name.c_str()});
  }
  return numbered;
}

Result<Done> raiseLimits(pid_t child, const std::vector<NumberedLimit>& limits) noexcept {
  for (const NumberedLimit& limit : limits) {
    const auto resource = static_cast<__rlimit_resource>(limit.resource);
    rlimit now;
    if (prlimit(child, resource, nullptr, &now) != 0) {
      return Failure::of(kStep, "prlimit", limit.name);
    }
    if (limit.value > now.rlim_max) {
      const rlimit wanted = {.rlim_cur = now.rlim_cur, .rlim_max = limit.value};
      if (prlimit(child, resource, &wanted, nullptr) != 0) {
        return Failure::of(kStep, "prlimit", limit.name);
      }
    }
  }
  return Done{};
}

Result<Done> setLimits(const std::vector<NumberedLimit>& limits) noexcept {
  for (const NumberedLimit& limit : limits) {
    const rlimit wanted = {.rlim_cur = limit.value, .rlim_max = limit.value};
    if (setrlimit(static_cast<__rlimit_resource>(limit.resource), &wanted) != 0) {
      return Failure::of(kStep, "setrlimit", limit.name);
    }
  }
  return Done{};
}

} // namespace stellwerk
