#include "scanner/addon_objects.hpp"

#include "base/failure_text.hpp"
#include "scanner/memory_share.hpp"

#include <cstring>
#include <memory>
#include <optional>

namespace stellwerk {
namespace {

Napi::Value orNull(Napi::Env env, const std::optional<std::uint64_t>& value) {
  return value ? Napi::Number::New(env, static_cast<double>(*value)).As<Napi::Value>() : env.Null();
}

Napi::Value orNull(Napi::Env env, const std::string* text) {
  return text != nullptr && !text->empty() ? Napi::String::New(env, *text).As<Napi::Value>() : env.Null();
}

} // namespace

Napi::Object processObject(Napi::Env env, const ProcessRow& row, double pageSize) {
  auto object = Napi::Object::New(env);
  auto set = [&object](const char* name, auto value) { object.Set(name, static_cast<double>(value)); };
  set("pid", row.stat.pid);
  set("ppid", row.stat.ppid);
  set("uid", row.status.uid);
  set("gid", row.status.gid);
  object.Set("name", row.name);
  object.Set("state", std::string(1, row.stat.state));
  object.Set("cmdline", row.cmdline ? *row.cmdline : std::string());
  const CgroupIdentity* cgroup = row.cgroup.get();
  object.Set("cgroup", orNull(env, cgroup == nullptr ? nullptr : &cgroup->name));
  object.Set("container", orNull(env, cgroup == nullptr ? nullptr : &cgroup->container));
  object.Set("runtime", orNull(env, cgroup == nullptr ? nullptr : &cgroup->runtime));
  set("vsize", row.stat.vsize);
  set("rss", static_cast<double>(row.stat.rssPages) * pageSize);
  set("swap", row.status.swap);
  set("threads", row.stat.threads);
  set("startTime", row.stat.startTime);
  set("startTimestamp", row.startTimestamp);
  set("userTime", row.stat.userTime);
  set("systemTime", row.stat.systemTime);
  set("childUserTime", row.stat.childUserTime);
  set("childSystemTime", row.stat.childSystemTime);
  object.Set("readBytes", orNull(env, row.io.readBytes));
  object.Set("writeBytes", orNull(env, row.io.writeBytes));
  object.Set("fds", orNull(env, row.fds));
  object.Set("voluntarySwitches", orNull(env, row.status.voluntarySwitches));
  object.Set("involuntarySwitches", orNull(env, row.status.involuntarySwitches));
  object.Set("oomScore", orNull(env, row.oomScore));
  return object;
}

Napi::Object healthObject(Napi::Env env, Scan& scan) {
  const Health health = scan.publication().health();
  auto object = Napi::Object::New(env);
  auto set = [&object](const char* name, auto value) { object.Set(name, static_cast<double>(value)); };
  set("scans", health.scans);
  set("missedScans", health.missedScans);
  set("lastScanMs", health.lastScanMs);
  auto phases = Napi::Object::New(env);
  for (const auto& [name, micros] : health.phasesUs) {
    phases.Set(name, micros);
  }
  object.Set("phasesUs", phases);
  set("series", health.series);
  set("refusedSeries", health.refusedSeries);
  set("historyBytes", health.historyBytes);
  set("historySamples", scan.publication().withHistory([](const History& history) { return history.samples(); }));
  set("filesRead", health.filesRead);
  set("clockAheadMs", health.clockAheadMs);
  set("scansAhead", health.scansAhead);
  auto rejected = Napi::Object::New(env);
  for (const auto& [reason, rejection] : scan.notes().rejected()) {
    auto entry = Napi::Object::New(env);
    entry.Set("count", static_cast<double>(rejection.count));
    entry.Set("message", rejection.message);
    rejected.Set(reason, entry);
  }
  object.Set("rejected", rejected);
  auto denied = Napi::Object::New(env);
  for (const auto& [file, denial] : health.denied) {
    auto entry = Napi::Object::New(env);
    entry.Set("count", static_cast<double>(denial.count));
    entry.Set("reason", strerrordesc_np(denial.error));
    denied.Set(file, entry);
  }
  object.Set("denied", denied);
  const Scan::StorageTime storage = scan.storageTime();
  auto storageTime = Napi::Object::New(env);
  storageTime.Set("user", static_cast<double>(storage.user));
  storageTime.Set("system", static_cast<double>(storage.system));
  object.Set("storageUs", storageTime);
  return object;
}

namespace {

// On a thread of the pool: of a large process it takes a while.
class ReadingPss final : public Napi::AsyncWorker {
public:
  ReadingPss(Napi::Env env, std::string procRoot, std::uint32_t pid)
      : Napi::AsyncWorker(env), procRoot_(std::move(procRoot)), pid_(pid), deferred_(Napi::Promise::Deferred::New(env)) {}
  Napi::Promise promise() const { return deferred_.Promise(); }
  void Execute() override {
    const auto share = readMemoryShare(procRoot_, pid_);
    if (share) {
      share_ = share.value();
    } else {
      SetError(describe(share.failure()));
    }
  }
  void OnOK() override {
    auto object = Napi::Object::New(Env());
    for (const auto& [name, bytes] : {std::pair{"pss", share_.pss}, std::pair{"pssAnon", share_.pssAnon},
                                      std::pair{"pssFile", share_.pssFile}, std::pair{"pssShmem", share_.pssShmem},
                                      std::pair{"swapPss", share_.swapPss}}) {
      object.Set(name, static_cast<double>(bytes));
    }
    deferred_.Resolve(object);
  }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

private:
  std::string procRoot_;
  std::uint32_t pid_;
  Napi::Promise::Deferred deferred_;
  MemoryShare share_;
};

} // namespace

Napi::Value readPss(const Napi::CallbackInfo& info) {
  if (info.Length() < 2 || !info[0].IsString() || !info[1].IsNumber()) {
    Napi::TypeError::New(info.Env(), "readPss: expected the root of proc and a process id").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  auto* reading = new ReadingPss(info.Env(), info[0].As<Napi::String>().Utf8Value(), info[1].As<Napi::Number>().Uint32Value());
  reading->Queue(); // deletes itself when it is done
  return reading->promise();
}

} // namespace stellwerk
