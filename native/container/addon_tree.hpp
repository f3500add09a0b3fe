// What only a supervisor needs of the addon: sockets that outlive it, its own replacement, orphans, syslog, folders.
#pragma once

#include "base/failure.hpp"

#include <napi.h>

namespace stellwerk {

Napi::Value wrapFailure(Napi::Env env, const Failure& failure);

void exportTreeCalls(Napi::Env env, Napi::Object exports);

} // namespace stellwerk
