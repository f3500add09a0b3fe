// `vagga _network …` as a !BridgeCommand calls it. The supervisor of the test network decides and answers through an
// abstract unix socket of the bridge's network (unix(7)); only `run` is done here, where the container's files are.
//
// Request: the words, each closed by a zero byte; then the end of the stream. Answer: a line and, to its end, a text.
//   exit CODE        the text is for stdout (code 0) or stderr
//   enter IP SKIP    run what is left of the words after the first SKIP in the network and host name of that node
#include "base/fd.hpp"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sched.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace {

using stellwerk::Fd;

constexpr std::string_view kSocket("\0vagga-network", 14);
constexpr const char* kSpaces = "/tmp/vagga/namespaces/";
constexpr int kRefused = 121;
constexpr int kNotFound = 127;

int complain(const std::string& message) {
  fprintf(stderr, "vagga: %s\n", message.c_str());
  return kRefused;
}

bool sendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) {
      continue;
    }
    if (sent < 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool receiveAll(int fd, std::string& answer) {
  char part[4096];
  for (;;) {
    const ssize_t size = recv(fd, part, sizeof part, 0);
    if (size < 0 && errno == EINTR) {
      continue;
    }
    if (size <= 0) {
      return size == 0;
    }
    answer.append(part, static_cast<std::size_t>(size));
  }
}

bool ask(int count, char** words, std::string& answer) {
  const Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {.sun_family = AF_UNIX};
  memcpy(address.sun_path, kSocket.data(), kSocket.size());
  // The name is as long as names can be, its zero bytes included.
  if (!fd || connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return false;
  }
  std::string request;
  for (int index = 1; index < count; index++) {
    request.append(words[index]).push_back('\0');
  }
  return sendAll(fd.get(), request) && shutdown(fd.get(), SHUT_WR) == 0 && receiveAll(fd.get(), answer);
}

bool readNumber(std::string_view text, int& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool enterSpace(const std::string& path, int kind) {
  const Fd space(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return space && setns(space.get(), kind) == 0;
}

int runAt(const std::string& ip, char** command) {
  for (const auto& [name, kind] : {std::pair("net.", CLONE_NEWNET), std::pair("uts.", CLONE_NEWUTS)}) {
    const std::string path = kSpaces + (name + ip);
    if (!enterSpace(path, kind)) {
      return complain(path + ": " + strerror(errno));
    }
  }
  execvp(command[0], command);
  const int error = errno;
  complain(std::string(command[0]) + ": " + strerror(error));
  return error == ENOENT ? kNotFound : kNotFound - 1;
}

} // namespace

int main(int count, char** words) {
  std::string answer;
  if (!ask(count, words, answer)) {
    return complain("_network works only inside a !BridgeCommand of a !Supervise (no answer from its supervisor)");
  }
  const std::size_t end = answer.find('\n');
  const std::string_view line = std::string_view(answer).substr(0, end);
  const std::size_t blank = line.find(' ');
  if (end == std::string::npos || blank == std::string_view::npos) {
    return complain("the supervisor's answer is not understood");
  }
  const std::string_view kind = line.substr(0, blank);
  const std::string_view rest = line.substr(blank + 1);
  int number = 0;
  if (kind == "exit" && readNumber(rest, number)) {
    fputs(answer.c_str() + end + 1, number == 0 ? stdout : stderr);
    return number;
  }
  const std::size_t second = rest.find(' ');
  if (kind == "enter" && second != std::string_view::npos && readNumber(rest.substr(second + 1), number) && number >= 0 &&
      number + 1 < count) {
    return runAt(std::string(rest.substr(0, second)), words + 1 + number);
  }
  return complain("the supervisor's answer is not understood");
}
