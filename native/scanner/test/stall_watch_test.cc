#include "scanner/stall_watch.hpp"

#include <csignal>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace stellwerk {
namespace {

using namespace std::chrono_literals;

TEST(StallWatchDeathTest, EndsAProcessThatGivesNoSignOfLife) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        StallWatch watch(120ms, 91);
        std::this_thread::sleep_for(10s);
      },
      testing::ExitedWithCode(91), "the event loop has not moved for 120 ms");
}

TEST(StallWatch, LetsALivelyOneBe) {
  StallWatch watch(3000ms, 91);
  for (int i = 0; i < 40; ++i) {
    watch.beat();
    std::this_thread::sleep_for(5ms);
  }
}

} // namespace
} // namespace stellwerk
