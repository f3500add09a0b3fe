#include "vagga/plan_file.hpp"
#include "vagga/proof.hpp"

#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace stellwerk::vagga;

namespace {

class Proof : public testing::Test {
protected:
  void SetUp() override {
    char name[] = "/tmp/vagga-proof-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { EXPECT_EQ(std::system(("rm -rf " + folder_).c_str()), 0); }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
    return path(name);
  }

  static Input look(Input::Kind kind, const std::string& path) {
    struct stat status = {};
    const int done = kind == Input::Kind::file ? stat(path.c_str(), &status) : lstat(path.c_str(), &status);
    EXPECT_EQ(done, 0);
    const auto ns = [](const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; };
    return {.kind = kind,
            .path = path,
            .identity = {.device = status.st_dev,
                         .inode = status.st_ino,
                         .size = static_cast<std::uint64_t>(status.st_size),
                         .modifiedNs = ns(status.st_mtim),
                         .changedNs = ns(status.st_ctim),
                         .mode = status.st_mode},
            .target = {}};
  }

  std::string folder_;
};

void later() { usleep(20'000); } // times of files are as coarse as the kernel's tick

TEST_F(Proof, HoldsWhileNothingChanges) {
  write("file", "x");
  ASSERT_EQ(symlink("file", path("link").c_str()), 0);
  EXPECT_EQ(whatHasChanged({look(Input::Kind::file, path("file")), look(Input::Kind::file, path("link")),
                            look(Input::Kind::entry, path("link")), look(Input::Kind::folder, folder_),
                            {.kind = Input::Kind::absent, .path = path("none"), .identity = {}, .target = {}},
                            {.kind = Input::Kind::absent, .path = path("file/none"), .identity = {}, .target = {}},
                            {.kind = Input::Kind::exists, .path = path("link"), .identity = {}, .target = {}},
                            {.kind = Input::Kind::link, .path = path("link"), .identity = {}, .target = "file"}}),
            "");
}

TEST_F(Proof, SeesOtherContentOfTheSameSizeThoughTheTimeOfItWasSetBack) {
  const std::string file = write("file", "abc");
  const Input before = look(Input::Kind::file, file);
  struct stat status;
  ASSERT_EQ(stat(file.c_str(), &status), 0);
  later();
  write("file", "abd");
  const timespec times[] = {status.st_atim, status.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, file.c_str(), times, 0), 0);
  EXPECT_EQ(whatHasChanged({before}), file + " has changed");
}

TEST_F(Proof, SeesAModeAnAdditionToAFolderAndAFileThatCame) {
  const std::string file = write("file", "abc");
  const Input mode = look(Input::Kind::entry, file);
  const Input folder = look(Input::Kind::entry, folder_);
  const Input sameFolder = look(Input::Kind::folder, folder_);
  const Input absent = {.kind = Input::Kind::absent, .path = path("new"), .identity = {}, .target = {}};
  later();
  ASSERT_EQ(chmod(file.c_str(), 0755), 0);
  write("new", "");
  EXPECT_NE(whatHasChanged({mode}), "");
  EXPECT_NE(whatHasChanged({folder}), "");
  EXPECT_EQ(whatHasChanged({sameFolder}), "");
  EXPECT_NE(whatHasChanged({absent}), "");
}

TEST_F(Proof, SeesALinkThatLeadsElsewhere) {
  ASSERT_EQ(symlink("b", path("link").c_str()), 0);
  const auto leads = [&](const char* target) {
    return whatHasChanged({{.kind = Input::Kind::link, .path = path("link"), .identity = {}, .target = target}}).empty();
  };
  EXPECT_TRUE(leads("b"));
  EXPECT_FALSE(leads(""));
  EXPECT_FALSE(leads("bb"));
  EXPECT_FALSE(leads("c"));
}

class PlanFile : public Proof {
protected:
  std::string project_ = "/nowhere";

  std::string why() const {
    const auto read = readPlan(folder_, "plan", project_);
    const auto* refused = std::get_if<Refused>(&read);
    return refused == nullptr ? "read: " + std::get<std::string>(read) : refused->why;
  }
};

TEST_F(PlanFile, IsReadWhereItIsTheUsersOwnAlone) {
  EXPECT_EQ(why(), "there is no plan yet");
  write("plan", "bytes");
  ASSERT_EQ(chmod(path("plan").c_str(), 0600), 0);
  EXPECT_EQ(why(), "read: bytes");
}

TEST_F(PlanFile, IsRefusedWhereContainersOfTheProjectCouldWriteIt) {
  write("plan", "bytes");
  ASSERT_EQ(chmod(path("plan").c_str(), 0600), 0);
  for (const char* project : {"/tmp", folder_.c_str()}) {
    project_ = project;
    EXPECT_EQ(why(), "containers of the project could write plans");
  }
  project_ = folder_ + "x";
  EXPECT_EQ(why(), "read: bytes");
}

TEST_F(PlanFile, IsRefusedWhereOthersMayWriteOrReadIt) {
  write("plan", "bytes");
  ASSERT_EQ(chmod(path("plan").c_str(), 0644), 0);
  EXPECT_EQ(why(), "plan is not the user's own alone");
  ASSERT_EQ(chmod(path("plan").c_str(), 0600), 0);
  ASSERT_EQ(chmod(folder_.c_str(), 0770), 0);
  EXPECT_EQ(why(), folder_ + " is not the user's own alone");
}

TEST_F(PlanFile, IsRefusedWhereItIsALinkOrHasASecondNameOrIsNoFile) {
  write("real", "bytes");
  ASSERT_EQ(chmod(path("real").c_str(), 0600), 0);
  ASSERT_EQ(symlink("real", path("plan").c_str()), 0);
  EXPECT_EQ(why(), "plan cannot be opened");
  ASSERT_EQ(unlink(path("plan").c_str()), 0);
  ASSERT_EQ(link(path("real").c_str(), path("plan").c_str()), 0);
  EXPECT_EQ(why(), "plan is not the user's own alone");
  ASSERT_EQ(unlink(path("plan").c_str()), 0);
  ASSERT_EQ(mkfifo(path("plan").c_str(), 0600), 0);
  EXPECT_EQ(why(), "plan is not the user's own alone");
}

TEST_F(PlanFile, OfAnotherOwnerIsRefused) {
  if (geteuid() != 0) {
    GTEST_SKIP() << "needs root to give a file away";
  }
  write("plan", "bytes");
  ASSERT_EQ(chmod(path("plan").c_str(), 0600), 0);
  ASSERT_EQ(chown(path("plan").c_str(), 1, 1), 0);
  EXPECT_EQ(why(), "plan is not the user's own alone");
}

TEST_F(PlanFile, OfMoreThanAPlanMayHaveIsRefused) {
  write("plan", "");
  ASSERT_EQ(chmod(path("plan").c_str(), 0600), 0);
  ASSERT_EQ(truncate(path("plan").c_str(), static_cast<off_t>(kMostPlanBytes) + 1), 0);
  EXPECT_EQ(why(), "plan is too large");
}

} // namespace
