--- Numbers out of cantal's datasets. What is not known is nil, never zero.
local metrics = {}

--- Values of a chunk `[kind, values]` newest first, or of a tip `[kind, value]`.
local function average(chunk)
  if type(chunk) ~= 'table' then return nil end
  local values = chunk[2]
  if type(values) == 'number' then return values end
  if type(values) ~= 'table' then return nil end
  local sum, count = 0, 0
  for i = 1, #values do
    if type(values[i]) == 'number' then
      sum = sum + values[i]
      count = count + 1
    end
  end
  if count == 0 then return nil end
  return sum / count
end

local function newest(chunk)
  if type(chunk) ~= 'table' then return nil end
  local values = chunk[2]
  if type(values) == 'number' then return values end
  if type(values) ~= 'table' then return nil end
  for i = 1, #values do
    if type(values[i]) == 'number' then return values[i] end
  end
  return nil
end

--- Series of a dataset as a list of `{ key, chunk }`; empty where it holds none.
function metrics.series(dataset)
  if type(dataset) ~= 'table' then return {} end
  local kind = dataset[1]
  if kind == 'SingleSeries' or kind == 'SingleTip' then return { { key = dataset[2], chunk = dataset[3] } } end
  local out = {}
  if (kind == 'MultiSeries' or kind == 'MultiTip') and type(dataset[2]) == 'table' then
    for i, item in ipairs(dataset[2]) do out[i] = { key = item[1], chunk = item[2] } end
  end
  return out
end

local function matches(key, where)
  if where == nil then return true end
  for label, value in pairs(where) do
    if type(key) ~= 'table' or key[label] ~= value then return false end
  end
  return true
end

local function pick(dataset, where, value_of)
  local sum
  for _, series in ipairs(metrics.series(dataset)) do
    local value = matches(series.key, where) and value_of(series.chunk)
    if value then sum = (sum or 0) + value end
  end
  return sum
end

--- The newest known value, summed over the series whose key has the labels of `where`; nil where none is known.
function metrics.newest(dataset, where) return pick(dataset, where, newest) end

--- The same with the average of each series.
function metrics.average(dataset, where) return pick(dataset, where, average) end

--- How many series of a dataset are not zero now: with CountBy a cgroup, how many containers run (one that has ended counts
-- 0 processes for a while). None is 0 where the node has answered, nil where it has not.
function metrics.count(dataset)
  if type(dataset) ~= 'table' or dataset[1] == 'Incompatible' or dataset[1] == 'Chart' then return nil end
  local count = 0
  for _, series in ipairs(metrics.series(dataset)) do
    local value = newest(series.chunk)
    if value and value ~= 0 then count = count + 1 end
  end
  return count
end

--- The dataset of a rule on the node with this id, or nil.
function metrics.of(input, id, rule)
  local of_node = (input.metrics or {})[id]
  return of_node and of_node[rule] or nil
end

--- Sum over nodes (as nodes.alive lists them). Options: `value` (metrics.newest; or metrics.average), `where` (the labels
-- of the series that count, or a function from the node to them). Returns nil and the hostnames where one does not tell:
-- a sum without it would look like less load.
function metrics.sum(input, list, rule, options)
  options = options or {}
  local value_of, where = options.value or metrics.newest, options.where
  local sum, missing = 0, {}
  for _, node in ipairs(list) do
    local labels = where
    if type(where) == 'function' then labels = where(node) end
    local value = value_of(metrics.of(input, node.id, rule), labels)
    if value then sum = sum + value else missing[#missing + 1] = node.host end
  end
  if #list == 0 or #missing > 0 then return nil, missing end
  return sum, missing
end

return metrics
