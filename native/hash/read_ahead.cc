#include "hash/read_ahead.hpp"

#include "hash/fill.hpp"
#include "hash/thread.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>

namespace stellwerk {
namespace {

constexpr std::size_t kPiecesPerThread = 4;

// Jobs are taken in their order; job N is filled into slot N % slots, once the hash has done with what was there.
class ReadAhead {
public:
  ReadAhead(const FileList& list, unsigned threads)
      : list_(list), jobs_(cutIntoJobs(list)), slots_(std::min(jobs_.size(), kPiecesPerThread * threads)) {
    const std::size_t others = std::min<std::size_t>(threads, jobs_.size());
    for (std::size_t made = 1; made < others; ++made) {
      threads_.emplace_back([this] { readOn(); });
    }
  }
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;
  ~ReadAhead() {
    {
      const std::scoped_lock lock(mutex_);
      stopped_ = true;
    }
    room_.notify_all();
    threads_.clear(); // joins
  }

  std::size_t jobs() const noexcept { return jobs_.size(); }

  // The piece of job `number`, which is the next one that was not yet taken: filled here where nobody has begun it.
  Result<const Piece*> take(std::size_t number) {
    Slot& slot = slots_[number % slots_.size()];
    std::unique_lock lock(mutex_);
    if (next_ == number) {
      ++next_;
      lock.unlock();
      slot.result = fill(list_, jobs_[number], slot.piece);
    } else {
      filled_.wait(lock, [&] { return slot.filled; });
    }
    if (!slot.result) {
      return slot.result.failure();
    }
    return &slot.piece;
  }

  void giveBack(std::size_t number) {
    {
      const std::scoped_lock lock(mutex_);
      slots_[number % slots_.size()].filled = false;
      taken_ = number + 1;
    }
    room_.notify_one();
  }

private:
  struct Slot {
    Piece piece;
    Result<Done> result = Done{};
    bool filled = false;
  };

  void readOn() {
    std::unique_lock lock(mutex_);
    while (true) {
      room_.wait(lock, [&] { return stopped_ || next_ == jobs_.size() || next_ < taken_ + slots_.size(); });
      if (stopped_ || next_ == jobs_.size()) {
        return;
      }
      const std::size_t number = next_++;
      Slot& slot = slots_[number % slots_.size()];
      lock.unlock();
      slot.result = fill(list_, jobs_[number], slot.piece);
      lock.lock();
      slot.filled = true;
      if (number == taken_) {
        filled_.notify_one();
      }
    }
  }

  const FileList& list_;
  const std::vector<Job> jobs_;
  std::vector<Slot> slots_;
  std::mutex mutex_;
  std::condition_variable filled_;
  std::condition_variable room_;
  std::size_t next_ = 0;  // the first job that nobody has begun
  std::size_t taken_ = 0; // the first job that was not hashed
  bool stopped_ = false;
  std::vector<Thread> threads_; // last: they use all of the above
};

// Takes the pieces in their order.
class Details {
public:
  Details(const FileList& list, std::vector<Detail>& into) : list_(list), into_(into) {}

  void add(const Piece& piece) {
    for (const Piece::Content& content : piece.contents) {
      const std::uint8_t* bytes = piece.bytes.get() + content.from;
      Detail& detail = into_[content.entry];
      if (list_.entries[content.entry].isLink()) {
        detail.target.assign(reinterpret_cast<const char*>(bytes), content.size);
        continue;
      }
      file_.update({bytes, content.size});
      if (content.ends) {
        file_.finish(detail.digest.data());
        file_ = Blake2b(sizeof detail.digest);
      }
    }
  }

private:
  const FileList& list_;
  std::vector<Detail>& into_;
  Blake2b file_ = Blake2b(sizeof(Detail::digest)); // of the file that is being read
};

} // namespace

Result<Done> hashFiles(const FileList& list, Blake2b& hash, const HashOptions& options) {
  std::optional<Details> details;
  if (options.details != nullptr) {
    options.details->assign(list.entries.size(), Detail{});
    details.emplace(list, *options.details);
  }
  ReadAhead ahead(list, std::max(1U, options.threads));
  for (std::size_t number = 0; number < ahead.jobs(); ++number) {
    const auto piece = ahead.take(number);
    if (!piece) {
      return piece.failure();
    }
    hash.update({piece.value()->bytes.get(), piece.value()->size});
    if (details) {
      details->add(*piece.value());
    }
    ahead.giveBack(number);
  }
  return Done{};
}

} // namespace stellwerk
