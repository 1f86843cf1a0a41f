#include "sampler.h"

#include <avr/pgmspace.h>

#include "dht11.h"
#include "events.h"
#include "scales.h"
#include "si1145.h"
#include "soil.h"

namespace sampler {
namespace {

const uint8_t FAILED_DHT11 = 1, FAILED_SI1145 = 2, FAILED_SOIL = 4;

uint16_t dht11_failures, si1145_failures, soil_failures;

void report(const char *flash_name, const char *flash_reason, uint16_t *failures)
{
    if (*failures < UINT16_MAX) ++*failures;
    events::Line(PSTR("sensor"))
        .named(PSTR("name"), flash_name)
        .named(PSTR("reason"), flash_reason)
        .count(PSTR("failures"), *failures);
}

const char *dht11_reason(pk::Dht11Result result)
{
    if (result == pk::DHT11_CHECKSUM) return PSTR("checksum");
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
    reading->temperature_tenths = frame.temperature_tenths;
    reading->light = pk::light_level(count);
    reading->humidity = pk::humidity_percent(adc_code);
    return 0;
}

}  // namespace

void begin()
{
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
