#include "container/addon_layers.hpp"

#include "base/failure_object.hpp"
#include "base/fd.hpp"
#include "container/layers.hpp"
#include "container/overlay.hpp"

#include <cstdio>
#include <fcntl.h>
#include <optional>
#include <sys/mount.h>

namespace stellwerk {
namespace {

Napi::Value refuse(Napi::Env env, const char* what) {
  Napi::TypeError::New(env, std::string("container: ") + what).ThrowAsJavaScriptException();
  return env.Undefined();
}

Napi::Value outcome(Napi::Env env, const Result<Done>& done) {
  return done ? Napi::Boolean::New(env, true) : Napi::Value(failureObject(env, done.failure()));
}

std::vector<std::string> textsOf(const Napi::Value& value) {
  std::vector<std::string> texts;
  const auto list = value.As<Napi::Array>();
  for (std::uint32_t index = 0; index < list.Length(); index++) {
    texts.push_back(list.Get(index).ToString().Utf8Value());
  }
  return texts;
}

// The working folder of the process is back where it was.
Result<Done> mountAt(const OverlayFolders& folders, const std::string& target) {
  const Fd before(open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!before) {
    return Failure::of("mount overlay", "open", ".");
  }
  if (chdir(target.c_str()) != 0) {
    return Failure::of("mount overlay", "chdir", target.c_str());
  }
  const auto done = mountOverlayHere(folders, target.c_str());
  if (fchdir(before.get()) != 0) {
    return Failure::of("mount overlay", "fchdir", ".");
  }
  return done;
}

Napi::Value mountOverlay(const Napi::CallbackInfo& info) {
  if (info.Length() < 4 || !info[0].IsArray() || !info[1].IsString() || !info[2].IsString() || !info[3].IsString()) {
    return refuse(info.Env(), "mountOverlay: expected lowers, upper, work, target");
  }
  std::vector<Fd> opened;
  std::vector<int> lowers;
  const auto take = [&](const std::string& path) {
    opened.emplace_back(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    return opened.back().get();
  };
  for (const std::string& path : textsOf(info[0])) {
    lowers.push_back(take(path));
    if (lowers.back() < 0) {
      return failureObject(info.Env(), Failure::of("mount overlay", "open", path.c_str()));
    }
  }
  const std::string upperPath = info[1].As<Napi::String>().Utf8Value();
  const std::string workPath = info[2].As<Napi::String>().Utf8Value();
  const int upper = take(upperPath);
  const int work = upper < 0 ? -1 : take(workPath);
  if (work < 0) {
    return failureObject(info.Env(), Failure::of("mount overlay", "open", (upper < 0 ? upperPath : workPath).c_str()));
  }
  const OverlayFolders folders = {
      .lowers = lowers.data(), .lowerCount = lowers.size(), .upper = upper, .work = work};
  return outcome(info.Env(), mountAt(folders, info[3].As<Napi::String>().Utf8Value()));
}

Napi::Value unmount(const Napi::CallbackInfo& info) {
  if (info.Length() < 1 || !info[0].IsString()) {
    return refuse(info.Env(), "unmount: expected a path");
  }
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  const int failed = umount2(path.c_str(), UMOUNT_NOFOLLOW);
  return outcome(info.Env(), failed == 0 ? Result<Done>(Done{}) : Failure::of("unmount", "umount2", path.c_str()));
}

Napi::Value merge(const Napi::CallbackInfo& info) {
  if (info.Length() < 2 || !info[0].IsArray() || !info[1].IsString()) {
    return refuse(info.Env(), "mergeLayers: expected layers, target");
  }
  return outcome(info.Env(), mergeLayers(textsOf(info[0]), info[1].As<Napi::String>().Utf8Value()));
}

Napi::Value measure(const Napi::CallbackInfo& info) {
  if (info.Length() < 1 || !info[0].IsString()) {
    return refuse(info.Env(), "measureTree: expected a path");
  }
  const auto size = measureTree(info[0].As<Napi::String>().Utf8Value());
  if (!size) {
    return failureObject(info.Env(), size.failure());
  }
  auto object = Napi::Object::New(info.Env());
  object.Set("entries", static_cast<double>(size.value().entries));
  char print[17];
  snprintf(print, sizeof print, "%016llx", static_cast<unsigned long long>(size.value().fingerprint));
  object.Set("fingerprint", print);
  object.Set("bytes", static_cast<double>(size.value().bytes));
  return object;
}

} // namespace

void exportLayerCalls(Napi::Env env, Napi::Object exports) {
  exports.Set("mountOverlay", Napi::Function::New(env, mountOverlay));
  exports.Set("unmount", Napi::Function::New(env, unmount));
  exports.Set("mergeLayers", Napi::Function::New(env, merge));
  exports.Set("measureTree", Napi::Function::New(env, measure));
}

} // namespace stellwerk
