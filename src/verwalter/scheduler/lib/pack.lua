--- Placement by what instances need and nodes have: processor, memory, ports, images, labels.
local json = require 'json'
local pack = {}

local function set_of(list)
  if list == nil then return nil end
  local set = {}
  for key, value in pairs(list) do
    -- A list of names, or a map from names.
    if type(key) == 'number' then set[value] = true else set[key] = value and true or nil end
  end
  return set
end

local function room_of(node)
  local taken = set_of(node.taken_ports) or {}
  return {
    name = node.name,
    cpu = node.cpu or math.huge,
    memory = node.memory or math.huge,
    ports = node.ports or math.huge,
    slots = node.max_instances or math.huge,
    all = { cpu = node.cpu, memory = node.memory },
    taken = taken,
    images = set_of(node.images),
    labels = node.labels or {},
    counts = {},
  }
end

--- Why nothing of the task can ever be on the node, or nil.
local function misfit(task, room)
  if task.image and room.images and not room.images[task.image] then return 'image ' .. task.image .. ' is not there' end
  local labels = task.labels
  if not labels then return nil end
  for label, wanted in pairs(labels) do
    local value = room.labels[label]
    local fits = value == wanted
    if type(wanted) == 'table' then
      for _, one in ipairs(wanted) do fits = fits or value == one end
      wanted = table.concat(wanted, ' or ')
    end
    if not fits then
      return string.format('label %s is %s, not %s', label, tostring(value == nil and 'not set' or value), tostring(wanted))
    end
  end
  return nil
end

local function lacks(what, needs, free, all)
  if free >= needs then return nil end
  if all then return string.format('%s: needs %g, %g of %g free', what, needs, free, all) end
  return string.format('%s: needs %g, %g free', what, needs, free)
end

--- Why one more of the task has no room on the node now, or nil.
local function full(task, room)
  local count = room.counts[task.name] or 0
  if count >= (task.max_per_node or math.huge) then return string.format('at most %d on a node', task.max_per_node) end
  if room.slots < 1 then return 'the node takes no more instances' end
  for _, port in ipairs(task.ports or {}) do
    if room.taken[port] then return string.format('port %d is taken by %s', port, room.taken[port] == true and 'something else' or room.taken[port]) end
  end
  for _, other in ipairs(task.apart or {}) do
    if (room.counts[other] or 0) > 0 then return 'apart from ' .. other .. ', which is there' end
  end
  if room.refuses and room.refuses[task.name] then return 'apart from ' .. room.refuses[task.name] .. ', which is there' end
  return lacks('cpu', task.cpu or 0, room.cpu, room.all.cpu)
    or lacks('memory', task.memory or 0, room.memory, room.all.memory)
    or lacks('ports', task.dynamic_ports or 0, room.ports)
end

local function take(task, room)
  room.cpu = room.cpu - (task.cpu or 0)
  room.memory = room.memory - (task.memory or 0)
  room.ports = room.ports - (task.dynamic_ports or 0)
  room.slots = room.slots - 1
  room.counts[task.name] = (room.counts[task.name] or 0) + 1
  for _, port in ipairs(task.ports or {}) do room.taken[port] = task.name end
  for _, other in ipairs(task.apart or {}) do
    room.refuses = room.refuses or {}
    room.refuses[other] = task.name
  end
end

--- The greater part of processor or memory that is in use, 0 to 1; nodes of unknown size count as empty.
local function used(room)
  local cpu = room.all.cpu and room.all.cpu > 0 and 1 - room.cpu / room.all.cpu or 0
  local memory = room.all.memory and room.all.memory > 0 and 1 - room.memory / room.all.memory or 0
  return math.max(cpu, memory)
end

--- Lower is better. binpack: the fullest node that has room; spread: fewest of the task, then the emptiest.
local function score(task, room, strategy)
  local affinity = task.affinity and task.affinity[room.name] or 0
  if strategy == 'spread' then return (room.counts[task.name] or 0) + used(room) / 2 - affinity end
  return -used(room) - affinity
end

local function order_of(tasks)
  local sorted = {}
  for i, task in ipairs(tasks) do
    local count = math.tointeger(task.count)
    if not task.name then error('pack: task ' .. i .. ' has no name', 3) end
    if not count or count < 0 then error("pack: task '" .. task.name .. "': count must be a whole number from 0", 3) end
    sorted[i] = task
  end
  -- What is big finds no place later.
  table.sort(sorted, function(a, b)
    local pa, pb = a.priority or 0, b.priority or 0
    if pa ~= pb then return pa > pb end
    if (a.memory or 0) ~= (b.memory or 0) then return (a.memory or 0) > (b.memory or 0) end
    if (a.cpu or 0) ~= (b.cpu or 0) then return (a.cpu or 0) > (b.cpu or 0) end
    return a.name < b.name
  end)
  return sorted
end

local function less(a, b)
  if a.score ~= b.score then return a.score < b.score end
  return a.room.name < b.room.name
end

--- The one with the least score to the front; the front's own score has changed, the others' have not.
local function sift(heap)
  local at = 1
  while true do
    local least, left = at, at * 2
    if heap[left] and less(heap[left], heap[least]) then least = left end
    if heap[left + 1] and less(heap[left + 1], heap[least]) then least = left + 1 end
    if least == at then return end
    heap[at], heap[least] = heap[least], heap[at]
    at = least
  end
end
local function drop(heap)
  heap[1] = heap[#heap]
  heap[#heap] = nil
  if heap[1] then sift(heap) end
end

--- Places `plan.tasks` on `plan.nodes`.
-- Task: `name`, `count`; optional `cpu`, `memory` (any units, the nodes' own), `ports` (fixed numbers: one instance a node),
-- `dynamic_ports` (how many it takes), `image`, `labels` (`{ disk = 'ssd', zone = { 'a', 'b' } }`), `max_per_node`, `apart`
-- (names of tasks it shares no node with), `affinity` (by node name), `priority` (the higher is placed first).
-- Node: `name`; optional `cpu`, `memory`, `ports` (number of free ones), `taken_ports`, `images` (list or set; not given:
-- all), `labels`, `max_instances`. What is not given is no limit.
-- `plan.previous[TASK][NODE]` counts stay where they are while they fit. `plan.strategy`: 'binpack' (default) or 'spread'.
-- Returns `placed[TASK][NODE]` and `unplaced[TASK]` (only where not 0). `plan.explain` collects reasons for each pair.
function pack.place(plan)
  local rooms = {}
  for i, node in ipairs(plan.nodes) do rooms[i] = room_of(node) end
  table.sort(rooms, function(a, b) return a.name < b.name end)
  local tasks = order_of(plan.tasks)
  local placed, unplaced, strategy = json.object {}, json.object {}, plan.strategy or 'binpack'
  local misfits, left = {}, {}

  -- First all that may stay, of all tasks: what runs is not pushed away by what is new, unless it is of lower priority.
  for _, task in ipairs(tasks) do
    local reasons = {}
    misfits[task.name], left[task.name] = reasons, task.count
    local before = plan.previous and plan.previous[task.name] or {}
    local there = {}
    for _, room in ipairs(rooms) do
      reasons[room.name] = misfit(task, room)
      if not reasons[room.name] and (before[room.name] or 0) > 0 then
        there[#there + 1] = { room = room, count = before[room.name] }
      end
    end
    -- Where fewer are wanted than are there: from binpack's emptiest, from spread's fullest.
    if strategy == 'spread' then
      local progress = true
      while left[task.name] > 0 and progress do
        progress = false
        for _, place in ipairs(there) do
          if place.count > 0 and left[task.name] > 0 and not full(task, place.room) then
            take(task, place.room)
            place.count, left[task.name], progress = place.count - 1, left[task.name] - 1, true
          end
        end
      end
    else
      table.sort(there, function(a, b)
        if a.count ~= b.count then return a.count > b.count end
        return a.room.name < b.room.name
      end)
      for _, place in ipairs(there) do
        while place.count > 0 and left[task.name] > 0 and not full(task, place.room) do
          take(task, place.room)
          place.count, left[task.name] = place.count - 1, left[task.name] - 1
        end
      end
    end
  end

  for _, task in ipairs(tasks) do
    if left[task.name] > 0 then
      local heap = {}
      for _, room in ipairs(rooms) do
        if not misfits[task.name][room.name] and not full(task, room) then
          heap[#heap + 1] = { room = room, score = score(task, room, strategy) }
        end
      end
      -- A sorted list is a heap.
      table.sort(heap, less)
      while left[task.name] > 0 and heap[1] do
        local best = heap[1]
        take(task, best.room)
        left[task.name] = left[task.name] - 1
        if full(task, best.room) then
          drop(heap)
        else
          best.score = score(task, best.room, strategy)
          sift(heap)
        end
      end
    end
    local counts = json.object {}
    for _, room in ipairs(rooms) do
      if room.counts[task.name] then counts[room.name] = room.counts[task.name] end
    end
    placed[task.name] = counts
    if left[task.name] > 0 then unplaced[task.name] = left[task.name] end
  end

  if plan.explain then
    for _, task in ipairs(tasks) do
      for _, room in ipairs(rooms) do
        local count = room.counts[task.name]
        local why = misfits[task.name][room.name] or full(task, room)
        if count then
          local text = string.format('%d of %d, %s', count, task.count, strategy)
          if left[task.name] > 0 and why then text = text .. '; no more: ' .. why end
          plan.explain:placed(task.name, room.name, text, { used = used(room), count = count })
        else
          plan.explain:refused(task.name, room.name, why or (task.count == 0 and 'none is wanted' or 'other nodes come first (' .. strategy .. ')'))
        end
      end
      if left[task.name] > 0 then
        plan.explain:refused(task.name, '*', string.format('%d of %d have no place', left[task.name], task.count))
      end
    end
  end
  return placed, unplaced
end

return pack
