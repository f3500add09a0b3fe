// The mount plan: what is taken from the host, and how the container's tree is made of it.
#pragma once

#include "container/spec.hpp"
#include "container/tree.hpp"

#include <string>
#include <vector>

namespace stellwerk {

// Made before the clone; from then on only file descriptors are filled in.
class MountPlan {
public:
  explicit MountPlan(const Spec& spec, MountApi api = availableMountApi());

  // Takes the trees that the caller may take. Where it may not (an ordinary user outside the new namespaces) they are
  // left to the child. A privileged caller must do it: a child in a user namespace cannot pass others' private folders.
  Result<Done> takeAsStarter() noexcept;

  // As the starter, once the child's maps are written and before it goes on: mounts whose ids are those inside.
  Result<Done> mapIds(int userNamespace) noexcept;

  // In the child, still with the starter's ids: cuts propagation, takes what is left, attaches the root.
  Result<Done> takeAsChild() noexcept;

  // In the child, with ids that may own files of a tmpfs.
  Result<Done> mountAll() noexcept;

  // pivot_root(2) into the new root and detach the old one.
  Result<Done> enterRoot() noexcept;

private:
  struct Entry {
    const Mount* mount;
    const char* source; // nullptr: nothing to take
    TreeFlags flags;
    Tree tree;
    std::string options; // of a tmpfs
  };

  Result<Tree> take(const Entry& entry) const noexcept;
  Result<Done> overlayRoot() const noexcept;
  Result<Done> mountOne(Entry& entry) noexcept;

  const Spec& spec_;
  MountApi api_;
  Tree rootTree_;
  Fd root_; // what `/` will be
  std::vector<Entry> entries_;
};

} // namespace stellwerk
