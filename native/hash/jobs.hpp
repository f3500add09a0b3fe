// A list of files cut into pieces of work of about equal size: many small files, or a stretch of a large one.
#pragma once

#include "hash/file_list.hpp"

#include <vector>

namespace stellwerk {

struct Job {
  std::size_t first = 0; // entries from here
  std::size_t count = 0; // this many, whole; or 1 with a stretch of its content
  std::uint64_t offset = 0;
  std::uint64_t length = 0; // of the content in this job
  std::size_t room = 0;     // bytes that the job fills at most
  bool ends = true;         // the content of its entry (entries) ends here
};

// About this many bytes are read by one thread at a time: well within the cache of a core, far above what a hand-over
// costs.
inline constexpr std::size_t kJobBytes = 256 * 1024;

std::vector<Job> cutIntoJobs(const FileList& list);

} // namespace stellwerk
