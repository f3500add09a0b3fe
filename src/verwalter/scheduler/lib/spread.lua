--- Even placement that keeps what is where it is: instances move only where evenness demands it.
local json = require 'json'
local spread = {}

--- A heap of `{ key, name }` whose first is the least by `before`.
local function push(heap, item, before)
  local at = #heap + 1
  heap[at] = item
  while at > 1 do
    local above = at // 2
    if not before(heap[at], heap[above]) then return end
    heap[at], heap[above] = heap[above], heap[at]
    at = above
  end
end
local function pop(heap, before)
  local first, last = heap[1], heap[#heap]
  heap[#heap] = nil
  if #heap == 0 then return first end
  heap[1] = last
  local at = 1
  while true do
    local least, left = at, at * 2
    if heap[left] and before(heap[left], heap[least]) then least = left end
    if heap[left + 1] and before(heap[left + 1], heap[least]) then least = left + 1 end
    if least == at then return first end
    heap[at], heap[least] = heap[least], heap[at]
    at = least
  end
end

--- Of two places that are as full: first where an instance is kept, then what is preferred, then the name.
local function before(a, b)
  if a.fill ~= b.fill then return a.fill < b.fill end
  if a.keeps ~= b.keeps then return a.keeps end
  if a.affinity ~= b.affinity then return a.affinity > b.affinity end
  return a.name < b.name
end

--- Shares of `total` among `names`; the remainder that no place can take is the second result.
local function share(total, names, options)
  local counts, heap = {}, {}
  local function offer(name)
    local weight, most = options.weight(name), options.max(name)
    local count = counts[name]
    if count >= most or weight <= 0 then return end
    push(heap, {
      name = name,
      fill = (count + 1) / weight,
      keeps = options.previous(name) > count,
      affinity = options.affinity(name),
    }, before)
  end
  for _, name in ipairs(names) do
    counts[name] = 0
    offer(name)
  end
  local left = total
  while left > 0 and heap[1] do
    local name = pop(heap, before).name
    counts[name] = counts[name] + 1
    left = left - 1
    offer(name)
  end
  return counts, left
end

local function lookup(value, default)
  if type(value) == 'table' then
    return function(name)
      local found = value[name]
      if found == nil then return default end
      return found
    end
  end
  if value == nil then return function() return default end end
  return function() return value end
end

local function whole(total)
  local count = math.tointeger(total)
  if not count or count < 0 then error('spread: total must be a whole number from 0, not ' .. tostring(total), 3) end
  return count
end

--- Spreads `plan.total` instances over `plan.nodes` (hostnames). Optional, each a map by hostname or one value for all:
-- `previous` (counts of the last round), `max` (most on a node), `weight` (share, 1), `affinity` (the higher is preferred
-- among equals, 0), `zone` (instances are spread over zones first, then within). With `role` and `explain` (a collector of
-- stellwerk/explain) each node gets its reason; `what` names the instances in it, where a role has several kinds. Nothing
-- in the reasons tells of moves: in the next round they would be others, and so would the schedule's hash.
-- Returns counts by hostname, and a report: `unplaced` (nobody has room), `started` and `stopped` against `previous`.
function spread.place(plan)
  local total, names = whole(plan.total), plan.nodes
  local options = {
    previous = lookup(plan.previous, 0),
    max = lookup(plan.max, math.huge),
    weight = lookup(plan.weight, 1),
    affinity = lookup(plan.affinity, 0),
  }
  local counts, unplaced = {}, 0
  if plan.zone then
    local zone_of = lookup(plan.zone, '')
    local zones, members = {}, {}
    for _, name in ipairs(names) do
      local zone = zone_of(name)
      if not members[zone] then
        members[zone] = {}
        zones[#zones + 1] = zone
      end
      table.insert(members[zone], name)
    end
    table.sort(zones)
    local function sum(value_of)
      return function(zone)
        local result = 0
        for _, name in ipairs(members[zone]) do result = result + value_of(name) end
        return result
      end
    end
    local by_zone
    by_zone, unplaced = share(total, zones, {
      previous = sum(options.previous),
      max = sum(function(name) return options.weight(name) > 0 and options.max(name) or 0 end),
      weight = function() return 1 end,
      affinity = sum(options.affinity),
    })
    for _, zone in ipairs(zones) do
      for name, count in pairs((share(by_zone[zone], members[zone], options))) do counts[name] = count end
    end
  else
    counts, unplaced = share(total, names, options)
  end
  local started, stopped = 0, 0
  for _, name in ipairs(names) do
    local change = counts[name] - options.previous(name)
    if change > 0 then started = started + change else stopped = stopped - change end
  end
  if plan.explain and plan.role then
    local what = plan.what and ' ' .. plan.what or ''
    local what_for = plan.what and ' for ' .. plan.what or ''
    for _, name in ipairs(names) do
      local count, most = counts[name], options.max(name)
      if count > 0 then
        local text = string.format('%d of %d%s, spread over %d nodes', count, total, what, #names)
        if count >= most then text = text .. string.format('; not more than %d here', most) end
        plan.explain:placed(plan.role, name, text, { [plan.what or 'count'] = count })
      elseif most <= 0 then
        plan.explain:refused(plan.role, name, 'no room' .. what_for .. ': at most 0 here')
      elseif options.weight(name) <= 0 then
        plan.explain:refused(plan.role, name, 'its weight is 0')
      else
        plan.explain:refused(plan.role, name, string.format('all %d%s are on other nodes', total - unplaced, what))
      end
    end
    if unplaced > 0 then
      plan.explain:refused(plan.role, '*', string.format('%d of %d%s have no place: every node is at its most', unplaced, total, what))
    end
  end
  return json.object(counts), { unplaced = unplaced, started = started, stopped = stopped }
end

return spread
