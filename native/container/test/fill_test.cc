#include "base/failure_text.hpp"
#include "container/fill.hpp"

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

using namespace stellwerk;
namespace fs = std::filesystem;

namespace {

class Fill : public testing::Test {
protected:
  Fill() {
    char folder[] = "/tmp/stellwerk-fill-XXXXXX";
    top_ = mkdtemp(folder);
    fs::create_directories(top_ / "from");
    fs::create_directories(top_ / "to");
  }
  ~Fill() override { fs::remove_all(top_); }

  void write(const fs::path& path, const std::string& text, mode_t mode) const {
    std::ofstream(top_ / path) << text;
    ASSERT_EQ(chmod((top_ / path).c_str(), mode), 0);
  }
  std::string read(const fs::path& path) const {
    std::ifstream file(top_ / path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  struct stat status(const fs::path& path) const {
    struct stat found = {};
    EXPECT_EQ(lstat((top_ / path).c_str(), &found), 0) << path;
    return found;
  }
  Fd open(const char* name) const { return Fd(::open((top_ / name).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)); }
  Result<Done> copy(const Mount& mount) const { return copyTree(open("from").get(), open("to").get(), mount); }

  fs::path top_;
};

TEST_F(Fill, CopiesContentsModesTimesLinksAndOwners) {
  fs::create_directories(top_ / "from/sub/empty");
  write("from/sub/file", "text", 0640);
  write("from/program", "#!", 04755);
  write("from/nothing", "", 0600);
  fs::create_symlink("../anywhere", top_ / "from/link");
  ASSERT_EQ(chmod((top_ / "from/sub").c_str(), 01777), 0);
  ASSERT_EQ(chmod((top_ / "from").c_str(), 0711), 0);
  ASSERT_EQ(chown((top_ / "from/sub/file").c_str(), geteuid() == 0 ? 7 : geteuid(), static_cast<gid_t>(-1)), 0);
  const timespec then[2] = {{.tv_sec = 5, .tv_nsec = 0}, {.tv_sec = 6, .tv_nsec = 7}};
  ASSERT_EQ(utimensat(AT_FDCWD, (top_ / "from/sub/file").c_str(), then, 0), 0);

  ASSERT_TRUE(copy({}));
  EXPECT_EQ(read("to/sub/file"), "text");
  EXPECT_EQ(status("to/sub/file").st_mode & 07777, 0640u);
  EXPECT_EQ(status("to/sub/file").st_uid, geteuid() == 0 ? 7 : geteuid());
  EXPECT_EQ(status("to/sub/file").st_mtim.tv_sec, 6);
  EXPECT_EQ(status("to/sub/file").st_mtim.tv_nsec, 7);
  EXPECT_EQ(status("to/sub").st_mode & 07777, 01777u);
  EXPECT_TRUE(fs::is_empty(top_ / "to/sub/empty"));
  EXPECT_EQ(status("to/program").st_mode & 07777, 04755u);
  EXPECT_EQ(status("to/nothing").st_size, 0);
  EXPECT_EQ(fs::read_symlink(top_ / "to/link"), "../anywhere");
  EXPECT_EQ(status("to").st_mode & 07777, 0711u);
}

TEST_F(Fill, GivesAllToOneOwner) {
  if (geteuid() != 0) {
    GTEST_SKIP() << "only root gives files away";
  }
  write("from/file", "", 0644);
  fs::create_symlink("x", top_ / "from/link");
  ASSERT_TRUE(copy({.owner = 3, .ownerGroup = 4}));
  for (const char* path : {"to", "to/file", "to/link"}) {
    EXPECT_EQ(status(path).st_uid, 3u) << path;
    EXPECT_EQ(status(path).st_gid, 4u) << path;
  }
}

TEST_F(Fill, LeavesOutPipesAndSockets) {
  ASSERT_EQ(mkfifo((top_ / "from/pipe").c_str(), 0600), 0);
  ASSERT_TRUE(copy({}));
  EXPECT_TRUE(fs::is_empty(top_ / "to"));
}

TEST_F(Fill, TellsWhichFileCouldNotBeMade) {
  write("from/file", "", 0644);
  write("to/file", "kept", 0644);
  const auto done = copy({});
  ASSERT_FALSE(done);
  EXPECT_EQ(describe(done.failure()), "copy: openat: file: File exists");
  EXPECT_EQ(read("to/file"), "kept");
}

TEST_F(Fill, RefusesWhatIsNestedWithoutEnd) {
  fs::path deep = top_ / "from";
  for (int level = 0; level < 202; level++) {
    deep /= "d";
  }
  fs::create_directories(deep);
  const auto done = copy({});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.failure().error, ELOOP);
}

TEST_F(Fill, MakesFoldersAndFilesWithTheModeThatIsAskedFor) {
  const Fd root = open("to");
  umask(077);
  ASSERT_TRUE(makeFolderInRoot(root.get(), {.target = "/open", .mode = 01777}));
  ASSERT_TRUE(makeFolderInRoot(root.get(), {.target = "/open", .mode = 0750})); // one that is there gets the mode
  ASSERT_TRUE(makeFileInRoot(root.get(), {.target = "/open/text", .mode = 0644, .text = "hello"}));
  ASSERT_TRUE(makeFileInRoot(root.get(), {.target = "/open/text", .mode = 0600})); // no text: left as it is
  EXPECT_EQ(status("to/open").st_mode & 07777, 0750u);
  EXPECT_EQ(read("to/open/text"), "hello");
  EXPECT_EQ(status("to/open/text").st_mode & 07777, 0644u);
}

TEST_F(Fill, FollowsNoLinkOutOfTheRoot) {
  write("from/outside", "safe", 0644);
  fs::create_symlink(top_ / "from/outside", top_ / "to/file");
  fs::create_symlink(top_ / "from", top_ / "to/folder");
  const Fd root = open("to");
  EXPECT_FALSE(makeFileInRoot(root.get(), {.target = "/file", .mode = 0644, .text = "x"}));
  EXPECT_FALSE(makeFolderInRoot(root.get(), {.target = "/folder", .mode = 0700}));
  EXPECT_EQ(read("from/outside"), "safe");
  const auto inside = makeFileInRoot(root.get(), {.target = "/folder/new", .mode = 0644, .text = "x"});
  EXPECT_FALSE(fs::exists(top_ / "from/new")) << (inside ? "made" : describe(inside.failure()));
}

} // namespace
