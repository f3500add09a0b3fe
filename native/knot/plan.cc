#include "knot/plan.hpp"

#include "container/capabilities.hpp"
#include "container/limits.hpp"
#include "container/seccomp.hpp"

#include <charconv>
#include <optional>
#include <sys/resource.h>

namespace stellwerk::knot {
namespace {

class Words {
public:
  explicit Words(std::string_view bytes) : rest_(bytes), more_(!bytes.empty()) {}

  std::optional<std::string_view> next() {
    if (!more_) {
      return std::nullopt;
    }
    const std::size_t end = rest_.find('\0');
    const std::string_view word = rest_.substr(0, end);
    more_ = end != std::string_view::npos;
    rest_ = more_ ? rest_.substr(end + 1) : std::string_view();
    return word;
  }

private:
  std::string_view rest_;
  bool more_;
};

Plan initialPlan() {
  Plan plan;
  plan.spec.noNewPrivileges = false;
  plan.spec.init = true;
  plan.spec.dieWithStarter = true;
  return plan;
}

// One key's values; the first problem stays.
class Decoder {
public:
  explicit Decoder(std::string_view bytes) : words_(bytes) {}

  std::variant<Plan, std::string> decode() {
    while (problem_.empty()) {
      const auto key = words_.next();
      if (!key) {
        break;
      }
      if (!key->empty()) { // a separator at the very end
        key_ = *key;
        decodeKey();
      }
    }
    if (problem_.empty()) {
      check();
    }
    if (!problem_.empty()) {
      return problem_;
    }
    return std::move(plan_);
  }

private:
  void fail(std::string_view value, const char* reason) {
    if (problem_.empty()) {
      problem_ = "plan: " + std::string(key_) + (value.empty() ? "" : " ") + std::string(value) + ": " + reason;
    }
  }

  std::string word() {
    const auto value = words_.next();
    if (!value) {
      fail("", "a value is missing");
      return {};
    }
    return std::string(*value);
  }

  Mount& lastMount() {
    static Mount none;
    if (plan_.spec.mounts.empty()) {
      fail("", "there is no mount before it");
      return none;
    }
    return plan_.spec.mounts.back();
  }

  Level level() {
    const std::string name = word();
    int number = 0;
    for (const char* known : {"error", "warn", "info", "debug", "trace"}) {
      if (name == known) {
        return static_cast<Level>(number);
      }
      number++;
    }
    fail(name, "unknown level");
    return Level::warn;
  }

  ListeningSocket listening() {
    ListeningSocket socket;
    socket.host = word();
    socket.port = number<std::uint16_t>();
    socket.fd = number<int>();
    socket.backlog = number<int>();
    socket.reuseAddress = choice("reuse-addr", "no-reuse-addr");
    socket.reusePort = choice("reuse-port", "no-reuse-port");
    socket.nonBlocking = choice("non-block", "block");
    return socket;
  }

  BridgedNetwork bridged() {
    BridgedNetwork network;
    network.bridge = word();
    network.outer = word();
    network.inner = word();
    network.address = word();
    network.prefix = number<unsigned>();
    network.gateway = word();
    network.isolated = choice("isolated", "open");
    return network;
  }

  PassedFd passed() {
    PassedFd pair;
    pair.from = number<int>();
    pair.to = number<int>();
    return pair;
  }

  std::string call() {
    std::string name = word();
    if (!isDeniedCall(name)) {
      fail(name, "not in the filter's list");
    }
    return name;
  }

  std::string absolute() {
    std::string path = word();
    if (!path.starts_with('/')) {
      fail(path, "not an absolute path");
    }
    return path;
  }

  template <class Number> Number number(int base = 10) {
    const std::string text = word();
    Number value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc() || end != text.data() + text.size()) {
      fail(text, "not a number in range");
    }
    return value;
  }

  bool choice(const char* yes, const char* no) {
    const std::string value = word();
    if (value != yes && value != no) {
      fail(value, "unknown value");
    }
    return value == yes;
  }

  // In this order, each from one word: the order of evaluation inside braces is fixed.
  IdMapping mapping() {
    return {.inside = number<std::uint32_t>(), .outside = number<std::uint32_t>(), .count = number<std::uint32_t>()};
  }

  void unshare() {
    const std::string name = word();
    Namespaces& set = plan_.spec.namespaces;
    const struct {
      const char* name;
      bool* flag;
    } table[] = {{"user", &set.user}, {"mount", &set.mount},   {"pid", &set.pid}, {"ipc", &set.ipc},
                 {"uts", &set.uts},   {"cgroup", &set.cgroup}, {"net", &set.net}};
    for (const auto& row : table) {
      if (name == row.name) {
        *row.flag = true;
        return;
      }
    }
    fail(name, "unknown namespace");
  }

  Mount bind() {
    Mount mount;
    mount.kind = Mount::Kind::bind;
    mount.source = absolute();
    mount.target = absolute();
    mount.readonly = choice("ro", "rw");
    mount.exec = choice("exec", "noexec");
    return mount;
  }

  Mount tmpfs() {
    Mount mount;
    mount.kind = Mount::Kind::tmpfs;
    mount.target = absolute();
    mount.sizeBytes = number<std::uint64_t>();
    mount.mode = number<unsigned>(8);
    return mount;
  }

  Mount special(Mount::Kind kind) {
    Mount mount;
    mount.kind = kind;
    mount.target = absolute();
    return mount;
  }

  Limit limit() {
    Limit limit;
    limit.name = word();
    if (!limitNumber(limit.name)) {
      fail(limit.name, "unknown limit");
    }
    limit.value = number<std::uint64_t>();
    return limit;
  }

  std::string capability() {
    std::string name = word();
    if (!capabilityNumber(name)) {
      fail(name, "unknown capability");
    }
    return name;
  }

  std::string variable() {
    std::string assignment = word();
    const std::size_t equals = assignment.find('=');
    if (equals == 0 || equals == std::string::npos) {
      fail(assignment, "not NAME=VALUE");
    }
    return assignment;
  }

  void decodeKey() {
    Spec& spec = plan_.spec;
    if (key_ == "name") {
      plan_.name = word();
    } else if (key_ == "state-dir") {
      plan_.stateDir = absolute();
    } else if (key_ == "kill-timeout-ms") {
      plan_.killTimeoutMs = number<std::uint32_t>();
    } else if (key_ == "normal-exit-code") {
      plan_.normalExitCodes.push_back(number<std::uint8_t>());
    } else if (key_ == "log-file") {
      plan_.logFile = absolute();
    } else if (key_ == "log-level") {
      plan_.logLevel = level();
    } else if (key_ == "output-file") {
      plan_.output.file = absolute();
    } else if (key_ == "output-inside") {
      plan_.output.insideFile = absolute();
    } else if (key_ == "output-most-bytes") {
      plan_.output.mostBytes = number<std::uint64_t>();
    } else if (key_ == "output-files") {
      plan_.output.files = number<unsigned>();
    } else if (key_ == "output-copy") {
      plan_.output.copyToOwn = true;
    } else if (key_ == "interactive") {
      plan_.interactive = true;
    } else if (key_ == "foreground") {
      plan_.foreground = true;
    } else if (key_ == "secrets-file") {
      plan_.secretsFile = absolute();
    } else if (key_ == "root") {
      spec.root = absolute();
    } else if (key_ == "writable-root") {
      spec.writableRoot = true;
    } else if (key_ == "hostname") {
      spec.hostname = word();
    } else if (key_ == "cwd") {
      spec.cwd = absolute();
    } else if (key_ == "uid") {
      spec.uid = number<std::uint32_t>();
    } else if (key_ == "gid") {
      spec.gid = number<std::uint32_t>();
    } else if (key_ == "uid-map") {
      spec.uidMap.push_back(mapping());
    } else if (key_ == "gid-map") {
      spec.gidMap.push_back(mapping());
    } else if (key_ == "unshare") {
      unshare();
    } else if (key_ == "bind") {
      spec.mounts.push_back(bind());
    } else if (key_ == "beneath") {
      lastMount().base = absolute();
    } else if (key_ == "devices") {
      lastMount().devices = true;
    } else if (key_ == "idmapped") {
      lastMount().idMapped = true;
    } else if (key_ == "idmapped-root") {
      spec.idMappedRoot = true;
    } else if (key_ == "pass-fd") {
      spec.passedFds.push_back(passed());
    } else if (key_ == "listen") {
      spec.listen.push_back(listening());
    } else if (key_ == "restart-in-place-ms") {
      spec.restartAfterMs = number<std::uint64_t>();
    } else if (key_ == "tmpfs") {
      spec.mounts.push_back(tmpfs());
    } else if (key_ == "proc") {
      spec.mounts.push_back(special(Mount::Kind::proc));
    } else if (key_ == "dev") {
      spec.mounts.push_back(special(Mount::Kind::dev));
    } else if (key_ == "network") {
      spec.network = bridged();
    } else if (key_ == "after-setup") {
      spec.afterSetup.push_back(word());
    } else if (key_ == "pts") {
      spec.mounts.push_back(special(Mount::Kind::pts));
    } else if (key_ == "sys") {
      spec.mounts.push_back(special(Mount::Kind::sys));
    } else if (key_ == "rlimit") {
      spec.limits.push_back(limit());
    } else if (key_ == "keep-capability") {
      spec.keepCapabilities.push_back(capability());
    } else if (key_ == "seccomp") {
      spec.seccomp = choice("default", "off");
    } else if (key_ == "seccomp-allow") {
      spec.allowedCalls.push_back(call());
    } else if (key_ == "no-new-privileges") {
      spec.noNewPrivileges = true;
    } else if (key_ == "cgroup") {
      spec.cgroups.push_back(absolute());
    } else if (key_ == "env") {
      spec.env.push_back(variable());
    } else if (key_ == "argv") {
      spec.argv.push_back(word());
    } else {
      problem_ = "plan: unknown word " + std::string(key_);
    }
  }

  void check() {
    const Spec& spec = plan_.spec;
    if (plan_.stateDir.empty()) {
      problem_ = "plan: state-dir is missing";
    } else if (spec.argv.empty() || !spec.argv[0].starts_with('/')) {
      problem_ = "plan: argv is missing or not an absolute path";
    }
  }

  Words words_;
  std::string_view key_;
  std::string problem_;
  Plan plan_ = initialPlan();
};

} // namespace

std::variant<Plan, std::string> decodePlan(std::string_view bytes) { return Decoder(bytes).decode(); }

} // namespace stellwerk::knot
