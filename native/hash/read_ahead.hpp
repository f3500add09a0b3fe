// The stream of a list of files: read by several threads some pieces ahead of the one hash that takes them in order.
#pragma once

#include "hash/blake2b.hpp"
#include "hash/file_list.hpp"

#include <array>
#include <functional>
#include <vector>

namespace stellwerk {

// BLAKE2b-256 of one file's content: what `b2sum -l 256` prints.
using ContentDigest = std::array<std::uint8_t, 32>;

struct HashOptions {
  unsigned threads = 1;
  // Filled with one digest per entry of the list where it is wanted; zeros for what is no file.
  std::vector<ContentDigest>* digests = nullptr;
};

// Feeds the whole list to `hash`. Memory: some four pieces of 256 KiB for each thread, whatever the files' sizes.
Result<Done> hashFiles(const FileList& list, Blake2b& hash, const HashOptions& options);

} // namespace stellwerk
