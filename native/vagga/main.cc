// vagga …: what bin/vagga starts first. Where a plan of the command is there and nothing has changed since it was
// written, it is carried out at once; anything else is left to the Node program, with the same words.
#include "base/fd.hpp"
#include "vagga/environment.hpp"
#include "vagga/job.hpp"
#include "vagga/plan_file.hpp"
#include "vagga/proof.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

extern char** environ;

namespace stellwerk::vagga {
namespace {

constexpr int kNotFound = 127;

// 0, 1 and 2 must be taken, or files of ours would land there.
void fillStandardStreams() {
  int fd = open("/dev/null", O_RDWR);
  while (fd >= 0 && fd < 3) {
    fd = dup(fd);
  }
  if (fd >= 0) {
    close(fd);
  }
}

bool isSet(const char* name) {
  const char* value = getenv(name);
  return value != nullptr && *value != '\0';
}

void tell(const std::string& text) {
  if (isSet("VAGGA_DEBUG_FAST_PATH")) {
    fprintf(stderr, "vagga: fast path: %s\n", text.c_str());
  }
}

// Of this program, which is PACKAGE/build/vagga/vagga; empty: it was moved elsewhere.
std::string ownPackage() {
  char path[PATH_MAX];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path);
  const std::string_view own(path, size > 0 ? static_cast<std::size_t>(size) : 0);
  constexpr std::string_view place = "/build/vagga/vagga";
  return own.ends_with(place) ? std::string(own.substr(0, own.size() - place.size())) : std::string();
}

int runNode(const std::string& package, std::span<char* const> words) {
  const std::string script = package + "/bin/vagga-node.cjs";
  std::vector<const char*> argv = {"node", script.c_str()};
  argv.insert(argv.end(), words.begin(), words.end());
  argv.push_back(nullptr);
  execvp("node", const_cast<char* const*>(argv.data()));
  fprintf(stderr, "vagga: node: %s\n", strerror(errno));
  return kNotFound;
}

// Variables that steer vagga itself and that plans do not know.
bool isSteered(const Environment& environment) {
  constexpr std::string_view known[] = {"VAGGA_SETTINGS", "VAGGA_NO_FAST_PATH", "VAGGA_DEBUG_FAST_PATH"};
  for (const auto& [name, value] : environment) {
    if (name.starts_with("_VAGGA") ||
        (name.starts_with("VAGGA_") && std::find(std::begin(known), std::end(known), name) == std::end(known))) {
      return true;
    }
  }
  return false;
}

// As Node does when it starts, so that the command finds the same. False: it cannot be done.
bool raiseOpenFiles() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max == RLIM_INFINITY) {
    return false;
  }
  limit.rlim_cur = limit.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

// Its time says when the build was last used.
bool touch(const std::string& path) {
  const Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666));
  return file && futimens(file.get(), nullptr) == 0;
}

std::string workFolder(const Plan& plan, const std::string& folder) {
  if (plan.workFolder) {
    return *plan.workFolder;
  }
  std::string inside = "/work";
  inside += folder.substr(plan.project.size());
  return inside;
}

// The exit code, or why the plan is not carried out.
std::variant<int, std::string> carryOut(const std::string& package, std::span<char* const> words) {
  const auto line = readCommandLine(words);
  if (!line) {
    return "the command line is for Node";
  }
  const auto environment = readEnvironment(environ);
  if (!environment || isSteered(*environment)) {
    return "the environment is for Node";
  }
  if (package.empty() || geteuid() != getuid() || getegid() != getgid()) {
    return "the program has other ids than its caller, or is not where it was built";
  }
  char place[PATH_MAX];
  if (getcwd(place, sizeof place) == nullptr) {
    return "the current folder is gone";
  }
  const std::string folder = place;
  const auto project = findProject(folder);
  struct stat status;
  if (!project || *project == "/" || stat(project->c_str(), &status) != 0 || status.st_uid != geteuid()) {
    return "there is no project of the user's own";
  }
  const auto plans = plansFolder(*environment);
  const auto name = planName(*project, line->command);
  if (!plans || !name) {
    return "there is no place for plans";
  }
  auto bytes = readPlan(*plans, *name, *project);
  if (const auto* refused = std::get_if<Refused>(&bytes)) {
    return refused->why;
  }
  auto decoded = decodePlan(std::get<std::string>(bytes));
  if (const auto* problem = std::get_if<std::string>(&decoded)) {
    return "the plan is not understood: " + *problem;
  }
  Plan& plan = std::get<Plan>(decoded);
  const Caller caller{.package = package,
                      .project = *project,
                      .command = line->command,
                      .environment = *environment,
                      .hasArguments = !line->arguments.empty()};
  if (auto why = whyNot(plan, caller); !why.empty()) {
    return why;
  }
  Spec& spec = plan.spec;
  spec.env = commandEnvironment(plan.environment, *environment, *line);
  spec.programs = programCandidates(spec.argv[0], spec.env);
  spec.argv.insert(spec.argv.end(), line->arguments.begin(), line->arguments.end());
  spec.cwd = workFolder(plan, folder);
  spec.umask = umask(0);
  umask(spec.umask);
  if (!raiseOpenFiles()) {
    return "the limit of open files cannot be raised";
  }
  for (const std::string& file : plan.touched) {
    if (!touch(file)) {
      return file + " cannot be written";
    }
  }
  tell("taken");
  const auto ended = runAsJob(spec);
  if (!ended) {
    return std::string("the command does not start"); // Node tells why
  }
  if (ended.value() == 0) {
    fputs(plan.epilog.c_str(), stdout);
    fflush(stdout);
  }
  return ended.value();
}

} // namespace
} // namespace stellwerk::vagga

int main(int count, char** words) {
  using namespace stellwerk::vagga;
  fillStandardStreams();
  signal(SIGCHLD, SIG_DFL); // where it is ignored nobody learns how a child ended
  const std::string package = ownPackage();
  if (package.empty()) {
    fputs("vagga: this program works only from build/vagga of an installation\n", stderr);
    return kNotFound;
  }
  const std::span<char* const> arguments(words + (count > 0 ? 1 : 0), static_cast<std::size_t>(count > 0 ? count - 1 : 0));
  if (isSet("VAGGA_NO_FAST_PATH")) {
    tell("not taken: VAGGA_NO_FAST_PATH is set");
    return runNode(package, arguments);
  }
  const auto outcome = carryOut(package, arguments);
  if (const int* code = std::get_if<int>(&outcome)) {
    return *code;
  }
  tell("not taken: " + std::get<std::string>(outcome));
  return runNode(package, arguments);
}
