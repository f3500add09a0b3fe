#include "hash/folder_names.hpp"

#include "base/failure_text.hpp"
#include "hash/test/tree.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

namespace stellwerk {
namespace {

using namespace std::string_literals;

TEST(ListFolders, TellsKindsAndNamesInTheOrderOfTheirBytes) {
  const Tree tree;
  tree.write("a/b", "");
  tree.write("a.c", "");
  tree.write("\xC3\xA4", "");
  ASSERT_EQ(symlink("a", (tree.path + "/Z").c_str()), 0);
  ASSERT_EQ(mkfifo((tree.path + "/pipe").c_str(), 0644), 0);
  const auto text = listFolders(tree.path, "", {".", "a"}, 2);
  ASSERT_TRUE(text) << describe(text.failure());
  EXPECT_EQ(text.value(), "lZ\0da\0fa.c\0opipe\0f\xC3\xA4\0\0fb\0\0"s);
}

TEST(ListFolders, KeepsTheOrderOfManyFolders) {
  const Tree tree;
  std::vector<std::string> folders;
  std::string expected;
  for (int index = 0; index < 100; ++index) {
    const std::string number = std::to_string(index);
    folders.push_back("d" + number);
    tree.write("d" + number + "/f" + number, "");
    expected += "ff" + number + "\0\0"s;
  }
  const auto text = listFolders(tree.path, ".", folders, 8);
  ASSERT_TRUE(text);
  EXPECT_EQ(text.value(), expected);
}

TEST(ListFolders, RefusesNamesThatAreNoUtf8) {
  const Tree tree;
  tree.write("bad\xFF", "");
  const auto text = listFolders(tree.path, "", {"."}, 1);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.failure().error, EILSEQ);
}

TEST(ListFolders, DoesNotListASymbolicLinksTarget) {
  const Tree tree;
  tree.write("real/file", "");
  ASSERT_EQ(symlink("real", (tree.path + "/alias").c_str()), 0);
  EXPECT_FALSE(listFolders(tree.path, "", {"alias"}, 1));
  EXPECT_TRUE(listFolders(tree.path, "alias", {"."}, 1)); // the way to the folder itself may be one
}

TEST(ListFolders, TellsWhichFolderIsMissing) {
  const Tree tree;
  const auto text = listFolders(tree.path, "", {".", "gone"}, 1);
  ASSERT_FALSE(text);
  EXPECT_EQ(describe(text.failure()), "list folder: openat2: gone: No such file or directory");
}

TEST(IsUtf8, TakesWellFormedAndRefusesOverlongSurrogatesAndCutSequences) {
  for (const char* good : {"", "abc", "\xC2\x80", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80", "\xF0\x90\x80\x80",
                           "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(isUtf8(good)) << good;
  }
  for (const char* bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
                          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xC2", "\xE1\x80", "\xF1\x80\x80", "a\xC2z"}) {
    EXPECT_FALSE(isUtf8(bad)) << bad;
  }
}

} // namespace
} // namespace stellwerk
