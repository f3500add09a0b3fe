#include "container/layers.hpp"

#include "base/failure_text.hpp"

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

using namespace stellwerk;
namespace fs = std::filesystem;

namespace {

class Layers : public testing::Test {
protected:
  Layers() {
    // Not /tmp where that is a tmpfs of an old kernel: the marks of folders are user attributes.
    char folder[] = "/var/tmp/stellwerk-layers-XXXXXX";
    top = mkdtemp(folder);
    for (const char* name : {"low", "mid", "high", "out"}) {
      fs::create_directory(top / name);
    }
  }
  ~Layers() override { fs::remove_all(top); }

  void write(const std::string& path, const std::string& text) const {
    fs::create_directories((top / path).parent_path());
    std::ofstream(top / path) << text;
  }
  std::string read(const std::string& path) const {
    std::ifstream file(top / path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void whiteout(const std::string& path) const {
    fs::create_directories((top / path).parent_path());
    ASSERT_EQ(mknod((top / path).c_str(), S_IFCHR, makedev(0, 0)), 0);
  }
  void opaque(const std::string& path) const {
    fs::create_directories(top / path);
    ASSERT_EQ(setxattr((top / path).c_str(), "user.overlay.opaque", "y", 1, 0), 0);
  }
  void merge(const std::vector<std::string>& layers) const {
    std::vector<std::string> paths;
    for (const std::string& layer : layers) {
      paths.push_back(top / layer);
    }
    const auto done = mergeLayers(paths, top / "out");
    ASSERT_TRUE(done) << describe(done.failure());
  }
  ino_t inode(const std::string& path) const {
    struct stat status = {};
    lstat((top / path).c_str(), &status);
    return status.st_ino;
  }

  fs::path top;
};

TEST_F(Layers, ShowTheUppermostOfEachFileAsTheSameFile) {
  write("low/a", "low");
  write("low/b", "low");
  write("high/b", "high");
  merge({"high", "low"});
  EXPECT_EQ(read("out/a"), "low");
  EXPECT_EQ(read("out/b"), "high");
  EXPECT_EQ(inode("out/a"), inode("low/a"));
  EXPECT_EQ(inode("out/b"), inode("high/b"));
}

TEST_F(Layers, HideWhatAWhiteoutRemoves) {
  write("low/folder/a", "low");
  write("low/b", "low");
  whiteout("high/folder");
  whiteout("high/b");
  merge({"high", "low"});
  EXPECT_TRUE(fs::is_empty(top / "out"));
}

TEST_F(Layers, ShowAgainWhatIsMadeAboveAWhiteout) {
  write("low/a", "low");
  whiteout("mid/a");
  write("high/a", "high");
  merge({"high", "mid", "low"});
  EXPECT_EQ(read("out/a"), "high");
}

TEST_F(Layers, HideWhatIsBelowAnOpaqueFolder) {
  write("low/folder/a", "low");
  write("mid/folder/b", "mid");
  opaque("mid/folder");
  write("high/folder/c", "high");
  merge({"high", "mid", "low"});
  EXPECT_FALSE(fs::exists(top / "out/folder/a"));
  EXPECT_EQ(read("out/folder/b"), "mid");
  EXPECT_EQ(read("out/folder/c"), "high");
  EXPECT_LT(getxattr((top / "out/folder").c_str(), "user.overlay.opaque", nullptr, 0), 0);
}

TEST_F(Layers, HideAFolderThatBecameAFileAndTheOtherWayRound) {
  write("low/x/a", "low");
  write("low/y", "low");
  write("high/x", "file");
  write("high/y/b", "inner");
  merge({"high", "low"});
  EXPECT_EQ(read("out/x"), "file");
  EXPECT_EQ(read("out/y/b"), "inner");
}

TEST_F(Layers, HideAFolderBelowAFileInBetween) {
  write("low/x/a", "low");
  write("mid/x", "file");
  opaque("high/x");
  write("high/x/b", "high");
  merge({"high", "mid", "low"});
  EXPECT_FALSE(fs::exists(top / "out/x/a"));
  EXPECT_EQ(read("out/x/b"), "high");
}

TEST_F(Layers, GiveFoldersModeTimesAndAttributesOfTheUppermost) {
  fs::create_directory(top / "low/folder");
  fs::create_directory(top / "high/folder");
  ASSERT_EQ(chmod((top / "high/folder").c_str(), 01770), 0);
  ASSERT_EQ(setxattr((top / "high/folder").c_str(), "user.mine", "v", 1, 0), 0);
  const timespec times[2] = {{.tv_sec = 5, .tv_nsec = 0}, {.tv_sec = 7, .tv_nsec = 9}};
  ASSERT_EQ(utimensat(AT_FDCWD, (top / "high/folder").c_str(), times, 0), 0);
  merge({"high", "low"});
  struct stat status = {};
  ASSERT_EQ(stat((top / "out/folder").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 01770U);
  EXPECT_EQ(status.st_mtim.tv_sec, 7);
  EXPECT_EQ(status.st_mtim.tv_nsec, 9);
  EXPECT_EQ(getxattr((top / "out/folder").c_str(), "user.mine", nullptr, 0), 1);
}

TEST_F(Layers, DropTheMarkOfWhereAFileCameFrom) {
  write("high/a", "high");
  ASSERT_EQ(setxattr((top / "high/a").c_str(), "user.overlay.origin", "x", 1, 0), 0);
  merge({"high"});
  EXPECT_LT(getxattr((top / "out/a").c_str(), "user.overlay.origin", nullptr, 0), 0);
}

TEST_F(Layers, LinkSymbolicLinksWithoutFollowingThem) {
  fs::create_symlink("/absent", top / "low/link");
  merge({"low"});
  EXPECT_EQ(fs::read_symlink(top / "out/link"), "/absent");
}

TEST_F(Layers, AreCopiedToAnotherFileSystem) {
  char other[] = "/dev/shm/stellwerk-layers-XXXXXX";
  ASSERT_NE(mkdtemp(other), nullptr);
  write("low/folder/a", std::string(100'000, 'x'));
  ASSERT_EQ(chmod((top / "low/folder/a").c_str(), 0640), 0);
  fs::create_symlink("a", top / "low/folder/link");
  const auto done = mergeLayers({top / "low"}, other);
  EXPECT_TRUE(done);
  EXPECT_EQ(fs::file_size(fs::path(other) / "folder/a"), 100'000U);
  EXPECT_EQ(fs::status(fs::path(other) / "folder/a").permissions(), fs::perms(0640));
  EXPECT_EQ(fs::read_symlink(fs::path(other) / "folder/link"), "a");
  fs::remove_all(other);
}

TEST_F(Layers, SayWhichFolderIsMissing) {
  const auto done = mergeLayers({top / "absent"}, top / "out");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.failure().error, ENOENT);
  EXPECT_EQ(done.failure().subject, (top / "absent").string());
}

TEST_F(Layers, AreMeasuredWithAllThatIsInThem) {
  write("low/a", "text");
  write("low/folder/b", std::string(100'000, 'x'));
  const auto size = measureTree(top / "low");
  ASSERT_TRUE(size);
  EXPECT_EQ(size.value().entries, 3U);
  EXPECT_GE(size.value().bytes, 100'000U);
}

TEST_F(Layers, HaveAnotherFingerprintOnceSomebodyWroteIntoOne) {
  write("low/folder/a", "text");
  write("low/b", "text");
  const auto before = measureTree(top / "low").value().fingerprint;
  fs::create_hard_link(top / "low/b", top / "out/b");
  EXPECT_EQ(measureTree(top / "low").value().fingerprint, before);
  std::ofstream(top / "out/b") << "more";
  EXPECT_NE(measureTree(top / "low").value().fingerprint, before);
}

TEST_F(Layers, HaveFingerprintsOfWhereTheirFilesAre) {
  write("low/x/a", "text");
  fs::create_directory(top / "low/y");
  const timespec times[2] = {{.tv_sec = 5, .tv_nsec = 0}, {.tv_sec = 5, .tv_nsec = 0}};
  const auto print = [&] {
    for (const char* name : {"low/x", "low/y"}) {
      utimensat(AT_FDCWD, (top / name).c_str(), times, 0);
    }
    return measureTree(top / "low").value().fingerprint;
  };
  const auto before = print();
  fs::rename(top / "low/x/a", top / "low/y/a");
  EXPECT_NE(print(), before);
}

} // namespace
