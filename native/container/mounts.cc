#include "container/mounts.hpp"

#include "container/fill.hpp"
#include "container/kernel.hpp"
#include "container/overlay.hpp"
#include "container/path.hpp"
#include "container/special.hpp"

#include <cstdio>
#include <fcntl.h>
#include <sys/mount.h>

namespace stellwerk {
namespace {

TreeFlags rootFlags(const Spec& spec) noexcept { return {.readonly = !spec.writableRoot, .exec = true}; }

std::string tmpfsOptions(const Mount& mount) {
  char text[64];
  if (mount.sizeBytes == 0) {
    snprintf(text, sizeof text, "mode=%o", mount.mode);
  } else {
    snprintf(text, sizeof text, "mode=%o,size=%llu", mount.mode, static_cast<unsigned long long>(mount.sizeBytes));
  }
  return text;
}

const char* stepOf(Mount::Kind kind) noexcept {
  switch (kind) {
  case Mount::Kind::bind:
    return "bind";
  case Mount::Kind::tmpfs:
    return "mount tmpfs";
  case Mount::Kind::proc:
    return "mount proc";
  case Mount::Kind::dev:
    return "mount dev";
  case Mount::Kind::pts:
    return "mount devpts";
  case Mount::Kind::sys:
    return "mount sys";
  case Mount::Kind::folder:
    return "make folder";
  case Mount::Kind::file:
    return "make file";
  case Mount::Kind::copy:
    return "copy";
  }
  return "mount";
}

} // namespace

MountPlan::MountPlan(const Spec& spec, MountApi api) : spec_(spec), api_(api) {
  for (const Mount& mount : spec.mounts) {
    Entry entry = {.mount = &mount, .source = nullptr, .flags = {}, .tree = {}, .options = {}};
    switch (mount.kind) {
    case Mount::Kind::bind:
      entry.source = mount.source.c_str();
      entry.flags = {.readonly = mount.readonly, .exec = mount.exec, .devices = mount.devices};
      break;
    case Mount::Kind::tmpfs:
      entry.options = tmpfsOptions(mount);
      break;
    case Mount::Kind::sys:
      entry.source = "/sys";
      entry.flags = {.readonly = true};
      break;
    case Mount::Kind::proc:
      // A new proc shows the mounter's pid namespace and needs to own it; the host's can only be bound.
      if (!spec.namespaces.pid) {
        entry.source = "/proc";
      }
      break;
    case Mount::Kind::copy:
      entry.source = mount.source.c_str();
      entry.flags = {.readonly = true};
      break;
    case Mount::Kind::dev:
    case Mount::Kind::pts:
    case Mount::Kind::folder:
    case Mount::Kind::file:
      break;
    }
    entries_.push_back(std::move(entry));
  }
}

Result<Tree> MountPlan::take(const Entry& entry) const noexcept {
  const char* step = stepOf(entry.mount->kind);
  if (entry.mount->base.empty()) {
    return takeTree(api_, AT_FDCWD, entry.source, entry.flags, step);
  }
  auto folder = openBeneath(entry.mount->base.c_str(), entry.source, step);
  if (!folder) {
    return folder.failure();
  }
  auto tree = takeTree(api_, folder.value().get(), "", entry.flags, step);
  if (!tree) {
    const Failure& failure = tree.failure();
    return Failure::of(failure.step, failure.call, entry.source, failure.error);
  }
  return tree;
}

Result<Done> MountPlan::takeAsStarter() noexcept {
  // The classic API binds only what the child's own mount namespace holds.
  if (api_ == MountApi::classic || !spec_.namespaces.mount) {
    return Done{};
  }
  if (!spec_.root.empty() && spec_.overlayUpper.empty()) {
    auto tree = takeTree(api_, AT_FDCWD, spec_.root.c_str(), rootFlags(spec_), "bind root");
    if (!tree) {
      return tree.failure().error == EPERM ? Result<Done>(Done{}) : tree.failure();
    }
    rootTree_ = std::move(tree).value();
  }
  for (Entry& entry : entries_) {
    if (entry.source == nullptr) {
      continue;
    }
    auto tree = take(entry);
    if (!tree) {
      return tree.failure().error == EPERM ? Result<Done>(Done{}) : tree.failure();
    }
    entry.tree = std::move(tree).value();
  }
  return Done{};
}

Result<Done> MountPlan::mapIds(int userNamespace) noexcept {
  if (spec_.idMappedRoot) {
    if (auto done = mapTreeIds(rootTree_, userNamespace, "bind root", spec_.root.c_str()); !done) {
      return done;
    }
  }
  for (const Entry& entry : entries_) {
    if (!entry.mount->idMapped) {
      continue;
    }
    if (auto done = mapTreeIds(entry.tree, userNamespace, stepOf(entry.mount->kind), entry.source); !done) {
      return done;
    }
  }
  return Done{};
}

Result<Done> MountPlan::takeAsChild() noexcept {
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return Failure::of("cut mount propagation", "mount", "/");
  }
  for (Entry& entry : entries_) {
    if (entry.source == nullptr || entry.tree.fd) {
      continue;
    }
    auto tree = take(entry);
    if (!tree) {
      return tree.failure();
    }
    entry.tree = std::move(tree).value();
  }
  const char* root = spec_.root.empty() ? "/" : spec_.root.c_str();
  if (!spec_.overlayUpper.empty()) {
    if (auto done = overlayRoot(); !done) {
      return done;
    }
  } else if (!spec_.root.empty()) {
    if (!rootTree_.fd) {
      auto tree = takeTree(api_, AT_FDCWD, root, rootFlags(spec_), "bind root");
      if (!tree) {
        return tree.failure();
      }
      rootTree_ = std::move(tree).value();
    }
    // pivot_root wants a mount point: the new root covers its own folder.
    const Fd place(open(root, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!place) {
      return Failure::of("bind root", "open", root);
    }
    if (auto done = placeTree(rootTree_, place.get(), rootFlags(spec_), "bind root", root); !done) {
      return done;
    }
  }
  root_ = rootTree_.detached ? std::move(rootTree_.fd) : Fd(open(root, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root_) {
    return Failure::of("bind root", "open", root);
  }
  return Done{};
}

// The working folder is left at the root: the program's own is entered later.
Result<Done> MountPlan::overlayRoot() const noexcept {
  const char* root = spec_.root.c_str();
  const auto folder = [](const char* path) noexcept { return Fd(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)); };
  const Fd lower = folder(root);
  const Fd upper = folder(spec_.overlayUpper.c_str());
  const Fd work = folder(spec_.overlayWork.c_str());
  if (!lower || !upper || !work) {
    return Failure::of("mount overlay", "open", root);
  }
  return mountOverlayOver(lower.get(), upper.get(), work.get(), lower.get(), root);
}

Result<Done> MountPlan::mountOne(Entry& entry) noexcept {
  const Mount& mount = *entry.mount;
  const char* step = stepOf(mount.kind);
  if (mount.kind == Mount::Kind::folder) {
    return makeFolderInRoot(root_.get(), mount);
  }
  if (mount.kind == Mount::Kind::file) {
    return makeFileInRoot(root_.get(), mount);
  }
  auto target = openInRoot(root_.get(), mount.target.c_str(), step);
  if (!target) {
    return target.failure();
  }
  if (mount.kind == Mount::Kind::copy) {
    if (mount.overlay) {
      // Not every kernel makes an overlay of a tree that the starter took: then of the folder itself, if it may be passed.
      const Fd folder(open(entry.source, O_PATH | O_DIRECTORY | O_CLOEXEC));
      for (const int lower : {entry.tree.fd.get(), folder.get()}) {
        if (lower >= 0 && mountOverlayWithin(lower, target.value().get(), mount.target.c_str())) {
          entry.tree.fd.reset();
          return Done{};
        }
      }
    }
    auto done = copyTree(entry.tree.fd.get(), target.value().get(), mount);
    entry.tree.fd.reset();
    return done;
  }
  if (entry.source != nullptr) {
    auto done = placeTree(entry.tree, target.value().get(), entry.flags, step, mount.target.c_str());
    entry.tree.fd.reset();
    if (!done || mount.kind != Mount::Kind::proc || mount.unmasked) {
      return done;
    }
    return maskProc(api_, root_.get(), mount.target.c_str());
  }
  // Mounting over "." needs no path and no /proc.
  if (fchdir(target.value().get()) != 0) {
    return Failure::of(step, "fchdir", mount.target.c_str());
  }
  switch (mount.kind) {
  case Mount::Kind::tmpfs:
    if (::mount("tmpfs", ".", "tmpfs", MS_NOSUID | MS_NODEV | (mount.sealed ? MS_RDONLY : 0), entry.options.c_str()) !=
        0) {
      return Failure::of(step, "mount", mount.target.c_str());
    }
    return Done{};
  case Mount::Kind::proc:
    if (::mount("proc", ".", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
      return Failure::of(step, "mount", mount.target.c_str());
    }
    return mount.unmasked ? Result<Done>(Done{}) : maskProc(api_, root_.get(), mount.target.c_str());
  case Mount::Kind::pts:
    return mountTerminals(mount.target.c_str());
  case Mount::Kind::dev:
    return fillDev(api_, root_.get(), mount.target.c_str());
  case Mount::Kind::bind:
  case Mount::Kind::sys:
  case Mount::Kind::folder:
  case Mount::Kind::file:
  case Mount::Kind::copy:
    break; // done above
  }
  return Done{};
}

Result<Done> MountPlan::mountAll() noexcept {
  for (Entry& entry : entries_) {
    if (auto done = mountOne(entry); !done) {
      return done;
    }
  }
  return Done{};
}

Result<Done> MountPlan::enterRoot() noexcept {
  if (spec_.root.empty()) {
    root_.reset();
    return Done{};
  }
  const char* root = spec_.root.c_str();
  if (fchdir(root_.get()) != 0) {
    return Failure::of("enter root", "fchdir", root);
  }
  // Old root and new root may be the same place: the old one is then stacked above and detached (pivot_root(2), NOTES).
  if (syscall(SYS_pivot_root, ".", ".") != 0) {
    return Failure::of("enter root", "pivot_root", root);
  }
  if (umount2(".", MNT_DETACH) != 0) {
    return Failure::of("detach old root", "umount2", "/");
  }
  if (chdir("/") != 0) {
    return Failure::of("enter root", "chdir", "/");
  }
  root_.reset();
  return Done{};
}

} // namespace stellwerk
