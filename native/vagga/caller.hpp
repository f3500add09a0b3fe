// Who calls, from where, with which environment and which words.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stellwerk::vagga {

// The environment of the caller, in its order.
using Environment = std::vector<std::pair<std::string_view, std::string_view>>;

// Nothing: there is something in it that Node reads in a way of its own (no name, a name twice, a number for a name,
// other than UTF-8).
std::optional<Environment> readEnvironment(char** environment);

std::optional<std::string_view> valueOf(const Environment& environment, std::string_view name);

bool isUtf8(std::string_view text) noexcept;

// `vagga [-e NAME] [-E NAME=VALUE] [-E NAME] COMMAND [ARGUMENT …]`
struct CommandLine {
  std::vector<std::string_view> use; // -e
  std::vector<std::pair<std::string_view, std::optional<std::string_view>>> set; // -E; no value: taken away
  std::string_view command;
  std::span<char* const> arguments;
};

// Nothing: it has words that only Node knows, or is wrong.
std::optional<CommandLine> readCommandLine(std::span<char* const> words);

// The project around a folder, as src/vagga/find-project.ts finds it; nothing: there is none, or Node has something to
// say about it.
std::optional<std::string> findProject(std::string folder);

} // namespace stellwerk::vagga
