--- Counts that go to their goal at a limited rate: quick up, slow down.
local ramp = {}

--- Time since the last schedule, ms: what a rate in this round is measured by. 5 s where there was none.
function ramp.elapsed(input)
  local previous = input.previous and input.previous.timestamp
  if not previous then return 5000 end
  return math.max(0, math.min(input.now - previous, 60000))
end

--- `current` on its way to `target`: at most `rates.up` more or `rates.down` fewer a second, at least one either way.
-- A rate that is not given is no limit.
function ramp.step(current, target, elapsed_ms, rates)
  local function most(rate) return rate and math.max(1, rate * elapsed_ms // 1000) or math.huge end
  if target > current then return math.tointeger(math.min(target, current + most(rates.up))) end
  if target < current then return math.tointeger(math.max(target, current - most(rates.down))) end
  return current
end

return ramp
