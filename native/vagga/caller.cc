#include "vagga/caller.hpp"

#include <algorithm>
#include <cstring>
#include <sys/stat.h>

namespace stellwerk::vagga {
namespace {

constexpr const char* kProjectFiles[] = {".vagga/vagga.yaml", "vagga.yaml", "vagga.local.yaml", ".vagga.local.yaml",
                                         ".vagga/local.yaml"};
constexpr const char* kMisnamed = "vagga.yml";

bool isDigit(char letter) noexcept { return letter >= '0' && letter <= '9'; }

bool isWordLetter(char letter) noexcept {
  return isDigit(letter) || (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || letter == '_';
}

// As `name` of src/vagga/config/common.ts: it is a part of a file's name too.
bool isCommandName(std::string_view word) noexcept {
  constexpr std::size_t most = 128;
  return !word.empty() && word.size() <= most && isWordLetter(word[0]) &&
         std::all_of(word.begin(), word.end(),
                     [](char letter) { return isWordLetter(letter) || letter == '.' || letter == '-'; });
}

std::string inFolder(const std::string& folder, const char* name) {
  std::string path = folder == "/" ? std::string() : folder;
  path += '/';
  path += name;
  return path;
}

} // namespace

bool isUtf8(std::string_view text) noexcept {
  const auto at = [&](std::size_t index) { return static_cast<unsigned char>(text[index]); };
  for (std::size_t index = 0; index < text.size();) {
    const unsigned lead = at(index);
    const std::size_t more = lead < 0x80 ? 0 : lead >= 0xc2 && lead < 0xe0 ? 1 : lead >= 0xe0 && lead < 0xf0 ? 2 : lead >= 0xf0 && lead < 0xf5 ? 3 : 4;
    if (more == 4 || index + more >= text.size()) {
      return false;
    }
    for (std::size_t next = 1; next <= more; ++next) {
      if ((at(index + next) & 0xc0u) != 0x80u) {
        return false;
      }
    }
    // Too long a form, half of a pair, beyond the last character.
    const unsigned second = more > 0 ? at(index + 1) : 0;
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) || (lead == 0xf0 && second < 0x90) ||
        (lead == 0xf4 && second > 0x8f)) {
      return false;
    }
    index += more + 1;
  }
  return true;
}

std::optional<Environment> readEnvironment(char** environment) {
  Environment variables;
  for (char** each = environment; *each != nullptr; ++each) {
    const std::string_view text = *each;
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string_view::npos || isDigit(text[0]) || !isUtf8(text)) {
      return std::nullopt;
    }
    variables.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  std::vector<std::string_view> names;
  for (const auto& [name, value] : variables) {
    names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  if (std::adjacent_find(names.begin(), names.end()) != names.end()) {
    return std::nullopt;
  }
  return variables;
}

std::optional<std::string_view> valueOf(const Environment& environment, std::string_view name) {
  for (const auto& [each, value] : environment) {
    if (each == name) {
      return value;
    }
  }
  return std::nullopt;
}

std::optional<CommandLine> readCommandLine(std::span<char* const> words) {
  CommandLine line;
  for (const char* word : words) {
    if (!isUtf8(word)) {
      return std::nullopt;
    }
  }
  std::size_t at = 0;
  for (; at + 1 < words.size() && words[at][0] == '-'; at += 2) {
    const std::string_view option = words[at];
    const std::string_view value = words[at + 1];
    const std::size_t equals = value.find('=');
    if (option == "-e") {
      if (equals != std::string_view::npos) {
        return std::nullopt;
      }
      line.use.push_back(value);
    } else if (option == "-E") {
      if (value.empty() || equals == 0 || isDigit(value[0])) {
        return std::nullopt;
      }
      if (equals == std::string_view::npos) {
        line.set.emplace_back(value, std::nullopt);
      } else {
        line.set.emplace_back(value.substr(0, equals), value.substr(equals + 1));
      }
    } else {
      return std::nullopt;
    }
  }
  if (at >= words.size() || !isCommandName(words[at])) {
    return std::nullopt;
  }
  line.command = words[at];
  line.arguments = words.subspan(at + 1);
  return line;
}

std::optional<std::string> findProject(std::string folder) {
  for (;;) {
    struct stat status;
    if (stat(inFolder(folder, kMisnamed).c_str(), &status) == 0) {
      return std::nullopt;
    }
    for (const char* file : kProjectFiles) {
      if (stat(inFolder(folder, file).c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
        return folder;
      }
    }
    if (folder == "/") {
      return std::nullopt;
    }
    folder.resize(std::max<std::size_t>(folder.rfind('/'), 1));
  }
}

} // namespace stellwerk::vagga
