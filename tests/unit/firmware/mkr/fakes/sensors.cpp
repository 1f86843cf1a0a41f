// DHT11 and SI1145, by what they do on their wires; the soil probe.
#include <vector>

#include "machine.h"

namespace sensors {
namespace {

int soil = 800, light = 480;

// DHT11: the sensor's answer, as times at which the wire's level changes.
std::string dht11_mode = "ok";
int temperature = 21, humidity = 40;
uint64_t pulled_at;
bool pulled;
std::vector<uint64_t> edges;  // the first one is a fall

void answer()
{
    uint8_t bytes[5] = {static_cast<uint8_t>(humidity), 0, static_cast<uint8_t>(temperature), 0, 0};
    for (int i = 0; i < 4; i++) bytes[4] = static_cast<uint8_t>(bytes[4] + bytes[i]);
    if (dht11_mode == "checksum") bytes[4]++;
    uint64_t at = machine::now_us() + 30;
    edges.clear();
    const auto level_for = [&](uint64_t us) { edges.push_back(at), at += us; };
    level_for(80), level_for(80);
    for (int bit = 0; bit < 40; bit++) level_for(50), level_for(bytes[bit / 8] >> (7 - bit % 8) & 1 ? 70 : 27);
    level_for(50), level_for(0);
}

// SI1145: an I²C chip at 0x60 with registers.
enum Phase { IDLE, ADDRESS, REGISTER, WRITING, READING };
std::string si1145_mode = "ok";
uint8_t registers[256];
Phase phase;
uint8_t bits, count, pointer;
bool sda_low, scl_low, last_sda = true, last_scl = true;  // what the chip pulls down; levels
int stuck_clocks;

void carry_out(uint8_t code)
{
    const uint8_t RESPONSE = 0x20;
    if (code == 0x00) registers[RESPONSE] = 0;
    if (code == 0x01) registers[0x07] = registers[RESPONSE] = 0;
    if ((code & 0xE0) == 0xA0) registers[RESPONSE]++;
    if (code == 0x06 && registers[0x07] == 0x17) {
        registers[0x22] = static_cast<uint8_t>(light), registers[0x23] = static_cast<uint8_t>(light >> 8);
        registers[RESPONSE]++;
    }
}

void begin_reading_byte()
{
    bits = registers[pointer];
    sda_low = !(bits & 0x80);
}

// After eight bits of the board: whether the chip acknowledges.
bool takes(uint8_t byte)
{
    if (phase == ADDRESS) {
        if (byte >> 1 != 0x60) return false;
        phase = byte & 1 ? READING : REGISTER;
        return true;
    }
    if (phase == REGISTER) {
        pointer = byte;
        phase = WRITING;
        return true;
    }
    registers[pointer] = byte;
    if (pointer == 0x18) carry_out(byte);
    pointer++;
    return true;
}

void clock_rose(bool sda)
{
    if (phase == IDLE) return;
    if (phase == READING && count < 8) {
        count++;
        return;
    }
    if (count < 8) {
        bits = static_cast<uint8_t>(bits << 1 | sda);
        count++;
    } else {
        count++;  // the acknowledging clock
        if (phase == READING && sda) phase = IDLE;  // the board has had enough
    }
}

void clock_fell()
{
    if (phase == IDLE) {
        sda_low = false;
        return;
    }
    if (count == 8) {
        if (phase == READING) {
            sda_low = false;
        } else {
            sda_low = takes(bits);
            if (!sda_low) phase = IDLE;
        }
    } else if (count == 9) {
        count = 0;
        sda_low = false;
        if (phase == READING) begin_reading_byte(), pointer++;
    } else if (phase == READING) {
        sda_low = !(bits >> (7 - count) & 1);
    }
}

}  // namespace

void set_soil(int code) { soil = code; }
void set_light(int value) { light = value; }
int soil_code() { return soil; }

void set_dht11(const std::string &mode, int degrees, int percent)
{
    dht11_mode = mode;
    temperature = degrees, humidity = percent;
}

void set_si1145(const std::string &mode)
{
    si1145_mode = mode;
    registers[0x00] = 0x45;
    phase = IDLE;
    sda_low = mode == "hold_sda";
    scl_low = mode == "hold_scl";
    stuck_clocks = 0;
}

void dht11_sees(bool pulled_down)
{
    if (pulled_down && !pulled) pulled_at = machine::now_us(), edges.clear();
    if (!pulled_down && pulled && machine::now_us() - pulled_at >= 18000 && dht11_mode != "silent") answer();
    pulled = pulled_down;
}

bool dht11_pulls_down()
{
    if (pulled) return true;
    size_t passed = 0;
    while (passed < edges.size() && edges[passed] <= machine::now_us()) passed++;
    return passed % 2 == 1;
}

void i2c_sees(bool sda_pulled_down, bool scl_pulled_down)
{
    const bool scl = !scl_pulled_down && !scl_low;
    bool sda = !sda_pulled_down && !sda_low;
    if (si1145_mode == "hold_sda" && scl && !last_scl && ++stuck_clocks == 5) set_si1145("ok"), sda = !sda_pulled_down;
    if (si1145_mode == "ok") {
        if (scl && last_scl && last_sda && !sda) {  // start
            phase = ADDRESS;
            bits = count = 0;
            last_scl = true, last_sda = sda;
            return;
        }
        if (scl && last_scl && !last_sda && sda) phase = IDLE;  // stop
        if (scl && !last_scl) clock_rose(sda);
        if (!scl && last_scl && !(phase == ADDRESS && count == 0)) clock_fell();
    }
    last_scl = scl;
    last_sda = !sda_pulled_down && !sda_low;
}

bool i2c_pulls_sda_down() { return sda_low; }
bool i2c_pulls_scl_down() { return scl_low; }

}  // namespace sensors
