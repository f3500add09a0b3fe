// Which kernel features are there, by trying them.
#pragma once

#include <string>
#include <vector>

namespace stellwerk {

struct Feature {
  std::string name;
  bool available = false;
  std::string detail; // what it is for; where it is missing, why and what follows
};

std::vector<Feature> probeFeatures();

} // namespace stellwerk
