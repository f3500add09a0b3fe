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
        "native/container/capabilities.cc",
        "native/container/cgroup.cc",
        "native/container/channel.cc",
        "native/container/child.cc",
        "native/container/descriptors.cc",
        "native/container/ending.cc",
        "native/container/identity.cc",
        "native/container/init.cc",
        "native/container/limits.cc",
        "native/container/mounts.cc",
        "native/container/network.cc",
        "native/container/path.cc",
        "native/container/probe.cc",
        "native/container/seccomp.cc",
        "native/container/special.cc",
        "native/container/start.cc",
        "native/container/tree.cc"
      ]
    },
    {
      "target_name": "scanner",
      "sources": ["native/scanner/addon.cc"]
    }
  ]
}
