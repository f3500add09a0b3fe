// One loop over many equal things, shared out among threads; the calling one is among them.
#pragma once

#include "base/failure.hpp"
#include "hash/thread.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <vector>

namespace stellwerk {

// `each(index)` gives a Result<Done>. The failure of the lowest index that was met; the others stop soon after one.
template <class Each>
Result<Done> inParallel(std::size_t count, unsigned threads, std::size_t chunk, const Each& each) {
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::optional<std::pair<std::size_t, Failure>> failed;
  const auto work = [&] {
    for (std::size_t from = next.fetch_add(chunk); from < count; from = next.fetch_add(chunk)) {
      for (std::size_t index = from; index < std::min(from + chunk, count); ++index) {
        const Result<Done> result = each(index);
        if (!result) {
          next = count;
          const std::scoped_lock lock(mutex);
          if (!failed || index < failed->first) {
            failed.emplace(index, result.failure());
          }
          return;
        }
      }
    }
  };
  {
    std::vector<Thread> others;
    const std::size_t useful = std::min<std::size_t>(threads, (count + chunk - 1) / chunk);
    for (std::size_t made = 1; made < useful; ++made) {
      others.emplace_back(work);
    }
    work();
  }
  if (failed) {
    return failed->second;
  }
  return Done{};
}

} // namespace stellwerk
