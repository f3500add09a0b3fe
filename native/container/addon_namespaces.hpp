// The addon's call for namespaces that several containers share.
#pragma once

#include <napi.h>

namespace stellwerk {

void exportNamespaceCalls(Napi::Env env, Napi::Object exports);

} // namespace stellwerk
