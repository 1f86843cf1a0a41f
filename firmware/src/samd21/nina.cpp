#include "nina.h"

#include <Arduino.h>
#include <WiFiNINA.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "credentials.h"
#include "events.h"
#include "state.h"
#include "watchdog.h"

namespace nina {
namespace {

const uint16_t CONNECT_MS = 2000, SEND_MS = 2000, POLL_MS = 5, JOIN_MS = 20000, REQUEST_BYTES = 1024;
const uint8_t ESTABLISHED = 4;      // WiFiClient::status(): the module's own word for it
const uint8_t OLDEST_FIRMWARE = 3;  // of the module: the first that gives up connecting when it is told to
const uint8_t MOST_FAILURES = 8;    // in a row; then the network is left and joined anew

const pk::Config *config;
pk::WifiSettings settings;
WiFiClient client;
clock::Counts join_at;
uint8_t failures;
uint8_t request[REQUEST_BYTES];
uint16_t request_bytes;
bool request_fits;

// The library's waits, one after the other, would look like a hang; each by itself is shorter.
void still_alive() { watchdog::feed(state::current()); }

IPAddress ip(const uint8_t address[4]) { return IPAddress(address[0], address[1], address[2], address[3]); }

void join()
{
    WiFi.setTimeout(0);  // begin() does not wait
    // without, the module leases them by DHCP itself
    if (!config->dhcp) WiFi.config(ip(config->address), ip(config->router), ip(config->router), ip(config->mask));
    if (settings.passphrase[0])
        WiFi.begin(settings.ssid, settings.passphrase);
    else
        WiFi.begin(settings.ssid);
    join_at = clock::now() + clock::from_ms(JOIN_MS);
}

}  // namespace

bool begin(const pk::Config &with)
{
    config = &with;
    settings = credentials::load();
    join_at = clock::now();
    if (!is_present()) return false;
    const char *firmware = WiFi.firmwareVersion();
    if (atoi(firmware) < OLDEST_FIRMWARE) events::Line(PSTR("old_nina"), events::ERROR).field(PSTR("fw")).text(firmware);
    link_is_up();
    return true;
}

bool is_present() { return WiFi.status() != WL_NO_MODULE; }

const char *absence() { return PSTR("no_wifi"); }

bool link_is_up()
{
    if (WiFi.status() == WL_CONNECTED) {
        join_at = clock::now();  // as soon as it is lost
        return true;
    }
    if (settings.ssid[0] && clock::reached(join_at)) join();
    return false;
}

Result connect(const uint8_t address[4], uint16_t port, uint16_t)
{
    if (!link_is_up()) return NO_LINK;
    request_bytes = 0;
    request_fits = true;
    client.setConnectionTimeout(CONNECT_MS);
    if (client.connect(ip(address), port)) {
        failures = 0;
        return OK;
    }
    disconnect();
    if (++failures >= MOST_FAILURES) {  // a module may believe in a network that it lost
        failures = 0;
        WiFi.disconnect();
    }
    return CONNECT_FAILED;
}

void put(const uint8_t *data, uint16_t length)
{
    if (length > REQUEST_BYTES - request_bytes) {
        request_fits = false;
        return;
    }
    memcpy(request + request_bytes, data, length);
    request_bytes = static_cast<uint16_t>(request_bytes + length);
}

Result send()
{
    if (!request_fits) return CLOSED;
    const clock::Counts deadline = clock::now() + clock::from_ms(SEND_MS);
    for (uint16_t sent = 0; sent < request_bytes;) {
        still_alive();
        const size_t part = client.write(request + sent, request_bytes - sent);
        if (!part) return client.status() == ESTABLISHED ? TIMED_OUT : CLOSED;
        sent = static_cast<uint16_t>(sent + part);
        if (sent < request_bytes && clock::reached(deadline)) return TIMED_OUT;
    }
    return OK;
}

uint16_t receive(uint8_t *data, uint16_t size, uint16_t timeout_ms, Result *result)
{
    const clock::Counts deadline = clock::now() + clock::from_ms(timeout_ms);
    for (;;) {
        // Before available(), since bytes come before the close; WiFiClient::connected() would throw those bytes away.
        const uint8_t state = client.status();
        if (client.available() > 0) {
            const int got = client.read(data, size);
            *result = OK;
            if (got > 0) return static_cast<uint16_t>(got);
        } else if (state != ESTABLISHED) {
            *result = CLOSED;
            return 0;
        }
        if (clock::reached(deadline)) {
            *result = TIMED_OUT;
            return 0;
        }
        clock::sleep_ms(POLL_MS);
    }
}

void disconnect()
{
    if (!client) return;
    still_alive();
    client.stop();
    still_alive();
}

}  // namespace nina
