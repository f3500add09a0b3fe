--- Levels by thresholds with hysteresis: up at once, down only after a while (the day rule).
local hold = require 'stellwerk/hold'
local threshold = {}

local function check(rule)
  for i = 2, #rule do
    local level = rule[i]
    if type(level.up) ~= 'number' then error("threshold: level '" .. tostring(level.name) .. "' has no number up", 3) end
    if (level.down or level.up) > level.up then error("threshold: level '" .. tostring(level.name) .. "': down is above up", 3) end
  end
  if rule[1] == nil then error('threshold: a rule is a list of levels, lowest first', 3) end
end

--- One round. `rule` is a list of levels, lowest first: `{ { name = 'low' }, { name = 'high', up = 10000, down = 9000,
-- hold_ms = 300000 } }`. A value at `up` counts as above; a level is left, one at a time, when the value was below its
-- `down` for `hold_ms`. Without a value (nil) the level stays. `state` is what the last round returned, or nil.
-- Returns the new state `{ level, changed, below }`, and whether the level is another than before.
function threshold.step(state, value, rule, now)
  check(rule)
  local at = 1
  for i, level in ipairs(rule) do
    if state and level.name == state.level then at = i end
  end
  if value ~= nil and value ~= value then value = nil end
  local before = state and state.level
  local below = state and state.below
  local start = at
  if value ~= nil then
    while rule[at + 1] and value >= rule[at + 1].up do at = at + 1 end
  end
  if at > start then
    below = nil
  elseif at > 1 then
    local falling = nil
    if value ~= nil then falling = value < (rule[at].down or rule[at].up) end
    local held
    below, held = hold.step(below, falling, now)
    if falling and held >= (rule[at].hold_ms or 0) then at, below = at - 1, nil end
  else
    below = nil
  end
  local level = rule[at].name
  local changed = before ~= nil and level ~= before
  return { level = level, changed = (changed or state == nil) and now or state.changed, below = below }, changed
end

return threshold
