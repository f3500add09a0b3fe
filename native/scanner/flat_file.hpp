// A file of `NAME VALUE` lines, some of which are series.
#pragma once

#include "base/number.hpp"
#include "scanner/collector.hpp"
#include "scanner/flat_names.hpp"

#include <fcntl.h>
#include <optional>

namespace stellwerk {

class FlatFile final : public Collector {
public:
  // The series of a name; none: the line is passed over.
  using SeriesOf = std::optional<NamedSeries> (*)(std::string_view name);

  // `name` is of static storage.
  FlatFile(const char* name, std::string path, SeriesOf seriesOf)
      : name_(name), path_(std::move(path)), seriesOf_(seriesOf) {}
  const char* name() const noexcept override { return name_; }

  void collect(ScanContext& context) override {
    std::string_view text;
    if (!file_.read(context.reader, AT_FDCWD, path_.c_str(), text, ReadWhole::Loop)) {
      return;
    }
    names_.restart();
    Cursor cursor(text);
    while (!cursor.done()) {
      Cursor line(cursor.line());
      auto& series = names_.next(line.word(), seriesOf_);
      std::uint64_t value = 0;
      if (series && parseUnsigned(line.word(), value)) {
        series->set(context.series, value);
      }
    }
  }

private:
  const char* name_;
  std::string path_;
  SeriesOf seriesOf_;
  KeptFile file_;
  FlatNames<std::optional<NamedSeries>> names_;
};

} // namespace stellwerk
