#include "vagga/plan.hpp"

#include "container/capabilities.hpp"

#include <charconv>

namespace stellwerk::vagga {
namespace {

constexpr std::string_view kFormat = "stellwerk vagga plan 1";

class Decoder {
public:
  explicit Decoder(std::string_view bytes) : rest_(bytes) {}

  std::variant<Plan, std::string> decode() {
    if (word() != kFormat) {
      return "another format";
    }
    initialise(plan_.spec);
    while (problem_.empty()) {
      key_ = word();
      if (key_ == "end") {
        ended_ = rest_.empty();
        break;
      }
      if (problem_.empty()) {
        decodeKey();
      }
    }
    check();
    if (!problem_.empty()) {
      return problem_;
    }
    return std::move(plan_);
  }

private:
  // What is the same for every command (plainSpec and runAtTerminal of src/vagga/run/process.ts).
  static void initialise(Spec& spec) {
    spec.namespaces = {.user = true, .mount = true, .pid = true, .ipc = true};
    spec.noNewPrivileges = false;
    spec.seccomp = false;
    spec.stdio = {0, 1, 2};
    spec.init = true;
    spec.dieWithStarter = true;
    spec.ownGroup = true;
  }

  void fail(const char* reason) {
    if (problem_.empty()) {
      problem_ = std::string(key_) + ": " + reason;
    }
  }

  std::string_view word() {
    const std::size_t end = rest_.find('\0');
    if (end == std::string_view::npos) {
      fail("cut short");
      return {};
    }
    const std::string_view word = rest_.substr(0, end);
    rest_ = rest_.substr(end + 1);
    return word;
  }

  std::string text() { return std::string(word()); }

  std::string absolute() {
    const std::string_view path = word();
    if (!path.starts_with('/')) {
      fail("not an absolute path");
    }
    return std::string(path);
  }

  template <class Number> Number number(int base = 10) {
    const std::string_view text = word();
    Number value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc() || end != text.data() + text.size()) {
      fail("not a number in range");
    }
    return value;
  }

  bool choice(std::string_view yes, std::string_view no) {
    const std::string_view value = word();
    if (value != yes && value != no) {
      fail("unknown value");
    }
    return value == yes;
  }

  unsigned mode() {
    const auto value = number<unsigned>(8);
    if (value > 07777) {
      fail("no mode");
    }
    return value;
  }

  // In this order, each from one word: the order of evaluation inside braces is fixed.
  IdMapping mapping() {
    return {.inside = number<std::uint32_t>(), .outside = number<std::uint32_t>(), .count = number<std::uint32_t>()};
  }

  Identity identity() {
    return {.device = number<std::uint64_t>(),
            .inode = number<std::uint64_t>(),
            .size = number<std::uint64_t>(),
            .modifiedNs = number<std::int64_t>(),
            .changedNs = number<std::int64_t>(),
            .mode = number<std::uint32_t>()};
  }

  void input(Input::Kind kind) {
    Input input{.kind = kind, .path = absolute(), .identity = {}, .target = {}};
    if (kind == Input::Kind::file || kind == Input::Kind::entry || kind == Input::Kind::folder) {
      input.identity = identity();
    } else if (kind == Input::Kind::link || kind == Input::Kind::grants) {
      input.target = text();
    }
    plan_.inputs.push_back(std::move(input));
  }

  std::string name() {
    const std::string_view name = word();
    if (name.empty() || name.find('=') != std::string_view::npos) {
      fail("no name of a variable");
    }
    return std::string(name);
  }

  Mount at(Mount::Kind kind) {
    Mount mount;
    mount.kind = kind;
    mount.target = absolute();
    return mount;
  }

  Mount bind() {
    Mount mount = at(Mount::Kind::bind);
    mount.source = absolute();
    mount.readonly = choice("ro", "rw");
    mount.exec = choice("exec", "noexec");
    mount.devices = choice("devices", "nodev");
    return mount;
  }

  Mount tmpfs() {
    Mount mount = at(Mount::Kind::tmpfs);
    mount.sizeBytes = number<std::uint64_t>();
    mount.mode = mode();
    mount.sealed = choice("sealed", "open");
    return mount;
  }

  void owner(Mount& mount) {
    if (choice("owner", "as-it-is")) {
      mount.owner = number<std::uint32_t>();
    }
    if (choice("group", "as-it-is")) {
      mount.ownerGroup = number<std::uint32_t>();
    }
  }

  Mount folder() {
    Mount mount = at(Mount::Kind::folder);
    mount.mode = mode();
    owner(mount);
    return mount;
  }

  Mount file() {
    Mount mount = at(Mount::Kind::file);
    mount.mode = mode();
    if (choice("text", "no-text")) {
      mount.text = text();
    }
    return mount;
  }

  Mount copy() {
    Mount mount = at(Mount::Kind::copy);
    mount.source = absolute();
    owner(mount);
    return mount;
  }

  bool decodeMount() {
    auto& mounts = plan_.spec.mounts;
    if (key_ == "bind") {
      mounts.push_back(bind());
    } else if (key_ == "tmpfs") {
      mounts.push_back(tmpfs());
    } else if (key_ == "proc") {
      mounts.push_back(at(Mount::Kind::proc));
      mounts.back().unmasked = choice("unmasked", "masked");
    } else if (key_ == "dev") {
      mounts.push_back(at(Mount::Kind::dev));
    } else if (key_ == "pts") {
      mounts.push_back(at(Mount::Kind::pts));
    } else if (key_ == "sys") {
      mounts.push_back(at(Mount::Kind::sys));
    } else if (key_ == "make-folder") {
      mounts.push_back(folder());
    } else if (key_ == "make-file") {
      mounts.push_back(file());
    } else if (key_ == "copy") {
      mounts.push_back(copy());
    } else {
      return false;
    }
    return true;
  }

  bool decodeSpec() {
    Spec& spec = plan_.spec;
    if (key_ == "root") {
      spec.root = absolute();
    } else if (key_ == "argv") {
      spec.argv.push_back(text());
    } else if (key_ == "program-uid") {
      spec.uid = number<std::uint32_t>();
    } else if (key_ == "program-gid") {
      spec.gid = number<std::uint32_t>();
    } else if (key_ == "group") {
      spec.supplementaryGroups.push_back(number<std::uint32_t>());
    } else if (key_ == "uid-map") {
      spec.uidMap.push_back(mapping());
    } else if (key_ == "gid-map") {
      spec.gidMap.push_back(mapping());
    } else if (key_ == "keep-capability") {
      spec.keepCapabilities.push_back(text());
      if (!capabilityNumber(spec.keepCapabilities.back())) {
        fail("unknown capability");
      }
    } else if (key_ == "isolate-network") {
      spec.namespaces.net = true;
    } else {
      return decodeMount();
    }
    return true;
  }

  bool decodeInput() {
    if (key_ == "file") {
      input(Input::Kind::file);
    } else if (key_ == "entry") {
      input(Input::Kind::entry);
    } else if (key_ == "folder") {
      input(Input::Kind::folder);
    } else if (key_ == "absent") {
      input(Input::Kind::absent);
    } else if (key_ == "exists") {
      input(Input::Kind::exists);
    } else if (key_ == "link") {
      input(Input::Kind::link);
    } else if (key_ == "grants") {
      input(Input::Kind::grants);
    } else {
      return false;
    }
    return true;
  }

  bool decodeEnvironment() {
    auto& layers = plan_.environment;
    if (key_ == "set") {
      std::string variable = name();
      layers.push_back({EnvironmentLayer::Kind::set, std::move(variable), text()});
    } else if (key_ == "term") {
      layers.push_back({EnvironmentLayer::Kind::term, {}, {}});
    } else if (key_ == "proxies") {
      layers.push_back({EnvironmentLayer::Kind::proxies, {}, {}});
    } else if (key_ == "propagate") {
      layers.push_back({EnvironmentLayer::Kind::propagate, name(), {}});
    } else if (key_ == "prefixed") {
      layers.push_back({EnvironmentLayer::Kind::prefixed, {}, {}});
    } else {
      return false;
    }
    return true;
  }

  void decodeKey() {
    if (key_ == "package") {
      plan_.package = absolute();
    } else if (key_ == "project") {
      plan_.project = absolute();
    } else if (key_ == "command") {
      plan_.command = text();
    } else if (key_ == "caller") {
      plan_.uid = number<std::uint32_t>();
      plan_.gid = number<std::uint32_t>();
      plan_.account = text();
      plan_.uidMap = text();
      plan_.gidMap = text();
    } else if (key_ == "variable") {
      std::string variable = name();
      plan_.variables.push_back({std::move(variable), text()});
    } else if (key_ == "no-variable") {
      plan_.variables.push_back({name(), std::nullopt});
    } else if (key_ == "mappers") {
      plan_.mappers = true;
    } else if (key_ == "touch") {
      plan_.touched.push_back(absolute());
    } else if (key_ == "accepts-arguments") {
      plan_.acceptsArguments = true;
    } else if (key_ == "work-folder") {
      plan_.workFolder = absolute();
    } else if (key_ == "epilog") {
      plan_.epilog = text();
    } else if (!decodeInput() && !decodeEnvironment() && !decodeSpec()) {
      fail("unknown key");
    }
  }

  void check() {
    if (!problem_.empty()) {
      return;
    }
    const Spec& spec = plan_.spec;
    if (!ended_) {
      problem_ = "bytes behind its end";
    } else if (plan_.package.empty() || plan_.project.empty() || plan_.command.empty() || plan_.uidMap.empty() ||
               plan_.gidMap.empty()) {
      problem_ = "whose it is does not stand in it";
    } else if (spec.argv.empty() || spec.argv[0].empty() || spec.root.empty() || spec.uidMap.empty() ||
               spec.gidMap.empty() || spec.mounts.empty()) {
      problem_ = "no whole container stands in it";
    } else if (plan_.inputs.empty()) {
      problem_ = "it depends on nothing";
    }
  }

  std::string_view rest_;
  std::string_view key_ = "plan";
  std::string problem_;
  bool ended_ = false;
  Plan plan_;
};

} // namespace

std::variant<Plan, std::string> decodePlan(std::string_view bytes) {
  if (bytes.size() > kMostPlanBytes) {
    return "too large";
  }
  return Decoder(bytes).decode();
}

} // namespace stellwerk::vagga
