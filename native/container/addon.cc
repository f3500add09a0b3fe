// Node-API face of the container core; src/native/container.ts is its contract.
#include "base/failure_object.hpp"
#include "base/fd.hpp"
#include "container/addon_layers.hpp"
#include "container/addon_namespaces.hpp"
#include "container/addon_network.hpp"
#include "container/addon_spec.hpp"
#include "container/addon_terminal.hpp"
#include "container/addon_tree.hpp"
#include "container/ending.hpp"
#include "container/kernel.hpp"
#include "container/probe.hpp"
#include "container/start.hpp"

#include <fcntl.h>
#include <map>
#include <memory>
#include <napi.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <uv.h>

namespace stellwerk {

Napi::Value wrapFailure(Napi::Env env, const Failure& failure) { return failureObject(env, failure); }

namespace {

// What belongs to a pidfd that we gave out: the init's status pipe, and the ending once it was reaped.
struct Known {
  Fd programStatus;
  std::optional<Reaped> reaped;
};

std::map<int, Known>& known() {
  static std::map<int, Known> table; // only the thread of the event loop comes here
  return table;
}

bool readNumber(const Napi::CallbackInfo& info, std::size_t index, const char* field, int& number) {
  if (info.Length() <= index || !info[index].IsNumber()) {
    Napi::TypeError::New(info.Env(), std::string("container: ") + field + ": expected a number")
        .ThrowAsJavaScriptException();
    return false;
  }
  number = info[index].As<Napi::Number>().Int32Value();
  return true;
}

Napi::Value startContainer(const Napi::CallbackInfo& info) {
  Spec spec;
  if (!readSpec(info[0], spec)) {
    return info.Env().Undefined();
  }
  auto result = start(spec);
  if (!result) {
    return wrapFailure(info.Env(), result.failure());
  }
  Started started = std::move(result).value();
  auto object = Napi::Object::New(info.Env());
  object.Set("pid", started.pid);
  object.Set("programPid", started.programPid);
  if (started.stops) {
    object.Set("stops", started.stops.release());
  }
  const int pidfd = started.pidfd.release();
  object.Set("pidfd", pidfd);
  known().insert_or_assign(pidfd, Known{.programStatus = std::move(started.programStatus), .reaped = std::nullopt});
  return object;
}

// One waitPidfd: a poll handle on a copy of the pidfd, so that several may wait and the caller may close its own.
struct Waiter {
  Waiter(Napi::Env env, int original, Fd&& copy)
      : env(env), deferred(Napi::Promise::Deferred::New(env)), pidfd(original), copy(std::move(copy)),
        context(env, "stellwerk:waitPidfd") {}

  Napi::Env env;
  Napi::Promise::Deferred deferred;
  int pidfd;
  Fd copy;
  Napi::AsyncContext context;
  uv_poll_t poll = {};
};

Napi::Value wrap(Napi::Env env, const Ending& ending) {
  auto object = Napi::Object::New(env);
  object.Set("exitCode", ending.exitCode ? Napi::Number::New(env, *ending.exitCode).As<Napi::Value>() : env.Null());
  object.Set("signal", ending.signal ? Napi::Number::New(env, *ending.signal).As<Napi::Value>() : env.Null());
  return object;
}

// Reaps once; later askers get the same answer.
std::optional<Reaped> endingOfPidfd(int pidfd, int copy) {
  const auto entry = known().find(pidfd);
  if (entry == known().end()) {
    return tryReap(copy, -1);
  }
  if (!entry->second.reaped) {
    entry->second.reaped = tryReap(copy, entry->second.programStatus.get());
  }
  return entry->second.reaped;
}

void closeWaiter(Waiter* waiter) {
  uv_close(reinterpret_cast<uv_handle_t*>(&waiter->poll), [](uv_handle_t* handle) {
    delete static_cast<Waiter*>(handle->data);
  });
}

void onReadable(uv_poll_t* handle, int, int) {
  auto* waiter = static_cast<Waiter*>(handle->data);
  const auto reaped = endingOfPidfd(waiter->pidfd, waiter->copy.get());
  if (!reaped) {
    return; // not yet
  }
  const Napi::HandleScope handles(waiter->env);
  const Napi::CallbackScope scope(waiter->env, waiter->context);
  waiter->deferred.Resolve(wrap(waiter->env, reaped->ending));
  uv_poll_stop(handle);
  closeWaiter(waiter);
}

Napi::Value waitPidfd(const Napi::CallbackInfo& info) {
  int pidfd = -1;
  if (!readNumber(info, 0, "pidfd", pidfd)) {
    return info.Env().Undefined();
  }
  const Napi::Env env = info.Env();
  uv_loop_t* loop = nullptr;
  Fd copy(fcntl(pidfd, F_DUPFD_CLOEXEC, 3));
  if (!copy || napi_get_uv_event_loop(env, &loop) != napi_ok) {
    Napi::TypeError::New(env, "container: pidfd: not an open file descriptor").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  auto waiter = std::make_unique<Waiter>(env, pidfd, std::move(copy));
  const Napi::Promise promise = waiter->deferred.Promise();
  if (uv_poll_init(loop, &waiter->poll, waiter->copy.get()) != 0) {
    Napi::TypeError::New(env, "container: pidfd: cannot be polled").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  waiter->poll.data = waiter.get();
  uv_poll_start(&waiter->poll, UV_READABLE, onReadable);
  (void)waiter.release(); // onReadable frees it
  return promise;
}

Napi::Value pidfdOpen(const Napi::CallbackInfo& info) {
  int pid = 0;
  if (!readNumber(info, 0, "pid", pid)) {
    return info.Env().Undefined();
  }
  const int pidfd = kernel::pidfdOpen(pid);
  if (pidfd < 0) {
    return wrapFailure(info.Env(), Failure::of("open process", "pidfd_open", std::to_string(pid).c_str()));
  }
  return Napi::Number::New(info.Env(), pidfd);
}

Napi::Value pidfdSendSignal(const Napi::CallbackInfo& info) {
  int pidfd = -1;
  int signal = 0;
  if (!readNumber(info, 0, "pidfd", pidfd) || !readNumber(info, 1, "signal", signal)) {
    return info.Env().Undefined();
  }
  if (kernel::pidfdSendSignal(pidfd, signal) != 0) {
    return wrapFailure(info.Env(), Failure::of("signal process", "pidfd_send_signal", std::to_string(signal).c_str()));
  }
  return Napi::Boolean::New(info.Env(), true);
}

Napi::Value closeFd(const Napi::CallbackInfo& info) {
  int fd = -1;
  if (readNumber(info, 0, "fd", fd)) {
    known().erase(fd);
    close(fd);
  }
  return info.Env().Undefined();
}

Napi::Value tryLock(const Napi::CallbackInfo& info) {
  if (info.Length() < 1 || !info[0].IsString()) {
    Napi::TypeError::New(info.Env(), "container: path: expected a string").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  // Without O_CREAT first: a file of somebody else in a sticky folder is refused with it (fs.protected_regular).
  Fd file(open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!file && errno == ENOENT) {
    file = Fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  }
  if (!file) {
    return wrapFailure(info.Env(), Failure::of("lock", "open", path.c_str()));
  }
  if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return info.Env().Null();
    }
    return wrapFailure(info.Env(), Failure::of("lock", "flock", path.c_str()));
  }
  return Napi::Number::New(info.Env(), file.release());
}

Napi::Value peerCredentials(const Napi::CallbackInfo& info) {
  int fd = -1;
  if (!readNumber(info, 0, "fd", fd)) {
    return info.Env().Undefined();
  }
  ucred peer = {};
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return wrapFailure(info.Env(), Failure::of("ask peer credentials", "getsockopt", "SO_PEERCRED"));
  }
  auto object = Napi::Object::New(info.Env());
  object.Set("pid", peer.pid);
  object.Set("uid", peer.uid);
  object.Set("gid", peer.gid);
  return object;
}

// lsetxattr(2): of a symbolic link itself, never of what it points to.
Napi::Value setXattr(const Napi::CallbackInfo& info) {
  if (info.Length() < 3 || !info[0].IsString() || !info[1].IsString() || !info[2].IsBuffer()) {
    Napi::TypeError::New(info.Env(), "container: setXattr: expected path, name, Buffer").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  const std::string name = info[1].As<Napi::String>().Utf8Value();
  const auto value = info[2].As<Napi::Buffer<char>>();
  if (lsetxattr(path.c_str(), name.c_str(), value.Data(), value.Length(), 0) != 0) {
    return wrapFailure(info.Env(), Failure::of("set xattr", "lsetxattr", (path + " " + name).c_str()));
  }
  return Napi::Boolean::New(info.Env(), true);
}

// pipe2(2), both ends close-on-exec.
Napi::Value makePipe(const Napi::CallbackInfo& info) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return wrapFailure(info.Env(), Failure::of("make pipe", "pipe2"));
  }
  auto object = Napi::Object::New(info.Env());
  object.Set("read", ends[0]);
  object.Set("write", ends[1]);
  return object;
}

Napi::Value probe(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto list = Napi::Array::New(env);
  for (const Feature& feature : probeFeatures()) {
    auto object = Napi::Object::New(env);
    object.Set("feature", feature.name);
    object.Set("available", feature.available);
    object.Set("detail", feature.detail);
    list.Set(list.Length(), object);
  }
  return list;
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  exports.Set("start", Napi::Function::New(env, startContainer));
  exports.Set("waitPidfd", Napi::Function::New(env, waitPidfd));
  exports.Set("pidfdOpen", Napi::Function::New(env, pidfdOpen));
  exports.Set("pidfdSendSignal", Napi::Function::New(env, pidfdSendSignal));
  exports.Set("closeFd", Napi::Function::New(env, closeFd));
  exports.Set("tryLock", Napi::Function::New(env, tryLock));
  exports.Set("peerCredentials", Napi::Function::New(env, peerCredentials));
  exports.Set("makePipe", Napi::Function::New(env, makePipe));
  exports.Set("setXattr", Napi::Function::New(env, setXattr));
  exportNetworkCalls(env, exports);
  exportTreeCalls(env, exports);
  exportLayerCalls(env, exports);
  exportTerminalCalls(env, exports);
  exportNamespaceCalls(env, exports);
  exports.Set("probe", Napi::Function::New(env, probe));
  return exports;
}

NODE_API_MODULE(container, initialise)

} // namespace
} // namespace stellwerk
