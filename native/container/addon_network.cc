#include "container/addon_network.hpp"

#include "container/addon_tree.hpp"
#include "container/bridge.hpp"
#include "container/packet_filter.hpp"
#include "container/test_network.hpp"

#include <arpa/inet.h>

namespace stellwerk {
namespace {

Napi::Value refuse(Napi::Env env, const char* message) {
  Napi::TypeError::New(env, message).ThrowAsJavaScriptException();
  return env.Undefined();
}

Napi::Value makeBridge(const Napi::CallbackInfo& info) {
  if (info.Length() < 3 || !info[0].IsString() || !info[1].IsString() || !info[2].IsNumber()) {
    return refuse(info.Env(), "container: createBridge: expected name, address, prefix");
  }
  const auto done = createBridge(info[0].As<Napi::String>().Utf8Value(), info[1].As<Napi::String>().Utf8Value(),
                                 info[2].As<Napi::Number>().Uint32Value());
  return done ? Napi::Boolean::New(info.Env(), true) : wrapFailure(info.Env(), done.failure());
}

Napi::Value plugGuest(const Napi::CallbackInfo& info) {
  constexpr const char* kText[] = {"bridge", "outer", "inner", "address", "gateway"};
  if (info.Length() < 2 || !info[0].IsNumber() || !info[1].IsObject()) {
    return refuse(info.Env(), "container: plugGuest: expected a descriptor and an object");
  }
  const int net = info[0].As<Napi::Number>().Int32Value();
  const auto guest = info[1].As<Napi::Object>();
  for (const char* name : kText) {
    if (!guest.Get(name).IsString()) {
      return refuse(info.Env(), "container: plugGuest: expected names and addresses as strings");
    }
  }
  if (!guest.Get("prefix").IsNumber()) {
    return refuse(info.Env(), "container: plugGuest: prefix: expected a number");
  }
  const auto text = [&](const char* name) { return guest.Get(name).As<Napi::String>().Utf8Value(); };
  auto done = prepareGuest(net);
  if (done) {
    done = connectBridge({.bridge = text("bridge"),
                          .outer = text("outer"),
                          .inner = text("inner"),
                          .address = text("address"),
                          .prefix = guest.Get("prefix").As<Napi::Number>().Uint32Value(),
                          .gateway = text("gateway")},
                         net);
  }
  return done ? Napi::Boolean::New(info.Env(), true) : wrapFailure(info.Env(), done.failure());
}

bool readAddresses(const Napi::Value& value, std::vector<in_addr>& addresses) {
  if (!value.IsArray()) {
    return false;
  }
  const auto list = value.As<Napi::Array>();
  for (std::uint32_t index = 0; index < list.Length(); index++) {
    const Napi::Value each = list.Get(index);
    in_addr address = {};
    if (!each.IsString() || inet_pton(AF_INET, each.As<Napi::String>().Utf8Value().c_str(), &address) != 1) {
      return false;
    }
    addresses.push_back(address);
  }
  return true;
}

bool readChain(const Napi::Value& value, PacketChain& chain) {
  if (!value.IsObject()) {
    return false;
  }
  const auto object = value.As<Napi::Object>();
  const Napi::Value pass = object.Get("pass");
  const Napi::Value loss = object.Get("lossPercent");
  if (!pass.IsBoolean() || !loss.IsNumber()) {
    return false;
  }
  chain.pass = pass.As<Napi::Boolean>().Value();
  chain.lossPercent = loss.As<Napi::Number>().Uint32Value();
  return chain.lossPercent <= 100 && readAddresses(object.Get("accept"), chain.accept) &&
         readAddresses(object.Get("drop"), chain.drop);
}

Napi::Value setFilter(const Napi::CallbackInfo& info) {
  PacketFilter filter;
  if (info.Length() < 2 || !info[0].IsNumber() || !info[1].IsObject() ||
      !readChain(info[1].As<Napi::Object>().Get("input"), filter.input) ||
      !readChain(info[1].As<Napi::Object>().Get("forward"), filter.forward)) {
    return refuse(info.Env(), "container: filterPackets: expected a descriptor and {input, forward}");
  }
  const auto done = filterPackets(filter, info[0].As<Napi::Number>().Int32Value());
  return done ? Napi::Boolean::New(info.Env(), true) : wrapFailure(info.Env(), done.failure());
}

Napi::Value setMasquerade(const Napi::CallbackInfo& info) {
  if (info.Length() < 1 || !info[0].IsString()) {
    return refuse(info.Env(), "container: masquerade: expected the name of an interface");
  }
  const auto done = masquerade(info[0].As<Napi::String>().Utf8Value());
  return done ? Napi::Boolean::New(info.Env(), true) : wrapFailure(info.Env(), done.failure());
}

} // namespace

void exportNetworkCalls(Napi::Env env, Napi::Object exports) {
  exports.Set("createBridge", Napi::Function::New(env, makeBridge));
  exports.Set("plugGuest", Napi::Function::New(env, plugGuest));
  exports.Set("masquerade", Napi::Function::New(env, setMasquerade));
  exports.Set("filterPackets", Napi::Function::New(env, setFilter));
}

} // namespace stellwerk
