// The addon's calls about terminals and process groups.
#pragma once

#include <napi.h>

namespace stellwerk {

void exportTerminalCalls(Napi::Env env, Napi::Object exports);

} // namespace stellwerk
