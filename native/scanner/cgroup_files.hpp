// Which files of a cgroup hold which numbers: Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/{cpuacct,memory,
// blkio-controller,pids}.rst, scheduler/sched-bwc.rst.
#pragma once

#include "history/kind.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace stellwerk {

enum class CgroupFormat : std::uint8_t {
  Number,     // one number, or the word `max`
  Pairs,      // `NAME NUMBER` lines; only the fields that are listed
  MemoryStat, // `NAME NUMBER` lines, all of them
  MemoryStatV1, // the same, where `total_NAME` is with the children, as v2 counts
  CpuMax,     // `QUOTA PERIOD`
  IoStat,     // `MAJOR:MINOR key=number…`
  Blkio,      // `MAJOR:MINOR Operation NUMBER`
  Pressure,   // psi.rst
};

// Numbers of which others are made.
enum class CgroupPart : std::uint8_t { None, Memory, MemoryMax, MemoryAndSwap, MemoryAndSwapMax, InactiveFile };

struct CgroupField {
  std::string_view name;   // in the file; empty for a file of one number
  std::string_view metric; // empty: only a part
  Kind kind;
  std::uint32_t multiply = 1;
  std::uint32_t divide = 1;
  CgroupPart part = CgroupPart::None;
};

struct CgroupFile {
  std::string_view controller;
  std::string_view file;
  CgroupFormat format;
  std::span<const CgroupField> fields;
};

std::span<const CgroupFile> cgroupFilesV2() noexcept;
std::span<const CgroupFile> cgroupFilesV1() noexcept;

// What a field of memory.stat is called here and how it counts; an empty metric: not wanted.
struct MemoryField {
  std::string_view name;
  Kind kind;
};
MemoryField memoryField(std::string_view field, bool v1) noexcept;

} // namespace stellwerk
