// A Failure as JavaScript sees it: `NativeFailure` of src/native/container.ts.
#pragma once

#include "base/failure_text.hpp"

#include <napi.h>
#include <uv.h>

namespace stellwerk {

inline Napi::Object failureObject(Napi::Env env, const Failure& failure) {
  auto object = Napi::Object::New(env);
  object.Set("step", failure.step);
  object.Set("call", failure.call);
  object.Set("subject", failure.subject);
  object.Set("errno", failure.error);
  object.Set("code", uv_err_name(-failure.error));
  object.Set("message", describe(failure));
  return object;
}

} // namespace stellwerk
