--- Why each role is on a node or is not: fills the schedule's `explain`.
local json = require 'json'
local explain = {}

local methods = {}
methods.__index = methods

--- A collector of reasons.
function explain.new() return setmetatable({ roles = {} }, methods) end

local function entry(self, role, node)
  local nodes = self.roles[role]
  if not nodes then
    nodes = {}
    self.roles[role] = nodes
  end
  local found = nodes[node]
  if not found then
    found = { placed = false, reasons = {}, scores = nil }
    nodes[node] = found
  end
  return found
end

local function add(found, reason, scores)
  if reason then found.reasons[#found.reasons + 1] = reason end
  if scores then
    found.scores = found.scores or {}
    for name, score in pairs(scores) do found.scores[name] = score end
  end
end

--- `role` is on `node`, because of `reason`; `scores` maps names to the numbers that were looked at.
function methods:placed(role, node, reason, scores)
  local found = entry(self, role, node)
  found.placed = true
  add(found, reason, scores)
end

--- `role` is not on `node`, because of `reason`. Said of a node where it is placed, it is one more remark.
function methods:refused(role, node, reason, scores) add(entry(self, role, node), reason, scores) end

local function joined(found) return table.concat(found.reasons, '\0') end

--- The schedule's `explain`. Where more than `limit` nodes (200) do not have a role, those with the same reasons are one
-- entry, named after the first of them and their number: a schedule goes to every node.
function methods:result(limit)
  limit = limit or 200
  local out = json.object {}
  for role, nodes in pairs(self.roles) do
    local refused = 0
    for _, found in pairs(nodes) do if not found.placed then refused = refused + 1 end end
    local of_role, groups = json.object {}, {}
    for node, found in pairs(nodes) do
      local item = { placed = found.placed, reasons = json.array(found.reasons), scores = found.scores }
      if found.placed or refused <= limit then
        of_role[node] = item
      else
        local key = joined(found)
        local group = groups[key]
        if group then group.count = group.count + 1
        else groups[key] = { name = node, count = 1, item = item } end
      end
    end
    for _, group in pairs(groups) do
      group.item.scores = nil
      local name = group.count == 1 and group.name or group.name .. ' and ' .. (group.count - 1) .. ' more'
      of_role[name] = group.item
    end
    out[role] = of_role
  end
  return out
end

return explain
