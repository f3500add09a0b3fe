// What only the supervisor of a test network needs of the addon: its bridge, its nodes and their filters.
#pragma once

#include <napi.h>

namespace stellwerk {

void exportNetworkCalls(Napi::Env env, Napi::Object exports);

} // namespace stellwerk
