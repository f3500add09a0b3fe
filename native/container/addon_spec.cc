#include "container/addon_spec.hpp"

#include <cmath>
#include <sys/resource.h>

namespace stellwerk {
namespace {

// Reads fields and remembers the first that is wrong.
class Reader {
public:
  explicit Reader(Napi::Env env) : env_(env) {}

  bool failed() const { return !problem_.empty(); }

  // Thrown at the end: most of Node-API may not be called while an exception is pending.
  bool finish() {
    if (failed() && !env_.IsExceptionPending()) {
      Napi::TypeError::New(env_, problem_).ThrowAsJavaScriptException();
    }
    return !failed();
  }

  void fail(const std::string& field, const char* expected) {
    if (problem_.empty()) {
      problem_ = "container: " + field + ": expected " + expected;
    }
  }

  Napi::Object object(const Napi::Value& value, const std::string& field) {
    if (!value.IsObject()) {
      fail(field, "an object");
      return Napi::Object::New(env_);
    }
    return value.As<Napi::Object>();
  }

  std::string text(const Napi::Value& value, const std::string& field) {
    if (!value.IsString()) {
      fail(field, "a string");
      return {};
    }
    return value.As<Napi::String>().Utf8Value();
  }

  std::string string(const Napi::Value& value, const std::string& field) {
    std::string text = this->text(value, field);
    if (text.find('\0') != std::string::npos) {
      fail(field, "a string without NUL");
    }
    return text;
  }

  bool boolean(const Napi::Value& value, const std::string& field) {
    if (!value.IsBoolean()) {
      fail(field, "a boolean");
      return false;
    }
    return value.As<Napi::Boolean>().Value();
  }

  // A whole number in the range.
  double number(const Napi::Value& value, const std::string& field, double least, double most) {
    const double found = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
    if (!(found >= least && found <= most) || found != std::floor(found)) {
      fail(field, "a whole number in range");
      return 0;
    }
    return found;
  }

  template <class Each> void list(const Napi::Value& value, const std::string& field, Each each) {
    if (!value.IsArray()) {
      fail(field, "an array");
      return;
    }
    const auto array = value.As<Napi::Array>();
    for (std::uint32_t index = 0; index < array.Length() && !failed(); index++) {
      each(array.Get(index), field + "[" + std::to_string(index) + "]");
    }
  }

  std::vector<std::string> strings(const Napi::Value& value, const std::string& field) {
    std::vector<std::string> words;
    list(value, field, [&](const Napi::Value& word, const std::string& at) { words.push_back(string(word, at)); });
    return words;
  }

private:
  Napi::Env env_;
  std::string problem_;
};

constexpr double kMostId = 4294967294; // 2^32 - 2: -1 means "no id" to the kernel
constexpr double kMostSafe = 9007199254740991;

std::vector<IdMapping> idMap(Reader& reader, const Napi::Value& value, const std::string& field) {
  std::vector<IdMapping> map;
  reader.list(value, field, [&](const Napi::Value& entry, const std::string& at) {
    const Napi::Object row = reader.object(entry, at);
    map.push_back(
        {.inside = static_cast<std::uint32_t>(reader.number(row.Get("inside"), at + ".inside", 0, kMostId)),
         .outside = static_cast<std::uint32_t>(reader.number(row.Get("outside"), at + ".outside", 0, kMostId)),
         .count = static_cast<std::uint32_t>(reader.number(row.Get("count"), at + ".count", 1, kMostId + 1))});
  });
  return map;
}

unsigned readMode(Reader& reader, const Napi::Object& entry, const std::string& field) {
  return static_cast<unsigned>(reader.number(entry.Get("mode"), field + ".mode", 0, 07777));
}

void readOwner(Reader& reader, const Napi::Object& entry, const std::string& field, Mount& mount) {
  if (const Napi::Value uid = entry.Get("uid"); !uid.IsUndefined()) {
    mount.owner = static_cast<std::uint32_t>(reader.number(uid, field + ".uid", 0, kMostId));
  }
  if (const Napi::Value gid = entry.Get("gid"); !gid.IsUndefined()) {
    mount.ownerGroup = static_cast<std::uint32_t>(reader.number(gid, field + ".gid", 0, kMostId));
  }
}

Mount readMount(Reader& reader, const Napi::Value& value, const std::string& field) {
  const Napi::Object entry = reader.object(value, field);
  Mount mount;
  mount.target = reader.string(entry.Get("target"), field + ".target");
  if (!mount.target.starts_with('/')) {
    reader.fail(field + ".target", "an absolute path");
  }
  const std::string kind = reader.string(entry.Get("kind"), field + ".kind");
  if (kind == "bind") {
    mount.kind = Mount::Kind::bind;
    mount.source = reader.string(entry.Get("source"), field + ".source");
    mount.readonly = reader.boolean(entry.Get("readonly"), field + ".readonly");
    mount.exec = reader.boolean(entry.Get("exec"), field + ".exec");
    if (const Napi::Value base = entry.Get("base"); !base.IsUndefined()) {
      mount.base = reader.string(base, field + ".base");
    }
    if (const Napi::Value devices = entry.Get("devices"); !devices.IsUndefined()) {
      mount.devices = reader.boolean(devices, field + ".devices");
    }
    if (const Napi::Value idMapped = entry.Get("idMapped"); !idMapped.IsUndefined()) {
      mount.idMapped = reader.boolean(idMapped, field + ".idMapped");
    }
  } else if (kind == "tmpfs") {
    mount.kind = Mount::Kind::tmpfs;
    mount.sizeBytes =
        static_cast<std::uint64_t>(reader.number(entry.Get("sizeBytes"), field + ".sizeBytes", 0, kMostSafe));
    mount.mode = readMode(reader, entry, field);
    if (const Napi::Value sealed = entry.Get("sealed"); !sealed.IsUndefined()) {
      mount.sealed = reader.boolean(sealed, field + ".sealed");
    }
  } else if (kind == "proc") {
    mount.kind = Mount::Kind::proc;
    if (const Napi::Value unmasked = entry.Get("unmasked"); !unmasked.IsUndefined()) {
      mount.unmasked = reader.boolean(unmasked, field + ".unmasked");
    }
  } else if (kind == "dev") {
    mount.kind = Mount::Kind::dev;
  } else if (kind == "pts") {
    mount.kind = Mount::Kind::pts;
  } else if (kind == "sys") {
    mount.kind = Mount::Kind::sys;
  } else if (kind == "folder") {
    mount.kind = Mount::Kind::folder;
    mount.mode = readMode(reader, entry, field);
    readOwner(reader, entry, field, mount);
  } else if (kind == "file") {
    mount.kind = Mount::Kind::file;
    mount.mode = readMode(reader, entry, field);
    if (const Napi::Value text = entry.Get("text"); !text.IsUndefined()) {
      mount.text = reader.text(text, field + ".text");
    }
  } else if (kind == "copy") {
    mount.kind = Mount::Kind::copy;
    mount.source = reader.string(entry.Get("source"), field + ".source");
    if (const Napi::Value overlay = entry.Get("overlay"); !overlay.IsUndefined()) {
      mount.overlay = reader.boolean(overlay, field + ".overlay");
    }
    readOwner(reader, entry, field, mount);
  } else {
    reader.fail(field + ".kind", "bind, tmpfs, proc, dev, pts, sys, folder, file or copy");
  }
  return mount;
}

void readNamespaces(Reader& reader, const Napi::Value& value, Namespaces& namespaces) {
  const Napi::Object object = reader.object(value, "namespaces");
  const struct {
    const char* name;
    bool* flag;
  } table[] = {{"user", &namespaces.user}, {"mount", &namespaces.mount},   {"pid", &namespaces.pid},
               {"ipc", &namespaces.ipc},   {"uts", &namespaces.uts},       {"cgroup", &namespaces.cgroup},
               {"net", &namespaces.net}};
  for (const auto& row : table) {
    *row.flag = reader.boolean(object.Get(row.name), std::string("namespaces.") + row.name);
  }
}

void readJoined(Reader& reader, const Napi::Object& spec, Joined& join) {
  const Napi::Value value = spec.Get("join");
  if (value.IsUndefined()) {
    return;
  }
  const Napi::Object object = reader.object(value, "join");
  const struct {
    const char* name;
    int* fd;
  } table[] = {{"user", &join.user}, {"net", &join.net}, {"uts", &join.uts}};
  for (const auto& row : table) {
    if (const Napi::Value fd = object.Get(row.name); !fd.IsUndefined()) {
      *row.fd = static_cast<int>(reader.number(fd, std::string("join.") + row.name, 0, 1 << 30));
    }
  }
}

// Who is in which namespaces: the part of a spec that namespaces without a program have too.
void readPlace(Reader& reader, const Napi::Object& object, Spec& spec) {
  readNamespaces(reader, object.Get("namespaces"), spec.namespaces);
  readJoined(reader, object, spec.join);
  spec.uidMap = idMap(reader, object.Get("uidMap"), "uidMap");
  spec.gidMap = idMap(reader, object.Get("gidMap"), "gidMap");
  if (const Napi::Value hostname = object.Get("hostname"); !hostname.IsUndefined()) {
    spec.hostname = reader.string(hostname, "hostname");
  }
}

void readEnvironment(Reader& reader, const Napi::Value& value, std::vector<std::string>& env) {
  const Napi::Object object = reader.object(value, "env");
  const Napi::Array names = object.GetPropertyNames();
  for (std::uint32_t index = 0; index < names.Length(); index++) {
    const std::string name = names.Get(index).As<Napi::String>().Utf8Value();
    if (name.empty() || name.find('=') != std::string::npos) {
      reader.fail("env", "names without =");
    }
    env.push_back(name + '=' + reader.string(object.Get(name), "env." + name));
  }
}

void readLimits(Reader& reader, const Napi::Value& value, std::vector<Limit>& limits) {
  const Napi::Object object = reader.object(value, "rlimits");
  const Napi::Array names = object.GetPropertyNames();
  for (std::uint32_t index = 0; index < names.Length(); index++) {
    const std::string name = names.Get(index).As<Napi::String>().Utf8Value();
    const Napi::Value limit = object.Get(name);
    const bool unlimited = limit.IsNumber() && std::isinf(limit.As<Napi::Number>().DoubleValue());
    const double number = unlimited ? 0 : reader.number(limit, "rlimits." + name, 0, kMostSafe);
    limits.push_back({name, unlimited ? RLIM_INFINITY : static_cast<std::uint64_t>(number)});
  }
}

// What only a command at a terminal needs; all of it may be absent.
void readProgram(Reader& reader, const Napi::Object& object, Spec& spec) {
  if (const Napi::Value groups = object.Get("supplementaryGroups"); !groups.IsUndefined()) {
    reader.list(groups, "supplementaryGroups", [&](const Napi::Value& gid, const std::string& at) {
      spec.supplementaryGroups.push_back(static_cast<gid_t>(reader.number(gid, at, 0, kMostId)));
    });
  }
  if (const Napi::Value mask = object.Get("umask"); !mask.IsUndefined()) {
    spec.umask = static_cast<mode_t>(reader.number(mask, "umask", 0, 0777));
  }
  if (const Napi::Value group = object.Get("ownGroup"); !group.IsUndefined()) {
    spec.ownGroup = reader.boolean(group, "ownGroup");
  }
  if (const Napi::Value terminal = object.Get("terminal"); !terminal.IsUndefined()) {
    spec.terminal = static_cast<int>(reader.number(terminal, "terminal", -1, 1 << 30));
  }
  if (const Napi::Value passed = object.Get("passedFds"); !passed.IsUndefined()) {
    reader.list(passed, "passedFds", [&](const Napi::Value& entry, const std::string& at) {
      const Napi::Object pair = reader.object(entry, at);
      spec.passedFds.push_back({.from = static_cast<int>(reader.number(pair.Get("from"), at + ".from", 0, 1 << 30)),
                                .to = static_cast<int>(reader.number(pair.Get("to"), at + ".to", 3, 1 << 10))});
    });
  }
}

} // namespace

bool readNamespaceSpec(const Napi::Value& value, Spec& spec) {
  Reader reader(value.Env());
  readPlace(reader, reader.object(value, "spec"), spec);
  return reader.finish();
}

bool readSpec(const Napi::Value& value, Spec& spec) {
  Reader reader(value.Env());
  const Napi::Object object = reader.object(value, "spec");
  spec.argv = reader.strings(object.Get("argv"), "argv");
  if (const Napi::Value programs = object.Get("programs"); !programs.IsUndefined()) {
    spec.programs = reader.strings(programs, "programs");
  }
  readEnvironment(reader, object.Get("env"), spec.env);
  spec.cwd = reader.string(object.Get("cwd"), "cwd");
  if (const Napi::Value root = object.Get("root"); !root.IsUndefined()) {
    spec.root = reader.string(root, "root");
    if (!spec.root.starts_with('/')) {
      reader.fail("root", "an absolute path");
    }
  }
  if (const Napi::Value writable = object.Get("writableRoot"); !writable.IsUndefined()) {
    spec.writableRoot = reader.boolean(writable, "writableRoot");
  }
  if (const Napi::Value overlay = object.Get("overlay"); !overlay.IsUndefined()) {
    const Napi::Object folders = reader.object(overlay, "overlay");
    spec.overlayUpper = reader.string(folders.Get("upper"), "overlay.upper");
    spec.overlayWork = reader.string(folders.Get("work"), "overlay.work");
    if (spec.root.empty() || spec.overlayUpper.empty()) {
      reader.fail("overlay", "a root, an upper folder and a work folder");
    }
  }
  readPlace(reader, object, spec);
  spec.uid = static_cast<uid_t>(reader.number(object.Get("uid"), "uid", 0, kMostId));
  spec.gid = static_cast<gid_t>(reader.number(object.Get("gid"), "gid", 0, kMostId));
  reader.list(object.Get("mounts"), "mounts", [&](const Napi::Value& entry, const std::string& at) {
    spec.mounts.push_back(readMount(reader, entry, at));
  });
  readLimits(reader, object.Get("rlimits"), spec.limits);
  spec.keepCapabilities = reader.strings(object.Get("keepCapabilities"), "keepCapabilities");
  spec.noNewPrivileges = reader.boolean(object.Get("noNewPrivileges"), "noNewPrivileges");
  const std::string seccomp = reader.string(object.Get("seccomp"), "seccomp");
  if (seccomp != "default" && seccomp != "off") {
    reader.fail("seccomp", "default or off");
  }
  spec.seccomp = seccomp == "default";
  spec.cgroups = reader.strings(object.Get("cgroups"), "cgroups");
  std::size_t stream = 0;
  reader.list(object.Get("stdio"), "stdio", [&](const Napi::Value& fd, const std::string& at) {
    const int number = static_cast<int>(reader.number(fd, at, -1, 1 << 30));
    if (stream < spec.stdio.size()) {
      spec.stdio[stream] = number;
    }
    stream++;
  });
  if (stream != spec.stdio.size()) {
    reader.fail("stdio", "three numbers");
  }
  readProgram(reader, object, spec);
  spec.init = reader.boolean(object.Get("init"), "init");
  spec.dieWithStarter = spec.init;
  return reader.finish();
}

} // namespace stellwerk
