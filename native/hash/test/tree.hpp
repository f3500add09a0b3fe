// A folder of its own with files in it, gone at the end.
#pragma once

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/stat.h>

namespace stellwerk {

class Tree {
public:
  Tree() {
    char folder[] = "/tmp/stellwerk-hash-XXXXXX";
    path = mkdtemp(folder);
  }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;
  ~Tree() { std::filesystem::remove_all(path); }

  void write(const std::string& name, const std::string& content, mode_t mode = 0644) const {
    const std::filesystem::path file = path + "/" + name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << content;
    chmod(file.c_str(), mode);
  }

  std::string path;
};

} // namespace stellwerk
