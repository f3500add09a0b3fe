// Layers of a root: each is the upper folder of an overlay mount, with whiteouts and opaque folders as overlayfs.rst
// says. A stack of them becomes a plain tree here, whose files are hard links to those of the layers.
#pragma once

#include "base/failure.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace stellwerk {

struct TreeSize {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0; // that the disk has for them
  // Of path, mode, owner, size and modification time of each entry: whoever writes into one moves it.
  std::uint64_t fingerprint = 0;
};

// Fills the empty folder `target` with what the layers, the uppermost first, show together. Where a link cannot be made
// (another file system, too many links) the file is copied, sharing blocks if that can be.
Result<Done> mergeLayers(const std::vector<std::string>& layers, const std::string& target);

// All below a folder. Files with several names count once for each.
Result<TreeSize> measureTree(const std::string& folder);

} // namespace stellwerk
