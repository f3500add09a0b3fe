#include "hash/jobs.hpp"

#include <algorithm>

namespace stellwerk {
namespace {

// Beside the path and the prefix, what FileList::head writes of one entry, rounded up.
constexpr std::size_t kHeadRoom = 128;
// One byte more than a file has is asked for, to see that it has not grown.
constexpr std::size_t kProbe = 1;

} // namespace

std::vector<Job> cutIntoJobs(const FileList& list) {
  std::vector<Job> jobs;
  Job job;
  const auto close = [&] {
    if (job.count > 0) {
      jobs.push_back(job);
    }
  };
  for (std::size_t index = 0; index < list.entries.size(); ++index) {
    const FileEntry& entry = list.entries[index];
    const std::size_t head = list.request.prefix.size() + entry.path.size() + kHeadRoom;
    if (entry.size > kJobBytes) {
      close();
      for (std::uint64_t offset = 0; offset < entry.size; offset += kJobBytes) {
        const std::uint64_t length = std::min<std::uint64_t>(kJobBytes, entry.size - offset);
        jobs.push_back({.first = index,
                        .count = 1,
                        .offset = offset,
                        .length = length,
                        .room = head + length + kProbe,
                        .ends = offset + length == entry.size});
      }
      job = {.first = index + 1};
      continue;
    }
    const std::size_t room = head + entry.size + kProbe;
    if (job.count > 0 && job.room + room > kJobBytes) {
      close();
      job = {.first = index};
    }
    ++job.count;
    job.room += room;
    job.length += entry.size;
  }
  close();
  return jobs;
}

} // namespace stellwerk
