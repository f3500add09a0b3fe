--- How long something has held, by what each round knows of it.
-- A timer is a plain table for the schedule's state, `{ since, unknown_since }` in ms; it changes only when the verdict
-- does, so that a decision that stays the same keeps its hash.
local hold = {}

--- One round: `verdict` is true, false, or nil where the metrics do not tell. Returns the timer (nil while nothing holds)
-- and for how many ms it is known to have held: 0 in a round that does not know. Unknown time stops the clock: it neither
-- counts nor begins anything anew.
function hold.step(timer, verdict, now)
  if verdict == false then return nil, 0 end
  if verdict == nil then
    if timer and not timer.unknown_since then timer = { since = timer.since, unknown_since = now } end
    return timer, 0
  end
  if timer == nil then return { since = now }, 0 end
  if timer.unknown_since then
    timer = { since = timer.since + math.max(0, now - timer.unknown_since) }
  end
  return timer, math.max(0, now - timer.since)
end

return hold
