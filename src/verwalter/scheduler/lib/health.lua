--- Self-healing: nodes on which a role fails are left out for a while, then tried again.
local hold = require 'stellwerk/hold'
local json = require 'json'
local health = {}

health.defaults = {
  --- So long a node must be bad before it is left out.
  after_ms = 60000,
  --- Never more than this part of the nodes.
  max_fraction = 1 / 3,
  --- So long it is left out before one instance is tried; doubled each time up to the most.
  probation_ms = 600000,
  max_probation_ms = 7200000,
}

--- true, false, or nil where one of the numbers is unknown: bad is fewer running than wanted and errors at the threshold.
-- Fewer running without errors is a start under way; errors with all of them running are the program's own.
function health.verdict(seen)
  if seen.running == nil or seen.errors == nil or seen.wanted == nil then return nil end
  return seen.running < seen.wanted and seen.errors >= seen.threshold
end

local function lasting(ms)
  if ms < 60000 then return string.format('%d s', ms // 1000) end
  return string.format('%d min', ms // 60000)
end

local function words(reason) return reason and ': ' .. reason or '' end

--- One round for one role.
-- `round.nodes`: hostnames that could be used; `round.verdicts[HOST]`: true is bad, nil unknown; `round.reasons[HOST]`: the
-- numbers, in words; `round.state`: what the last round returned, or nil; `round.now`; `round.rule`: changes to
-- health.defaults; `round.role` names it in sentences; `round.unblacklist`: set of hostnames whose button was pressed.
-- Returns the new state (by host: `{ bad, until, reason, backoff_ms, probation, forgiven }`, for the schedule's `state`), the
-- most instances by host (0 left out, 1 on probation; nil no limit: for spread's `max`), and sentences for `changes`.
function health.step(round)
  local rule = {}
  for key, value in pairs(health.defaults) do rule[key] = value end
  for key, value in pairs(round.rule or {}) do rule[key] = value end
  local now, before = round.now, round.state or {}
  local state, limits, changes = json.object {}, {}, {}
  local function say(...) changes[#changes + 1] = string.format(...) end
  local role = round.role or 'service'

  -- A node that nobody hears keeps its entry: it comes back as it went.
  for host, entry in pairs(before) do state[host] = entry end
  local blocked = 0
  for _, host in ipairs(round.nodes) do
    local entry = before[host]
    if entry and round.unblacklist and round.unblacklist[host] then
      say('%s: %s is used again, by hand', host, role)
      entry = nil
      state[host] = nil
    end
    if entry and (entry['until'] or entry.probation) then blocked = blocked + 1 end
  end
  -- 1/3 of 3 is 1, whatever binary fractions say.
  local most = math.min((#round.nodes * rule.max_fraction + 1e-9) // 1, #round.nodes - 1)

  local function blacklist(host, entry, reason)
    local pause = math.min(entry.backoff_ms and entry.backoff_ms * 2 or rule.probation_ms, rule.max_probation_ms)
    say('%s: %s is blacklisted for %s%s', host, role, lasting(pause), words(reason))
    return { ['until'] = now + pause, backoff_ms = pause, reason = reason }
  end

  for _, host in ipairs(round.nodes) do
    local entry = state[host] or {}
    local verdict, reason = round.verdicts[host], (round.reasons or {})[host]
    if entry['until'] and now >= entry['until'] then
      say('%s: one instance of %s is tried', host, role)
      entry = { probation = true, backoff_ms = entry.backoff_ms, reason = entry.reason }
    elseif not entry['until'] then
      local bad, held = hold.step(entry.bad, verdict, now)
      local next_entry = { bad = bad, backoff_ms = entry.backoff_ms, forgiven = entry.forgiven, probation = entry.probation }
      if entry.probation then
        next_entry.reason = entry.reason
        local fine = nil
        if verdict ~= nil then fine = not verdict end
        local good, well = hold.step(entry.good, fine, now)
        next_entry.good = good
        if verdict and held >= rule.after_ms then
          next_entry = blacklist(host, entry, reason)
        elseif fine and well >= rule.after_ms then
          say('%s: %s runs again', host, role)
          blocked = blocked - 1
          -- Should it fail again soon, the pause goes on doubling.
          next_entry = { backoff_ms = entry.backoff_ms, forgiven = now + entry.backoff_ms }
        end
      elseif verdict and held >= rule.after_ms then
        if blocked < most then
          blocked = blocked + 1
          next_entry = blacklist(host, entry, reason)
        else
          log.warn(string.format('%s: %s is bad%s, but %d of %d nodes are left out already', host, role, words(reason), blocked, #round.nodes))
        end
      elseif entry.forgiven and now >= entry.forgiven and not bad then
        next_entry.backoff_ms, next_entry.forgiven = nil, nil
      end
      entry = next_entry
    end
    state[host] = next(entry) ~= nil and entry or nil
    if entry['until'] then limits[host] = 0 elseif entry.probation then limits[host] = 1 end
  end
  return state, limits, changes
end

--- Adds to an explanation why hosts have few or none.
function health.explain(collector, role, state)
  for host, entry in pairs(state) do
    if entry['until'] then collector:refused(role, host, 'blacklisted' .. words(entry.reason), { ['until'] = entry['until'] })
    elseif entry.probation then collector:refused(role, host, 'on probation: one instance is tried') end
  end
end

return health
