#include "hash/read_ahead.hpp"

#include "base/failure_text.hpp"
#include "hash/jobs.hpp"
#include "hash/test/tree.hpp"

#include <atomic>
#include <gtest/gtest.h>
#include <random>
#include <thread>
#include <unistd.h>

namespace stellwerk {
namespace {

using namespace std::string_literals;

using Digest = std::array<std::uint8_t, 64>;

Digest digestOf(Blake2b hash) {
  Digest digest;
  hash.finish(digest.data());
  return digest;
}

Digest digestOfText(const std::string& text) {
  Blake2b hash;
  hash.update({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  return digestOf(hash);
}

FileRequest dependsOn(const Tree& tree, std::vector<std::string> entries) {
  FileRequest request;
  request.root = tree.path;
  request.entries = std::move(entries);
  request.prefix = "/work";
  return request;
}

std::unique_ptr<FileList> listOf(FileRequest request) {
  auto list = makeFileList(std::move(request), 2);
  if (!list) {
    ADD_FAILURE() << describe(list.failure());
    std::abort();
  }
  return std::move(list).value();
}

Result<Digest> hashOf(const FileList& list, unsigned threads) {
  Blake2b hash;
  const auto done = hashFiles(list, hash, {.threads = threads});
  if (!done) {
    return done.failure();
  }
  return digestOf(hash);
}

TEST(HashFiles, WritesNameExecutableBitAndContentOfWhatADependsTakes) {
  const Tree tree;
  tree.write("a/run", "#!/bin/sh\n", 0755);
  tree.write("a/text", "hello");
  ASSERT_EQ(symlink("text", (tree.path + "/a/link").c_str()), 0);
  const auto list = listOf(dependsOn(tree, {"a", "a/link", "a/run", "a/text"}));
  const auto hash = hashOf(*list, 1);
  ASSERT_TRUE(hash);
  EXPECT_EQ(hash.value(), digestOfText("filename\0/work/a\0"
                                       "filename\0/work/a/link\0symlink\0text\0"
                                       "filename\0/work/a/run\0is_executable\0true\0#!/bin/sh\n"
                                       "filename\0/work/a/text\0is_executable\0false\0hello"s));
}

TEST(HashFiles, WritesResultingModeAndOwnersOfWhatACopyTakes) {
  const Tree tree;
  tree.write("a/run", "x", 0700);
  tree.write("a/text", "", 0600);
  ASSERT_EQ(symlink("../out", (tree.path + "/a/link").c_str()), 0);
  auto request = dependsOn(tree, {"a", "a/link", "a/run", "a/text"});
  request.form = FileForm::copy;
  request.umask = 022;
  request.ownerUid = 7;
  request.gidMap = {{.inside = 0, .outside = getegid(), .count = 1}};
  const auto hash = hashOf(*listOf(request), 2);
  ASSERT_TRUE(hash);
  EXPECT_EQ(hash.value(), digestOfText("filename\0/work/a\0mode\0"s + "493\0uid\0"s + "7\0gid\0"s + "0\0"s +
                                       "filename\0/work/a/link\0uid\0"s + "7\0gid\0"s + "0\0symlink\0../out\0"s +
                                       "filename\0/work/a/run\0mode\0"s + "493\0uid\0"s + "7\0gid\0"s + "0\0x"s +
                                       "filename\0/work/a/text\0mode\0"s + "420\0uid\0"s + "7\0gid\0"s + "0\0"s));
}

TEST(HashFiles, SeesIdsOutsideOfTheMapAsTheOverflowId) {
  const Tree tree;
  tree.write("text", "x", 0600);
  auto request = dependsOn(tree, {"text"});
  request.form = FileForm::content;
  request.uidMap = {{.inside = 0, .outside = geteuid() + 1, .count = 5}};
  request.gidMap = {{.inside = 100, .outside = getegid(), .count = 5}};
  const auto hash = hashOf(*listOf(request), 1);
  ASSERT_TRUE(hash);
  EXPECT_EQ(hash.value(),
            digestOfText("filename\0/work/text\0mode\0"s + "384\0uid\0"s + "65534\0gid\0"s + "100\0x"s));
}

TEST(HashFiles, NamesEntriesOfARootByTheirAbsolutePaths) {
  const Tree tree;
  tree.write("a", "x");
  auto request = dependsOn(tree, {".", "a"});
  request.prefix = "";
  const auto hash = hashOf(*listOf(request), 1);
  ASSERT_TRUE(hash);
  EXPECT_EQ(hash.value(), digestOfText("filename\0/\0filename\0/a\0is_executable\0false\0x"s));
}

TEST(HashFiles, GivesTheSameForAnyNumberOfThreadsAndAnySizesOfFiles) {
  const Tree tree;
  std::mt19937_64 random(11);
  std::vector<std::string> names;
  std::string expected;
  for (int index = 0; index < 120; ++index) {
    char name[16];
    snprintf(name, sizeof name, "f%04d", index);
    // Mostly small, some at the edges of a piece, some of several pieces.
    const std::size_t edge = kJobBytes + random() % 5 - 2;
    const std::size_t size = index % 40 == 0 ? edge : index % 97 == 0 ? 3 * edge : random() % 3000;
    std::string content(size, static_cast<char>(random()));
    tree.write(name, content);
    names.push_back(name);
    expected += "filename\0/work/"s + name + "\0is_executable\0false\0"s + content;
  }
  const auto list = listOf(dependsOn(tree, names));
  for (const unsigned threads : {1U, 2U, 7U}) {
    const auto hash = hashOf(*list, threads);
    ASSERT_TRUE(hash) << describe(hash.failure());
    EXPECT_EQ(hash.value(), digestOfText(expected)) << threads;
  }
}

TEST(HashFiles, TellsTheDigestOfEachFileAndTheTargetOfEachLink) {
  const Tree tree;
  const std::string large(2 * kJobBytes + 17, 'x');
  tree.write("a", "abc");
  tree.write("b", large);
  ASSERT_EQ(symlink("a", (tree.path + "/c").c_str()), 0);
  const auto list = listOf(dependsOn(tree, {".", "a", "b", "c"}));
  std::vector<Detail> details;
  Blake2b hash;
  ASSERT_TRUE(hashFiles(*list, hash, {.threads = 2, .details = &details}));
  const auto contentDigest = [](const std::string& text) {
    Blake2b one(32);
    one.update({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    decltype(Detail::digest) digest;
    one.finish(digest.data());
    return digest;
  };
  ASSERT_EQ(details.size(), 4U);
  EXPECT_EQ(details[1].digest, contentDigest("abc"));
  EXPECT_EQ(details[2].digest, contentDigest(large));
  EXPECT_EQ(details[3].target, "a");
}

TEST(HashFiles, RefusesAFileThatGrewShrankOrWasReplacedSinceTheList) {
  for (const std::size_t size : {std::size_t{10}, 2 * kJobBytes}) {
    for (const auto change : {+1, -1, 0}) {
      const Tree tree;
      tree.write("a", "a");
      tree.write("b", std::string(size, 'x'));
      const auto list = listOf(dependsOn(tree, {"a", "b"}));
      if (change == 0) {
        tree.write("c", std::string(size, 'y'));
        std::filesystem::rename(tree.path + "/c", tree.path + "/b");
      } else {
        std::filesystem::resize_file(tree.path + "/b", size + static_cast<std::size_t>(change));
      }
      const auto hash = hashOf(*list, 2);
      ASSERT_FALSE(hash) << size << change;
      EXPECT_EQ(hash.failure().error, ESTALE);
      EXPECT_STREQ(hash.failure().subject, "b");
    }
  }
}

TEST(HashFiles, TellsAFileThatVanishedByNameAndCall) {
  const Tree tree;
  tree.write("a", "a");
  tree.write("gone", "b");
  const auto list = listOf(dependsOn(tree, {"a", "gone"}));
  std::filesystem::remove(tree.path + "/gone");
  const auto hash = hashOf(*list, 3);
  ASSERT_FALSE(hash);
  EXPECT_EQ(describe(hash.failure()), "read file: openat2: gone: No such file or directory");
}

// A hash that comes out may be of a moment between two writes; what must not be is a hash of two such moments at once,
// which the times of the file give away (unless both fall into one tick of the kernel's clock).
TEST(HashFiles, RefusesAFileThatIsWrittenWhileItIsRead) {
  const Tree tree;
  const std::string path = tree.path + "/file";
  constexpr std::size_t kSize = 2 * kJobBytes;
  tree.write("file", std::string(kSize, 'a'));
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (int round = 0; !stop; ++round) {
      const Fd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
      const std::string piece(kJobBytes, static_cast<char>('a' + round % 26));
      EXPECT_EQ(write(file.get(), piece.data(), piece.size()), static_cast<ssize_t>(piece.size()));
      EXPECT_EQ(write(file.get(), piece.data(), piece.size()), static_cast<ssize_t>(piece.size()));
    }
  });
  int refused = 0;
  for (int round = 0; round < 8 || (refused == 0 && round < 100'000); ++round) {
    const auto hash = hashOf(*listOf(dependsOn(tree, {"file"})), 2);
    if (!hash) {
      EXPECT_EQ(hash.failure().error, ESTALE);
      ++refused;
    }
  }
  stop = true;
  writer.join();
  EXPECT_GT(refused, 0);
  const std::string last(1, static_cast<char>(std::ifstream(path).get()));
  const auto hash = hashOf(*listOf(dependsOn(tree, {"file"})), 2);
  ASSERT_TRUE(hash);
  EXPECT_EQ(hash.value(), digestOfText("filename\0/work/file\0is_executable\0false\0"s + std::string(kSize, last[0])));
}

TEST(FileList, FollowsNoSymbolicLinkBelowItsFolder) {
  const Tree tree;
  tree.write("real/file", "x");
  ASSERT_EQ(symlink("real", (tree.path + "/alias").c_str()), 0);
  const auto list = listOf(dependsOn(tree, {"alias/file"}));
  const auto hash = hashOf(*list, 1);
  ASSERT_FALSE(hash);
  EXPECT_EQ(hash.failure().error, ELOOP);
}

TEST(FileList, FollowsSymbolicLinksToItsFolderOnlyWithinTheRoot) {
  const Tree tree;
  tree.write("real/file", "x");
  ASSERT_EQ(symlink("real", (tree.path + "/alias").c_str()), 0);
  ASSERT_EQ(symlink("/tmp", (tree.path + "/out").c_str()), 0);
  auto request = dependsOn(tree, {"file"});
  request.below = "alias";
  EXPECT_TRUE(hashOf(*listOf(request), 1));
  request.below = "out";
  const auto refused = makeFileList(request, 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.failure().error, EXDEV);
}

TEST(FileList, RefusesWhatIsNeitherFileFolderNorLink) {
  const Tree tree;
  ASSERT_EQ(mkfifo((tree.path + "/pipe").c_str(), 0644), 0);
  const auto list = makeFileList(dependsOn(tree, {"pipe"}), 1);
  ASSERT_FALSE(list);
  EXPECT_EQ(list.failure().error, EINVAL);
  EXPECT_STREQ(list.failure().subject, "pipe");
}

TEST(FileList, ItsFingerprintMovesWithWhatTheHashDependsOnAndNothingElse) {
  const Tree tree;
  tree.write("d/file", "content");
  const auto print = [&](FileForm form = FileForm::copy) {
    auto request = dependsOn(tree, {"d", "d/file"});
    request.form = form;
    return listOf(request)->fingerprint;
  };
  const auto first = print();
  EXPECT_EQ(print(), first);
  EXPECT_NE(print(FileForm::content), first);
  tree.write("d/other", "moves the folder's times");
  EXPECT_EQ(print(), first);
  chmod((tree.path + "/d").c_str(), 0711);
  const auto moved = print();
  EXPECT_NE(moved, first);
  tree.write("d/file", "CONTENT"); // as long as before
  EXPECT_NE(print(), moved);
}

} // namespace
} // namespace stellwerk
