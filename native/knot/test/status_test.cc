#include "knot/status.hpp"

#include <gtest/gtest.h>

using namespace stellwerk;
using namespace stellwerk::knot;

namespace {

std::string encode(const Status& status) {
  char buffer[kStatusBytes];
  return std::string(encodeStatus(status, buffer));
}

TEST(Status, IsTheDocumentedJson) {
  const Status status = {.phase = Phase::ended, .knotPid = 1, .knotStartTime = 2, .pid = 3, .startTime = 4,
                         .startedAtMs = 5, .endedAtMs = 6, .exitCode = 7, .restarts = 8, .oomKills = 9,
                         .memoryPressure = "some avg10=1.00"};
  EXPECT_EQ(encode(status), "{\"version\":1,\"phase\":\"ended\",\"knotPid\":1,\"knotStartTime\":2,\"pid\":3,"
                            "\"startTime\":4,\"startedAtMs\":5,\"endedAtMs\":6,\"exitCode\":7,\"signal\":null,"
                            "\"restarts\":8,\"oomKills\":9,\"memoryPressure\":\"some avg10=1.00\",\"failure\":null}\n");
}

TEST(Status, EscapesWhatJsonDoesNotAllow) {
  const Failure failure = Failure::of("bind", "open", "a\"b\\c\nd\xff\xc3\xa9\xc3", 2);
  const Status status = {.failure = &failure};
  EXPECT_NE(encode(status).find("\"subject\":\"a\\\"b\\\\c\\u000ad\\ufffd\xc3\xa9\\ufffd\",\"errno\":2"),
            std::string::npos);
}

TEST(Status, FitsTheBufferWhateverTheFailureSays) {
  const std::string worst(1000, '\x01');
  const Failure failure = Failure::of(worst.c_str(), worst.c_str(), worst.c_str(), 2147483647);
  const Status status = {.phase = Phase::stopping, .knotPid = 2147483647, .knotStartTime = UINT64_MAX,
                         .pid = 2147483647, .startTime = UINT64_MAX, .startedAtMs = UINT64_MAX,
                         .endedAtMs = UINT64_MAX, .exitCode = 255, .signal = 64, .failure = &failure, .restarts = UINT64_MAX, .oomKills = UINT64_MAX,
                         .memoryPressure = std::string_view(worst).substr(0, 127)};
  EXPECT_TRUE(encode(status).ends_with("}}\n"));
}

TEST(StartTime, IsField22WhateverTheNameHolds) {
  EXPECT_EQ(parseStartTime("12 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20"), 4711u);
  EXPECT_EQ(parseStartTime("12 (a"), 0u);
  EXPECT_EQ(parseStartTime("12 (a) S 1 2"), 0u);
  EXPECT_GT(startTimeOf(getpid()), 0u);
}

} // namespace
