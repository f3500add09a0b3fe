// Node-API face of the hash of files; src/native/hash.ts is its contract.
#include "base/failure_object.hpp"
#include "hash/folder_names.hpp"
#include "hash/read_ahead.hpp"

#include <memory>
#include <napi.h>
#include <optional>

namespace stellwerk {
namespace {

using Bytes = Napi::Buffer<std::uint8_t>;

std::span<const std::uint8_t> spanOf(const Bytes& buffer) { return {buffer.Data(), buffer.Length()}; }

Napi::Value refuse(Napi::Env env, const char* what) {
  Napi::TypeError::New(env, std::string("hash: ") + what).ThrowAsJavaScriptException();
  return env.Undefined();
}

Napi::Value stateBuffer(Napi::Env env, const Blake2b& hash) {
  const Blake2b::State state = hash.state();
  return Bytes::Copy(env, state.data(), state.size());
}

std::optional<Blake2b> stateOf(const Napi::Value& value) {
  Blake2b hash;
  if (!value.IsBuffer() || !Blake2b::restore(spanOf(value.As<Bytes>()), hash)) {
    return std::nullopt;
  }
  return hash;
}

std::vector<std::string> split(const Bytes& buffer) {
  std::vector<std::string> parts;
  const auto* text = reinterpret_cast<const char*>(buffer.Data());
  for (std::size_t from = 0, at = 0; at < buffer.Length(); ++at) {
    if (text[at] == '\0') {
      parts.emplace_back(text + from, at - from);
      from = at + 1;
    }
  }
  return parts;
}

// A promise for what is made outside the event loop: the value that `done` makes of it, or the failure.
template <class T> class Work final : public Napi::AsyncWorker {
public:
  using Make = std::function<Result<T>()>;
  using Wrap = std::function<Napi::Value(Napi::Env, T&&)>;

  static Napi::Value start(Napi::Env env, Make make, Wrap wrap) {
    auto* work = new Work(env, std::move(make), std::move(wrap)); // deletes itself
    const Napi::Promise promise = work->deferred_.Promise();
    work->Queue();
    return promise;
  }

protected:
  void Execute() override { result_.emplace(make_()); }
  void OnOK() override {
    deferred_.Resolve(*result_ ? wrap_(Env(), std::move(*result_).value()) : failureObject(Env(), result_->failure()));
  }

private:
  Work(Napi::Env env, Make make, Wrap wrap)
      : Napi::AsyncWorker(env), make_(std::move(make)), wrap_(std::move(wrap)),
        deferred_(Napi::Promise::Deferred::New(env)) {}

  Make make_;
  Wrap wrap_;
  std::optional<Result<T>> result_;
  Napi::Promise::Deferred deferred_;
};

// initial(digestSize): Buffer
Napi::Value initial(const Napi::CallbackInfo& info) {
  const double size = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : 0;
  if (!(size >= 1 && size <= Blake2b::kLongest)) {
    return refuse(info.Env(), "digestSize: expected 1 to 64");
  }
  return stateBuffer(info.Env(), Blake2b(static_cast<std::size_t>(size)));
}

// update(state, bytes): Buffer
Napi::Value update(const Napi::CallbackInfo& info) {
  auto hash = stateOf(info[0]);
  if (!hash || !info[1].IsBuffer()) {
    return refuse(info.Env(), "update: expected a state and a Buffer");
  }
  hash->update(spanOf(info[1].As<Bytes>()));
  return stateBuffer(info.Env(), *hash);
}

// digest(state): Buffer
Napi::Value digest(const Napi::CallbackInfo& info) {
  auto hash = stateOf(info[0]);
  if (!hash) {
    return refuse(info.Env(), "digest: expected a state");
  }
  std::uint8_t bytes[Blake2b::kLongest];
  const std::size_t size = hash->digestSize();
  hash->finish(bytes);
  return Bytes::Copy(info.Env(), bytes, size);
}

// listFolders(root, below, folders, threads): Promise<Buffer>
Napi::Value list(const Napi::CallbackInfo& info) {
  if (!info[0].IsString() || !info[1].IsString() || !info[2].IsBuffer() || !info[3].IsNumber()) {
    return refuse(info.Env(), "listFolders: expected root, below, folders, threads");
  }
  return Work<std::string>::start(
      info.Env(),
      [root = info[0].As<Napi::String>().Utf8Value(), below = info[1].As<Napi::String>().Utf8Value(),
       folders = split(info[2].As<Bytes>()), threads = info[3].As<Napi::Number>().Uint32Value()] {
        return listFolders(root, below, folders, threads);
      },
      [](Napi::Env env, std::string&& text) -> Napi::Value { return Napi::Buffer<char>::Copy(env, text.data(), text.size()); });
}

std::vector<IdSpan> spansOf(const Napi::Value& value) {
  std::vector<IdSpan> spans;
  if (!value.IsArray()) {
    return spans;
  }
  const auto array = value.As<Napi::Array>();
  for (std::uint32_t index = 0; index < array.Length(); ++index) {
    const auto span = array.Get(index).As<Napi::Object>();
    const auto number = [&](const char* name) { return span.Get(name).ToNumber().Uint32Value(); };
    spans.push_back({.inside = number("inside"), .outside = number("outside"), .count = number("count")});
  }
  return spans;
}

bool readRequest(const Napi::Value& value, FileRequest& request) {
  if (!value.IsObject()) {
    return false;
  }
  const auto object = value.As<Napi::Object>();
  const auto text = [&](const char* name) { return object.Get(name).ToString().Utf8Value(); };
  const auto number = [&](const char* name) { return object.Get(name).ToNumber().Int64Value(); };
  const std::string form = text("form");
  if (!object.Get("entries").IsBuffer() || (form != "copy" && form != "depends" && form != "content")) {
    return false;
  }
  request.root = text("root");
  request.below = text("below");
  request.prefix = text("prefix");
  request.entries = split(object.Get("entries").As<Bytes>());
  request.form = form == "copy" ? FileForm::copy : form == "depends" ? FileForm::depends : FileForm::content;
  request.preserveModes = object.Get("preserveModes").ToBoolean();
  request.umask = static_cast<unsigned>(number("umask"));
  request.ownerUid = number("ownerUid");
  request.ownerGid = number("ownerGid");
  request.uidMap = spansOf(object.Get("uidMap"));
  request.gidMap = spansOf(object.Get("gidMap"));
  return true;
}

using Held = std::shared_ptr<FileList>;

// lookAtFiles(request, threads): Promise<{ list, fingerprint, newestChangeNs, entries, bytes }>
Napi::Value lookAtFiles(const Napi::CallbackInfo& info) {
  FileRequest request;
  if (!readRequest(info[0], request) || !info[1].IsNumber()) {
    return refuse(info.Env(), "lookAtFiles: expected a request and threads");
  }
  const auto threads = info[1].As<Napi::Number>().Uint32Value();
  return Work<std::unique_ptr<FileList>>::start(
      info.Env(), [request = std::move(request), threads] { return makeFileList(request, threads); },
      [](Napi::Env env, std::unique_ptr<FileList>&& list) -> Napi::Value {
        auto object = Napi::Object::New(env);
        object.Set("fingerprint", Bytes::Copy(env, list->fingerprint.data(), list->fingerprint.size()));
        object.Set("newestChangeNs", Napi::BigInt::New(env, list->newestChangeNs));
        object.Set("entries", static_cast<double>(list->entries.size()));
        object.Set("bytes", static_cast<double>(list->bytes));
        object.Set("list", Napi::External<Held>::New(env, new Held(std::move(list)),
                                                     [](Napi::Env, Held* held) { delete held; }));
        return object;
      });
}

struct Hashed {
  Blake2b hash;
  std::vector<Detail> details;
};

Napi::Value hashedObject(Napi::Env env, const FileList& list, Hashed&& hashed) {
  auto object = Napi::Object::New(env);
  object.Set("state", stateBuffer(env, hashed.hash));
  if (hashed.details.empty()) {
    return object;
  }
  auto files = Napi::Array::New(env, list.entries.size());
  std::string head;
  for (std::uint32_t index = 0; index < list.entries.size(); ++index) {
    const FileEntry& entry = list.entries[index];
    head.clear();
    list.head(entry, head);
    auto file = Napi::Object::New(env);
    file.Set("path", entry.path);
    file.Set("head", head);
    file.Set("size", static_cast<double>(entry.size));
    const Detail& detail = hashed.details[index];
    file.Set("digest", entry.isFile() ? Bytes::Copy(env, detail.digest.data(), detail.digest.size()).As<Napi::Value>()
                                      : env.Null());
    file.Set("target", entry.isLink() ? Napi::String::New(env, detail.target).As<Napi::Value>() : env.Null());
    files.Set(index, file);
  }
  object.Set("files", files);
  return object;
}

// hashFiles(list, state, threads, withDetails): Promise<{ state, files? }>
Napi::Value hash(const Napi::CallbackInfo& info) {
  auto state = stateOf(info[1]);
  if (!info[0].IsExternal() || !state || !info[2].IsNumber()) {
    return refuse(info.Env(), "hashFiles: expected a list, a state, threads");
  }
  const Held list = *info[0].As<Napi::External<Held>>().Data();
  return Work<Hashed>::start(
      info.Env(),
      [list, hash = *state, threads = info[2].As<Napi::Number>().Uint32Value(),
       withDetails = info[3].ToBoolean().Value()]() -> Result<Hashed> {
        Hashed hashed = {.hash = hash, .details = {}};
        const auto done = hashFiles(*list, hashed.hash,
                                    {.threads = threads, .details = withDetails ? &hashed.details : nullptr});
        if (!done) {
          return done.failure();
        }
        return hashed;
      },
      [list](Napi::Env env, Hashed&& hashed) { return hashedObject(env, *list, std::move(hashed)); });
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  exports.Set("initial", Napi::Function::New(env, initial));
  exports.Set("update", Napi::Function::New(env, update));
  exports.Set("digest", Napi::Function::New(env, digest));
  exports.Set("listFolders", Napi::Function::New(env, list));
  exports.Set("lookAtFiles", Napi::Function::New(env, lookAtFiles));
  exports.Set("hashFiles", Napi::Function::New(env, hash));
  return exports;
}

NODE_API_MODULE(hash, initialise)

} // namespace
} // namespace stellwerk
