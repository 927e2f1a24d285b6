-- The transitions of a job's record, each one atomic. Called as KEYS = {prefix}, ARGV = {command, keep_s, ...}, where a
-- job that ended is remembered for keep_s.
--
--   job:{id}         hash: the record           job:{id}:events  stream: what happened to it, capped
--   jobs             zset: id by creation, µs   key:{key}        string: the job an idempotency key made
--   queued           zset: id by the time, ms, of its last wake-up; 0: send one now
--   waiting:{kind}   zset: id of those that are queued, by creation, µs: their place in the queue
--   paused           zset: id of those among them that may not be claimed before, ms; why is `waiting_for` of the record
--   running          zset: id by the end of its lease, ms
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

local function whole(x)
  return string.format('%.0f', x)
end

local function job_key(id)
  return prefix .. 'job:' .. id
end

local function get(id, field)
  return redis.call('HGET', job_key(id), field) or ''
end

local function number(id, field)
  return tonumber(get(id, field)) or 0
end

local function set(id, ...)
  redis.call('HSET', job_key(id), ...)
end

local function kind_of(id)
  for field, kind in pairs({ask = 'sample', evaluation = 'evaluate'}) do
    if redis.pcall('HEXISTS', job_key(id), field) == 1 then -- whatever lies there
      return kind
    end
  end
  return 'train'
end

-- The jobs before this one: those of its kind that run, and those that wait for longer.
local function ahead(id, kind, place)
  local ids = {}
  for _, other in ipairs(redis.call('ZRANGE', prefix .. 'running', 0, -1)) do
    if #ids < AHEAD and kind_of(other) == kind then
      ids[#ids + 1] = other
    end
  end
  local room = math.min(place, AHEAD - #ids)
  if room > 0 then
    for _, other in ipairs(redis.call('ZRANGE', prefix .. 'waiting:' .. kind, 0, room - 1)) do
      ids[#ids + 1] = other
    end
  end
  return table.concat(ids, ' ')
end

-- The record as a flat list; of a queued job also its place, from 1, and the jobs before it.
local function record(id)
  local fields = redis.call('HGETALL', job_key(id))
  if get(id, 'state') == 'queued' then
    local kind = kind_of(id)
    local place = redis.call('ZRANK', prefix .. 'waiting:' .. kind, id)
    if place then
      for _, each in ipairs({'queue_position', whole(place + 1), 'ahead', ahead(id, kind, place)}) do
        fields[#fields + 1] = each
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

-- Whether a listed id has a record; if not, it is removed from all lists.
local function is_sound(id)
  if redis.call('TYPE', job_key(id)).ok == 'hash' and get(id, 'id') == id and get(id, 'epoch') ~= '' then
    return true
  end
  redis.call('DEL', job_key(id), job_key(id) .. ':events')
  for _, list in ipairs({'jobs', 'queued', 'paused', 'running', 'waiting:train', 'waiting:sample', 'waiting:evaluate'}) do
    redis.call('ZREM', prefix .. list, id)
  end
  return false
end

local function emit_state(id)
  emit(id, 'state', unpack(record(id)))
end

local function queue(id, announced_ms)
  set(id, 'state', 'queued')
  redis.call('ZREM', prefix .. 'running', id)
  redis.call('ZADD', prefix .. 'queued', whole(announced_ms), id)
  local created_us = redis.call('ZSCORE', prefix .. 'jobs', id) or whole(number(id, 'created_ms') * 1000)
  redis.call('ZADD', prefix .. 'waiting:' .. kind_of(id), created_us, id)
  emit_state(id)
end

local function leave_queue(id)
  redis.call('ZREM', prefix .. 'queued', id)
  redis.call('ZREM', prefix .. 'paused', id)
  redis.call('ZREM', prefix .. 'waiting:' .. kind_of(id), id)
  redis.call('HDEL', job_key(id), 'waiting_for', 'retry_ms')
end

local function run(id, lease_ms)
  leave_queue(id)
  redis.call('ZADD', prefix .. 'running', whole(now_ms + lease_ms), id)
end

local function finish(id, state)
  set(id, 'state', state, 'finished_ms', whole(now_ms))
  leave_queue(id)
  redis.call('ZREM', prefix .. 'running', id)
  emit_state(id)
  redis.call('EXPIRE', job_key(id), KEEP_S)
  redis.call('EXPIRE', job_key(id) .. ':events', KEEP_S)
end

local function fail(id, fault)
  set(id, 'error', fault)
  finish(id, 'failed')
end

-- A runner has its job until another runner claims it, even if the lease expired and the job is queued again.
local function has(id, epoch)
  local state = get(id, 'state')
  return get(id, 'epoch') == epoch and (state == 'running' or state == 'queued')
end

local function is_cancelled(id)
  return get(id, 'cancel_requested') == '1'
end

-- A runner is lost: the job is cancelled if that was requested, fails after too many attempts, or is queued again.
local function lose(id, max_attempts, fault)
  if is_cancelled(id) then
    finish(id, 'cancelled')
  elseif number(id, 'attempts') >= tonumber(max_attempts) then
    fail(id, fault)
  else
    queue(id, 0)
  end
end

local commands = {}

-- ARGV goes on with field, value of the record: what only jobs of one kind have.
function commands.create(id, model, preset, run_json, key, fingerprint, max_queued, ...)
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
  if redis.call('ZCARD', prefix .. 'queued') >= tonumber(max_queued) then
    return {'full'}
  end
  set(id, 'id', id, 'model', model, 'preset', preset, 'run', run_json, 'epoch', 0, 'created_ms', whole(now_ms), ...)
  local newest = redis.call('ZREVRANGE', prefix .. 'jobs', 0, 0, 'WITHSCORES')[2]
  local created_us = math.max(now_us, (tonumber(newest) or 0) + 1) -- no two the same, so that a list can go on after one
  redis.call('ZADD', prefix .. 'jobs', whole(created_us), id)
  if key ~= '' then
    redis.call('SET', prefix .. 'key:' .. key, id .. ' ' .. fingerprint, 'EX', KEY_S)
  end
  queue(id, now_ms)
  return {'created', record(id)}
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

-- A job that was lost with all data, from what a worker kept of it. Its runner, if any, has the same epoch.
function commands.restore(id, epoch, created_ms, ...)
  if redis.call('EXISTS', job_key(id)) == 1 then
    return 'known'
  end
  set(id, 'id', id, 'epoch', epoch, 'created_ms', created_ms, ...)
  local created_us = created_ms * 1000
  while redis.call('ZCOUNT', prefix .. 'jobs', whole(created_us), whole(created_us)) > 0 do
    created_us = created_us + 1
  end
  redis.call('ZADD', prefix .. 'jobs', whole(created_us), id)
  queue(id, now_ms) -- a live runner beats before a wake-up is sent
  return 'restored'
end

function commands.cancel(id)
  local state = get(id, 'state')
  -- A reserved version is about to be published, or was: too late.
  if (state == 'queued' or state == 'running') and get(id, 'reserved') == '' and not is_cancelled(id) then
    set(id, 'cancel_requested', 1)
    if state == 'queued' then
      finish(id, 'cancelled')
    else
      emit_state(id)
    end
  end
  return record(id)
end

function commands.claim(id, worker, lease_ms)
  if get(id, 'state') ~= 'queued' or number(id, 'retry_ms') > now_ms then
    return {}
  end
  redis.call('HINCRBY', job_key(id), 'epoch', 1)
  redis.call('HINCRBY', job_key(id), 'attempts', 1)
  redis.call('HSETNX', job_key(id), 'started_ms', whole(now_ms))
  set(id, 'state', 'running', 'worker', worker)
  run(id, lease_ms)
  emit_state(id)
  return record(id)
end

-- ARGV goes on with kind, data of each event; a progress event is `step`, `total_steps`, `losses` and `curve` of the
-- record too.
function commands.beat(id, epoch, lease_ms, step, total_steps, losses, curve, ...)
  if not has(id, epoch) then
    return 'stale'
  end
  local revived = get(id, 'state') == 'queued'
  run(id, lease_ms)
  if step ~= '' then
    if tonumber(step) > number(id, 'best_step') then
      set(id, 'best_step', step, 'attempts', 0, 'pauses', 0)
    end
    set(id, 'step', step, 'total_steps', total_steps, 'losses', losses)
  end
  if curve ~= '' then
    set(id, 'curve', curve)
  end
  if revived then
    set(id, 'state', 'running')
    emit_state(id)
  end
  local events = {...}
  for i = 1, #events, 2 do
    emit(id, events[i], 'data', events[i + 1])
  end
  return is_cancelled(id) and 'cancel' or 'ok'
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

function commands.give_back(id, epoch)
  if get(id, 'epoch') ~= epoch then
    return 'stale'
  end
  if get(id, 'state') == 'running' then
    set(id, 'attempts', 0)
    if is_cancelled(id) then
      finish(id, 'cancelled')
    else
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
    set(id, 'waiting_for', reason, 'retry_ms', whole(until_ms))
    redis.call('ZADD', prefix .. 'paused', whole(until_ms), id)
    queue(id, now_ms)
  end
  return 'ok'
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
