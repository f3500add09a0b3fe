#include "vagga/environment.hpp"

#include <algorithm>

namespace stellwerk::vagga {
namespace {

constexpr std::string_view kProxies[] = {"http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"};
constexpr std::string_view kPrefix = "VAGGAENV_";
constexpr std::string_view kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// `*` stands for any letters, as many as there are. On a mismatch the last star takes one letter more.
bool matches(std::string_view pattern, std::string_view name) {
  std::size_t at = 0;
  std::size_t star = std::string_view::npos;
  std::size_t taken = 0;
  for (std::size_t letter = 0; letter < name.size();) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      taken = letter;
    } else if (at < pattern.size() && pattern[at] == name[letter]) {
      ++at;
      ++letter;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      letter = ++taken;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', at) == std::string_view::npos;
}

class Variables {
public:
  void set(std::string_view name, std::string_view value) {
    const auto at = find(name);
    if (at == list_.end()) {
      list_.emplace_back(name, value);
    } else {
      at->second = value;
    }
  }

  void remove(std::string_view name) {
    if (const auto at = find(name); at != list_.end()) {
      list_.erase(at);
    }
  }

  std::vector<std::string> assignments() const {
    std::vector<std::string> texts;
    for (const auto& [name, value] : list_) {
      texts.push_back(std::string(name) + '=' + std::string(value));
    }
    return texts;
  }

private:
  Environment::iterator find(std::string_view name) {
    return std::find_if(list_.begin(), list_.end(), [&](const auto& each) { return each.first == name; });
  }

  Environment list_;
};

} // namespace

std::vector<std::string> commandEnvironment(const std::vector<EnvironmentLayer>& layers, const Environment& caller,
                                            const CommandLine& line) {
  Variables variables;
  const auto take = [&](auto wanted) {
    for (const auto& [name, value] : caller) {
      if (wanted(name)) {
        variables.set(name, value);
      }
    }
  };
  for (const EnvironmentLayer& layer : layers) {
    switch (layer.kind) {
    case EnvironmentLayer::Kind::set:
      variables.set(layer.name, layer.value);
      break;
    case EnvironmentLayer::Kind::term:
      variables.set("TERM", valueOf(caller, "TERM").value_or("dumb"));
      break;
    case EnvironmentLayer::Kind::proxies:
      take([](std::string_view name) { return std::ranges::find(kProxies, name) != std::end(kProxies); });
      break;
    case EnvironmentLayer::Kind::propagate:
      // All patterns at once: the order is that of the caller.
      take([&](std::string_view name) {
        return std::ranges::any_of(layers, [&](const EnvironmentLayer& each) {
          return each.kind == EnvironmentLayer::Kind::propagate && matches(each.name, name);
        });
      });
      break;
    case EnvironmentLayer::Kind::prefixed:
      for (const auto& [name, value] : caller) {
        if (name.starts_with(kPrefix) && name != kPrefix) {
          variables.set(name.substr(kPrefix.size()), value);
        }
      }
      break;
    }
  }
  take([&](std::string_view name) { return std::ranges::find(line.use, name) != line.use.end(); });
  for (const auto& [name, value] : line.set) {
    if (value) {
      variables.set(name, *value);
    } else {
      variables.remove(name);
    }
  }
  return variables.assignments();
}

std::vector<std::string> programCandidates(const std::string& name, const std::vector<std::string>& environment) {
  if (name.find('/') != std::string::npos) {
    return {name};
  }
  constexpr std::string_view key = "PATH=";
  const auto own = std::find_if(environment.begin(), environment.end(),
                                [&](const std::string& each) { return each.starts_with(key); });
  std::string_view path = own == environment.end() ? kDefaultPath : std::string_view(*own).substr(key.size());
  std::vector<std::string> candidates;
  for (;;) {
    const std::size_t colon = path.find(':');
    const std::string_view folder = path.substr(0, colon);
    candidates.push_back((folder.empty() ? "." : std::string(folder)) + '/' + name);
    if (colon == std::string_view::npos) {
      return candidates;
    }
    path = path.substr(colon + 1);
  }
}

} // namespace stellwerk::vagga
