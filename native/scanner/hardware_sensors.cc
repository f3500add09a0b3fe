// /sys/class/hwmon: Documentation/hwmon/sysfs-interface.rst. tempN_input is in millidegrees Celsius, tempN_label names the
// sensor, `name` the chip.
#include "base/number.hpp"
#include "scanner/collector.hpp"
#include "scanner/folder.hpp"
#include "scanner/sysfs_attribute.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <fcntl.h>
#include <optional>

namespace stellwerk {
namespace {

using namespace std::chrono_literals;

// Heat comes slowly, and a sensor may sit behind a bus that takes milliseconds.
constexpr std::uint64_t kScansBetweenReads = 5;
// Some chips measure while they are read; those may not hold up each fifth scan.
constexpr auto kSlow = 20ms;
constexpr std::uint64_t kScansBetweenSlowReads = 150;
constexpr std::uint64_t kScansBetweenLooks = 150;

class HardwareSensors final : public Collector {
public:
  explicit HardwareSensors(const std::string& sysRoot) : folder_(sysRoot + "/class/hwmon") {}
  const char* name() const noexcept override { return "hwmon"; }

  void collect(ScanContext& context) override {
    if (context.scan % kScansBetweenLooks == 1) {
      look(context.reader);
    }
    for (Sensor& sensor : sensors_) {
      if (context.scan >= sensor.readAt) {
        read(context, sensor);
      }
      if (!sensor.celsius) {
        continue;
      }
      if (!context.series.live(sensor.ref)) {
        std::vector<Label> labels{{"chip", sensor.chip}, {"metric", "hw.temp"}, {"sensor", sensor.name}};
        sensor.ref = context.series.intern(labels, Kind::Float);
      }
      context.series.set(sensor.ref, std::bit_cast<std::uint64_t>(*sensor.celsius));
    }
  }

private:
  struct Sensor {
    std::string chip;
    std::string name;
    std::string path;
    KeptFile file = {};
    std::uint64_t readAt = 0;
    std::optional<double> celsius = {};
    SeriesRef ref = {};
  };

  static void read(ScanContext& context, Sensor& sensor) {
    const auto start = std::chrono::steady_clock::now();
    std::string_view text;
    std::int64_t millidegrees = 0;
    // A sensor that is not connected says ENODATA or EIO.
    if (sensor.file.read(context.reader, AT_FDCWD, sensor.path.c_str(), text) && Cursor(text).readSigned(millidegrees)) {
      sensor.celsius = static_cast<double>(millidegrees) / 1000;
    } else {
      sensor.celsius.reset();
    }
    const bool slow = std::chrono::steady_clock::now() - start > kSlow;
    sensor.readAt = context.scan + (slow ? kScansBetweenSlowReads : kScansBetweenReads);
  }

  void look(Reader& reader) {
    std::vector<Sensor> found;
    const std::vector<std::string> chips = namesIn(folder_);
    std::vector<std::string> names;
    for (const std::string& chip : chips) {
      names.push_back(readAttribute(reader, folder_ + "/" + chip + "/name"));
    }
    for (std::size_t i = 0; i < chips.size(); ++i) {
      const std::string path = folder_ + "/" + chips[i];
      const bool twins = std::count(names.begin(), names.end(), names[i]) > 1;
      const std::string name = names[i].empty() ? chips[i] : names[i];
      const std::string chip = twins ? name + "-" + deviceOf(path, chips[i]) : name;
      for (const std::string& file : namesIn(path)) {
        constexpr std::string_view kInput = "_input";
        if (!file.starts_with("temp") || !file.ends_with(kInput)) {
          continue;
        }
        const std::string sensor = file.substr(0, file.size() - kInput.size());
        const std::string label = readAttribute(reader, path + "/" + sensor + "_label");
        Sensor made{chip, label.empty() ? sensor : label, path + "/" + file};
        const auto known = std::find_if(sensors_.begin(), sensors_.end(), [&](const Sensor& other) {
          return other.path == made.path && other.chip == made.chip && other.name == made.name;
        });
        found.push_back(known == sensors_.end() ? std::move(made) : std::move(*known));
      }
    }
    sensors_ = std::move(found);
  }

  // `device` links to what the chip belongs to: nvme0, coretemp.0. hwmonN may change from boot to boot.
  static std::string deviceOf(const std::string& path, const std::string& chip) {
    const std::string target = linkTarget(path + "/device");
    return target.empty() ? chip : target.substr(target.find_last_of('/') + 1);
  }

  std::string folder_;
  std::vector<Sensor> sensors_;
};

} // namespace

std::unique_ptr<Collector> makeHardwareSensors(const ScanOptions& options) {
  return std::make_unique<HardwareSensors>(options.sysRoot);
}

} // namespace stellwerk
