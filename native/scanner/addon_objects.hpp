// What the addon hands to JavaScript, as objects.
#pragma once

#include "scanner/scan.hpp"

#include <napi.h>

namespace stellwerk {

Napi::Object processObject(Napi::Env env, const ProcessRow& row, double pageSize);
Napi::Object healthObject(Napi::Env env, Scan& scan);
// pss(procRoot, pid) → promise of an object; rejects with the call and the reason.
Napi::Value readPss(const Napi::CallbackInfo& info);

} // namespace stellwerk
