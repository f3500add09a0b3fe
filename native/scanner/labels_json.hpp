// A JSON object of strings: RFC 8259. Integers and booleans become their text.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stellwerk {

enum class LabelsResult {
  Labels,
  NotLabels, // valid JSON, but no object of plain values
  Invalid,   // no JSON
};

using OwnedLabels = std::vector<std::pair<std::string, std::string>>;

// On Labels: sorted by name, of a repeated name the last.
LabelsResult parseLabels(std::string_view text, OwnedLabels& labels);

bool validUtf8(std::string_view text) noexcept;
// Each broken sequence becomes U+FFFD.
std::string lossyUtf8(std::string_view text);

} // namespace stellwerk
