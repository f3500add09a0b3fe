// Replays a recorded hour through the real store.
//   replay CORPUS SERIES                   and through Gorilla's coding; prints figures as JSON
//   replay CORPUS KEYS SNAPSHOT NOW_MS     writes it as the snapshot of a host with these keys, ending at NOW_MS
// The recorded series are used in turn until there are enough, each time begun at another place of the hour, so that no
// two of them move together; where an hour's end meets its start there is one jump. Every sample is read back and
// compared.
#include "corpus.hpp"
#include "gorilla.hpp"

#include "history/history.hpp"
#include "history/snapshot.hpp"
#include "history/watch.hpp"
#include "scanner/series_table.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <malloc.h>

namespace stellwerk::bench {
namespace {

double nanosSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

std::size_t heapInUse() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

// A host that is busy misses a scan now and then: what lacks to an hour is taken from its start once more.
constexpr std::uint32_t kHour = 1800;

struct Fed {
  const Corpus& corpus;
  std::uint32_t recorded = static_cast<std::uint32_t>(corpus.stamps.size());
  std::uint32_t scans = std::max(recorded, kHour);

  const RecordedSeries& of(std::uint32_t id) const { return corpus.series[id % corpus.series.size()]; }
  std::uint32_t place(std::uint32_t id, std::uint32_t scan) const {
    const auto round = static_cast<std::uint32_t>(id / corpus.series.size());
    return static_cast<std::uint32_t>((scan + std::uint64_t{round} * 181) % recorded);
  }
  std::int64_t stamp(std::uint32_t scan) const {
    return scan < recorded ? corpus.stamps[scan] : corpus.stamps.back() + 2000 * std::int64_t{scan - recorded + 1};
  }
  bool present(std::uint32_t id, std::uint32_t scan) const { return of(id).present[place(id, scan)]; }
  std::uint64_t word(std::uint32_t id, std::uint32_t scan) const { return of(id).words[place(id, scan)]; }
};

std::vector<Label> keyOf(const Fed& fed, std::uint32_t id, std::string& number) {
  std::vector<Label> labels;
  for (const auto& [name, value] : fed.of(id).labels) {
    labels.emplace_back(name, value);
  }
  number = std::to_string(id / fed.corpus.series.size());
  if (id >= fed.corpus.series.size()) {
    labels.emplace_back("copy", number);
  }
  return labels;
}

bool equal(const History& history, const Fed& fed, std::uint32_t id) {
  std::uint32_t next = 0;
  bool same = true;
  history.read(id, 0, fed.scans, [&](std::uint32_t scan, std::uint64_t word) {
    for (; next < scan; ++next) {
      same = same && !fed.present(id, next);
    }
    same = same && fed.present(id, scan) && fed.word(id, scan) == word;
    ++next;
  });
  for (; next < fed.scans; ++next) {
    same = same && !fed.present(id, next);
  }
  return same;
}

double asDouble(Kind kind, std::uint64_t word) {
  return kind == Kind::Float     ? std::bit_cast<double>(word)
         : kind == Kind::Counter ? static_cast<double>(word)
                                 : static_cast<double>(static_cast<std::int64_t>(word));
}

// What the anomaly marker costs and marks: the recorded hour as it was, and with a fault of a minute near its end, ten
// times the level or the rate. Only faults that change anything count.
struct Watched {
  double nanos = 0;
  std::uint64_t marked = 0;
  std::uint64_t faults = 0;
  std::uint64_t faultsMarked = 0;
};

Watched watch(const Corpus& corpus) {
  constexpr std::uint32_t kFault = 30;
  const auto scans = static_cast<std::uint32_t>(corpus.stamps.size());
  Watched watched;
  std::uint64_t samples = 0;
  for (const RecordedSeries& series : corpus.series) {
    auto seconds = [&](std::uint32_t scan) {
      return scan == 0 ? 0.0 : static_cast<double>(corpus.stamps[scan] - corpus.stamps[scan - 1]) / 1000;
    };
    Watch usual;
    const auto start = std::chrono::steady_clock::now();
    for (std::uint32_t scan = 0; scan < scans; ++scan) {
      if (series.present[scan]) {
        usual.see(series.kind, series.words[scan], seconds(scan), scan);
        watched.marked += usual.anomalous() ? 1 : 0;
        ++samples;
      }
    }
    watched.nanos += nanosSince(start);
    Watch faulty;
    std::uint64_t added = 0;
    bool changed = false;
    bool marked = false;
    for (std::uint32_t scan = 0; scan < scans; ++scan) {
      if (!series.present[scan]) {
        continue;
      }
      const bool fault = scan + 2 * kFault > scans && scan + kFault <= scans;
      std::uint64_t word = series.words[scan];
      if (fault && series.kind == Kind::Counter) {
        added += 9 * (word - series.words[scan - 1]);
      } else if (fault) {
        word = series.kind == Kind::Float ? std::bit_cast<std::uint64_t>(std::bit_cast<double>(word) * 10) : word * 10;
      }
      word += added;
      changed = changed || (fault && word != series.words[scan]);
      faulty.see(series.kind, word, seconds(scan), scan);
      marked = marked || (fault && faulty.anomalous());
    }
    watched.faults += changed ? 1 : 0;
    watched.faultsMarked += changed && marked ? 1 : 0;
  }
  watched.nanos /= static_cast<double>(samples);
  watched.marked = watched.marked * (1'000'000) / std::max<std::uint64_t>(1, samples);
  return watched;
}

int replay(const Corpus& corpus, std::uint32_t count) {
  const Fed fed{corpus};
  const std::uint32_t scans = fed.scans;
  const std::size_t before = heapInUse();
  auto table = std::make_unique<SeriesTable>(count);
  auto history = std::make_unique<History>(2 * 3'600'000);
  std::string number;
  for (std::uint32_t id = 0; id < count; ++id) {
    auto labels = keyOf(fed, id, number);
    table->intern(labels, fed.of(id).kind);
  }
  const std::size_t keys = heapInUse() - before;
  std::vector<double> appendNanos;
  std::uint64_t samples = 0;
  std::vector<std::pair<std::uint32_t, std::uint64_t>> row;
  row.reserve(count);
  const std::size_t rowBytes = heapInUse() - before - keys;
  for (std::uint32_t scan = 0; scan < scans; ++scan) {
    row.clear();
    for (std::uint32_t id = 0; id < count; ++id) {
      if (fed.present(id, scan)) {
        row.emplace_back(id, fed.word(id, scan));
      }
    }
    const auto start = std::chrono::steady_clock::now();
    history->beginScan(fed.stamp(scan));
    for (const auto& [id, word] : row) {
      history->append(id, table->kind(id), word);
    }
    appendNanos.push_back(nanosSince(start) / static_cast<double>(std::max<std::size_t>(1, row.size())));
    samples += row.size();
  }
  const std::size_t heap = heapInUse() - before - rowBytes;

  std::vector<double> readMicros;
  std::vector<double> sink(scans);
  std::vector<double> thousandMillis;
  for (int round = 0; round < 9; ++round) {
    const auto whole = std::chrono::steady_clock::now();
    for (std::uint32_t i = 0; i < std::min(count, 1000u); ++i) {
      const std::uint32_t id = static_cast<std::uint32_t>((std::uint64_t{i} * 7919 + static_cast<std::uint32_t>(round)) % count);
      const auto start = std::chrono::steady_clock::now();
      history->read(id, 0, scans, [&](std::uint32_t scan, std::uint64_t word) {
        sink[scan] = asDouble(table->kind(id), word);
      });
      readMicros.push_back(nanosSince(start) / 1000);
    }
    thousandMillis.push_back(nanosSince(whole) / 1e6);
  }

  std::uint64_t different = 0;
  for (std::uint32_t id = 0; id < count; ++id) {
    different += equal(*history, fed, id) ? 0 : 1;
  }

  // The recorded series once: Gorilla's blocks do not know of one another, more of them would change nothing.
  std::uint64_t gorillaBytes = 0;
  std::uint64_t gorillaSamples = 0;
  double gorillaNanos = 0;
  double gorillaReadNanos = 0;
  std::uint64_t gorillaDifferent = 0;
  for (const RecordedSeries& series : corpus.series) {
    Gorilla gorilla;
    const auto start = std::chrono::steady_clock::now();
    for (std::uint32_t scan = 0; scan < fed.recorded; ++scan) {
      if (series.present[scan]) {
        gorilla.append(corpus.stamps[scan] / 1000, asDouble(series.kind, series.words[scan]));
        ++gorillaSamples;
      }
    }
    gorillaNanos += nanosSince(start);
    gorillaBytes += gorilla.bytes();
    const auto reading = std::chrono::steady_clock::now();
    gorilla.decode([&, at = 0u](std::int64_t, double value) mutable { sink[at++] = value; });
    gorillaReadNanos += nanosSince(reading);
    for (std::uint32_t scan = 0, at = 0; scan < fed.recorded; ++scan) {
      if (series.present[scan]) {
        const double value = asDouble(series.kind, series.words[scan]);
        gorillaDifferent += std::bit_cast<std::uint64_t>(sink[at++]) != std::bit_cast<std::uint64_t>(value) ? 1 : 0;
      }
    }
  }

  const Watched watched = watch(corpus);
  std::printf("{\"watchNanos\":%.2f,\"watchMarkedPerMillion\":%llu,\"faults\":%llu,\"faultsMarked\":%llu,", watched.nanos,
              static_cast<unsigned long long>(watched.marked), static_cast<unsigned long long>(watched.faults),
              static_cast<unsigned long long>(watched.faultsMarked));
  std::printf("\"series\":%u,\"recorded\":%zu,\"recordedScans\":%u,\"scans\":%u,\"samples\":%llu,\"different\":%llu,\"historyBytes\":%zu,"
              "\"keyBytes\":%zu,\"heapBytes\":%zu,\"appendNanos\":%.2f,\"readMicros\":%.3f,\"thousandMillis\":%.3f,"
              "\"gorillaBytes\":%llu,\"gorillaSamples\":%llu,\"gorillaDifferent\":%llu,\"gorillaAppendNanos\":%.2f,"
              "\"gorillaReadMicros\":%.3f}\n",
              count, corpus.series.size(), fed.recorded, scans, static_cast<unsigned long long>(samples),
              static_cast<unsigned long long>(different), history->bytes(), keys, heap, median(appendNanos),
              median(readMicros), median(thousandMillis), static_cast<unsigned long long>(gorillaBytes),
              static_cast<unsigned long long>(gorillaSamples), static_cast<unsigned long long>(gorillaDifferent),
              gorillaNanos / static_cast<double>(gorillaSamples),
              gorillaReadNanos / 1000 / static_cast<double>(corpus.series.size()));
  return different == 0 && gorillaDifferent == 0 ? 0 : 3;
}

// Each key has the next of the recorded series of its kind.
int snapshot(const Corpus& corpus, const std::vector<RecordedSeries>& keys, const char* path, std::int64_t nowMs) {
  const Fed fed{corpus};
  std::array<std::vector<std::uint32_t>, 3> ofKind;
  for (std::uint32_t i = 0; i < corpus.series.size(); ++i) {
    ofKind[static_cast<std::size_t>(corpus.series[i].kind)].push_back(i);
  }
  History history(2 * 3'600'000);
  std::array<std::uint32_t, 3> used{};
  std::vector<std::uint32_t> sources;
  for (const RecordedSeries& key : keys) {
    const auto kind = static_cast<std::size_t>(key.kind);
    const auto number = used[kind]++;
    const auto size = static_cast<std::uint32_t>(ofKind[kind].size());
    sources.push_back(ofKind[kind][number % size] + number / size * static_cast<std::uint32_t>(corpus.series.size()));
  }
  const std::int64_t shift = nowMs - fed.stamp(fed.scans - 1) - 1;
  for (std::uint32_t scan = 0; scan < fed.scans; ++scan) {
    history.beginScan(fed.stamp(scan) + shift);
    for (std::uint32_t id = 0; id < keys.size(); ++id) {
      if (fed.present(sources[id], scan)) {
        history.append(id, keys[id].kind, fed.word(sources[id], scan));
      }
    }
  }
  SnapshotWriter writer(history.timeline());
  std::string key;
  for (std::uint32_t id = 0; id < keys.size(); ++id) {
    std::vector<Label> labels(keys[id].labels.begin(), keys[id].labels.end());
    encodeKey(labels, key);
    history.save(id, key, keys[id].kind, writer);
  }
  const auto bytes = writer.finish();
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  file.close();
  std::printf("{\"historyBytes\":%zu,\"snapshotBytes\":%zu}\n", history.bytes(), bytes.size());
  return file ? 0 : 1;
}

} // namespace
} // namespace stellwerk::bench

int main(int argc, char** argv) {
  using namespace stellwerk::bench;
  if (argc != 3 && argc != 5) {
    std::fprintf(stderr, "usage: replay CORPUS SERIES | replay CORPUS KEYS SNAPSHOT NOW_MS\n");
    return 2;
  }
  const auto corpus = CorpusReader(argv[1]).read();
  if (!corpus) {
    std::fprintf(stderr, "replay: %s is no corpus\n", argv[1]);
    return 1;
  }
  if (argc == 3) {
    return replay(*corpus, static_cast<std::uint32_t>(std::stoul(argv[2])));
  }
  const auto keys = CorpusReader(argv[2]).readKeys();
  if (!keys) {
    std::fprintf(stderr, "replay: %s holds no keys\n", argv[2]);
    return 1;
  }
  return snapshot(*corpus, *keys, argv[3], std::stoll(argv[4]));
}
