#include "fixture.hpp"

#include <set>

using namespace stellwerk;
using namespace stellwerk::test;

namespace {

SeriesRef intern(SeriesTable& table, std::string_view name, Kind kind = Kind::Counter) {
  std::vector<Label> labels{{"metric", name}};
  return table.intern(labels, kind);
}

TEST(SeriesTable, GivesTheSameIdWhateverTheOrderOfTheLabels) {
  SeriesTable table(10);
  std::vector<Label> one{{"a", "1"}, {"b", "2"}};
  std::vector<Label> other{{"b", "2"}, {"a", "1"}};
  EXPECT_EQ(table.intern(one, Kind::Counter).id, table.intern(other, Kind::Counter).id);
  EXPECT_EQ(table.count(), 1u);
}

TEST(SeriesTable, TellsLabelsApartThatJoinToTheSameText) {
  SeriesTable table(10);
  std::vector<Label> one{{"a", "bc"}};
  std::vector<Label> other{{"ab", "c"}};
  std::vector<Label> withNul{{"a", std::string_view("b\0c", 3)}};
  std::set<std::uint32_t> ids{table.intern(one, Kind::Counter).id, table.intern(other, Kind::Counter).id,
                              table.intern(withNul, Kind::Counter).id};
  EXPECT_EQ(ids.size(), 3u);
}

TEST(SeriesTable, StartsANewSeriesWhereTheKindHasChanged) {
  SeriesTable table(10);
  const SeriesRef counter = intern(table, "a");
  const SeriesRef level = intern(table, "a", Kind::Integer);
  EXPECT_NE(counter.id, level.id);
  EXPECT_FALSE(table.live(counter));
  EXPECT_TRUE(table.live(level));
  table.expire(counter.id); // the key stays with the younger
  EXPECT_EQ(intern(table, "a", Kind::Integer).id, level.id);
}

TEST(SeriesTable, RefusesOverItsLimitUntilThereIsRoom) {
  SeriesTable table(2);
  const SeriesRef first = intern(table, "a");
  intern(table, "b");
  const SeriesRef refused = intern(table, "c");
  EXPECT_EQ(refused.id, SeriesRef::kRefused);
  EXPECT_TRUE(table.live(refused)) << "it would be looked up again at each scan";
  EXPECT_EQ(table.refused(), 1u);
  table.set(refused, 5);
  EXPECT_EQ(intern(table, "a").id, first.id) << "known ones go on";
  const std::uint32_t generation = table.keyGeneration();
  table.expire(first.id);
  EXPECT_FALSE(table.live(refused));
  EXPECT_EQ(intern(table, "c").id, first.id);
  EXPECT_GT(table.keyGeneration(), generation);
}

TEST(SeriesTable, BehavesAsAMapOfKeysUnderAnySequence) {
  constexpr std::uint32_t kMost = 20;
  SeriesTable table(kMost);
  Mutator random(9);
  std::map<std::string, SeriesRef> model; // what can be found
  std::map<std::uint32_t, std::string> held; // ids not expired, retired ones too
  for (int round = 0; round < 50'000; ++round) {
    const std::string name = std::to_string(random.next() % 30);
    const Kind kind = random.next() % 16 == 0 ? Kind::Float : Kind::Counter;
    switch (random.next() % 4) {
    case 0: {
      const auto known = model.find(name);
      if (known != model.end()) {
        table.retire(known->second);
        ASSERT_FALSE(table.live(known->second));
        model.erase(known);
      }
      break;
    }
    case 1:
      if (!held.empty()) {
        auto victim = std::next(held.begin(), static_cast<std::ptrdiff_t>(random.next() % held.size()));
        const auto known = model.find(victim->second);
        if (known != model.end() && known->second.id == victim->first) {
          model.erase(known);
        }
        table.expire(victim->first);
        held.erase(victim);
      }
      break;
    default: {
      const auto known = model.find(name);
      const bool same = known != model.end() && table.kind(known->second.id) == kind;
      const bool room = held.size() < kMost;
      const SeriesRef ref = intern(table, name, kind);
      if (same) {
        ASSERT_EQ(ref.id, known->second.id);
      } else {
        model.erase(name);
        ASSERT_EQ(ref.id == SeriesRef::kRefused, !room);
        if (room) {
          ASSERT_TRUE(held.emplace(ref.id, name).second) << "an id that is in use was given away";
          model[name] = ref;
        }
      }
      ASSERT_TRUE(table.live(ref));
    }
    }
    ASSERT_EQ(table.count(), held.size());
    for (const auto& [key, ref] : model) {
      ASSERT_TRUE(table.live(ref));
      ASSERT_EQ(labelsOf(*table.key(ref.id)), (LabelMap{{"metric", key}}));
    }
  }
}

} // namespace
