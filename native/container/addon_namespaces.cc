#include "container/addon_namespaces.hpp"

#include "container/addon_spec.hpp"
#include "container/addon_tree.hpp"
#include "container/namespaces.hpp"

namespace stellwerk {
namespace {

Napi::Value makeNamespacesCall(const Napi::CallbackInfo& info) {
  Spec spec;
  if (!readNamespaceSpec(info[0], spec)) {
    return info.Env().Undefined();
  }
  auto made = makeNamespaces(spec);
  if (!made) {
    return wrapFailure(info.Env(), made.failure());
  }
  KeptNamespaces kept = std::move(made).value();
  auto object = Napi::Object::New(info.Env());
  const struct {
    const char* name;
    Fd& fd;
  } table[] = {{"user", kept.user}, {"net", kept.net}, {"uts", kept.uts}};
  for (const auto& each : table) {
    if (each.fd) {
      object.Set(each.name, each.fd.release());
    }
  }
  return object;
}

Napi::Value openNamespacesCall(const Napi::CallbackInfo& info) {
  if (info.Length() < 1 || !info[0].IsNumber()) {
    Napi::TypeError::New(info.Env(), "container: openNamespaces: expected a pid").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  auto opened = openNamespaces(info[0].As<Napi::Number>().Int32Value());
  if (!opened) {
    return wrapFailure(info.Env(), opened.failure());
  }
  auto object = Napi::Object::New(info.Env());
  object.Set("user", opened.value().user.release());
  object.Set("net", opened.value().net.release());
  if (opened.value().uts) {
    object.Set("uts", opened.value().uts.release());
  }
  return object;
}

} // namespace

void exportNamespaceCalls(Napi::Env env, Napi::Object exports) {
  exports.Set("openNamespaces", Napi::Function::New(env, openNamespacesCall));
  exports.Set("makeNamespaces", Napi::Function::New(env, makeNamespacesCall));
}

} // namespace stellwerk
