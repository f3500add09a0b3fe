{
  "target_defaults": {
    "default_configuration": "Release",
    "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED"],
    "include_dirs": ["native", "<!@(node -p \"require('node-addon-api').include_dir\")"],
    "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-fno-rtti"],
    "cflags_cc": ["-std=c++20", "-fno-exceptions", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror", "-Wno-missing-field-initializers", "-Wno-cast-function-type"],
    "cflags!": ["-fno-omit-frame-pointer"],
    "configurations": { "Release": { "cflags": ["-O2"] } }
  },
  "targets": [
    {
      "target_name": "container",
      "defines": ["_GNU_SOURCE"],
      "sources": [
        "native/container/addon.cc",
        "native/container/addon_spec.cc",
        "native/container/addon_tree.cc",
        "native/container/bridge.cc",
        "native/container/capabilities.cc",
        "native/container/cgroup.cc",
        "native/container/channel.cc",
        "native/container/child.cc",
        "native/container/descriptors.cc",
        "native/container/ending.cc",
        "native/container/folder.cc",
        "native/container/identity.cc",
        "native/container/init.cc",
        "native/container/limits.cc",
        "native/container/listening.cc",
        "native/container/mounts.cc",
        "native/container/netlink.cc",
        "native/container/network.cc",
        "native/container/path.cc",
        "native/container/probe.cc",
        "native/container/replace.cc",
        "native/container/seccomp.cc",
        "native/container/sockets.cc",
        "native/container/special.cc",
        "native/container/start.cc",
        "native/container/tree.cc"
      ]
    },
    {
      "target_name": "scanner",
      "defines": ["_GNU_SOURCE"],
      "sources": [
        "native/history/plan.cc",
        "native/history/series.cc",
        "native/history/snapshot.cc",
        "native/scanner/addon.cc",
        "native/scanner/cgroup_files.cc",
        "native/scanner/cgroup_mounts.cc",
        "native/scanner/cgroups.cc",
        "native/scanner/cpu_stat.cc",
        "native/scanner/disks.cc",
        "native/scanner/file_systems.cc",
        "native/scanner/kept_file.cc",
        "native/scanner/labels_json.cc",
        "native/scanner/load_average.cc",
        "native/scanner/mem_info.cc",
        "native/scanner/meta.cc",
        "native/scanner/net_counters.cc",
        "native/scanner/net_interfaces.cc",
        "native/scanner/open_files.cc",
        "native/scanner/pressure.cc",
        "native/scanner/process_files.cc",
        "native/scanner/processes.cc",
        "native/scanner/scan.cc",
        "native/scanner/series_table.cc",
        "native/scanner/socket_table.cc",
        "native/scanner/uptime.cc",
        "native/scanner/values_file.cc",
        "native/scanner/vm_stat.cc"
      ]
    }
  ]
}
