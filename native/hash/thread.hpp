// A thread that is joined where its owner ends. std::thread ends the program where none can be made; here that is a
// thread less, and whoever asked does the work itself.
#pragma once

#include <functional>
#include <memory>
#include <pthread.h>
#include <utility>

namespace stellwerk {

class Thread {
public:
  explicit Thread(std::function<void()> work) : work_(std::make_unique<std::function<void()>>(std::move(work))) {
    const auto run = [](void* work) -> void* {
      (*static_cast<std::function<void()>*>(work))();
      return nullptr;
    };
    runs_ = pthread_create(&handle_, nullptr, run, work_.get()) == 0;
  }
  Thread(Thread&& other) noexcept
      : work_(std::move(other.work_)), handle_(other.handle_), runs_(std::exchange(other.runs_, false)) {}
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;
  Thread& operator=(Thread&&) = delete;
  ~Thread() {
    if (runs_) {
      pthread_join(handle_, nullptr);
    }
  }

private:
  std::unique_ptr<std::function<void()>> work_;
  pthread_t handle_ = {};
  bool runs_ = false;
};

} // namespace stellwerk
