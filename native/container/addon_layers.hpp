// Layers of roots: what only a builder needs of the addon.
#pragma once

#include <napi.h>

namespace stellwerk {

void exportLayerCalls(Napi::Env env, Napi::Object exports);

} // namespace stellwerk
