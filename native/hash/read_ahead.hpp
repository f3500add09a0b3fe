// The stream of a list of files: read by several threads some pieces ahead of the one hash that takes them in order.
#pragma once

#include "hash/blake2b.hpp"
#include "hash/file_list.hpp"

#include <array>
#include <string>
#include <vector>

namespace stellwerk {

// What an entry of a list has of its own.
struct Detail {
  std::array<std::uint8_t, 32> digest = {}; // of a file's content: BLAKE2b-256, what `b2sum -l 256` prints
  std::string target;                       // of a symbolic link
};

struct HashOptions {
  unsigned threads = 1;
  // Filled with one for each entry of the list where it is wanted.
  std::vector<Detail>* details = nullptr;
};

// Feeds the whole list to `hash`. Memory: some four pieces of 256 KiB for each thread, whatever the files' sizes.
Result<Done> hashFiles(const FileList& list, Blake2b& hash, const HashOptions& options);

} // namespace stellwerk
