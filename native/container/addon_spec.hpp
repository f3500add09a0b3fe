// A ContainerSpec of JavaScript to a Spec.
#pragma once

#include "container/spec.hpp"

#include <napi.h>

namespace stellwerk {

// False: a TypeError that names the field is pending.
bool readSpec(const Napi::Value& value, Spec& spec);

// Only what makeNamespaces heeds.
bool readNamespaceSpec(const Napi::Value& value, Spec& spec);

} // namespace stellwerk
