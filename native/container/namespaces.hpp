// Namespaces that nobody is in: several containers are started in them (Spec::join). They last as long as a descriptor of
// them or a process in them.
#pragma once

#include "base/failure.hpp"
#include "base/fd.hpp"
#include "container/spec.hpp"

namespace stellwerk {

struct KeptNamespaces {
  Fd user;
  Fd net;
  Fd uts;
};

// Those of user, net and uts that spec.namespaces has, within spec.join; heeds the id maps and the host name, nothing
// else. lo is up.
Result<KeptNamespaces> makeNamespaces(const Spec& spec);

// The network that a process is in, the user namespace that owns it (ioctl_ns(2)), and its host name's, if that owns it too.
Result<KeptNamespaces> openNamespaces(pid_t pid);

} // namespace stellwerk
