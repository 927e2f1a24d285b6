-- The transitions of a job's record, each one atomic. Called as KEYS = {prefix}, ARGV = {command, keep_s, ...}, where a
-- job that ended is remembered for keep_s.
--
--   job:{id}         hash: the record           job:{id}:events  stream: what happened to it, capped
--   job:{id}:trials  list: of a search, the jobs of its trials, each as 'id values'
--   jobs             zset: id by creation, µs   key:{key}        string: the job an idempotency key made
--   queued           zset: id by the time, ms, of its last wake-up; 0: send one now
--   waiting:{kind}   zset: id of those that are queued with priority 0, by creation, µs
--   ranked:{kind}    zset: those with another priority, as texts whose order is that of priority and creation
--   paused           zset: id of the queued that may not be claimed before, ms; why is `waiting_for` of the record
--   held             zset: id of those that their user paused, by when, ms
--   running          zset: id by the end of its lease, ms
--   freed:{kind}     string: when one of them last left it, ms; for a while
--   sweeps           zset: id of the searches that are not over, by creation, ms; no worker claims one
--   version:{model}  string: the newest version reserved
--   train, sample, evaluate   list: Celery's queues of wake-ups, one for each kind of jobs
--
-- The clock is Redis's own. A write that carries an epoch is refused ('stale') unless that runner still has the job.

local prefix = KEYS[1]
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now_ms = math.floor(now_us / 1000)

local EVENTS = 10000 -- kept of one job
local KEY_S = 24 * 3600 -- an idempotency key is remembered
local KEEP_S = tonumber(ARGV[2])
local AHEAD = 10 -- jobs that a queued job lists before it
local MAX_DOUBLINGS = 20 -- of a pause
local FREED_MS = 600000 -- longer than a waiting job is waited for
local FORESEEN = 100 -- waiting jobs of a kind whose start is foreseen
local ALL = 2 ^ 31
local NO_TRIAL = cjson.encode({type = 'no-trial', detail = 'none of its trials succeeded; see the errors of their jobs'})

local function whole(x)
  return string.format('%.0f', x)
end

local function job_key(id)
  return prefix .. 'job:' .. id
end

local function get(id, field)
  local value = redis.pcall('HGET', job_key(id), field)
  return type(value) == 'string' and value or '' -- whatever lies there
end

local function number(id, field)
  return tonumber(get(id, field)) or 0
end

local function set(id, ...)
  redis.call('HSET', job_key(id), ...)
end

local function kind_of(id)
  for field, kind in pairs({ask = 'sample', evaluation = 'evaluate', sweep = 'sweep'}) do
    if redis.pcall('HEXISTS', job_key(id), field) == 1 then -- whatever lies there
      return kind
    end
  end
  return 'train'
end

local function is_over(id)
  local state = get(id, 'state')
  return state ~= 'queued' and state ~= 'running' and state ~= 'paused'
end

local function is_cancelled(id)
  return get(id, 'cancel_requested') == '1'
end

-- The jobs of a search's trials; none where the list is damaged.
local function trials_of(id)
  local ids = {}
  local listed = redis.pcall('LRANGE', job_key(id) .. ':trials', 0, -1)
  for _, trial in ipairs(listed.err and {} or listed) do
    ids[#ids + 1] = string.match(trial, '^%S*')
  end
  return ids
end

-- The search whose trial a job is, while it is not over.
local function sweep_of(id)
  local sweep = get(id, 'part_of')
  return sweep ~= '' and not is_over(sweep) and kind_of(sweep) == 'sweep' and sweep or nil
end

-- The first n jobs that wait for a slot of their kind: by priority, the highest first, then by creation.
local function line(kind, n)
  local ids = {}
  local function add(key, first, last)
    for _, member in ipairs(redis.call('ZRANGE', prefix .. key .. kind, first, last)) do
      if #ids < n then
        ids[#ids + 1] = string.match(member, '[^:]*$')
      end
    end
  end
  local n_above = redis.call('ZLEXCOUNT', prefix .. 'ranked:' .. kind, '-', '(100')
  if n_above > 0 then
    add('ranked:', 0, math.min(n_above, n) - 1)
  end
  if #ids < n then
    add('waiting:', 0, n - #ids - 1)
  end
  if #ids < n then
    add('ranked:', n_above, -1)
  end
  return ids
end

-- The place of a waiting job in its line, from 0; nil where it has none.
local function place_of(id, kind)
  local ranked, ranked_as = prefix .. 'ranked:' .. kind, get(id, 'ranked')
  local place = redis.call('ZRANK', ranked, ranked_as)
  if place then
    return ranked_as < '100' and place or place + redis.call('ZCARD', prefix .. 'waiting:' .. kind)
  end
  place = redis.call('ZRANK', prefix .. 'waiting:' .. kind, id)
  return place and place + redis.call('ZLEXCOUNT', ranked, '-', '(100')
end

local function running(kind)
  local ids = {}
  for _, id in ipairs(redis.call('ZRANGE', prefix .. 'running', 0, -1)) do
    if kind_of(id) == kind then
      ids[#ids + 1] = id
    end
  end
  return ids
end

-- The jobs before this one: those of its kind that run, and those that are claimed earlier.
local function ahead(kind, place)
  local ids = {}
  for _, other in ipairs(running(kind)) do
    if #ids < AHEAD then
      ids[#ids + 1] = other
    end
  end
  for _, other in ipairs(line(kind, math.min(place, AHEAD - #ids))) do
    ids[#ids + 1] = other
  end
  return table.concat(ids, ' ')
end

local foreseen = {} -- by kind, until a job moves

-- When each of the first waiting jobs will start, ms by id. There are as many slots as jobs run; a slot is free when its
-- job has taken the time that it has left; the next in line takes the slot that is free first. A job that never told
-- its time takes the mean of those that did.
local function starts(kind)
  if foreseen[kind] then
    return foreseen[kind]
  end
  local found, free_ms, waiting, sum, n = {}, {}, line(kind, FORESEEN), 0, 0
  local at_work = running(kind)
  for _, ids in ipairs({at_work, waiting}) do
    for _, id in ipairs(ids) do
      local takes_ms = tonumber(get(id, 'takes_ms'))
      if takes_ms then
        sum, n = sum + takes_ms, n + 1
      end
    end
  end
  foreseen[kind] = found
  for _, id in ipairs(at_work) do
    local ends_ms = tonumber(get(id, 'ends_ms')) or n > 0 and now_ms + sum / n
    if not ends_ms then
      return found
    end
    free_ms[#free_ms + 1] = math.max(now_ms, ends_ms)
  end
  for _, id in ipairs(waiting) do
    if number(id, 'retry_ms') <= now_ms then
      table.sort(free_ms)
      found[id] = free_ms[1]
      local left_ms = tonumber(get(id, 'left_ms')) or n > 0 and sum / n
      if not left_ms or not free_ms[1] then
        return found
      end
      free_ms[1] = free_ms[1] + left_ms
    end
  end
  return found
end

-- The record as a flat list; of a queued job also its place, from 1, the jobs before it, and when it will start.
local function record(id)
  local fields = redis.call('HGETALL', job_key(id))
  if get(id, 'state') == 'queued' then
    local kind = kind_of(id)
    local place = place_of(id, kind)
    if place then
      for _, each in ipairs({'queue_position', whole(place + 1), 'ahead', ahead(kind, place)}) do
        fields[#fields + 1] = each
      end
      local starts_ms = starts(kind)[id]
      if starts_ms then
        fields[#fields + 1] = 'starts_ms'
        fields[#fields + 1] = whole(starts_ms)
      end
    end
  end
  return fields
end

local function emit(id, kind, ...)
  local key = job_key(id) .. ':events'
  local type = redis.call('TYPE', key).ok
  if type ~= 'stream' and type ~= 'none' then
    redis.call('DEL', key)
  end
  redis.call('XADD', key, 'MAXLEN', '~', EVENTS, '*', 'kind', kind, ...)
end

-- Take a job from all lines; where its record is gone, by looking through them.
local function leave_line(id, is_gone)
  for _, kind in ipairs({'train', 'sample', 'evaluate'}) do
    redis.call('ZREM', prefix .. 'waiting:' .. kind, id)
    if is_gone then
      for _, member in ipairs(redis.call('ZRANGE', prefix .. 'ranked:' .. kind, 0, -1)) do
        if string.match(member, '[^:]*$') == id then
          redis.call('ZREM', prefix .. 'ranked:' .. kind, member)
        end
      end
    else
      redis.call('ZREM', prefix .. 'ranked:' .. kind, get(id, 'ranked'))
    end
  end
end

-- Whether a listed id has a record; if not, it is removed from all lists.
local function is_sound(id)
  if redis.call('TYPE', job_key(id)).ok == 'hash' and get(id, 'id') == id and get(id, 'epoch') ~= '' then
    return true
  end
  redis.call('DEL', job_key(id), job_key(id) .. ':events', job_key(id) .. ':trials')
  for _, list in ipairs({'jobs', 'queued', 'paused', 'held', 'running', 'sweeps'}) do
    redis.call('ZREM', prefix .. list, id)
  end
  leave_line(id, true)
  return false
end

local function emit_state(id)
  emit(id, 'state', unpack(record(id)))
end

-- Take a job from wherever it is. Where it ran, and does not go on, its slot is free now.
local function leave(id, goes_on)
  foreseen = {}
  for _, list in ipairs({'queued', 'paused', 'held'}) do
    redis.call('ZREM', prefix .. list, id)
  end
  if redis.call('ZREM', prefix .. 'running', id) == 1 and not goes_on then
    redis.call('SET', prefix .. 'freed:' .. kind_of(id), whole(now_ms), 'PX', FREED_MS)
  end
  leave_line(id)
  redis.call('HDEL', job_key(id), 'ranked', 'waiting_for', 'retry_ms', 'ends_ms')
end

local function queue(id, announced_ms, waiting_for, retry_ms)
  leave(id)
  redis.call('HDEL', job_key(id), 'pause_requested', 'yields_to')
  set(id, 'state', 'queued')
  if waiting_for then
    set(id, 'waiting_for', waiting_for, 'retry_ms', whole(retry_ms))
    redis.call('ZADD', prefix .. 'paused', whole(retry_ms), id)
  end
  redis.call('ZADD', prefix .. 'queued', whole(announced_ms), id)
  local created_us = redis.call('ZSCORE', prefix .. 'jobs', id) or number(id, 'created_ms') * 1000
  local kind, priority = kind_of(id), number(id, 'priority')
  if priority == 0 then
    redis.call('ZADD', prefix .. 'waiting:' .. kind, whole(created_us), id)
  else
    set(id, 'ranked', string.format('%03d:%016.0f:%s', 100 - priority, created_us, id))
    redis.call('ZADD', prefix .. 'ranked:' .. kind, 0, get(id, 'ranked'))
  end
  emit_state(id)
end

local settle -- a search; defined below, because the end of its last trial ends it

-- Its user paused it, and it does not run.
local function hold(id)
  leave(id)
  redis.call('HDEL', job_key(id), 'pause_requested', 'yields_to')
  set(id, 'state', 'paused')
  redis.call('ZADD', prefix .. 'held', whole(now_ms), id)
  emit_state(id)
  settle(sweep_of(id))
end

local function run(id, lease_ms)
  local ends_ms = get(id, 'ends_ms')
  leave(id, true)
  if ends_ms ~= '' then
    set(id, 'ends_ms', ends_ms)
  end
  redis.call('ZADD', prefix .. 'running', whole(now_ms + lease_ms), id)
end

-- A job that is over is remembered for a while.
local function keep(id)
  for _, part in ipairs({'', ':events', ':trials'}) do
    redis.call('EXPIRE', job_key(id) .. part, KEEP_S)
  end
end

local function finish(id, state)
  set(id, 'state', state, 'finished_ms', whole(now_ms))
  leave(id)
  redis.call('HDEL', job_key(id), 'pause_requested', 'yields_to', 'left_ms', 'takes_ms')
  emit_state(id)
  local sweep = sweep_of(id)
  if sweep then
    settle(sweep) -- which is remembered together with its trials
  else
    keep(id)
  end
end

local function fail(id, fault)
  set(id, 'error', fault)
  finish(id, 'failed')
end

local busy -- the search whose trials a command goes through; it is settled once, after them

-- A search after a trial ended, paused or goes on: its state follows from those of its trials, and it ends with the last.
-- A trial whose record is gone is over.
function settle(id)
  if not id or id == busy then
    return
  end
  local trials, n = trials_of(id), {over = 0, paused = 0}
  for _, trial in ipairs(trials) do
    local state = get(trial, 'state')
    n[state] = (n[state] or 0) + 1
    if is_over(trial) then
      n.over = n.over + 1
    end
  end
  local n_ended = number(id, 'step')
  set(id, 'step', n.over, 'total_steps', #trials)
  if n.over == #trials then
    redis.call('ZREM', prefix .. 'sweeps', id)
    for _, trial in ipairs(trials) do
      keep(trial)
    end
    if n.cancelled and (is_cancelled(id) or n.cancelled == #trials) then
      finish(id, 'cancelled')
    elseif n.succeeded then
      finish(id, 'succeeded')
    else
      fail(id, NO_TRIAL)
    end
    return
  end
  local was, state = get(id, 'state'), n.over + n.paused == #trials and 'paused' or 'running'
  set(id, 'state', state)
  if state ~= was or n.over ~= n_ended then
    emit_state(id)
  end
end

-- Do the same to all trials of a search that are not over.
local function to_trials(id, command)
  busy = id
  for _, trial in ipairs(trials_of(id)) do
    if not is_over(trial) then
      command(trial)
    end
  end
  busy = nil
  settle(id)
end

-- A runner has its job until another runner claims it, even if the lease expired and the job waits again or is paused.
local function has(id, epoch)
  local state = get(id, 'state')
  return get(id, 'epoch') == epoch and (state == 'running' or state == 'queued' or state == 'paused')
end

local function is_pausing(id)
  return get(id, 'pause_requested') == '1'
end

-- A runner is lost: the job is cancelled or paused if that was requested, fails after too many attempts, or is queued
-- again.
local function lose(id, max_attempts, fault)
  if is_cancelled(id) then
    finish(id, 'cancelled')
  elseif is_pausing(id) then
    hold(id)
  elseif number(id, 'attempts') >= tonumber(max_attempts) then
    fail(id, fault)
  else
    queue(id, 0)
  end
end

-- Whether a running job is about to end: it is scored, or published.
local function is_ending(id)
  return get(id, 'reserved') ~= '' or number(id, 'total_steps') > 0 and number(id, 'step') >= number(id, 'total_steps')
end

-- Whether a running job is preempted before another: that of the lower priority, then that which started later.
local function is_lower(id, other)
  local mine, theirs = number(id, 'priority'), number(other, 'priority')
  if mine ~= theirs then
    return mine < theirs
  end
  local started_ms, other_started_ms = number(id, 'started_ms'), number(other, 'started_ms')
  return started_ms > other_started_ms or started_ms == other_started_ms and id < other
end

-- When a slot of a kind last became free, if that is not long ago.
local function freed_ms(kind)
  local key = prefix .. 'freed:' .. kind
  return redis.call('TYPE', key).ok == 'string' and tonumber(redis.call('GET', key)) or 0
end

-- The waiting job that a running one makes room for; nil where it goes on. It is the lowest that runs, and that job is
-- of a higher priority, was announced `patience_ms` ago, and no slot became free since: none is free. Slots that become
-- free anyway go to the first in line, so the job after those is looked at: each waiting job preempts one.
local function preemptor(id, patience_ms)
  local kind = kind_of(id)
  if get(id, 'yields_to') ~= '' then
    return get(id, 'yields_to')
  end
  local first = line(kind, 1)[1]
  if kind == 'evaluate' or not first or number(first, 'priority') <= number(id, 'priority') or is_ending(id) then
    return nil
  end
  local n_freed = 0
  for _, other in ipairs(running(kind)) do
    if is_cancelled(other) or is_pausing(other) or get(other, 'yields_to') ~= '' then
      n_freed = n_freed + 1
    elseif not is_ending(other) and is_lower(other, id) then
      return nil
    end
  end
  for _, other in ipairs(line(kind, ALL)) do
    if number(other, 'retry_ms') <= now_ms then
      if n_freed == 0 then
        local announced_ms = tonumber(redis.call('ZSCORE', prefix .. 'queued', other) or 0)
        local has_waited = announced_ms > 0 and now_ms - math.max(announced_ms, freed_ms(kind)) >= patience_ms
        return has_waited and number(other, 'priority') > number(id, 'priority') and other or nil
      end
      n_freed = n_freed - 1
    end
  end
  return nil
end

local commands = {}

-- The answer to a request whose job or search is there already, or which finds no room for n more jobs; else nil.
local function refusal(key, fingerprint, max_queued, n)
  if key ~= '' then
    local made = redis.call('GET', prefix .. 'key:' .. key)
    if made then
      local made_id, made_fingerprint = string.match(made, '^(%S+) (.*)$')
      if made_fingerprint ~= fingerprint then
        return {'conflict'}
      end
      return {'kept', record(made_id)}
    end
  end
  if redis.call('ZCARD', prefix .. 'queued') + redis.call('ZCARD', prefix .. 'held') + n > tonumber(max_queued) then
    return {'full'}
  end
end

-- Record a job, which is not in a line yet.
local function add(id, ...)
  set(id, 'id', id, 'epoch', 0, 'created_ms', whole(now_ms), ...)
  local newest = redis.call('ZREVRANGE', prefix .. 'jobs', 0, 0, 'WITHSCORES')[2]
  local created_us = math.max(now_us, (tonumber(newest) or 0) + 1) -- no two the same, so that a list can go on after one
  redis.call('ZADD', prefix .. 'jobs', whole(created_us), id)
end

local function remember(key, id, fingerprint)
  if key ~= '' then
    redis.call('SET', prefix .. 'key:' .. key, id .. ' ' .. fingerprint, 'EX', KEY_S)
  end
end

-- ARGV goes on with field, value of the record: what only jobs of one kind have.
function commands.create(id, model, preset, run_json, key, fingerprint, max_queued, ...)
  local refused = refusal(key, fingerprint, max_queued, 1)
  if refused then
    return refused
  end
  add(id, 'model', model, 'preset', preset, 'run', run_json, ...)
  remember(key, id, fingerprint)
  queue(id, now_ms)
  return {'created', record(id)}
end

-- A search, and a job for each trial: ARGV goes on with id, run, values of each.
function commands.create_sweep(id, model, preset, run_json, key, fingerprint, max_queued, priority, sweep, ...)
  local trials = {...}
  local refused = refusal(key, fingerprint, max_queued, #trials / 3)
  if refused then
    return refused
  end
  add(id, 'model', model, 'preset', preset, 'run', run_json, 'priority', priority, 'sweep', sweep)
  set(id, 'state', 'running', 'started_ms', whole(now_ms), 'total_steps', #trials / 3)
  redis.call('ZADD', prefix .. 'sweeps', whole(now_ms), id)
  remember(key, id, fingerprint)
  for i = 1, #trials, 3 do
    local trial = trials[i]
    redis.call('RPUSH', job_key(id) .. ':trials', trial .. ' ' .. trials[i + 2])
    add(trial, 'model', model, 'preset', preset, 'run', trials[i + 1], 'priority', priority, 'part_of', id)
    queue(trial, now_ms)
  end
  emit_state(id)
  return {'created', record(id)}
end

-- Of each trial of a search 'id values', and what its job reached; only the first where that is gone.
function commands.trials(id)
  local found = {}
  local listed = redis.pcall('LRANGE', job_key(id) .. ':trials', 0, -1)
  for i, trial in ipairs(listed.err and {} or listed) do
    found[i] = {trial}
    local key = job_key(string.match(trial, '^%S*'))
    for _, field in ipairs({'state', 'version', 'curve', 'metrics'}) do
      local value = redis.pcall('HGET', key, field)
      if type(value) == 'string' then
        table.insert(found[i], field)
        table.insert(found[i], value)
      end
    end
  end
  return found
end

function commands.get(id)
  return record(id)
end

-- Newest first, of those made before `before_us`: at most `limit` of them among the next `scan`. The first of what is
-- returned is where to go on, '' at the end; each next one a record.
function commands.page(before_us, state, model, limit, scan)
  local found = {''}
  local ids = redis.call('ZREVRANGEBYSCORE', prefix .. 'jobs', before_us == '' and '+inf' or '(' .. before_us, '-inf',
    'WITHSCORES', 'LIMIT', 0, tonumber(scan))
  for i = 1, #ids, 2 do
    local seen = redis.pcall('HMGET', job_key(ids[i]), 'state', 'model')
    if not seen.err and seen[1] and (state == '' or state == seen[1]) and (model == '' or model == seen[2]) then
      found[#found + 1] = record(ids[i])
    end
    if #found > tonumber(limit) or i + 2 > #ids and #ids == 2 * tonumber(scan) then
      found[1] = whole(ids[i + 1])
      break
    end
  end
  return found
end

-- A job that was lost with all data, from what a worker kept of it: queued, or paused. Its runner, if any, has the same
-- epoch.
function commands.restore(id, epoch, created_ms, state, ...)
  if redis.call('EXISTS', job_key(id)) == 1 then
    return 'known'
  end
  set(id, 'id', id, 'epoch', epoch, 'created_ms', created_ms, ...)
  local created_us = created_ms * 1000
  while redis.call('ZCOUNT', prefix .. 'jobs', whole(created_us), whole(created_us)) > 0 do
    created_us = created_us + 1
  end
  redis.call('ZADD', prefix .. 'jobs', whole(created_us), id)
  if state == 'paused' then
    hold(id)
  else
    queue(id, now_ms) -- a live runner beats before a wake-up is sent
  end
  return 'restored'
end

-- A reserved version is about to be published, or was: too late.
local function may_stop(id)
  return not is_over(id) and get(id, 'reserved') == '' and not is_cancelled(id)
end

function commands.cancel(id)
  if may_stop(id) then
    set(id, 'cancel_requested', 1)
    if kind_of(id) == 'sweep' then
      emit_state(id)
      to_trials(id, commands.cancel)
    elseif get(id, 'state') == 'running' then
      emit_state(id)
    else
      finish(id, 'cancelled')
    end
  end
  return record(id)
end

function commands.pause(id)
  if may_stop(id) then
    local state = get(id, 'state')
    if kind_of(id) == 'sweep' then
      to_trials(id, commands.pause)
    elseif state == 'queued' then
      hold(id)
    elseif state == 'running' and not is_pausing(id) then
      set(id, 'pause_requested', 1)
      emit_state(id)
    end
  end
  return record(id)
end

function commands.resume(id)
  if kind_of(id) == 'sweep' then
    to_trials(id, commands.resume)
  elseif get(id, 'state') == 'paused' then
    queue(id, now_ms)
    settle(sweep_of(id))
  elseif get(id, 'state') == 'running' and is_pausing(id) then
    redis.call('HDEL', job_key(id), 'pause_requested')
    emit_state(id)
  end
  return record(id)
end

-- The first in line that may be claimed now; an empty list where there is none.
function commands.claim(kind, worker, lease_ms, damaged)
  for _, id in ipairs(line(kind, ALL)) do
    local is_waiting = is_sound(id) and get(id, 'state') == 'queued'
    if not is_waiting then
      leave_line(id, true)
    elseif number(id, 'retry_ms') <= now_ms then
      local epoch = redis.pcall('HINCRBY', job_key(id), 'epoch', 1)
      local attempts = redis.pcall('HINCRBY', job_key(id), 'attempts', 1)
      if type(epoch) ~= 'number' or type(attempts) ~= 'number' then
        fail(id, damaged)
      else
        redis.call('HSETNX', job_key(id), 'started_ms', whole(now_ms))
        set(id, 'state', 'running', 'worker', worker)
        local left_ms = tonumber(get(id, 'left_ms'))
        run(id, lease_ms)
        if left_ms then
          set(id, 'ends_ms', whole(now_ms + left_ms))
        end
        emit_state(id)
        return record(id)
      end
    end
  end
  return {}
end

-- ARGV goes on with kind, data of each event; a progress event is `step`, `total_steps`, `losses`, `curve` and the time
-- left of the record too.
function commands.beat(id, epoch, lease_ms, patience_ms, step, total_steps, losses, left_s, curve, ...)
  if not has(id, epoch) then
    return 'stale'
  end
  local state = get(id, 'state')
  if state ~= 'paused' then
    run(id, lease_ms)
  end
  if step ~= '' then
    if tonumber(step) > number(id, 'best_step') then
      set(id, 'best_step', step, 'attempts', 0, 'pauses', 0)
    end
    set(id, 'step', step, 'total_steps', total_steps, 'losses', losses)
  end
  local left_ms = 1000 * (tonumber(left_s) or math.huge)
  if left_ms < ALL * 1000 then
    set(id, 'left_ms', whole(left_ms), 'ends_ms', whole(now_ms + left_ms))
    if tonumber(step) < tonumber(total_steps) then
      set(id, 'takes_ms', whole(left_ms * total_steps / (total_steps - step)))
    end
  end
  if curve ~= '' then
    set(id, 'curve', curve)
  end
  if state == 'queued' then
    set(id, 'state', 'running')
    emit_state(id)
  end
  local events = {...}
  for i = 1, #events, 2 do
    emit(id, events[i], 'data', events[i + 1])
  end
  if is_cancelled(id) then
    return 'cancel'
  elseif state == 'paused' or is_pausing(id) then
    return 'pause'
  end
  local other = preemptor(id, tonumber(patience_ms))
  if other then
    set(id, 'yields_to', other)
  end
  return other and 'yield' or 'ok'
end

function commands.reserve(id, epoch, floor)
  if not has(id, epoch) then
    return 'stale'
  end
  if is_cancelled(id) then
    return 'cancel'
  end
  if get(id, 'reserved') == '' then
    local counter = prefix .. 'version:' .. get(id, 'model')
    local newest = math.max(tonumber(redis.call('GET', counter) or 0), tonumber(floor))
    redis.call('SET', counter, whole(newest + 1))
    set(id, 'reserved', whole(newest + 1))
  end
  return get(id, 'reserved')
end

-- ARGV goes on with field, value of the record: what the job left. Where `may_cancel`, a wanted end comes first; a
-- training is past that since its version was reserved.
function commands.succeed(id, epoch, may_cancel, ...)
  if get(id, 'epoch') == epoch and get(id, 'state') == 'succeeded' then
    return 'ok' -- repeated, because the first answer was lost
  end
  if not has(id, epoch) then
    return 'stale'
  end
  if may_cancel == '1' and is_cancelled(id) then
    return 'cancel'
  end
  set(id, ...)
  finish(id, 'succeeded')
  return 'ok'
end

function commands.fail(id, epoch, fault)
  if get(id, 'epoch') == epoch and get(id, 'state') == 'failed' then
    return 'ok'
  end
  if not has(id, epoch) then
    return 'stale'
  end
  fail(id, fault)
  return 'ok'
end

function commands.lose(id, epoch, max_attempts, fault)
  if get(id, 'epoch') ~= epoch then
    return 'stale'
  end
  if get(id, 'state') == 'running' then
    lose(id, max_attempts, fault)
  end
  return 'ok'
end

-- The job that preempted this one, for those who follow it.
local function emit_preemption(id)
  local other = get(id, 'yields_to')
  if other ~= '' then
    local message = string.format('preempted by job %s of priority %.0f at step %.0f; it goes on when a slot is free',
      other, number(other, 'priority'), number(id, 'step'))
    emit(id, 'log', 'data', cjson.encode({level = 'info', message = message}))
  end
end

function commands.give_back(id, epoch)
  if get(id, 'epoch') ~= epoch then
    return 'stale'
  end
  if get(id, 'state') == 'running' then
    set(id, 'attempts', 0)
    if is_cancelled(id) then
      finish(id, 'cancelled')
    elseif is_pausing(id) then
      hold(id)
    else
      emit_preemption(id)
      queue(id, 0)
    end
  end
  return 'ok'
end

-- The machine is at fault: the job waits again, its attempt uncounted, for twice as long as the last time.
function commands.defer(id, epoch, pause_ms, most_ms, reason)
  if get(id, 'epoch') ~= epoch then
    return 'stale'
  end
  if get(id, 'state') == 'running' then
    if is_cancelled(id) then
      finish(id, 'cancelled')
      return 'ok'
    end
    local pauses = number(id, 'pauses')
    local until_ms = now_ms + math.min(pause_ms * 2 ^ math.min(pauses, MAX_DOUBLINGS), tonumber(most_ms))
    set(id, 'attempts', math.max(0, number(id, 'attempts') - 1), 'pauses', pauses + 1)
    if is_pausing(id) then
      hold(id)
    else
      queue(id, now_ms, reason, until_ms)
    end
  end
  return 'ok'
end

-- The data of progress events after one, of the next so many events, behind the id of the last; '' at the end.
function commands.progress(id, after, count)
  local events = redis.pcall('XRANGE', job_key(id) .. ':events', '(' .. after, '+', 'COUNT', count)
  if events.err then
    return {''} -- whatever lies there
  end
  local found = {#events == tonumber(count) and events[#events][1] or ''}
  for _, event in ipairs(events) do
    local fields = event[2]
    if fields[2] == 'progress' then
      found[#found + 1] = fields[4]
    end
  end
  return found
end

function commands.expire(max_attempts, fault)
  local ids = redis.call('ZRANGEBYSCORE', prefix .. 'running', '-inf', whole(now_ms), 'LIMIT', 0, 100)
  local lost = {}
  for _, id in ipairs(ids) do
    if is_sound(id) then
      lose(id, max_attempts, fault)
      table.insert(lost, id)
    end
  end
  for _, id in ipairs(redis.call('ZRANGE', prefix .. 'jobs', 0, 99)) do
    is_sound(id)
  end
  for _, id in ipairs(redis.call('ZRANGE', prefix .. 'sweeps', 0, -1)) do
    if is_sound(id) and not is_over(id) then
      settle(id) -- if the record of a trial was damaged, nothing else told
    else
      redis.call('ZREM', prefix .. 'sweeps', id)
    end
  end
  return lost
end

-- While messages wait on Celery's queue of this kind, every slot is taken, and more messages would only lengthen it. But
-- jobs that were put back (announced at 0), or whose pause is over, have no message in it.
function commands.untold(kind, older_ms)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'paused', '-inf', whole(now_ms))) do
    redis.call('ZREM', prefix .. 'paused', id)
    redis.call('ZADD', prefix .. 'queued', 'XX', 0, id)
  end
  local announced_until_ms = now_ms - older_ms
  if redis.call('LLEN', prefix .. kind) > 0 then
    announced_until_ms = 0
  end
  local ids = redis.call('ZRANGEBYSCORE', prefix .. 'queued', '-inf', whole(announced_until_ms))
  local ids_to_announce = {}
  for _, id in ipairs(ids) do
    if #ids_to_announce < 100 and is_sound(id) and kind_of(id) == kind and not redis.call('ZSCORE', prefix .. 'paused', id) then
      redis.call('ZADD', prefix .. 'queued', whole(now_ms), id)
      table.insert(ids_to_announce, id)
    end
  end
  return ids_to_announce
end

return commands[ARGV[1]](unpack(ARGV, 3))
