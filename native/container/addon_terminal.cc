#include "container/addon_terminal.hpp"

#include "container/addon_tree.hpp"

#include <csignal>
#include <unistd.h>

namespace stellwerk {
namespace {

bool expectNumbers(const Napi::CallbackInfo& info, std::size_t count) {
  bool right = info.Length() >= count;
  for (std::size_t index = 0; right && index < count; index++) {
    right = info[index].IsNumber();
  }
  if (!right) {
    Napi::TypeError::New(info.Env(), "container: expected numbers").ThrowAsJavaScriptException();
  }
  return right;
}

Napi::Value foregroundGroup(const Napi::CallbackInfo& info) {
  if (!expectNumbers(info, 1)) {
    return info.Env().Undefined();
  }
  const pid_t group = tcgetpgrp(info[0].As<Napi::Number>().Int32Value());
  return group < 0 ? wrapFailure(info.Env(), Failure::of("ask terminal", "tcgetpgrp"))
                   : Napi::Number::New(info.Env(), group);
}

Napi::Value setForegroundGroup(const Napi::CallbackInfo& info) {
  if (!expectNumbers(info, 2)) {
    return info.Env().Undefined();
  }
  sigset_t hold;
  sigset_t before;
  sigemptyset(&hold);
  sigaddset(&hold, SIGTTOU);
  pthread_sigmask(SIG_BLOCK, &hold, &before);
  const bool done = tcsetpgrp(info[0].As<Napi::Number>().Int32Value(), info[1].As<Napi::Number>().Int32Value()) == 0;
  const auto failure = Failure::of("hand over terminal", "tcsetpgrp");
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return done ? Napi::Boolean::New(info.Env(), true) : wrapFailure(info.Env(), failure);
}

Napi::Value ownGroup(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), getpgrp()); }

} // namespace

void exportTerminalCalls(Napi::Env env, Napi::Object exports) {
  exports.Set("foregroundGroup", Napi::Function::New(env, foregroundGroup));
  exports.Set("setForegroundGroup", Napi::Function::New(env, setForegroundGroup));
  exports.Set("ownGroup", Napi::Function::New(env, ownGroup));
}

} // namespace stellwerk
