// Node-API face of the scanner; src/native/scanner.ts is its contract.
#include "base/failure_text.hpp"
#include "history/floats.hpp"
#include "scanner/addon_objects.hpp"
#include "scanner/scan_thread.hpp"
#include "scanner/socket_table.hpp"
#include "scanner/stall_watch.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <limits>
#include <malloc.h>
#include <napi.h>

namespace stellwerk {
namespace {

Napi::Object labelsObject(Napi::Env env, const std::vector<OwnedLabel>& labels) {
  auto object = Napi::Object::New(env);
  for (const auto& [name, value] : labels) {
    object.Set(name, value);
  }
  return object;
}

// A buffer over memory that lives as long as the buffer.
Napi::ArrayBuffer bufferOver(Napi::Env env, const std::shared_ptr<SnapshotMemory>& memory, void* bytes,
                             std::size_t size) {
  auto* owner = new std::shared_ptr<SnapshotMemory>(memory);
  return Napi::ArrayBuffer::New(
      env, bytes, size, [](Napi::Env, void*, std::shared_ptr<SnapshotMemory>* held) { delete held; }, owner);
}

class ScannerObject final : public Napi::ObjectWrap<ScannerObject> {
public:
  static Napi::Function define(Napi::Env env) {
    using Self = ScannerObject;
    return DefineClass(env, "Scanner",
                       {InstanceMethod<&Self::start>("start"), InstanceMethod<&Self::stop>("stop"),
                        InstanceMethod<&Self::scanOnce>("scanOnce"), InstanceMethod<&Self::snapshot>("snapshot"),
                        InstanceMethod<&Self::keysSince>("keysSince"),
                        InstanceMethod<&Self::keyGeneration>("keyGeneration"),
                        InstanceMethod<&Self::history>("history"), InstanceMethod<&Self::floats>("floats"),
                        InstanceMethod<&Self::processes>("processes"),
                        InstanceMethod<&Self::states>("states"), InstanceMethod<&Self::anomalies>("anomalies"),
                        InstanceMethod<&Self::health>("health"), InstanceMethod<&Self::messages>("messages"),
                        InstanceMethod<&Self::report>("reportNumbers"),
                        InstanceMethod<&Self::saveHistory>("saveHistory"),
                        InstanceMethod<&Self::restoreHistory>("restoreHistory")});
  }

  explicit ScannerObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ScannerObject>(info) {
    ScanOptions options{};
    if (readOptions(info, options)) {
      scan_ = std::make_unique<Scan>(std::move(options));
    }
  }
  ~ScannerObject() override { halt(); }

private:
  static bool fail(Napi::Env env, const std::string& message) {
    Napi::TypeError::New(env, "scanner: " + message).ThrowAsJavaScriptException();
    return false;
  }

  static bool readOptions(const Napi::CallbackInfo& info, ScanOptions& options) {
    if (info.Length() < 1 || !info[0].IsObject()) {
      return fail(info.Env(), "options: expected an object");
    }
    const auto object = info[0].As<Napi::Object>();
    auto number = [&](const char* name, double least, double most, auto& into) {
      const Napi::Value value = object.Get(name);
      const double given = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::nan("");
      if (!(given >= least && given <= most)) {
        return fail(info.Env(), std::string(name) + ": expected a number from " + std::to_string(std::int64_t(least)) +
                                    " to " + std::to_string(std::int64_t(most)));
      }
      into = static_cast<std::decay_t<decltype(into)>>(given);
      return true;
    };
    auto text = [&](const char* name, std::string& into) {
      const Napi::Value value = object.Get(name);
      if (!value.IsString()) {
        return fail(info.Env(), std::string(name) + ": expected a string");
      }
      into = value.As<Napi::String>().Utf8Value();
      return true;
    };
    const Napi::Value processMetrics = object.Get("processMetrics");
    options.processMetrics = !processMetrics.ToBoolean() ? ProcessMetrics::None
                             : processMetrics.IsString() && processMetrics.As<Napi::String>().Utf8Value() == "by-name"
                                 ? ProcessMetrics::ByName
                                 : ProcessMetrics::ByPid;
    options.perCpu = object.Get("perCpu").ToBoolean();
    options.pressureAverages = object.Get("pressureAverages").ToBoolean();
    constexpr double kWeekMs = 7.0 * 24 * 3'600'000;
    return number("intervalMs", 10, 3'600'000, options.intervalMs) &&
           number("keepHistoryMs", 1'000, kWeekMs, options.keepHistoryMs) &&
           number("maxSeries", 1, 10'000'000, options.maxSeries) && text("procRoot", options.procRoot) &&
           text("sysRoot", options.sysRoot);
  }

  Napi::Value start(const Napi::CallbackInfo& info) {
    if (info.Length() < 1 || !info[0].IsFunction()) {
      fail(info.Env(), "start: expected a function");
      return info.Env().Undefined();
    }
    if (thread_) {
      fail(info.Env(), "start: it runs already");
      return info.Env().Undefined();
    }
    // A call may be under way when the thread has stopped: this lives until the function is gone.
    Ref();
    callback_ = Function::New(info.Env(), info[0].As<Napi::Function>(), "stellwerk:scan", 0, 1, this,
                              [](Napi::Env, void*, ScannerObject* self) { self->Unref(); }, static_cast<void*>(nullptr));
    // After the function's own hook, that is before it at teardown: the thread must not call what is gone.
    hook_ = info.Env().AddCleanupHook(onTeardown, this);
    hooked_ = true;
    thread_ = std::make_unique<ScanThread>(*scan_, [this] {
      // One call under way is enough: it tells of the newest scan.
      if (!told_.exchange(true)) {
        callback_.NonBlockingCall();
      }
    });
    return info.Env().Undefined();
  }

  static void onTeardown(ScannerObject* self) {
    self->hooked_ = false;
    self->halt();
  }

  Napi::Value stop(const Napi::CallbackInfo& info) {
    halt();
    return info.Env().Undefined();
  }

  void halt() {
    if (!thread_) {
      return;
    }
    thread_.reset();
    callback_.Release();
    if (hooked_) {
      hook_.Remove(Env());
      hooked_ = false;
    }
  }

  Napi::Value scanOnce(const Napi::CallbackInfo& info) {
    if (thread_) {
      fail(info.Env(), "scanOnce: the thread is scanning");
      return info.Env().Undefined();
    }
    return Napi::Number::New(info.Env(), scan_->scan(wallMs(), bootMs()));
  }

  Napi::Value snapshot(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const SnapshotView view = scan_->publication().snapshot();
    if (!snapshot_.IsEmpty() && view.generation == snapshotGeneration_) {
      return snapshot_.Value();
    }
    auto object = Napi::Object::New(env);
    object.Set("generation", static_cast<double>(view.generation));
    object.Set("timestamp", static_cast<double>(view.timestamp));
    object.Set("seriesCount", view.count);
    const Napi::Object buffers = buffersOf(env, view.memory);
    const auto values = buffers.Get("values").As<Napi::ArrayBuffer>();
    object.Set("unsigned", Napi::BigUint64Array::New(env, view.count, values, 0));
    object.Set("signed", Napi::BigInt64Array::New(env, view.count, values, 0));
    object.Set("float", Napi::Float64Array::New(env, view.count, values, 0));
    object.Set("kinds", Napi::Uint8Array::New(env, view.count, buffers.Get("kinds").As<Napi::ArrayBuffer>(), 0));
    object.Set("fresh", Napi::Uint8Array::New(env, view.count, buffers.Get("fresh").As<Napi::ArrayBuffer>(), 0));
    snapshot_ = Napi::Persistent(object);
    snapshotGeneration_ = view.generation;
    return object;
  }

  // The memories take turns, so their buffers are made once.
  Napi::Object buffersOf(Napi::Env env, const std::shared_ptr<SnapshotMemory>& memory) {
    auto object = Napi::Object::New(env);
    // Before the first scan; the slots below are empty then, and would look like its buffers.
    if (!memory) {
      for (const char* name : {"values", "kinds", "fresh"}) {
        object.Set(name, Napi::ArrayBuffer::New(env, 0));
      }
      return object;
    }
    for (auto& [known, buffers] : buffers_) {
      if (known == memory) {
        return buffers.Value();
      }
    }
    object.Set("values", bufferOver(env, memory, memory->values.get(), memory->capacity * sizeof(std::uint64_t)));
    object.Set("kinds", bufferOver(env, memory, memory->kinds.get(), memory->capacity));
    object.Set("fresh", bufferOver(env, memory, memory->fresh.get(), memory->capacity));
    auto& [known, buffers] = buffers_[nextBuffers_++ % buffers_.size()];
    known = memory;
    buffers = Napi::Persistent(object);
    return object;
  }

  Napi::Value keysSince(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (info.Length() < 1 || !info[0].IsNumber()) {
      fail(env, "keysSince: expected a number");
      return env.Undefined();
    }
    auto keys = Napi::Array::New(env);
    std::uint32_t found = 0;
    SeriesTable& table = scan_->series();
    std::lock_guard lock(table.keysMutex());
    for (std::uint32_t id = info[0].As<Napi::Number>().Uint32Value(); id < table.keyCount(); ++id) {
      const auto key = table.key(id);
      if (!key) {
        continue;
      }
      auto labels = Napi::Object::New(env);
      decodeKey(*key, [&](std::string_view name, std::string_view value) {
        labels.Set(std::string(name), std::string(value));
      });
      auto entry = Napi::Object::New(env);
      entry.Set("id", id);
      entry.Set("kind", static_cast<std::uint32_t>(table.keyKind(id)));
      entry.Set("labels", labels);
      keys.Set(found++, entry);
    }
    return keys;
  }

  Napi::Value keyGeneration(const Napi::CallbackInfo& info) {
    std::lock_guard lock(scan_->series().keysMutex());
    return Napi::Number::New(info.Env(), scan_->series().keyGeneration());
  }

  Napi::Value history(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (info.Length() < 2 || !info[0].IsNumber() || !info[1].IsNumber()) {
      fail(env, "history: expected an id and a number of samples");
      return env.Undefined();
    }
    const std::uint32_t id = info[0].As<Napi::Number>().Uint32Value();
    const double asked = info[1].As<Napi::Number>().DoubleValue();
    const auto samples = static_cast<std::uint32_t>(std::clamp(std::isnan(asked) ? 0 : asked, 0.0, 1e9));
    Kind kind{};
    {
      SeriesTable& table = scan_->series();
      std::lock_guard lock(table.keysMutex());
      if (id >= table.keyCount() || !table.key(id)) {
        return env.Null();
      }
      kind = table.keyKind(id);
    }
    scan_->publication().withHistory([&](const History& history) { decode(history, id, kind, samples); });

    const std::size_t count = times_.size();
    auto timestamps = Napi::Float64Array::New(env, count);
    auto values = Napi::Float64Array::New(env, count);
    auto exact = Napi::BigInt64Array::New(env, count);
    std::copy(times_.begin(), times_.end(), timestamps.Data());
    std::copy(numbers_.begin(), numbers_.end(), values.Data());
    std::copy(words_.begin(), words_.end(), exact.Data());
    auto object = Napi::Object::New(env);
    object.Set("kind", static_cast<std::uint32_t>(kind));
    object.Set("timestamps", timestamps);
    object.Set("values", values);
    object.Set("exact", exact);
    return object;
  }

  // Newest first into times_, numbers_ and words_; a missing sample is NaN.
  void decode(const History& history, std::uint32_t id, Kind kind, std::uint32_t samples) {
    const Timeline& timeline = history.timeline();
    const std::uint32_t end = timeline.end();
    const std::uint32_t count = std::min(samples, end - timeline.first());
    times_.resize(count);
    numbers_.assign(count, std::numeric_limits<double>::quiet_NaN());
    words_.assign(count, 0);
    for (std::uint32_t i = 0; i < count; ++i) {
      times_[i] = static_cast<double>(timeline.at(end - 1 - i));
    }
    history.read(id, end - count, end, [&](std::uint32_t scan, std::uint64_t word) {
      const std::size_t at = end - 1 - scan;
      words_[at] = static_cast<std::int64_t>(word);
      switch (kind) {
      case Kind::Counter:
        numbers_[at] = static_cast<double>(word);
        break;
      case Kind::Integer:
        numbers_[at] = static_cast<double>(static_cast<std::int64_t>(word));
        break;
      case Kind::Float:
        numbers_[at] = std::bit_cast<double>(word);
        break;
      }
    });
  }

  Napi::Value floats(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (info.Length() < 3 || !info[0].IsNumber() || !info[1].IsNumber() || !info[2].IsTypedArray() ||
        info[2].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array) {
      fail(env, "floats: expected an id, a time and a Float64Array");
      return env.Undefined();
    }
    const std::uint32_t id = info[0].As<Napi::Number>().Uint32Value();
    const double newest = info[1].As<Napi::Number>().DoubleValue();
    auto into = info[2].As<Napi::Float64Array>();
    SeriesTable& table = scan_->series();
    Kind kind{};
    {
      std::lock_guard lock(table.keysMutex());
      if (id >= table.keyCount() || !table.key(id)) {
        return Napi::Boolean::New(env, false);
      }
      kind = table.keyKind(id);
    }
    const std::span<double> all(into.Data(), into.ElementLength());
    return Napi::Boolean::New(env, scan_->publication().withHistory([&](const History& history) {
      return readFloats(history, id, kind, newest, all);
    }));
  }

  Napi::Value processes(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto rows = scan_->publication().processes();
    auto all = Napi::Array::New(env, rows->size());
    std::uint32_t at = 0;
    const auto pageSize = static_cast<double>(sysconf(_SC_PAGESIZE));
    for (const ProcessRow& row : *rows) {
      all.Set(at++, processObject(env, row, pageSize));
    }
    return all;
  }

  Napi::Value states(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto [rows, timestamp] = scan_->publication().states();
    auto all = Napi::Array::New(env, rows->size());
    std::uint32_t at = 0;
    for (const StateRow& row : *rows) {
      auto object = Napi::Object::New(env);
      object.Set("labels", labelsObject(env, row.labels));
      object.Set("timestamp", static_cast<double>(timestamp));
      object.Set("since", static_cast<double>(row.since));
      object.Set("text", row.text);
      all.Set(at++, object);
    }
    return all;
  }

  Napi::Value anomalies(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto rows = scan_->publication().anomalies();
    auto all = Napi::Array::New(env, rows->size());
    std::uint32_t at = 0;
    for (const Anomaly& row : *rows) {
      auto object = Napi::Object::New(env);
      object.Set("id", row.id);
      object.Set("score", row.score);
      object.Set("since", static_cast<double>(row.since));
      all.Set(at++, object);
    }
    return all;
  }

  Napi::Value health(const Napi::CallbackInfo& info) { return healthObject(info.Env(), *scan_); }

  // report([{ group, name, kind, value }]): numbers of the program around us, for the scans from now on.
  Napi::Value report(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (info.Length() < 1 || !info[0].IsArray()) {
      fail(env, "report: expected an array");
      return env.Undefined();
    }
    const auto metrics = info[0].As<Napi::Array>();
    for (std::uint32_t i = 0; i < metrics.Length(); ++i) {
      const Napi::Value entry = metrics.Get(i);
      const auto object = entry.IsObject() ? entry.As<Napi::Object>() : Napi::Object::New(env);
      const Napi::Value group = object.Get("group");
      const Napi::Value name = object.Get("name");
      const Napi::Value kind = object.Get("kind");
      const Napi::Value value = object.Get("value");
      const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::nan("");
      const double code = kind.IsNumber() ? kind.As<Napi::Number>().DoubleValue() : -1;
      constexpr double kMostWhole = 9'007'199'254'740'992; // 2^53
      const bool isFloat = code == 2;
      if (!group.IsString() || !name.IsString() || !(code == 0 || code == 1 || isFloat) ||
          (!isFloat && !(number >= (code == 0 ? 0 : -kMostWhole) && number <= kMostWhole))) {
        fail(env, "report: entry " + std::to_string(i) + ": expected a group, a name, a kind and a number");
        return env.Undefined();
      }
      scan_->reported().set({group.As<Napi::String>().Utf8Value(), name.As<Napi::String>().Utf8Value()},
                            {static_cast<Kind>(static_cast<int>(code)),
                             isFloat ? std::bit_cast<std::uint64_t>(number)
                                     : static_cast<std::uint64_t>(static_cast<std::int64_t>(number))});
    }
    return env.Undefined();
  }

  Napi::Value messages(const Napi::CallbackInfo& info) {
    const auto messages = scan_->notes().take();
    auto all = Napi::Array::New(info.Env(), messages.size());
    for (std::uint32_t i = 0; i < messages.size(); ++i) {
      all.Set(i, messages[i]);
    }
    return all;
  }

  // Copies the history on a thread of the pool: neither the scan nor the event loop waits for it.
  class Saving final : public Napi::AsyncWorker {
  public:
    Saving(Napi::Env env, ScannerObject& scanner)
        : Napi::AsyncWorker(env), scanner_(scanner), deferred_(Napi::Promise::Deferred::New(env)) {
      scanner_.Ref();
    }
    ~Saving() override { scanner_.Unref(); }
    Napi::Promise promise() const { return deferred_.Promise(); }
    void Execute() override {
      bytes_ = std::make_unique<std::vector<std::uint8_t>>(scanner_.scan_->save());
      malloc_trim(0); // once a minute, and on a thread that nobody waits for
    }
    void OnOK() override {
      auto* bytes = bytes_.release();
      deferred_.Resolve(Napi::Buffer<std::uint8_t>::New(
          Env(), bytes->data(), bytes->size(),
          [](Napi::Env, std::uint8_t*, std::vector<std::uint8_t>* owner) { delete owner; }, bytes));
    }
    void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

  private:
    ScannerObject& scanner_;
    Napi::Promise::Deferred deferred_;
    std::unique_ptr<std::vector<std::uint8_t>> bytes_;
  };

  Napi::Value saveHistory(const Napi::CallbackInfo& info) {
    auto* saving = new Saving(info.Env(), *this); // deletes itself when it is done
    saving->Queue();
    return saving->promise();
  }

  Napi::Value restoreHistory(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (info.Length() < 2 || !info[0].IsBuffer() || !info[1].IsNumber()) {
      fail(env, "restoreHistory: expected a buffer and a time");
      return env.Undefined();
    }
    if (thread_ || scan_->publication().snapshot().generation != 0) {
      fail(env, "restoreHistory: there were scans already");
      return env.Undefined();
    }
    const auto bytes = info[0].As<Napi::Buffer<std::uint8_t>>();
    const Scan::Restored restored =
        scan_->restore({bytes.Data(), bytes.Length()}, static_cast<std::int64_t>(info[1].As<Napi::Number>().DoubleValue()));
    auto object = Napi::Object::New(env);
    object.Set("problem", restored.problem == nullptr ? env.Null() : Napi::String::New(env, restored.problem).As<Napi::Value>());
    object.Set("series", restored.series);
    object.Set("samples", static_cast<double>(restored.samples));
    object.Set("newerScans", restored.newerScans);
    return object;
  }

public:
  // On the event loop, for one or several scans.
  static void told(Napi::Env env, Napi::Function callback, ScannerObject* self, void*) {
    if (env == nullptr || callback.IsEmpty()) {
      return; // the environment is going down
    }
    self->told_ = false;
    if (!self->thread_) {
      return; // stopped meanwhile
    }
    callback.Call({Napi::Number::New(env, static_cast<double>(self->scan_->publication().snapshot().generation))});
  }

private:
  using Function = Napi::TypedThreadSafeFunction<ScannerObject, void, &ScannerObject::told>;

  std::unique_ptr<Scan> scan_;
  Function callback_;
  std::atomic<bool> told_ = false;
  Napi::Env::CleanupHook<void (*)(ScannerObject*), ScannerObject> hook_;
  bool hooked_ = false;
  Napi::ObjectReference snapshot_;
  std::uint64_t snapshotGeneration_ = 0;
  std::array<std::pair<std::shared_ptr<SnapshotMemory>, Napi::ObjectReference>, 3> buffers_;
  std::size_t nextBuffers_ = 0;
  // Kept to spare their allocation at each query.
  std::vector<double> times_;
  std::vector<double> numbers_;
  std::vector<std::int64_t> words_;
  std::unique_ptr<ScanThread> thread_; // last: it uses all of the above
};

// The class of this environment, kept for createScanner.
struct AddonData {
  Napi::FunctionReference scanner;
  Napi::FunctionReference stallWatch;
};

Napi::Value createScanner(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<AddonData>()->scanner.New({info.Length() > 0 ? info[0] : info.Env().Undefined()});
}

// Asks the kernel on a thread of the pool: with 200 000 sockets the dump takes a while.
class ReadingSockets final : public Napi::AsyncWorker {
public:
  explicit ReadingSockets(Napi::Env env) : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)) {}
  Napi::Promise promise() const { return deferred_.Promise(); }
  void Execute() override {
    auto table = readSocketTable();
    if (table) {
      sockets_ = std::make_unique<std::vector<SocketRecord>>(std::move(table).value());
    } else {
      SetError(describe(table.failure()));
    }
  }
  void OnOK() override {
    auto* sockets = sockets_.release();
    deferred_.Resolve(Napi::Buffer<std::uint8_t>::New(
        Env(), reinterpret_cast<std::uint8_t*>(sockets->data()), sockets->size() * sizeof(SocketRecord),
        [](Napi::Env, std::uint8_t*, std::vector<SocketRecord>* owner) { delete owner; }, sockets));
  }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

private:
  Napi::Promise::Deferred deferred_;
  std::unique_ptr<std::vector<SocketRecord>> sockets_;
};

Napi::Value readSockets(const Napi::CallbackInfo& info) {
  auto* reading = new ReadingSockets(info.Env()); // deletes itself when it is done
  reading->Queue();
  return reading->promise();
}

// watchEventLoop(limitMs, exitCode): { beat(), stop() }.
class StallWatchObject final : public Napi::ObjectWrap<StallWatchObject> {
public:
  static Napi::Function define(Napi::Env env) {
    using Self = StallWatchObject;
    return DefineClass(env, "StallWatch", {InstanceMethod<&Self::beat>("beat"), InstanceMethod<&Self::stop>("stop")});
  }
  explicit StallWatchObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<StallWatchObject>(info) {
    const auto limit = info[0].ToNumber().Int64Value();
    const auto code = info[1].ToNumber().Int32Value();
    watch_ = std::make_unique<StallWatch>(std::chrono::milliseconds(limit), code);
  }

private:
  void beat(const Napi::CallbackInfo&) {
    if (watch_) {
      watch_->beat();
    }
  }
  void stop(const Napi::CallbackInfo&) { watch_.reset(); }

  std::unique_ptr<StallWatch> watch_;
};

Napi::Value watchEventLoop(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<AddonData>()->stallWatch.New({info[0], info[1]});
}

// mallopt(3). glibc gives each thread an arena of its own and lets what it takes for large blocks rise to 32 MiB: a daemon
// that lives for months then keeps many times what it needs. Two arenas, so that the scan does not wait for the event
// loop; large blocks go back to the system at once.
void keepMallocSmall() {
  constexpr int kArenas = 2;
  constexpr int kLargeBytes = 256 * 1024;
  mallopt(M_ARENA_MAX, kArenas);
  mallopt(M_MMAP_THRESHOLD, kLargeBytes);
  mallopt(M_TRIM_THRESHOLD, 2 * kLargeBytes);
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  keepMallocSmall();
  auto* data = new AddonData{Napi::Persistent(ScannerObject::define(env)), Napi::Persistent(StallWatchObject::define(env))};
  env.SetInstanceData(data); // deleted with the environment
  exports.Set("createScanner", Napi::Function::New(env, createScanner));
  exports.Set("watchEventLoop", Napi::Function::New(env, watchEventLoop));
  exports.Set("readSockets", Napi::Function::New(env, readSockets));
  exports.Set("readPss", Napi::Function::New(env, readPss));
  return exports;
}

} // namespace

NODE_API_MODULE(scanner, init)

} // namespace stellwerk
