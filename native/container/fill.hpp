// What fills a new tree before its program starts: folders, files, copies. Everything here is async-signal-safe.
#pragma once

#include "base/failure.hpp"
#include "container/spec.hpp"

namespace stellwerk {

// Mount::Kind::folder. `root` is the descriptor of what `/` will be.
Result<Done> makeFolderInRoot(int root, const Mount& mount) noexcept;

// Mount::Kind::file.
Result<Done> makeFileInRoot(int root, const Mount& mount) noexcept;

// Mount::Kind::copy: what the folder `from` holds into the folder `to`, which gets mode, owner and times of `from`.
Result<Done> copyTree(int from, int to, const Mount& mount) noexcept;

} // namespace stellwerk
