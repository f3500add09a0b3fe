#include "container/addon_tree.hpp"

#include "container/folder.hpp"
#include "container/listening.hpp"
#include "container/replace.hpp"
#include "container/sockets.hpp"

#include <cmath>
#include <fcntl.h>
#include <sys/wait.h>
#include <syslog.h>

namespace stellwerk {
namespace {

bool expect(const Napi::CallbackInfo& info, bool right, const char* what) {
  if (!right) {
    Napi::TypeError::New(info.Env(), std::string("container: ") + what).ThrowAsJavaScriptException();
  }
  return right;
}

std::vector<std::string> stringsOf(const Napi::Value& value) {
  std::vector<std::string> words;
  if (value.IsArray()) {
    const auto list = value.As<Napi::Array>();
    for (std::uint32_t index = 0; index < list.Length(); index++) {
      words.push_back(list.Get(index).ToString().Utf8Value());
    }
  }
  return words;
}

Napi::Value socketsOf(Napi::Env env, std::vector<FoundSocket>&& found) {
  auto list = Napi::Array::New(env);
  for (FoundSocket& each : found) {
    auto object = Napi::Object::New(env);
    object.Set("host", each.address.host);
    object.Set("port", each.address.port);
    object.Set("fd", each.fd.release());
    list.Set(list.Length(), object);
  }
  return list;
}

Napi::Value listenOn(const Napi::CallbackInfo& info) {
  if (!expect(info, info.Length() > 0 && info[0].IsObject(), "listen: expected an object")) {
    return info.Env().Undefined();
  }
  const auto object = info[0].As<Napi::Object>();
  ListeningSocket socket;
  socket.host = object.Get("host").ToString().Utf8Value();
  socket.port = static_cast<std::uint16_t>(object.Get("port").ToNumber().Uint32Value());
  socket.backlog = object.Get("backlog").ToNumber().Int32Value();
  socket.reuseAddress = object.Get("reuseAddr").ToBoolean();
  socket.reusePort = object.Get("reusePort").ToBoolean();
  socket.nonBlocking = object.Get("nonBlock").ToBoolean();
  const auto numbered = numberSockets({socket});
  if (!numbered) {
    return wrapFailure(info.Env(), numbered.failure());
  }
  // The list points to the socket that it was made from.
  NumberedSocket entry = numbered.value()[0];
  entry.socket = &socket;
  auto fd = openListening(entry);
  return fd ? Napi::Number::New(info.Env(), fd.value().release()) : wrapFailure(info.Env(), fd.failure());
}

Napi::Value ownSockets(const Napi::CallbackInfo& info) { return socketsOf(info.Env(), ownListening()); }

Napi::Value takeSockets(const Napi::CallbackInfo& info) {
  if (!expect(info, info.Length() > 1 && info[0].IsNumber() && info[1].IsNumber(), "takeSockets: expected pid, pidfd")) {
    return info.Env().Undefined();
  }
  auto found = takeListening(info[0].As<Napi::Number>().Int32Value(), info[1].As<Napi::Number>().Int32Value());
  return found ? socketsOf(info.Env(), std::move(found).value()) : wrapFailure(info.Env(), found.failure());
}

Image imageOf(const Napi::CallbackInfo& info) {
  return {.program = info[0].ToString().Utf8Value(), .argv = stringsOf(info[1]), .env = stringsOf(info[2])};
}

Napi::Value replace(const Napi::CallbackInfo& info) {
  if (!expect(info, info.Length() > 2 && info[1].IsArray() && info[2].IsArray(), "replaceImage: expected program, argv, env")) {
    return info.Env().Undefined();
  }
  return wrapFailure(info.Env(), replaceImage(imageOf(info)));
}

Napi::Value onCrash(const Napi::CallbackInfo& info) {
  if (!expect(info, info.Length() > 2 && info[1].IsArray() && info[2].IsArray(), "replaceOnCrash: expected program, argv, env")) {
    return info.Env().Undefined();
  }
  const auto done = replaceOnCrash(imageOf(info));
  return done ? Napi::Boolean::New(info.Env(), true) : wrapFailure(info.Env(), done.failure());
}

Napi::Value unblock(const Napi::CallbackInfo& info) {
  unblockSignals();
  return info.Env().Undefined();
}

Napi::Value keepFd(const Napi::CallbackInfo& info) {
  if (expect(info, info.Length() > 1 && info[0].IsNumber() && info[1].IsBoolean(), "keepFd: expected fd, boolean")) {
    const int fd = info[0].As<Napi::Number>().Int32Value();
    // Whatever kept it open over the last image; the programs that we start do not get it.
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    keepOverImages(fd, info[1].As<Napi::Boolean>());
  }
  return info.Env().Undefined();
}

// waitpid(2) for one child: nobody else's ending is taken.
Napi::Value reap(const Napi::CallbackInfo& info) {
  if (!expect(info, info.Length() > 0 && info[0].IsNumber(), "reap: expected a pid")) {
    return info.Env().Undefined();
  }
  const pid_t pid = info[0].As<Napi::Number>().Int32Value();
  return Napi::Boolean::New(info.Env(), waitpid(pid, nullptr, WNOHANG) == pid);
}

Napi::Value openLog(const Napi::CallbackInfo& info) {
  if (expect(info, info.Length() > 1 && info[0].IsString() && info[1].IsNumber(), "openSyslog: expected name, facility")) {
    static std::string name; // openlog(3) keeps the pointer
    name = info[0].As<Napi::String>().Utf8Value();
    openlog(name.c_str(), LOG_PID | LOG_NDELAY, info[1].As<Napi::Number>().Int32Value() << 3);
  }
  return info.Env().Undefined();
}

Napi::Value writeLog(const Napi::CallbackInfo& info) {
  if (expect(info, info.Length() > 1 && info[0].IsNumber() && info[1].IsString(), "syslog: expected priority, text")) {
    ::syslog(info[0].As<Napi::Number>().Int32Value(), "%s", info[1].As<Napi::String>().Utf8Value().c_str());
  }
  return info.Env().Undefined();
}

Napi::Value makeFolder(const Napi::CallbackInfo& info) {
  if (!expect(info, info.Length() > 4 && info[0].IsString() && info[1].IsString(), "makeFolder: expected base, path, mode, uid, gid")) {
    return info.Env().Undefined();
  }
  const FolderOwner owner = {.mode = info[2].ToNumber().Uint32Value(),
                             .uid = info[3].ToNumber().Uint32Value(),
                             .gid = info[4].ToNumber().Uint32Value()};
  const auto done =
      makeFolderBeneath(info[0].As<Napi::String>().Utf8Value(), info[1].As<Napi::String>().Utf8Value(), owner);
  return done ? Napi::Boolean::New(info.Env(), true) : wrapFailure(info.Env(), done.failure());
}

} // namespace

void exportTreeCalls(Napi::Env env, Napi::Object exports) {
  const struct {
    const char* name;
    Napi::Value (*call)(const Napi::CallbackInfo&);
  } table[] = {{"listen", listenOn},       {"ownSockets", ownSockets},   {"takeSockets", takeSockets},
               {"replaceImage", replace},  {"replaceOnCrash", onCrash},  {"keepFd", keepFd},
               {"unblockSignals", unblock}, {"reap", reap},             {"openSyslog", openLog},      {"syslog", writeLog},
               {"makeFolder", makeFolder}};
  for (const auto& row : table) {
    exports.Set(row.name, Napi::Function::New(env, row.call));
  }
}

} // namespace stellwerk
