#include "scanner/memory_share.hpp"

#include "base/number.hpp"
#include "scanner/kept_file.hpp"

#include <fcntl.h>

namespace stellwerk {

MemoryShare parseMemoryShare(std::string_view text) noexcept {
  MemoryShare share;
  const std::pair<std::string_view, std::uint64_t*> fields[] = {{"Pss:", &share.pss},
                                                                {"Pss_Anon:", &share.pssAnon},
                                                                {"Pss_File:", &share.pssFile},
                                                                {"Pss_Shmem:", &share.pssShmem},
                                                                {"SwapPss:", &share.swapPss}};
  Cursor cursor(text);
  while (!cursor.done()) {
    Cursor line(cursor.line());
    const std::string_view name = line.word();
    for (const auto& [field, into] : fields) {
      std::uint64_t kilobytes = 0;
      if (name == field && parseUnsigned(line.word(), kilobytes)) {
        *into = kilobytes * 1024;
      }
    }
  }
  return share;
}

Result<MemoryShare> readMemoryShare(const std::string& procRoot, std::uint32_t pid) {
  const std::string path = procRoot + "/" + std::to_string(pid) + "/smaps_rollup";
  Reader reader{FdBudget(0), 4096};
  KeptFile file;
  std::string_view text;
  if (!file.read(reader, AT_FDCWD, path.c_str(), text, ReadWhole::Loop)) {
    return Failure::of("memory share", "read", path.c_str());
  }
  return parseMemoryShare(text);
}

} // namespace stellwerk
