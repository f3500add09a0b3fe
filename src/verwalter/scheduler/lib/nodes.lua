--- The nodes of a round: the own one and its peers, by hostname.
local nodes = {}

--- Nodes that can be given work, sorted by hostname: `{ { id, host, own, errors } … }`. A dead agent is not a dead
-- machine: its containers run on, and an agent that is restarted is back in seconds. So a node counts until gossip calls
-- it dead and it was not heard for `timeout_ms` (4 000). With `known`, a map from hostnames, others are left out; the
-- second result lists their names, the third those not heard.
function nodes.alive(input, options)
  options = options or {}
  local oldest = input.now - (options.timeout_ms or 4000)
  local found, strangers, silent, seen = {}, {}, {}, {}
  local function take(id, host, own, errors)
    if seen[host] then return end
    seen[host] = true
    if options.known and options.known[host] == nil then strangers[#strangers + 1] = host
    else found[#found + 1] = { id = id, host = host, own = own, errors = errors } end
  end
  take(input.current_id, input.current_host, true, 0)
  for id, peer in pairs(input.peers or {}) do
    local heard = peer.last_report_direct and peer.last_report_direct >= oldest
    if heard or peer.liveness == 'alive' or peer.liveness == 'suspect' then take(id, peer.hostname, false, peer.errors or 0)
    else silent[#silent + 1] = peer.hostname end
  end
  local function by_host(a, b) return a.host < b.host end
  table.sort(found, by_host)
  table.sort(strangers)
  table.sort(silent)
  return found, strangers, silent
end

--- Their hostnames, in the same order.
function nodes.hosts(list)
  local hosts = {}
  for i, node in ipairs(list) do hosts[i] = node.host end
  return hosts
end

return nodes
