// One job done: its part of the stream, as bytes.
#pragma once

#include "hash/jobs.hpp"

#include <memory>
#include <vector>

namespace stellwerk {

// A piece of the stream that waits to be hashed. `contents` says where the contents of files
// and the targets of symbolic links lie in it.
struct Piece {
  struct Content {
    std::size_t entry;
    std::size_t from;
    std::size_t size;
    bool ends;
  };

  std::unique_ptr<std::uint8_t[]> bytes;
  std::size_t room = 0;
  std::size_t size = 0;
  std::vector<Content> contents;
};

// A file that is not what the list says any more is a failure with ESTALE.
Result<Done> fill(const FileList& list, const Job& job, Piece& piece);

} // namespace stellwerk
