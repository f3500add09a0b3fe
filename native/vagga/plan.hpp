// What a command of vagga comes to, as the Node program has found it out: the container to start and all that this
// depends on. Written by src/vagga/plan, read here; bytes from outside, whoever wrote them.
//
// Words separated by NUL. The first is the format, the last is `end`; between them keys with their values, in any order;
// repeated keys append.
#pragma once

#include "container/spec.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace stellwerk::vagga {

// A file as it was: what changes with its content, its mode or its owner. Times in ns since the epoch.
struct Identity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t modifiedNs = 0;
  std::int64_t changedNs = 0;
  std::uint32_t mode = 0;

  bool operator==(const Identity&) const = default;
};

// Something on which the plan depends.
struct Input {
  enum class Kind {
    file,   // stat(2) gives this identity
    entry,  // lstat(2) gives this identity
    folder, // lstat(2) gives this device, inode and mode: what is in it may have changed
    absent, // stat(2) finds nothing
    exists, // stat(2) finds something
    link,   // a symbolic link with this text
    grants, // of subuid(5): these ranges are granted to the account
  };

  Kind kind = Kind::file;
  std::string path;
  Identity identity;
  std::string target;
};

// A variable of the caller that decided something; nothing: it was not there.
struct Variable {
  std::string name;
  std::optional<std::string> value;
};

// One layer of the environment (src/vagga/run/environment.ts), each overrides those before it.
struct EnvironmentLayer {
  enum class Kind {
    set,       // a name and its value
    term,      // TERM of the caller, or dumb
    proxies,   // http_proxy and its like, of the caller
    propagate, // of the caller, by a pattern in which * stands for any letters
    prefixed,  // VAGGAENV_NAME of the caller, as NAME
  };

  Kind kind = Kind::set;
  std::string name;
  std::string value;
};

struct Plan {
  std::string package; // folder of the program that wrote it
  std::string project; // absolute
  std::string command; // the word of the command line
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string account; // name of the user in /etc/passwd
  std::string uidMap; // text of /proc/self/uid_map
  std::string gidMap;
  std::vector<Variable> variables;
  bool mappers = false; // newuidmap and newgidmap were found in PATH
  std::vector<Input> inputs;
  std::vector<std::string> touched; // files whose time says that the build was used
  bool acceptsArguments = false;
  std::optional<std::string> workFolder; // nothing: the caller's own
  std::string epilog;
  std::vector<EnvironmentLayer> environment;
  Spec spec; // without env, cwd, programs, umask and terminal, and without the arguments of the command line
};

// A few thousand files; more are left to Node, which reads folders in parallel.
constexpr std::size_t kMostPlanBytes = 8 << 20;

// The plan, or what is wrong with it, naming the key.
std::variant<Plan, std::string> decodePlan(std::string_view bytes);

} // namespace stellwerk::vagga
