#include "sampler.h"

#include <Arduino.h>

#include "clock.h"
#include "dht11.h"
#include "events.h"
#include "scales.h"
#include "stuck.h"
#include "si1145.h"
#include "soil.h"

namespace sampler {
namespace {

const uint8_t FAILED_DHT11 = 1, FAILED_SI1145 = 2, FAILED_SOIL = 4;

const pk::Config *config;
uint16_t dht11_failures, si1145_failures, soil_failures;
pk::StuckWatch dht11_watch, si1145_watch, soil_watch;

// A sensor that has stood still for a day is named; its readings count all the same.
void watch(const char *flash_name, pk::StuckWatch *sensor, uint16_t raw)
{
    if (!sensor->see(raw, clock::ticks())) return;
    events::Line(PSTR("stuck"), events::WARNING).named(PSTR("name"), flash_name).count(PSTR("raw"), raw);
}

void report(const char *flash_name, const char *flash_reason, uint16_t *failures)
{
    if (*failures < UINT16_MAX) ++*failures;
    events::Line(PSTR("sensor"), events::WARNING)
        .named(PSTR("name"), flash_name)
        .named(PSTR("reason"), flash_reason)
        .count(PSTR("failures"), *failures);
}

const char *dht11_reason(pk::Dht11Result result)
{
    if (result == pk::DHT11_CHECKSUM) return PSTR("checksum");
    if (result == pk::DHT11_RANGE) return PSTR("range");
    return result == pk::DHT11_SILENT ? PSTR("silent") : PSTR("timing");
}

// Asks all sensors, and names on the console those that failed; their bits.
uint8_t ask(pk::Reading *reading)
{
    uint8_t failed = 0;
    pk::Dht11Frame frame;
    pk::Dht11Result dht11_result = dht11::read(&frame);
    if (dht11_result != pk::DHT11_OK) dht11_result = dht11::read(&frame);  // a second later: its wire has no protection
    if (dht11_result != pk::DHT11_OK) {
        report(PSTR("dht11"), dht11_reason(dht11_result), &dht11_failures);
        failed |= FAILED_DHT11;
    }
    uint16_t count = 0;
    si1145::Result si1145_result = si1145::read_visible(&count);
    if (si1145_result != si1145::OK) si1145_result = si1145::read_visible(&count);  // on a bus that was recovered
    if (si1145_result != si1145::OK) {
        report(PSTR("si1145"), si1145_result == si1145::SILENT ? PSTR("silent") : PSTR("timeout"), &si1145_failures);
        failed |= FAILED_SI1145;
    }
    uint16_t adc_code = 0;
    if (!soil::read(&adc_code)) {
        report(PSTR("soil"), PSTR("open"), &soil_failures);
        failed |= FAILED_SOIL;
    }
    if (failed) return failed;
    watch(PSTR("dht11"), &dht11_watch, static_cast<uint16_t>(frame.temperature_tenths * 64 + frame.humidity_tenths));
    watch(PSTR("si1145"), &si1145_watch, count);
    watch(PSTR("soil"), &soil_watch, adc_code);
    reading->temperature_tenths = frame.temperature_tenths;
    reading->light = pk::scaled(count, config->light, pk::LIGHT_FULL);
    reading->humidity = static_cast<uint8_t>(pk::scaled(adc_code, config->soil, pk::HUMIDITY_FULL));
    return 0;
}

}  // namespace

void begin(const pk::Config &with)
{
    config = &with;
    dht11::begin();
    si1145::begin();
    soil::begin();
}

bool take(pk::Reading *reading) { return !ask(reading); }

uint8_t test()
{
    pk::Reading reading;
    return ask(&reading);
}

}  // namespace sampler
