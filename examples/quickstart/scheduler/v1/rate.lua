-- The cluster's request rate out of cantal's datasets.
local rate = {}

rate.rule = {
  series = { source = 'Fine', condition = { 'And', { 'Eq', 'metric', 'requests' }, { 'Eq', 'group', 'web' } } },
  extract = { 'HistoryByNum', 6 },
  functions = { { 'NonNegativeDerivative' }, { 'SumBy', 'node', 'Ignore' } },
}

--- Average of the newest points of a series, requests a second; nil where none is known.
local function average(chunk)
  local values = type(chunk) == 'table' and chunk[2]
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

--- Requests a second of one host. Several agents may scan one machine: only the group of the host's own name counts.
local function of_host(dataset, hostname)
  if type(dataset) ~= 'table' or dataset[1] ~= 'MultiSeries' or type(dataset[2]) ~= 'table' then return nil end
  for _, series in ipairs(dataset[2]) do
    local key = series[1]
    if type(key) == 'table' and key.node == hostname then return average(series[2]) end
  end
  return nil
end

--- Requests a minute of the nodes in `hosts` (id → hostname) that run `web`, and the names of those that do not tell.
-- The rate is nil where one of them is unknown: a missing number is not zero.
function rate.per_minute(input, hosts, runs_web)
  local sum, missing, asked = 0, {}, 0
  for id, hostname in pairs(hosts) do
    if runs_web[hostname] then
      asked = asked + 1
      local datasets = (input.metrics or {})[id]
      local per_second = datasets and of_host(datasets['quickstart.requests'], hostname)
      if per_second then sum = sum + per_second else missing[#missing + 1] = hostname end
    end
  end
  if asked == 0 or #missing > 0 then return nil, missing end
  return sum * 60, missing
end

return rate
