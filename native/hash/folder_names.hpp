// What is in folders: names in the order of their bytes, and of which kind each is.
#pragma once

#include "base/failure.hpp"

#include <string>
#include <vector>

namespace stellwerk {

// For each folder in turn: per entry its kind (d folder, f file, l symbolic link, o anything else), its name and NUL;
// then one more NUL. Names that are no UTF-8 are a failure with EILSEQ. `folders` are relative to `below` in `root`;
// "." is that folder itself.
Result<std::string> listFolders(const std::string& root, const std::string& below,
                                const std::vector<std::string>& folders, unsigned threads);

bool isUtf8(std::string_view text) noexcept;

} // namespace stellwerk
