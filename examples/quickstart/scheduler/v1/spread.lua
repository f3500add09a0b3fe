-- Placement that keeps what is where it is and moves as few instances as it can.
local spread = {}

--- Spreads `total` instances evenly over `nodes` (sorted names); `previous` maps names to counts. Returns such a map.
function spread.even(total, nodes, previous)
  local counts, sum = {}, 0
  for _, node in ipairs(nodes) do
    counts[node] = previous[node] or 0
    sum = sum + counts[node]
  end
  -- Of equals, the fullest is the last by name and the emptiest the first, so that every leader decides alike.
  local function fullest()
    local best
    for _, node in ipairs(nodes) do
      if best == nil or counts[node] >= counts[best] then best = node end
    end
    return best
  end
  local function emptiest()
    local best
    for _, node in ipairs(nodes) do
      if best == nil or counts[node] < counts[best] then best = node end
    end
    return best
  end
  if #nodes == 0 then return counts end
  while sum > total do
    local node = fullest()
    counts[node] = counts[node] - 1
    sum = sum - 1
  end
  while sum < total do
    local node = emptiest()
    counts[node] = counts[node] + 1
    sum = sum + 1
  end
  while true do
    local from, to = fullest(), emptiest()
    if counts[from] - counts[to] <= 1 then return counts end
    counts[from] = counts[from] - 1
    counts[to] = counts[to] + 1
  end
end

return spread
