// What /etc/passwd, /etc/subuid and /etc/subgid say of one user: other accounts come and go without a consequence.
//
// Kernel-independent documents: passwd(5), subuid(5). src/vagga/run/id-map.ts reads them for Node.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace stellwerk::vagga {

// The name of the first account with this number.
std::optional<std::string> accountName(std::string_view passwd, std::uint32_t uid);

// The ranges that are granted to an account, `FIRST:COUNT` and a line end each; nothing: a line is wrong, which Node tells.
std::optional<std::string> grantsOf(std::string_view text, std::string_view account, std::uint32_t uid);

} // namespace stellwerk::vagga
