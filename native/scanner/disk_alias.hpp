// A name by which people know a disk whose kernel name says nothing: /sys/class/block, Documentation/ABI/stable/sysfs-block.
#pragma once

#include "scanner/sysfs_attribute.hpp"

#include <string>
#include <string_view>

namespace stellwerk {

// Of a device-mapper device the name in /dev/mapper; of an NVMe disk MODEL_SERIAL, and of its partition -partN behind, as
// udev names them in /dev/disk/by-id. Empty: none.
inline std::string diskAlias(Reader& reader, const std::string& sysRoot, std::string_view device) {
  const std::string folder = sysRoot + "/class/block/" + std::string(device);
  if (device.starts_with("dm-")) {
    return readAttribute(reader, folder + "/dm/name");
  }
  if (!device.starts_with("nvme")) {
    return {};
  }
  const std::string partition = readAttribute(reader, folder + "/partition");
  const std::string disk = partition.empty() ? folder : folder + "/..";
  const std::string model = readAttribute(reader, disk + "/device/model");
  const std::string serial = readAttribute(reader, disk + "/device/serial");
  if (model.empty() || serial.empty()) {
    return {};
  }
  std::string alias;
  for (const char c : model + "_" + serial) {
    if (c != ' ') {
      alias += c;
    } else if (alias.back() != '_') {
      alias += '_';
    }
  }
  return partition.empty() ? alias : alias + "-part" + partition;
}

} // namespace stellwerk
