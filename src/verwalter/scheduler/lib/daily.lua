--- Rules by the time of day and of week. There is no clock but the input's `now`, and no time zone but a fixed offset.
local daily = {}

local minutes_a_day, minute_ms = 1440, 60000
local days = { 'thu', 'fri', 'sat', 'sun', 'mon', 'tue', 'wed' }

local function minute_of(text)
  local hours, minutes = string.match(tostring(text), '^(%d%d?):(%d%d)$')
  hours, minutes = math.tointeger(tonumber(hours)), math.tointeger(tonumber(minutes))
  if not hours or hours > 24 or minutes > 59 or hours * 60 + minutes > minutes_a_day then
    error("daily: '" .. tostring(text) .. "' is no time of day; write HH:MM, 00:00 to 24:00", 4)
  end
  return hours * 60 + minutes
end

--- Minute of the day (0 to 1439) and day of the week ('mon' …) of `now` (ms), `offset_minutes` east of UTC.
function daily.clock(now, offset_minutes)
  local minutes = now // minute_ms + (offset_minutes or 0)
  return math.tointeger(minutes % minutes_a_day), days[math.tointeger(minutes // minutes_a_day % 7) + 1]
end

local function holds(rule, minute, day, yesterday)
  local from, to = minute_of(rule.from or '00:00'), minute_of(rule.to or '24:00')
  local function on(which)
    if not rule.days then return true end
    for _, name in ipairs(rule.days) do if name == which then return true end end
    return false
  end
  if from <= to then return minute >= from and minute < to and on(day) end
  -- Over midnight: the morning belongs to the day before.
  return minute >= from and on(day) or minute < to and on(yesterday)
end

--- The first rule that holds at `now`, or nil. A rule is `{ from = '08:00', to = '20:00', days = { 'mon' … }, … }`:
-- `from` counts, `to` does not; `to` before `from` goes over midnight; without `days` it holds on each.
function daily.pick(now, rules, offset_minutes)
  local minute, day = daily.clock(now, offset_minutes)
  local _, yesterday = daily.clock(now - minutes_a_day * minute_ms, offset_minutes)
  for _, rule in ipairs(rules) do
    if holds(rule, minute, day, yesterday) then return rule end
  end
  return nil
end

return daily
