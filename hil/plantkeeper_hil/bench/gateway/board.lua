-- Boards for wrk: each request is a distinct reading in the exact bytes that a board sends; only 200 counts as accepted.
-- Arguments after `--`: mode (close, keep), wire (field, firmware), host (yes, no), devices, boot.
-- bench/gateway/wire.py describes the same bytes; a test holds the two together.

local thread_of_setup
local format, floor = string.format, math.floor
local n, mode, wire, host, devices, boot = 0, "close", "field", "yes", 1000, 1
accepted, refused = 0, 0

function setup(thread)
  thread_of_setup = thread
end

function init(arguments)
  mode, wire, host = arguments[1], arguments[2], arguments[3]
  devices, boot = tonumber(arguments[4]), tonumber(arguments[5])
end

function request()
  n = n + 1
  local id = (n - 1) % devices + 1
  local body, head
  if wire == "firmware" then
    body = format('{"id":%d,"temperature":%d,"humidity":%d,"light":%d}', id, n % 51, floor(n / 51) % 101, floor(n / 5151) % 2001)
    head = format("User-Agent: PlantKeeper/0.1.0\r\nContent-Type: application/json\r\nIdempotency-Key: \"%d-%d\"\r\nContent-Length: %d\r\n", boot, n, #body)
    if mode == "close" then head = head .. "Connection: close\r\n" end
  else
    body = format('{"id":%d,"temperature":%.8f,"humidity":%d,"light":%.8f}', id, 10 + n % 3000 / 100 + 0.00000084, n % 317, floor(n / 3000) % 2000 + 0.75)
    head = format("Content-Type: application/json\r\nContent-Length: %d\r\n", #body)
    if mode == "close" then head = "Connection: close\r\n" .. head end
    head = "User-Agent: Arduino/2.2.0\r\n" .. head
  end
  if host == "yes" then head = "Host: 192.0.2.10:8080\r\n" .. head end
  return "POST /sensor-data HTTP/1.1\r\n" .. head .. "\r\n" .. body
end

function response(status)
  if status == 200 then accepted = accepted + 1 else refused = refused + 1 end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(format(
    '\nRESULT {"accepted": %d, "refused": %d, "broken": %d, "duration_s": %.6f, "p50_ms": %.6f, "p99_ms": %.6f}\n',
    thread_of_setup:get("accepted"), thread_of_setup:get("refused"),
    errors.connect + errors.read + errors.write + errors.timeout, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
